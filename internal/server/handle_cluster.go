package server

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/front"
	"github.com/prakashpandey/vegadb/internal/resp"
	"github.com/prakashpandey/vegadb/internal/ring"
	"github.com/prakashpandey/vegadb/internal/store"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// clusterHandlers answer as a Redis Cluster does. A lone node is one of one node that
// holds every slot: cluster clients work, and never meet a redirect.
func clusterHandlers() map[string]handler {
	return map[string]handler{
		"asking":          func(s *Session, _ *command.Spec, _ [][]byte) { s.w.OK() },
		"readonly":        func(s *Session, _ *command.Spec, _ [][]byte) { s.reads.fromReplicas = true; s.w.OK() },
		"readwrite":       func(s *Session, _ *command.Spec, _ [][]byte) { s.reads.fromReplicas = false; s.w.OK() },
		"cluster|keyslot": func(s *Session, _ *command.Spec, args [][]byte) { s.w.Int(int64(ring.Slot(args[2]))) },
		"cluster|myid":    func(s *Session, _ *command.Spec, _ [][]byte) { s.w.BulkString(s.srv.myRedisID()) },
		// A node is the master of one shard at most: its own, which is named after it.
		"cluster|myshardid": func(s *Session, _ *command.Spec, _ [][]byte) { s.w.BulkString(s.srv.myRedisID()) },
		"cluster|info":      handleClusterInfo, "cluster|nodes": handleClusterNodes,
		"cluster|slots": handleClusterSlots, "cluster|shards": handleClusterShards,
		"cluster|links": handleClusterLinks, "cluster|replicas": handleClusterReplicas, "cluster|slaves": handleClusterReplicas,
		"cluster|countkeysinslot": handleCountKeysInSlot, "cluster|getkeysinslot": handleGetKeysInSlot,
	}
}

// redisID is a node's identity in Redis Cluster's form: 40 hex digits.
func redisID(id string) string { return id + "00000000" }

func (s *Server) myRedisID() string {
	id, _ := s.node.Identity()
	return redisID(id)
}

// portOf is the port of an address, 0 if there is none.
func portOf(addr string) int64 {
	_, text := splitAddr(addr)
	port, _ := strconv.ParseUint(text, 10, 16)
	return int64(port)
}

func handleClusterInfo(s *Session, _ *command.Spec, _ [][]byte) {
	t, _ := s.topology()
	leaderless, failed := 0, 0 // slots
	for p := range t.Partitions {
		first, last := ring.SlotRange(p, len(t.Partitions))
		slots := int(last) - int(first) + 1
		switch leader := t.Partitions[p].Leader; {
		case leader == wire.NoLeader:
			leaderless += slots
		case t.Nodes[leader].State == wire.StateDown:
			failed += slots
		}
	}
	ranges := slotRanges(t)
	masters := 0
	for n := range t.Nodes {
		if len(ledBy(ranges, uint16(n))) > 0 {
			masters++
		}
	}
	state := "ok"
	if leaderless+failed > 0 {
		state = "fail"
	}
	var b front.Info
	b.Field("cluster_state", state)
	b.Field("cluster_slots_assigned", ring.Slots)
	b.Field("cluster_slots_ok", ring.Slots-leaderless-failed)
	b.Field("cluster_slots_pfail", leaderless)
	b.Field("cluster_slots_fail", failed)
	b.Field("cluster_known_nodes", len(t.Nodes))
	b.Field("cluster_size", masters)
	b.Field("cluster_current_epoch", t.Epoch)
	b.Field("cluster_my_epoch", t.Epoch)
	s.w.Verbatim("txt", b.String())
}

