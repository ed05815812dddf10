package router

import (
	"fmt"
	"math"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/front"
	"github.com/prakashpandey/vegadb/internal/resp"
	"github.com/prakashpandey/vegadb/internal/ring"
)

// epoch is the version of the topology that a router shows, which never changes:
// one node, itself, holds every slot.
const epoch = 1

// clusterHandlers answer as a Redis Cluster of one node, so that cluster clients work
// through a router and never meet a redirect.
func clusterHandlers() map[string]handler {
	ok := func(c *conn, _ *command.Spec, _ [][]byte) { c.w.OK() }
	return map[string]handler{
		// READONLY allows stale reads; a router gives none without VEGA CONSISTENCY.
		"asking": ok, "readonly": ok, "readwrite": ok,
		"cluster|keyslot": func(c *conn, _ *command.Spec, args [][]byte) { c.w.Int(int64(ring.Slot(args[2]))) },
		"cluster|myid":    func(c *conn, _ *command.Spec, _ [][]byte) { c.w.BulkString(c.r.redisID()) },
		"cluster|info":    handleClusterInfo, "cluster|nodes": handleClusterNodes,
		"cluster|slots": handleClusterSlots, "cluster|shards": handleClusterShards,
		"cluster|countkeysinslot": handleCountKeysInSlot, "cluster|getkeysinslot": handleGetKeysInSlot,
	}
}

// redisID is the router's identity in Redis Cluster's form: 40 hex digits.
func (r *Router) redisID() string { return r.nodeID + "00000000" }

func handleClusterInfo(c *conn, _ *command.Spec, _ [][]byte) {
	var b front.Info
	state := "ok"
	if v := c.r.view.Load(); v == nil || v.Leaderless > 0 {
		state = "fail"
	}
	b.Field("cluster_state", state)
	b.Field("cluster_slots_assigned", ring.Slots)
	b.Field("cluster_slots_ok", ring.Slots)
	b.Field("cluster_slots_pfail", 0)
	b.Field("cluster_slots_fail", 0)
	b.Field("cluster_known_nodes", 1)
	b.Field("cluster_size", 1)
	b.Field("cluster_current_epoch", epoch)
	b.Field("cluster_my_epoch", epoch)
	c.w.Verbatim("txt", b.String())
}

func handleClusterNodes(c *conn, _ *command.Spec, _ [][]byte) {
	c.w.Verbatim("txt", fmt.Sprintf("%s %s@%d myself,master - 0 0 %d connected 0-%d\n",
		c.r.redisID(), c.local, c.local.Port(), epoch, ring.Slots-1))
}

// handleClusterSlots names the address by which this very client came: it is one
// that the client can reach.
func handleClusterSlots(c *conn, _ *command.Spec, _ [][]byte) {
	c.w.Array(1)
	c.w.Array(3)
	c.w.Int(0)
	c.w.Int(ring.Slots - 1)
	c.w.Array(4)
	c.w.BulkString(c.local.Addr().String())
	c.w.Int(int64(c.local.Port()))
	c.w.BulkString(c.r.redisID())
	c.w.Array(0)
}

func handleClusterShards(c *conn, _ *command.Spec, _ [][]byte) {
	host := c.local.Addr().String()
	c.w.Array(1)
	c.w.Map(2)
	c.w.BulkString("slots")
	c.w.Array(2)
	c.w.Int(0)
	c.w.Int(ring.Slots - 1)
	c.w.BulkString("nodes")
	c.w.Array(1)
	c.w.Map(7)
	for _, field := range [][2]string{{"id", c.r.redisID()}, {"ip", host}, {"endpoint", host}, {"role", "master"}, {"health", "online"}} {
		c.w.BulkString(field[0])
		c.w.BulkString(field[1])
	}
	c.w.BulkString("port")
	c.w.Int(int64(c.local.Port()))
	c.w.BulkString("replication-offset")
	c.w.Int(0)
}

func (c *conn) parseSlot(arg []byte) (slot uint16, ok bool) {
	v, isInt := resp.ParseInt(arg)
	if !isInt || v < 0 || v >= ring.Slots {
		c.w.Errorf("ERR", "Invalid slot")
		return 0, false
	}
	return uint16(v), true
}

func handleCountKeysInSlot(c *conn, _ *command.Spec, args [][]byte) {
	slot, ok := c.parseSlot(args[2])
	if !ok {
		return
	}
	n := int64(0)
	if err := c.inSlot(slot, func([]byte) bool { n++; return true }); err != nil {
		writeError(&c.w, err)
		return
	}
	c.w.Int(n)
}

func handleGetKeysInSlot(c *conn, _ *command.Spec, args [][]byte) {
	slot, ok := c.parseSlot(args[2])
	if !ok {
		return
	}
	count, isInt := resp.ParseInt(args[3])
	if !isInt || count < 0 {
		c.w.Errorf("ERR", "Invalid number of keys")
		return
	}
	list := listing{proto: c.w.Proto, most: c.r.front.OutputLimit}
	left := min(count, math.MaxInt)
	err := c.inSlot(slot, func(key []byte) bool {
		if left > 0 {
			left--
			list.add(key)
		}
		return left > 0 && !list.full()
	})
	c.writeList(&list, err)
}

// inSlot visits the keys of one slot that the client's user may see, until visit
// returns false. It looks through a whole partition.
func (c *conn) inSlot(slot uint16, visit func(key []byte) bool) error {
	v := c.r.view.Load()
	if v == nil {
		return errNotConnected
	}
	p := ring.PartitionOfSlot(slot, v.Partitions)
	goOn := true
	for cursor := startOf(p); goOn && partitionOf(cursor) == p; {
		next, err := c.scanPage(cursor, nil, pageKeys, func(key []byte) {
			if goOn && ring.Slot(key) == slot {
				goOn = visit(key)
			}
		})
		if err != nil || next == 0 {
			return err
		}
		cursor = next
	}
	return nil
}
