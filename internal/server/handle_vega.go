package server

import (
	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/front"
	"github.com/prakashpandey/vegadb/internal/wire"
)

func vegaHandlers() map[string]handler {
	return map[string]handler{"vega|consistency": handleVegaConsistency, "vega|info": handleVegaInfo}
}

func handleVegaConsistency(s *Session, _ *command.Spec, args [][]byte) {
	if len(args) == 2 {
		s.w.BulkString(s.consistency())
		return
	}
	chosen, err := front.ParseReadLevel(args)
	if err != nil {
		s.w.Error(err)
		return
	}
	s.reads.level, s.reads.maxAgeMs = chosen.Level, chosen.MaxAgeMs
	s.w.OK()
}

// consistency is what the connection's reads ask for, in words.
func (s *Session) consistency() string {
	level, age := s.reads.level, s.reads.maxAgeMs
	if level == wire.ConsistencyDefault {
		if level, age = s.srv.defaultLevel(); s.reads.fromReplicas {
			level = wire.Local
		}
	}
	return front.ReadLevel{Level: level, MaxAgeMs: age}.String()
}

func handleVegaInfo(s *Session, _ *command.Spec, _ [][]byte) {
	t, _ := s.srv.node.Topology()
	leads, holds := s.srv.share()
	nodeID, clusterID := s.srv.node.Identity()
	var b front.Info
	b.Field("vegadb_version", s.srv.opts.Version)
	b.Field("node_id", nodeID)
	b.Field("cluster_id", clusterID)
	b.Field("clustered", front.BoolInt(s.srv.node.Clustered()))
	b.Field("epoch", t.Epoch)
	b.Field("nodes", len(t.Nodes))
	b.Field("partitions", len(s.srv.partitions))
	b.Field("partitions_led", leads)
	b.Field("partitions_held", holds)
	b.Field("durability", s.srv.node.DurabilityName())
	b.Field("consistency", s.consistency())
	b.Field("reads_from_replicas", front.BoolInt(s.reads.fromReplicas))
	s.w.Verbatim("txt", b.String())
}
