package server

import (
	"strconv"
	"strings"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/resp"
	"github.com/prakashpandey/vegadb/internal/wire"
)

func vegaHandlers() map[string]handler {
	return map[string]handler{"vega|consistency": handleVegaConsistency, "vega|info": handleVegaInfo}
}

// maxReadAgeMs is the greatest age that a connection may ask for: an hour, as in the
// setting read-max-age.
const maxReadAgeMs = 3_600_000

func handleVegaConsistency(s *Session, _ *command.Spec, args [][]byte) {
	if len(args) == 2 {
		s.w.BulkString(s.consistency())
		return
	}
	level, ok := levelOf(strings.ToLower(string(args[2])))
	if !ok {
		s.w.Errorf("ERR", "unknown level '%.50s': linearizable, lease, session, bounded <ms>, local or default", args[2])
		return
	}
	want := 3
	if level == wire.Bounded {
		want = 4
	}
	if len(args) != want {
		s.w.Error(errSyntax)
		return
	}
	var age uint64
	if level == wire.Bounded {
		ms, ok := resp.ParseInt(args[3])
		if !ok || ms < 0 || ms > maxReadAgeMs {
			s.w.Errorf("ERR", "the age is not a number of milliseconds up to %d", maxReadAgeMs)
			return
		}
		age = uint64(ms)
	}
	s.reads.level, s.reads.maxAgeMs = level, age
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
	if level == wire.Bounded {
		return levels[level] + " " + strconv.FormatUint(age, 10)
	}
	return levels[level]
}

func handleVegaInfo(s *Session, _ *command.Spec, _ [][]byte) {
	t, _ := s.srv.node.Topology()
	leads, holds := s.srv.share()
	nodeID, clusterID := s.srv.node.Identity()
	var b infoWriter
	b.field("vegadb_version", s.srv.opts.Version)
	b.field("node_id", nodeID)
	b.field("cluster_id", clusterID)
	b.field("clustered", boolInt(s.srv.node.Clustered()))
	b.field("epoch", t.Epoch)
	b.field("nodes", len(t.Nodes))
	b.field("partitions", len(s.srv.partitions))
	b.field("partitions_led", leads)
	b.field("partitions_held", holds)
	b.field("durability", s.srv.node.DurabilityName())
	b.field("consistency", s.consistency())
	b.field("reads_from_replicas", boolInt(s.reads.fromReplicas))
	s.w.Verbatim("txt", b.String())
}
