package client

import (
	"errors"
	"fmt"
	"io"

	"github.com/prakashpandey/vegadb/internal/attempt"
	"github.com/prakashpandey/vegadb/internal/wire"
)

const (
	readBuffer = 64 << 10
	// maxSettled is how many replies are settled under one lock.
	maxSettled = 64
)

// errStray is what a server that answers what was not asked ends with.
var errStray = errors.New("the server answered a request that was never sent, or twice")

// reader is the state of the reader goroutine.
type reader struct {
	cn      *conn
	buf     []byte
	start   int // of what is not yet consumed in buf
	end     int
	frames  [maxSettled][]byte
	calls   [maxSettled]*call
	scratch wire.Response
	pushed  []byte  // the last topology among the frames
	debts   []*debt // of callers who have left
}

// read is the reader goroutine: it reads in bulk and settles calls until the
// connection dies.
func (cn *conn) read() {
	r := &reader{cn: cn, buf: make([]byte, readBuffer)}
	r.end = copy(r.buf, cn.rest)
	cn.rest = nil
	for {
		if err := r.consume(); err != nil {
			cn.fail(err)
			return
		}
		r.makeRoom()
		n, err := cn.nc.Read(r.buf[r.end:])
		r.end += n
		if n > 0 {
			cn.reads.Add(1)
			continue
		}
		if err == nil {
			err = io.ErrNoProgress
		}
		if errors.Is(err, io.EOF) {
			err = fmt.Errorf("the server closed the connection: %w", io.ErrUnexpectedEOF)
		}
		cn.fail(err)
		return
	}
}

// makeRoom moves the partial frame to the front of the buffer and doubles a
// full one: memory follows the bytes received, never the announced length alone.
func (r *reader) makeRoom() {
	switch {
	case r.start == r.end:
		r.start, r.end = 0, 0
		if len(r.buf) > maxKeptBuffer {
			r.buf = make([]byte, readBuffer)
		}
	case r.end == len(r.buf) && r.start > 0:
		r.end = copy(r.buf, r.buf[r.start:r.end])
		r.start = 0
	}
	if r.end == len(r.buf) {
		grown := make([]byte, 2*len(r.buf))
		copy(grown, r.buf)
		r.buf = grown
	}
}

// consume settles every complete frame in the buffer.
func (r *reader) consume() error {
	for {
		count := 0
		for count < maxSettled {
			frame, n, err := wire.ParseFrame(r.buf[r.start:r.end], r.cn.limits.MaxFrame)
			if err != nil {
				return fmt.Errorf("reply cannot be understood: %w", err)
			}
			if n == 0 {
				break
			}
			r.frames[count] = frame
			r.start += n
			count++
		}
		if count == 0 {
			return nil
		}
		if err := r.settle(count); err != nil {
			return err
		}
	}
}

// settle matches the first count frames with their calls under one lock, then
// fills and wakes each of them without it.
func (r *reader) settle(count int) error {
	cn := r.cn
	var failed error
	cn.mu.Lock()
	for i, frame := range r.frames[:count] {
		var err error
		if r.calls[i], err = r.claim(frame); err != nil {
			failed, count = err, i
			break
		}
	}
	wake := cn.admitWaiting()
	cn.mu.Unlock()
	if wake {
		cn.wake <- struct{}{}
	}
	if r.pushed != nil || r.debts != nil {
		r.settleRare()
	}
	for i := range count {
		cl := r.calls[i]
		if cl == nil {
			continue
		}
		if err := cl.fill(r.frames[i], &r.scratch); err != nil && failed == nil {
			failed = err
		}
		cl.done <- struct{}{}
	}
	// Views would keep a large buffer alive that was given up.
	clear(r.frames[:count])
	clear(r.calls[:count])
	r.scratch.Body, r.scratch.Leader = nil, nil
	return failed
}

// settleRare deals with what seldom comes: pushed topologies and replies to writes
// whose callers have left. Needs no lock.
func (r *reader) settleRare() {
	for _, d := range r.debts {
		d.pay()
	}
	r.debts = nil
	if r.pushed == nil {
		return
	}
	r.cn.link.node.client.learn(r.pushed[wire.HeaderSize:], r.cn)
	r.pushed = nil
}

// claim takes the call that frame answers out of its slot. It returns nil if the
// caller has left, or if the frame is of a kind for later protocols. Needs mu.
func (r *reader) claim(frame []byte) (*call, error) {
	cn := r.cn
	kind, id := wire.PeekReply(frame)
	if kind != wire.KindReply {
		if kind == wire.KindTopology && cn.pushes {
			r.pushed = frame
		}
		return nil, nil
	}
	at := id & 0xFFFF
	if int(at) >= len(cn.slots) || !cn.slots[at].taken || cn.slots[at].turn != uint16(id>>16) {
		return nil, cn.stray(frame)
	}
	cl := cn.slots[at].call
	if d := cn.slots[at].left; d != nil {
		r.debts = append(r.debts, d)
	}
	cn.freeSlot(at)
	if cl == nil {
		return nil, nil
	}
	cl.state = callSettled
	if s := cl.session; s != nil && s.conn == cn && cl.req.Op != wire.OpWriteBatch && attempt.Decides(wire.PeekStatus(frame)) {
		s.Settle(cl.req.Sequence)
		cl.session = nil
	}
	return cl, nil
}

// stray explains a reply without a request: id 0 with a reason is how a server
// says why it is about to close the connection.
func (cn *conn) stray(frame []byte) error {
	var r wire.Response
	if err := r.Decode(frame); err != nil {
		return fmt.Errorf("reply cannot be understood: %w", err)
	}
	if r.ID == 0 && r.Status != wire.OK {
		return &Error{Op: "CONNECTION", Node: cn.link.node.address, Status: Status(r.Status), Message: string(r.Body)}
	}
	return errStray
}

// fill stores the reply in its call. An error means that the reply is
// malformed; the call is settled as lost then.
func (cl *call) fill(frame []byte, r *wire.Response) error {
	if err := r.Decode(frame); err != nil {
		cl.try.Outcome, cl.cause = attempt.LostSent, fmt.Errorf("reply cannot be understood: %w", err)
		return cl.cause
	}
	cl.try.Outcome = attempt.Replied
	cl.try.Status = r.Status
	cl.version = r.Version
	if r.Flags&^wire.ReplyVersion != 0 {
		cl.reply = *r
		cl.reply.Body, cl.reply.Leader = nil, nil
		if r.Flags&wire.ReplyLeader != 0 {
			cl.leader = string(r.Leader)
		}
		cl.extra = true
	}
	switch {
	case r.Status >= wire.InvalidArgument:
		cl.text = string(r.Body)
	case cl.dst == nil:
		cl.dst = make([]byte, len(r.Body))
		copy(cl.dst, r.Body)
	default:
		cl.dst = append(cl.dst[:0], r.Body...)
	}
	return nil
}
