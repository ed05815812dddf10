package router

import (
	"errors"
	"time"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/front"
	"github.com/prakashpandey/vegadb/internal/resp"
	"github.com/prakashpandey/vegadb/internal/ring"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// takeRESP executes the commands at the front of the input.
func (c *conn) takeRESP() {
	progress := false
	for c.off < len(c.in) && !c.over() {
		args, n, err := c.parser.Next(c.in[c.off:], c.args[:0])
		if err != nil {
			c.protocolError(err)
			return
		}
		if n == 0 {
			break
		}
		c.off += n
		progress = true
		c.args = args
		if len(args) > 0 {
			c.execute(args)
		}
	}
	if cap(c.args) > 64 {
		c.args = nil
	}
	c.leftOver(progress)
}

func (c *conn) protocolError(err error) {
	if errors.Is(err, resp.ErrHTTP) {
		c.fail(front.ClosedHTTP, err)
		return
	}
	writeError(&c.w, err)
	c.respond()
	c.fail(front.ClosedProtocolError, err)
}

// respond sends, in its turn, the reply that was written to c.w.
func (c *conn) respond() {
	if len(c.w.Buf) == 0 {
		return
	}
	if c.user == nil {
		if c.told += len(c.w.Buf); c.told > preAuthOutput {
			c.w.Buf = c.w.Buf[:0]
			c.fail(front.ClosedOutputLimit, errors.New("too much asked before authentication"))
			return
		}
	}
	c.mu.Lock()
	if !c.broken {
		c.hold(len(c.w.Buf))
		buf := c.w.Buf
		if len(buf) > joinedReply || !c.replies.empty() {
			buf = append([]byte(nil), buf...)
		}
		if c.replies.empty() {
			c.send(buf)
		} else {
			s := c.replies.push()
			s.buf, s.done = buf, true
		}
	}
	for c.crowded() && !c.broken { // a few bytes can ask for any amount of output
		c.work.Signal()
		c.room.Wait()
	}
	c.mu.Unlock()
	if c.w.Buf = c.w.Buf[:0]; cap(c.w.Buf) > keepBuffer {
		c.w.Buf = nil
	}
}

// execute serves one command, or sends it on.
func (c *conn) execute(args [][]byte) {
	spec, err := command.Resolve(args)
	if err == nil {
		err = c.refuse(spec, args)
	}
	if err != nil {
		if spec != nil {
			c.r.stats.commands[spec.ID].Fail(1)
		}
		writeError(&c.w, err)
		c.respond()
		return
	}
	if spec.Kind != command.KindServer {
		c.forward(spec, args)
		return
	}
	began := time.Now()
	c.r.handlers[spec.ID](c, spec, args)
	failed := len(c.w.Buf) > 0 && c.w.Buf[0] == '-'
	c.respond()
	c.r.stats.commands[spec.ID].Observe(time.Since(began), failed)
}

// refuse says why this client may not run this command; nil if it may.
func (c *conn) refuse(spec *command.Spec, args [][]byte) error {
	if user := c.currentUser(); user == nil {
		if spec.Flags&command.FlagNoAuth == 0 {
			return front.ErrNoAuth
		}
	} else if err := front.Permit(user, spec, args); err != nil {
		return err
	}
	if spec.Check != nil {
		return spec.Check(args)
	}
	return nil
}

// forward sends a command with keys to the cluster.
func (c *conn) forward(spec *command.Spec, args [][]byte) {
	v := c.r.view.Load()
	if v == nil {
		writeError(&c.w, errNotConnected)
		c.respond()
		return
	}
	first, step, count := spec.KeyRange(args)
	partition := ring.PartitionOf(args[first], v.Partitions)
	for i := 1; i < count; i++ {
		if ring.PartitionOf(args[first+i*step], v.Partitions) != partition {
			if spec.Merge == command.MergeNone {
				c.r.stats.crossSlot.Add(1)
				c.r.stats.commands[spec.ID].Fail(1)
				writeError(&c.w, errCrossSlot)
				c.respond()
				return
			}
			c.forwardParts(spec, args, v.Partitions)
			return
		}
	}
	c.forwardWhole(spec, args, partition)
}

// forwardWhole sends a command whose keys are in one partition.
func (c *conn) forwardWhole(spec *command.Spec, args [][]byte, partition int) {
	t := c.newTask(spec, partition)
	t.req.Body = appendCommand(make([]byte, 0, commandBytes(args)), c.w.Proto, args)
	c.nameKeys(t, spec, args)
	size := len(t.req.Body)
	if !c.admit(size, maxPipeline) {
		return
	}
	began := time.Now()
	proto := c.w.Proto
	t.canMerge = true
	c.mu.Lock()
	s := c.replies.push()
	t.done = func(reply *wire.Response, err error) {
		buf, failed := appendRESP(nil, proto, reply, err)
		took := time.Since(began)
		c.mu.Lock()
		n := 1 + len(t.merged)
		for _, other := range t.merged {
			c.fill(other, buf)
			c.answered(size)
		}
		c.fill(s, buf)
		c.answered(size)
		c.mu.Unlock()
		for range n {
			c.r.stats.commands[spec.ID].Observe(took, failed)
		}
	}
	if !c.mergeRead(spec, t, s) && c.order.add(t) {
		c.start(t)
	}
	c.mu.Unlock()
}

// mergeRead lets an equal read that waits for the same key answer t too, if there is
// one. c.mu is held.
func (c *conn) mergeRead(spec *command.Spec, t *task, s *slot) bool {
	if spec.Kind != command.KindRead || len(t.keys) != 1 {
		return false
	}
	other := c.order.waiting(t.keys[0])
	if other == nil || !equalReads(&other.req, &t.req) {
		return false
	}
	other.merged = append(other.merged, s)
	c.r.stats.coalesced.Add(1)
	return true
}

// newTask is a task without body, keys and done.
func (c *conn) newTask(spec *command.Spec, partition int) *task {
	t := &task{}
	t.partition = partition
	t.req.Op = wire.OpCommand
	if spec.Kind == command.KindRead {
		t.req.OpFlags = wire.CommandReads
	}
	c.reads.ask(&t.req)
	t.session = c.reads.Level == wire.SessionReads
	t.deadline = time.Now().Add(c.r.opts.Settings.RequestTimeout)
	return t
}

// nameKeys notes which keys of a request the task must keep in order.
func (c *conn) nameKeys(t *task, spec *command.Spec, args [][]byte) {
	first, step, count := spec.KeyRange(args)
	if count == 1 {
		t.one[0] = c.r.keyHash(args[first])
		t.keys = t.one[:]
		return
	}
	t.keys = make([]uint64, count)
	for i := range count {
		t.keys[i] = c.r.keyHash(args[first+i*step])
	}
}

// fill completes a reply and sends what may leave. buf is not changed afterwards.
// c.mu is held.
func (c *conn) fill(s *slot, buf []byte) {
	s.buf, s.done = buf, true
	if c.broken {
		return
	}
	c.pace.note(len(buf))
	c.hold(len(buf))
	c.replies.pop(c.send)
}

// equalReads reports whether one answer is right for both.
func equalReads(a, b *wire.Request) bool {
	return a.Op == b.Op && a.OpFlags == b.OpFlags && a.Flags == b.Flags && a.Consistency == b.Consistency &&
		a.ConsistencyArg == b.ConsistencyArg && string(a.Body) == string(b.Body)
}

// commandBytes is what appendCommand takes.
func commandBytes(args [][]byte) int {
	n := 5
	for _, arg := range args {
		n += 4 + len(arg)
	}
	return n
}

// appendCommand appends the body of COMMAND.
func appendCommand(dst []byte, proto int, args [][]byte) []byte {
	start := len(dst)
	dst = wire.BeginCommand(dst, uint8(proto))
	for _, arg := range args {
		dst = wire.AppendCommandArg(dst, arg)
	}
	wire.FinishCommand(dst, start, len(args))
	return dst
}
