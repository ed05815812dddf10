package router

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

// levels are the words for what a connection's reads can rely on.
var levels = [...]string{
	wire.ConsistencyDefault: "default", wire.Linearizable: "linearizable", wire.Lease: "lease",
	wire.SessionReads: "session", wire.Bounded: "bounded", wire.Local: "local",
}

// maxReadAgeMs is the greatest age that a connection may ask for: that of a node.
const maxReadAgeMs = 3_600_000

// reads is what a connection has chosen for its reads.
type reads struct {
	level    wire.Consistency
	maxAgeMs uint64 // of Bounded
	// seen is, with SessionReads, the log index of each partition up to which the
	// connection has seen it. Guarded by the connection's mu.
	seen map[int]uint64
}

// String is the choice in the words of VEGA CONSISTENCY.
func (r *reads) String() string {
	if r.level == wire.Bounded {
		return levels[r.level] + " " + strconv.FormatUint(r.maxAgeMs, 10)
	}
	return levels[r.level]
}

// ask writes the choice into a request. Of SessionReads the index is added when the
// request is sent: see session.
func (r *reads) ask(req *wire.Request) {
	switch {
	case r.level == wire.SessionReads:
		req.Flags |= wire.FlagReceipt // for the index
	case r.level == wire.ConsistencyDefault, req.Writes():
	default:
		req.Flags |= wire.FlagConsistency
		req.Consistency, req.ConsistencyArg = r.level, r.maxAgeMs
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
	level, known := wire.ConsistencyDefault, false
	for i, word := range levels {
		if strings.EqualFold(word, string(args[2])) {
			level, known = wire.Consistency(i), true
		}
	}
	if !known {
		c.w.Errorf("ERR", "unknown level '%.50s': linearizable, lease, session, bounded <ms>, local or default", args[2])
		return
	}
	want, age := 3, int64(0)
	if level == wire.Bounded {
		want = 4
	}
	if len(args) != want {
		c.w.Error(errSyntax)
		return
	}
	if level == wire.Bounded {
		var ok bool
		if age, ok = resp.ParseInt(args[3]); !ok || age < 0 || age > maxReadAgeMs {
			c.w.Errorf("ERR", "the age is not a number of milliseconds up to %d", maxReadAgeMs)
			return
		}
	}
	c.mu.Lock()
	seen := c.reads.seen
	switch {
	case level != wire.SessionReads:
		seen = nil
	case seen == nil:
		seen = make(map[int]uint64)
	}
	c.reads = reads{level: level, maxAgeMs: uint64(age), seen: seen}
	c.mu.Unlock()
	c.w.OK()
}

func handleVegaInfo(c *conn, _ *command.Spec, _ [][]byte) {
	var b infoWriter
	b.field("vegadb_version", c.r.opts.Version)
	b.field("vegadb_role", "router")
	b.field("router_id", c.r.nodeID)
	b.field("consistency", c.reads.String())
	infoRouter(c.r, &b)
	c.w.Verbatim("txt", b.String())
}
