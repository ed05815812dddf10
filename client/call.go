package client

import (
	"github.com/prakashpandey/vegadb/internal/attempt"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// call is one request on its way. Calls are pooled: a caller takes one, fills
// it, hands it to a connection and sleeps on done; whoever settles the call
// (reader, sweeper, a dying connection) fills the outcome and sends to done
// exactly once. From then on the call is the caller's again.
type call struct {
	done chan struct{} // capacity 1
	lane uint32        // fixed: spreads calls over a node's connections

	// The request. Written by the caller before submit.
	req       wire.Request
	key       string
	value     []byte // PUT: the value; batches and PING: the encoded body
	expiry    uint64
	ifVersion uint64
	delta     int64
	cursor    uint64
	limit     uint32
	tag       []byte // COMMAND: the key that says where it belongs
	raw       bool   // value is the whole body, whatever the operation: see Forward
	partition int    // where it belongs; AnyPartition, or unplaced
	target    *node  // the only node that it may go to; nil: as the routes say
	fixed     bool   // one attempt over the connection there is
	pin       *conn  // the only connection it may take
	receipt   *Receipt
	previous  *Previous
	dst       []byte // where the reply's body goes; nil: a fresh slice of its size

	// The outcome. Written by whoever settles the call.
	try     attempt.State
	node    string // address of the last one asked
	via     *conn  // the last connection taken
	version uint64
	reply   wire.Response // without Body; only when extra
	extra   bool          // the reply has more than a version
	text    string        // the server's words when status blames something
	leader  string        // whom a node that does not lead has named
	cause   error

	// Across attempts.
	hint    *node    // where to go next while there are no routes
	turn    uint32   // counts choices among replicas
	session *session // of a write; nil: it has none, or its outcome is known
	plain   bool     // it is to have none
	copies  []copyOf // attempts with a session that are under way without a caller

	// Where the call is. Guarded by the connection's mu.
	state      callState
	slot       uint32
	position   uint64 // where its frame ends in the connection's stream of bytes
	expires    uint32 // tick at which it times out, see sweeper
	mayExpire  bool
	frame      []byte // a large request, encoded beforehand
	prev, next *call  // neighbours among the waiting

	body    []byte                   // GETBATCH's body is built here; its memory stays with the call
	scratch [wire.EntryMetaSize]byte // for short bodies
}

type callState uint8

const (
	callIdle    callState = iota
	callWaiting           // for the window
	callSent              // in a slot: its frame is in the buffer or beyond
	callSettled           // somebody took it to settle it
)

// largeFrame is the size from which a request is encoded outside the
// connection's lock and written by itself, so that copying it stalls nobody.
const largeFrame = 16 << 10

// reset drops every reference, so that a pooled call keeps nothing alive.
func (cl *call) reset() {
	cl.req.Flags = 0
	cl.req.OpFlags = 0
	cl.key, cl.tag, cl.value, cl.dst, cl.frame = "", nil, nil, nil, nil
	cl.receipt, cl.previous, cl.cause, cl.text = nil, nil, nil, ""
	cl.state = callIdle
	cl.extra, cl.raw = false, false
	cl.try = attempt.State{}
	cl.node, cl.via, cl.leader = "", nil, ""
	cl.target, cl.pin, cl.fixed = nil, nil, false
	cl.hint, cl.session, cl.plain, cl.copies = nil, nil, false, nil
}

// relaxed reports whether the call is a read that need not come from the leader.
func (cl *call) relaxed() bool {
	return cl.req.Flags&wire.FlagConsistency != 0 && cl.req.Consistency >= wire.SessionReads && !cl.try.AtLeader
}

// request is what the rules of attempts have to know of the call.
func (cl *call) request() attempt.Request {
	return attempt.Request{
		Writes: cl.req.Writes(), Numbered: cl.req.Flags&wire.FlagSession != 0, Own: cl.session != nil,
		Stays: cl.stays(), Pinned: cl.pin != nil,
	}
}

// stays reports whether the call has no other place to go to.
func (cl *call) stays() bool {
	return cl.pin != nil || cl.partition < 0 && (cl.req.Op == wire.OpWriteBatch || cl.req.Op == wire.OpGetBatch)
}

// bodySize is about what the request's body takes.
func (cl *call) bodySize() int { return len(cl.key) + len(cl.value) + 3*8 }

// appendFrame appends the encoded request.
func (cl *call) appendFrame(dst []byte) []byte {
	start := len(dst)
	dst = cl.appendBody(cl.req.AppendHeader(dst))
	wire.FinishFrame(dst, start)
	return dst
}

// appendBody appends the operation's body.
func (cl *call) appendBody(dst []byte) []byte {
	if cl.raw {
		return append(dst, cl.value...)
	}
	switch cl.req.Op {
	case wire.OpGet, wire.OpPersist:
		return append(dst, cl.key...)
	case wire.OpPut:
		return wire.AppendPut(dst, cl.req.OpFlags, cl.key, cl.value, cl.expiry, cl.ifVersion)
	case wire.OpDelete:
		return wire.AppendDelete(dst, cl.req.OpFlags, cl.key, cl.ifVersion)
	case wire.OpIncrement:
		return wire.AppendIncrement(dst, cl.req.OpFlags, cl.key, cl.delta, cl.expiry)
	case wire.OpExpire:
		return wire.AppendExpire(dst, cl.key, cl.expiry)
	case wire.OpScan:
		return wire.AppendScan(dst, cl.cursor, cl.limit, cl.key)
	}
	return append(dst, cl.value...)
}

// setFrameID writes the request id into an encoded frame.
func setFrameID(frame []byte, id uint32) {
	frame[8], frame[9], frame[10], frame[11] = byte(id), byte(id>>8), byte(id>>16), byte(id>>24)
}

// apply writes options into the request. allowed are those that the operation
// has a use for.
func (cl *call) apply(opts []Option, allowed optionKind) error {
	for i := range opts {
		o := &opts[i]
		if o.kind&allowed == 0 {
			return cl.refuse("option " + o.kind.String() + " does not apply here")
		}
		switch o.kind {
		case optTTL, optExpireAt:
			if o.n == 0 {
				return cl.refuse("WithTTL needs a positive duration")
			}
			flag := wire.WriteTTL
			if o.kind == optExpireAt {
				flag = wire.WriteExpireAt
			}
			cl.req.OpFlags |= flag
			cl.expiry = o.n
		case optKeepTTL:
			cl.req.OpFlags |= wire.WriteKeepTTL
		case optIfAbsent:
			cl.req.OpFlags |= wire.WriteIfAbsent
		case optIfPresent:
			cl.req.OpFlags |= wire.WriteIfPresent
		case optIfVersion:
			cl.req.OpFlags |= wire.WriteIfVersion
			cl.ifVersion = o.n
		case optIfNoExpiry:
			cl.req.OpFlags |= wire.ExpireIfNone
		case optIfExpiry:
			cl.req.OpFlags |= wire.ExpireIfSome
		case optIfLater:
			cl.req.OpFlags |= wire.ExpireIfLater
		case optIfEarlier:
			cl.req.OpFlags |= wire.ExpireIfEarlier
		case optKeysOnly:
			cl.req.OpFlags |= wire.ScanKeysOnly
		case optWait:
			cl.req.OpFlags |= wire.SnapshotWait
		case optNode: // see applyAt
		case optPrefix:
			cl.key = o.text
		case optPageSize:
			cl.limit = uint32(min(o.n, 1<<31))
		default:
			cl.applyHeader(o)
		}
	}
	return nil
}

// applyHeader handles the options that live in the request's header or want
// something back.
func (cl *call) applyHeader(o *Option) {
	switch o.kind {
	case optConsistency:
		cl.req.Flags |= wire.FlagConsistency
		cl.req.Consistency = wire.Consistency(o.n)
	case optMaxStaleness:
		cl.req.Flags |= wire.FlagConsistency
		cl.req.Consistency = wire.Bounded
		cl.req.ConsistencyArg = o.n
	case optDurability:
		cl.setDurability()
		cl.req.Durability = wire.Durability(o.n)
	case optAcks:
		cl.setDurability()
		cl.req.Acks = wire.Acks(o.n)
	case optReceipt:
		cl.req.Flags |= wire.FlagReceipt | wire.FlagTiming
		cl.receipt = o.receipt
	case optPrevious:
		cl.req.OpFlags |= wire.WriteReturnOld
		cl.previous = o.before
	}
}

// fillPrevious hands out what WithPrevious asked for. The server says it with
// every answer about the entry, conditions that do not hold included.
func (cl *call) fillPrevious() error {
	if cl.previous == nil || cl.try.Outcome != attempt.Replied || cl.try.Status >= wire.InvalidArgument {
		return nil
	}
	found, value, err := wire.DecodeOld(cl.dst)
	*cl.previous = Previous{Found: found, Value: value}
	return err
}

// setDurability raises the flag; the first time it clears what an earlier use of
// the pooled call has left.
func (cl *call) setDurability() {
	if cl.req.Flags&wire.FlagDurability == 0 {
		cl.req.Flags |= wire.FlagDurability
		cl.req.Acks, cl.req.Durability = wire.AcksDefault, wire.DurabilityDefault
	}
}

func (cl *call) refuse(message string) error {
	return &Error{Op: cl.req.Op.Name(), Key: cl.errorKey(), Status: Status(wire.InvalidArgument), Message: message}
}

// errorKey is the key to show in an error: of a SCAN there is none.
func (cl *call) errorKey() string {
	if cl.req.Op == wire.OpScan {
		return ""
	}
	return cl.key
}
