package server

import (
	"context"
	"fmt"
	"math"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/resp"
	"github.com/prakashpandey/vegadb/internal/ring"
	"github.com/prakashpandey/vegadb/internal/store"
)

// clusterHandlers answer as a Redis Cluster of one node that holds every slot:
// cluster clients work, and never meet a redirect.
func clusterHandlers() map[string]handler {
	ok := func(s *Session, _ *command.Spec, _ [][]byte) { s.w.OK() }
	return map[string]handler{
		"asking": ok, "readonly": ok, "readwrite": ok,
		"cluster|keyslot": func(s *Session, _ *command.Spec, args [][]byte) { s.w.Int(int64(ring.Slot(args[2]))) },
		"cluster|myid":    func(s *Session, _ *command.Spec, _ [][]byte) { s.w.BulkString(s.srv.clusterNodeID()) },
		"cluster|info":    handleClusterInfo, "cluster|nodes": handleClusterNodes,
		"cluster|slots": handleClusterSlots, "cluster|shards": handleClusterShards,
		"cluster|countkeysinslot": handleCountKeysInSlot, "cluster|getkeysinslot": handleGetKeysInSlot,
	}
}

// clusterNodeID is the node's identity in Redis Cluster's form: 40 hex digits.
func (s *Server) clusterNodeID() string {
	id, _ := s.node.Identity()
	return fmt.Sprintf("%-40s", id)[:40-8] + "00000000"
}

func handleClusterInfo(s *Session, _ *command.Spec, _ [][]byte) {
	var b infoWriter
	b.field("cluster_state", "ok")
	b.field("cluster_slots_assigned", ring.Slots)
	b.field("cluster_slots_ok", ring.Slots)
	b.field("cluster_slots_pfail", 0)
	b.field("cluster_slots_fail", 0)
	b.field("cluster_known_nodes", 1)
	b.field("cluster_size", 1)
	b.field("cluster_current_epoch", topologyEpoch)
	b.field("cluster_my_epoch", topologyEpoch)
	s.w.Verbatim("txt", b.String())
}

func handleClusterNodes(s *Session, _ *command.Spec, _ [][]byte) {
	s.w.Verbatim("txt", fmt.Sprintf("%s %s@%d myself,master - 0 0 %d connected 0-%d\n",
		s.srv.clusterNodeID(), s.local, s.local.Port(), topologyEpoch, ring.Slots-1))
}

// handleClusterSlots names the address by which this very client came: it is one
// that the client can reach.
func handleClusterSlots(s *Session, _ *command.Spec, _ [][]byte) {
	s.w.Array(1)
	s.w.Array(3)
	s.w.Int(0)
	s.w.Int(ring.Slots - 1)
	s.w.Array(4)
	s.w.BulkString(s.local.Addr().String())
	s.w.Int(int64(s.local.Port()))
	s.w.BulkString(s.srv.clusterNodeID())
	s.w.Array(0)
}

func handleClusterShards(s *Session, _ *command.Spec, _ [][]byte) {
	host := s.local.Addr().String()
	s.w.Array(1)
	s.w.Map(2)
	s.w.BulkString("slots")
	s.w.Array(2)
	s.w.Int(0)
	s.w.Int(ring.Slots - 1)
	s.w.BulkString("nodes")
	s.w.Array(1)
	s.w.Map(7)
	for _, field := range [][2]string{{"id", s.srv.clusterNodeID()}, {"ip", host}, {"endpoint", host}, {"role", "master"}, {"health", "online"}} {
		s.w.BulkString(field[0])
		s.w.BulkString(field[1])
	}
	s.w.BulkString("port")
	s.w.Int(int64(s.local.Port()))
	s.w.BulkString("replication-offset")
	s.w.Int(0)
}

func parseSlot(w *resp.Writer, arg []byte) (slot uint16, ok bool) {
	v, isInt := resp.ParseInt(arg)
	if !isInt || v < 0 || v >= ring.Slots {
		w.Errorf("ERR", "Invalid slot")
		return 0, false
	}
	return uint16(v), true
}

// inSlot visits up to limit keys of one slot, and lists them if asked to. It looks through a whole partition, so it
// runs on a goroutine of its own.
func (s *Session) inSlot(spec *command.Spec, slot uint16, limit int, list bool, reply func(w *resp.Writer, keys *resp.Writer, n int)) {
	now, user, most := s.now, s.user, s.srv.live.Current().OutputLimit
	s.async(spec, func(ctx context.Context, w *resp.Writer) {
		keys := resp.Writer{Proto: w.Proto}
		n := 0
		partitions := s.srv.node.Partitions()
		table := partitions[ring.PartitionOfSlot(slot, len(partitions))].Table
		for cursor := uint64(0); n < limit && ctx.Err() == nil; {
			cursor = table.Scan(cursor, keysStep, func(e *store.Entry) {
				if n < limit && ring.Slot(e.Key) == slot && !command.Expired(e.ExpireAt, now) && user.AllowsKey(e.Key) {
					if list {
						keys.Bulk(e.Key)
					}
					n++
				}
			})
			if int64(len(keys.Buf)) > most {
				writeError(w, errReplyTooLarge)
				return
			}
			if cursor == 0 {
				break
			}
		}
		if ctx.Err() != nil {
			w.Error(errShutdown)
			return
		}
		reply(w, &keys, n)
	}, nil)
}

func handleCountKeysInSlot(s *Session, spec *command.Spec, args [][]byte) {
	if slot, ok := parseSlot(&s.w, args[2]); ok {
		s.inSlot(spec, slot, math.MaxInt, false, func(w, _ *resp.Writer, n int) { w.Int(int64(n)) })
	}
}

func handleGetKeysInSlot(s *Session, spec *command.Spec, args [][]byte) {
	slot, ok := parseSlot(&s.w, args[2])
	if !ok {
		return
	}
	count, isInt := resp.ParseInt(args[3])
	if !isInt || count < 0 {
		s.w.Errorf("ERR", "Invalid number of keys")
		return
	}
	s.inSlot(spec, slot, int(min(count, math.MaxInt)), true, func(w, keys *resp.Writer, n int) {
		w.Array(n)
		w.Buf = append(w.Buf, keys.Buf...)
	})
}
