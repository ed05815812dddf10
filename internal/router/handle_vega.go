package router

import (
	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/front"
	"github.com/prakashpandey/vegadb/internal/wire"
)

func vegaHandlers() map[string]handler {
	return map[string]handler{"vega|consistency": handleVegaConsistency, "vega|info": handleVegaInfo}
}

// reads is what a connection has chosen for its reads.
type reads struct {
	front.ReadLevel
	// seen is, with SessionReads, the log index of each partition up to which the
	// connection has seen it. Guarded by the connection's mu.
	seen map[int]uint64
}

// ask writes the choice into a request. Of SessionReads the index is added when the
// request is sent: see session.
func (r *reads) ask(req *wire.Request) {
	switch {
	case r.Level == wire.SessionReads:
		req.Flags |= wire.FlagReceipt // for the index
	case r.Level == wire.ConsistencyDefault, req.Writes():
	default:
		req.Flags |= wire.FlagConsistency
		req.Consistency, req.ConsistencyArg = r.Level, r.MaxAgeMs
	}
}

// session has a read ask for what the connection has seen of its partition. Before it
// has seen anything it asks for everything: what it did under another level counts too.
func (c *conn) session(t *task) {
	c.mu.Lock()
	index, known := c.reads.seen[t.partition]
	c.mu.Unlock()
	t.req.Flags |= wire.FlagConsistency
	t.req.Consistency, t.req.ConsistencyArg = wire.Linearizable, 0
	if known {
		t.req.Consistency, t.req.ConsistencyArg = wire.SessionReads, index
	}
}

// saw notes the index that a reply under SessionReads carries.
func (c *conn) saw(partition int, reply *wire.Response) {
	if reply.Flags&wire.ReplyIndex == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reads.seen != nil { // the level may have been left
		c.reads.seen[partition] = max(c.reads.seen[partition], reply.Index)
	}
}

func handleVegaConsistency(c *conn, spec *command.Spec, args [][]byte) {
	if len(args) == 2 {
		c.w.BulkString(c.reads.String())
		return
	}
	chosen, err := front.ParseReadLevel(args)
	if err != nil {
		c.w.Error(err)
		return
	}
	c.mu.Lock()
	seen := c.reads.seen
	switch {
	case chosen.Level != wire.SessionReads:
		seen = nil
	case seen == nil:
		seen = make(map[int]uint64)
	}
	c.reads = reads{ReadLevel: chosen, seen: seen}
	c.mu.Unlock()
	c.w.OK()
}

func handleVegaInfo(c *conn, _ *command.Spec, _ [][]byte) {
	var b front.Info
	b.Field("vegadb_version", c.r.opts.Version)
	b.Field("vegadb_role", "router")
	b.Field("router_id", c.r.nodeID)
	b.Field("consistency", c.reads.String())
	infoRouter(c.r, &b)
	c.w.Verbatim("txt", b.String())
}
