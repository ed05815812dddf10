package server

import (
	"context"
	"errors"
	"time"

	"github.com/prakashpandey/vegadb/internal/auth"
	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/front"
	"github.com/prakashpandey/vegadb/internal/node"
	"github.com/prakashpandey/vegadb/internal/resp"
	"github.com/prakashpandey/vegadb/internal/wal"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// maxWaits is how many writes of one RESP connection may wait for the disk
// before its input is held back.
const maxWaits = 4096

// unauthenticatedOutput bounds what a peer is told before it has authenticated.
const unauthenticatedOutput = 1 << 10

// setParserLimits gives the parser the limits that fit what the peer may do.
func (s *Session) setParserLimits() {
	if s.user == nil {
		s.parser.Limits = resp.UnauthenticatedLimits()
		return
	}
	c := s.srv.live.Current()
	l := resp.DefaultLimits()
	l.MaxBulk = int(c.MaxValueBytes)
	l.MaxQuery = int(c.MaxQueryBytes)
	s.parser.Limits = l
	s.meta.greeted.Store(true)
}

// consumeRESP executes the commands at the front of data and returns how many
// bytes it took.
func (s *Session) consumeRESP(data []byte) int {
	n, told := 0, 0
	ahead := s.worthLookingAhead()
	for n < len(data) && !s.parked && !s.closing && !s.crowded() {
		if ahead && !s.parser.Pending() {
			if took := s.runAhead(data[n:]); took > 0 {
				n += took
				continue
			}
		}
		args, took, err := s.parser.Next(data[n:], s.args[:0])
		if err != nil {
			s.protocolError(err)
			return len(data)
		}
		if took == 0 {
			break
		}
		n += took
		s.args = args
		mark := len(s.w.Buf)
		if len(args) > 0 {
			s.execute(args)
		}
		if s.user == nil {
			if told += len(s.w.Buf) - mark; told > unauthenticatedOutput {
				s.fail(front.ClosedOutputLimit, errors.New("too much asked before authentication"))
			}
		}
	}
	s.dropArgs()
	return n
}

// dropArgs lets go of the input, and of an unusually large argument list.
func (s *Session) dropArgs() {
	if cap(s.args) > 64 {
		s.args = nil
		return
	}
	clear(s.args)
	s.args = s.args[:0]
}

func (s *Session) protocolError(err error) {
	if errors.Is(err, resp.ErrHTTP) {
		s.fail(front.ClosedHTTP, err)
		return
	}
	var e *resp.Error
	if errors.As(err, &e) {
		s.writer().Error(e)
		s.drain()
	}
	s.fail(front.ClosedProtocolError, err)
}

// writer returns where an immediate reply goes: to the output, or behind the
// replies that are still waited for.
func (s *Session) writer() *resp.Writer {
	if s.waitHead == nil {
		return &s.w
	}
	w := s.newWait()
	w.done = true // nobody else has it
	s.enqueue(w)
	return &w.reply
}

// execute serves one command, or parks the session with it.
func (s *Session) execute(args [][]byte) {
	if s.barrier {
		s.hold(args)
		return
	}
	spec, err := command.Resolve(args)
	s.executeAs(spec, args, err)
}

// executeAs is execute for a command that has been resolved.
func (s *Session) executeAs(spec *command.Spec, args [][]byte, err error) {
	if err == nil {
		err = s.refuse(spec, args)
	}
	if err != nil {
		s.replyError(spec, err)
		return
	}
	if s.waitHead != nil && !s.mayJoin(spec) {
		s.hold(args)
		return
	}
	s.serve(spec, args)
}

// async runs work on a goroutine of its own, so that it holds up no other
// connection. Nothing else of this connection is served until it is done; then
// is called on the session's goroutine, before the reply goes out. It may be nil.
func (s *Session) async(spec *command.Spec, work func(ctx context.Context, w *resp.Writer), then func()) *wait {
	w := s.newWait()
	w.spec = spec
	s.enqueue(w)
	s.barrier = true
	w.asyncFn = func() {
		s.barrier = false
		if then != nil {
			then()
		}
	}
	s.srv.background.Add(1)
	go func() {
		defer s.srv.background.Done()
		work(s.srv.ctx, &w.reply)
		w.Done()
	}()
	return w
}

func (s *Session) serve(spec *command.Spec, args [][]byte) {
	mark, waits := len(s.w.Buf), s.waits
	switch {
	case spec.Kind == command.KindRead && s.clustered:
		s.readWhenGranted(spec, args)
	case spec.Kind == command.KindRead && spec.Merge == command.MergeNone:
		s.readKey(spec, args)
	case spec.Kind == command.KindRead:
		s.readKeys(spec, args)
	case spec.Kind == command.KindWrite && spec.Merge == command.MergeNone:
		s.writeKey(spec, args)
	case spec.Kind == command.KindWrite:
		s.writeKeys(spec, args)
	default:
		s.srv.commands.serve(s, spec, args)
	}
	if s.waits != waits || s.held.full {
		return // emit counts it when it is answered
	}
	st := &s.srv.stats.commands[spec.ID]
	s.batch.count(st)
	if len(s.w.Buf) > mark && s.w.Buf[mark] == '-' {
		s.batch.find(st).errors++
	}
}

// Replies that refuse a command before it is looked at. Shared, never changed.
var (
	errLoading  = &resp.Error{Code: "LOADING", Text: "VegaDB is loading the dataset in memory"}
	errOOM      = &resp.Error{Code: "OOM", Text: "command not allowed when used memory > 'maxmemory'."}
	errShutdown = &resp.Error{Code: "SHUTDOWN", Text: "the server is shutting down"}
)

// refuse says why this client may not run this command now; nil if it may.
func (s *Session) refuse(spec *command.Spec, args [][]byte) error {
	if s.needAuth && s.user != nil {
		s.currentUser()
	}
	if s.user == nil && spec.Flags&command.FlagNoAuth == 0 {
		return front.ErrNoAuth
	}
	if spec.Flags&command.FlagLoading == 0 && !s.ready {
		return errLoading
	}
	if s.needAuth && s.user != nil {
		if err := front.Permit(s.user, spec, args); err != nil {
			return err
		}
	}
	if spec.Check != nil {
		if err := spec.Check(args); err != nil {
			return err
		}
	}
	if s.clustered {
		if err := s.route(spec, args); err != nil {
			return err
		}
	}
	if spec.Flags&command.FlagDenyOOM != 0 && s.srv.node.OverMemoryLimit() {
		return errOOM
	}
	return nil
}

// currentUser returns the session's user as the users file has it now: a user who
// was removed must log in again.
func (s *Session) currentUser() *auth.User {
	if g := s.srv.users.Generation(); g != s.userGeneration {
		s.user, s.userGeneration = s.srv.users.Current(s.user.Name)
		s.setParserLimits()
	}
	return s.user
}

func (s *Session) replyError(spec *command.Spec, err error) {
	if spec != nil {
		s.srv.stats.commands[spec.ID].Fail(1)
	}
	w := s.writer()
	writeError(w, err)
	s.drain()
}

// writeError renders any error as RESP has it. Errors that depend on a command's keys
// are for respError.
func writeError(w *resp.Writer, err error) { w.Error(respError(err, noSlot)) }

// readKey serves a read of one key.
func (s *Session) readKey(spec *command.Spec, args [][]byte) {
	key := args[spec.FirstKey]
	p, h := s.place.p, s.place.hash
	if p == nil {
		p = s.srv.partition(key)
		h = p.Table.Hash(key)
	}
	stripe := p.Table.Stripe(h)
	stripe.Lock()
	if stripe.Find(h, key, &s.entry) && !command.Expired(s.entry.ExpireAt, s.now) {
		spec.Read(&s.w, args, &s.entry, s.now)
		stripe.Unlock()
		s.batch.hits++
		return
	}
	stripe.Unlock()
	spec.Read(&s.w, args, nil, s.now)
	s.batch.misses++
}

// writeKey serves a write of one key.
func (s *Session) writeKey(spec *command.Spec, args [][]byte) {
	entry := command.Begin(s.enc[:0])
	command.SetValueLimit(entry, s.srv.live.Current().MaxValueBytes)
	entry, err := spec.Encode(entry, args, s.now)
	s.keepEncoded(entry)
	if err != nil {
		writeError(s.writer(), err)
		s.drain()
		return
	}
	var mode uint8
	if spec.Mode != nil {
		mode = spec.Mode(args)
	}
	p := s.place.p
	if p == nil {
		p = s.srv.partition(args[spec.FirstKey])
	}
	s.submit(p, entry, spec, mode, args)
}

// submit hands an entry with one op to the node.
func (s *Session) submit(p *node.Partition, entry []byte, spec *command.Spec, mode uint8, args [][]byte) {
	if !s.deferred {
		s.inline.spec, s.inline.mode = spec, mode
		err := s.submitInline(p, entry, &s.inline)
		if !s.becameDeferred(err) {
			if err != nil {
				s.refused(spec, err, args)
			}
			return
		}
	}
	w := s.newWait()
	w.spec, w.mode, w.p = spec, mode, p
	if s.clustered {
		w.slot = s.routed.slot
	}
	err := s.settleLater(s.srv.node.Submit(p, s.now, entry, w))
	s.submitted(w, err, args)
}

// becameDeferred reports whether a write was refused because its results were wanted
// at once and the node, which could do that a moment ago, cannot any more.
func (s *Session) becameDeferred(err error) bool {
	return err != nil && errors.Is(err, wal.ErrBusy) && s.srv.node.Deferred()
}

// busyRetry is how long a write waits that the log has no room for.
const busyRetry = time.Millisecond

// submitted files the wait of a write that Submit took.
func (s *Session) submitted(w *wait, err error, args [][]byte) {
	if err == nil {
		s.queued = queuedWrites
		s.enqueue(w)
		return
	}
	spec := w.spec
	s.abandon(w)
	s.refused(spec, err, args)
}

// refused deals with a write that Submit did not take. A client whose write the
// log has no room for is slowed: the command is held until the writes before it
// are done, or, should there be none, for a moment.
func (s *Session) refused(spec *command.Spec, err error, args [][]byte) {
	if !errors.Is(err, wal.ErrBusy) {
		s.writer().Error(respError(err, slotOf(spec, args)))
		s.drain()
		return
	}
	s.srv.node.Kick()
	s.hold(args)
	if s.waitHead == nil {
		nothing := s.newWait() // without a reply
		s.enqueue(nothing)
		time.AfterFunc(busyRetry, nothing.Done)
	}
}

// submitInline submits an entry that is applied at once. When the log's queue is
// full, this goroutine writes it out itself.
func (s *Session) submitInline(p *node.Partition, entry []byte, sink node.Waiter) error {
	err := s.settleLater(s.srv.node.Submit(p, s.now, entry, sink))
	if errors.Is(err, wal.ErrBusy) {
		s.srv.node.Settle(s.wrotePos)
		err = s.settleLater(s.srv.node.Submit(p, s.now, entry, sink))
	}
	return err
}

// submitAllInline is submitInline for several partitions.
func (s *Session) submitAllInline(parts []node.Part) error {
	err := s.settleLater(s.srv.node.SubmitAll(s.now, parts))
	if errors.Is(err, wal.ErrBusy) {
		s.srv.node.Settle(s.wrotePos)
		err = s.settleLater(s.srv.node.SubmitAll(s.now, parts))
	}
	return err
}

// keepEncoded keeps the encoding buffer unless it has grown beyond reason.
func (s *Session) keepEncoded(entry []byte) {
	if cap(entry) <= keepBufferBytes {
		s.enc = entry[:0]
	} else {
		s.enc = nil
	}
}

// inlineSink renders results straight into the session's output: the entry is
// applied before Submit returns.
type inlineSink struct {
	s    *Session
	spec *command.Spec
	mode uint8
	sum  merge
}

// Result is called by the node, within Submit.
func (i *inlineSink) Result(_ int, r *command.Result) {
	if i.spec.Merge == command.MergeNone {
		i.spec.Reply(&i.s.w, r, i.mode)
		return
	}
	i.sum.add(i.spec, r)
}

// Later is false: the session's output cannot wait.
func (i *inlineSink) Later() bool { return false }

// Done is never called: nothing waits.
func (i *inlineSink) Done() {}

// Failed is never called: nothing waits.
func (i *inlineSink) Failed(error) {}

// merge gathers the results of a command's keys.
type merge struct {
	sum     int64
	failure wire.Status
}

func (m *merge) add(_ *command.Spec, r *command.Result) {
	if r.Kind == command.ResultInt {
		m.sum += r.Int
	}
	if r.Status != wire.OK && r.Status != wire.NotFound && m.failure == wire.OK {
		m.failure = r.Status
	}
}

// reply renders the one reply.
func (m *merge) reply(spec *command.Spec, w *resp.Writer) {
	switch {
	case m.failure != wire.OK:
		writeError(w, &wire.Error{Status: m.failure, Text: m.failure.Description()})
	case spec.Merge == command.MergeSum:
		w.Int(m.sum)
	default:
		w.OK()
	}
}