// nodeLine is a node's line in CLUSTER NODES.
func (s *Session) nodeLine(t *wire.Topology, ranges []slotRange, n uint16) string {
	node := &t.Nodes[n]
	var flags []string
	if id, _ := s.srv.node.Identity(); id == node.ID {
		flags = append(flags, "myself")
	}
	master, link := "-", "connected"
	if of := masterOf(ranges, n); of == n {
		flags = append(flags, "master")
	} else {
		flags = append(flags, "slave")
		master = redisID(t.Nodes[of].ID)
	}
	if node.State == wire.StateDown {
		flags = append(flags, "fail")
		link = "disconnected"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s@%d %s %s 0 0 %d %s", redisID(node.ID), redisAddr(node.Address), portOf(node.Address), strings.Join(flags, ","), master, t.Epoch, link)
	for _, r := range ledBy(ranges, n) {
		if r.first == r.last {
			fmt.Fprintf(&b, " %d", r.first)
		} else {
			fmt.Fprintf(&b, " %d-%d", r.first, r.last)
		}
	}
	return b.String()
}

func handleClusterNodes(s *Session, _ *command.Spec, _ [][]byte) {
	t, _ := s.topology()
	ranges := slotRanges(t)
	var b strings.Builder
	for n := range t.Nodes {
		b.WriteString(s.nodeLine(t, ranges, uint16(n)))
		b.WriteByte('\n')
	}
	s.w.Verbatim("txt", b.String())
}

// handleClusterReplicas lists the nodes with replicas of what one node leads.
func handleClusterReplicas(s *Session, _ *command.Spec, args [][]byte) {
	t, _ := s.topology()
	at := slices.IndexFunc(t.Nodes, func(n wire.TopologyNode) bool { return redisID(n.ID) == string(args[2]) })
	if at < 0 {
		s.w.Errorf("ERR", "Unknown node %.100s", args[2])
		return
	}
	ranges := slotRanges(t)
	if masterOf(ranges, uint16(at)) != uint16(at) {
		s.w.Errorf("ERR", "The specified node is not a master")
		return
	}
	replicas := map[uint16]bool{}
	for _, r := range ranges {
		if r.nodes[0] == uint16(at) {
			for _, n := range r.nodes[1:] {
				replicas[n] = true
			}
		}
	}
	s.w.Array(len(replicas))
	for n := range t.Nodes {
		if replicas[uint16(n)] {
			s.w.BulkString(s.nodeLine(t, ranges, uint16(n)))
		}
	}
}

func handleClusterSlots(s *Session, _ *command.Spec, _ [][]byte) {
	t, _ := s.topology()
	ranges := slotRanges(t)
	s.w.Array(len(ranges))
	for _, r := range ranges {
		s.w.Array(2 + len(r.nodes))
		s.w.Int(int64(r.first))
		s.w.Int(int64(r.last))
		for _, n := range r.nodes {
			host, _ := splitAddr(t.Nodes[n].Address)
			s.w.Array(4)
			s.w.BulkString(host)
			s.w.Int(portOf(t.Nodes[n].Address))
			s.w.BulkString(redisID(t.Nodes[n].ID))
			s.w.Array(0)
		}
	}
}

func handleClusterShards(s *Session, _ *command.Spec, _ [][]byte) {
	t, _ := s.topology()
	shards := shardsOf(t)
	s.w.Array(len(shards))
	for _, shard := range shards {
		s.w.Map(2)
		s.w.BulkString("slots")
		s.w.Array(2 * len(shard.ranges))
		for _, r := range shard.ranges {
			s.w.Int(int64(r.first))
			s.w.Int(int64(r.last))
		}
		s.w.BulkString("nodes")
		s.w.Array(len(shard.nodes))
		for i, n := range shard.nodes {
			s.writeShardNode(&t.Nodes[n], i == 0)
		}
	}
}

func (s *Session) writeShardNode(n *wire.TopologyNode, master bool) {
	host, _ := splitAddr(n.Address)
	role, health, port := "replica", "online", "port"
	if master {
		role = "master"
	}
	switch n.State {
	case wire.StateDown:
		health = "failed"
	case wire.StateJoining:
		health = "loading"
	}
	if s.srv.opts.TLS != nil {
		port = "tls-port"
	}
	s.w.Map(7)
	s.w.BulkString("id")
	s.w.BulkString(redisID(n.ID))
	s.w.BulkString(port)
	s.w.Int(portOf(n.Address))
	for _, field := range [...][2]string{{"ip", host}, {"endpoint", host}, {"role", role}} {
		s.w.BulkString(field[0])
		s.w.BulkString(field[1])
	}
	s.w.BulkString("replication-offset")
	s.w.Int(0)
	s.w.BulkString("health")
	s.w.BulkString(health)
}

// handleClusterLinks names the peers that this node hears of. Of Redis's figures about
// each link there are none.
func handleClusterLinks(s *Session, _ *command.Spec, _ [][]byte) {
	t, _ := s.topology()
	me, _ := s.srv.node.Identity()
	peers := slices.DeleteFunc(slices.Clone(t.Nodes), func(n wire.TopologyNode) bool { return n.ID == me || n.State == wire.StateDown })
	slices.SortFunc(peers, func(a, b wire.TopologyNode) int { return cmp.Compare(a.ID, b.ID) })
	s.w.Array(len(peers))
	for _, n := range peers {
		s.w.Map(3)
		for _, field := range [...][2]string{{"direction", "to"}, {"node", redisID(n.ID)}, {"events", "rw"}} {
			s.w.BulkString(field[0])
			s.w.BulkString(field[1])
		}
	}
}

func parseSlot(w *resp.Writer, arg []byte) (slot uint16, ok bool) {
	v, isInt := resp.ParseInt(arg)
	if !isInt || v < 0 || v >= ring.Slots {
		w.Errorf("ERR", "Invalid slot")
		return 0, false
	}
	return uint16(v), true
}

// inSlot visits up to limit keys of one slot, as far as this node has it, and lists
// them if asked to. It looks through a whole partition, so it runs on a goroutine of
// its own.
func (s *Session) inSlot(spec *command.Spec, slot uint16, limit int, list bool, reply func(w *resp.Writer, keys *resp.Writer, n int)) {
	now, user, most := s.now, s.user, s.srv.live.Current().OutputLimit
	s.async(spec, func(ctx context.Context, w *resp.Writer) {
		keys := resp.Writer{Proto: w.Proto}
		n := 0
		p := s.srv.partitions[ring.PartitionOfSlot(slot, len(s.srv.partitions))]
		for cursor := uint64(0); n < limit && ctx.Err() == nil && s.srv.node.Holds(p); {
			cursor = p.Table.Scan(cursor, keysStep, func(e *store.Entry) {
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
