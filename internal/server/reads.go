package server

import (
	"errors"
	"time"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/front"
	"github.com/prakashpandey/vegadb/internal/node"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// Reads on a node that has peers need the node's leave: how much the partition's table
// can be relied upon depends on who leads it. On a lone node they are executed at once
// and nothing of this file is met.
//
// A read that must wait becomes a wait, with a copy of what was asked. Its lookup
// happens on the session's goroutine, when it has leave and its turn has come, and not
// before there is room for its reply. So a pipeline of reads asks for leave as a whole
// and waits once.

// readState is how a RESP connection reads in a cluster.
type readState struct {
	fromReplicas bool             // READONLY
	level        wire.Consistency // VEGA CONSISTENCY; ConsistencyDefault: the server's
	maxAgeMs     uint64           // of level Bounded
	// seen is, by partition, the index up to which this connection has seen or made
	// writes. Kept from when level SessionReads is first met.
	seen []uint64
}

// readPart is one partition's share of a read that needs leave. It is the
// node.ReadWaiter of that.
type readPart struct {
	w     *wait
	p     *node.Partition
	grant node.ReadGrant
	held  node.ReadGrant // see holdParts
	err   error          // leave was refused
}

// Done notes that the partition may be read.
func (r *readPart) Done() { r.w.Done() }

// Failed notes that the partition may not be read.
func (r *readPart) Failed(err error) {
	r.err = err
	r.w.Done()
}

// reading is what a wait needs to be a read.
type reading struct {
	parts []readPart // in use: the wait is a read
	one   [1]readPart
	args  argsCopy // RESP
	place place    // RESP: of the key, if it is one
	body  []byte   // native
	bytes int      // of args and body, as counted in Session.readBytes
}

// forPartitions makes room for n partitions' shares.
func (r *reading) forPartitions(n int) {
	if r.parts = r.one[:1]; n != 1 {
		r.parts = make([]readPart, n)
	}
}

// refusal is why nothing of a read can be served; nil when some can.
func (r *reading) refusal() error {
	for i := range r.parts {
		if r.parts[i].err == nil {
			return nil
		}
	}
	if len(r.parts) == 0 {
		return nil
	}
	return r.parts[0].err
}

// clear makes the wait that r belongs to none of a read.
func (r *reading) clear() {
	r.parts, r.one[0], r.place = nil, readPart{}, place{}
	r.args.release()
	if cap(r.body) > keepWaitBytes {
		r.body = nil
	}
}

// readLevel is what a RESP read of p asks for.
func (s *Session) readLevel(p *node.Partition) (level wire.Consistency, arg uint64) {
	level, arg = s.reads.level, s.reads.maxAgeMs
	if level == wire.ConsistencyDefault {
		if s.reads.fromReplicas {
			return wire.Local, 0
		}
		level, arg = s.srv.defaultLevel()
	}
	if level == wire.SessionReads {
		return level, s.seenOf(p)
	}
	return level, arg
}

// requestLevel is what a native read asks for.
func (s *Session) requestLevel(req *wire.Request) (level wire.Consistency, arg uint64) {
	if req.Flags&wire.FlagConsistency != 0 && req.Consistency != wire.ConsistencyDefault {
		return req.Consistency, req.ConsistencyArg
	}
	return s.srv.defaultLevel()
}

// defaultLevel is what reads ask for that do not say.
func (s *Server) defaultLevel() (level wire.Consistency, arg uint64) {
	c := s.live.Current()
	level, _ = front.LevelOf(c.ReadConsistency)
	switch level {
	case wire.ConsistencyDefault:
		return wire.Linearizable, 0
	case wire.Bounded:
		return level, uint64(c.ReadMaxAge.Milliseconds())
	}
	return level, 0
}

// seenOf returns the index that a read of p at level SessionReads must reflect.
func (s *Session) seenOf(p *node.Partition) uint64 {
	if s.reads.seen == nil {
		// What the connection has seen and made so far was here: no more can have been
		// seen than this node has applied.
		s.reads.seen = make([]uint64, len(s.srv.partitions))
		for i, p := range s.srv.partitions {
			s.reads.seen[i] = s.srv.node.Applied(p)
		}
	}
	return s.reads.seen[p.Number]
}

// noteSeen raises what seenOf returns, if that has ever been asked for, to what p
// has applied.
func (s *Session) noteSeen(p *node.Partition) {
	if s.reads.seen != nil && p != nil {
		s.reads.seen[p.Number] = max(s.reads.seen[p.Number], s.srv.node.Applied(p))
	}
}

// askLeave asks for leave to read the partitions of w's parts and reports whether it
// must be waited for. If so, w is finished when all are answered and the caller has
// called w.Done, which it does when w is in order.
func (s *Session) askLeave(w *wait, level wire.Consistency, arg uint64) (waits bool) {
	w.left.Store(1)
	for i := range w.read.parts {
		part := &w.read.parts[i]
		part.w = w
		w.left.Add(1)
		grant, err := s.srv.node.BeginRead(part.p, level, arg, part)
		part.grant = grant
		switch {
		case err != nil:
			part.err = err
			w.left.Add(-1)
		case !grant.Wait:
			w.left.Add(-1)
		default:
			waits = true
		}
	}
	return waits
}

// holdParts makes sure that the parts of a read that has waited are still there to be read.
// Between its leave and its turn any time may have passed, and a replica that leads no
// more may be replaced by a snapshot: what it holds must not be looked at then. What
// it holds otherwise is at least what the leave was for.
func (s *Session) holdParts(w *wait) {
	for i := range w.read.parts {
		part := &w.read.parts[i]
		if part.err == nil && part.grant.Wait {
			part.held, part.err = s.srv.node.BeginRead(part.p, wire.Local, 0, nil)
		}
	}
}

// endRead tells whether what was read by a part's leave may be shown.
func (s *Session) endRead(part *readPart) error {
	grant := part.grant
	if grant.Wait {
		grant = part.held
	}
	if !grant.Recheck {
		return nil
	}
	if err := s.srv.node.EndRead(part.p, grant); err != nil {
		return leaveEnded(err)
	}
	return nil
}

// leaveEnded is what a client is told of a leave that has ended too early. It is a
// function of its own so that reads that are well need not allocate for it.
func leaveEnded(err error) error {
	var elsewhere *node.NotLeaderError
	if errors.As(err, &elsewhere) {
		return err
	}
	return errLeaveEnded
}

// errLeaveEnded answers a read whose leave ended before its value could be shown, on a
// node that cannot say where to go. Never changed.
var errLeaveEnded = &wire.Error{Status: wire.Unavailable, Text: "what was read could not be confirmed in time; try again"}

// queuedKind says what the waits in a RESP session's queue are about. Writes may
// follow writes, and reads that need leave such reads; anything else waits until the
// queue is empty, so that it sees what was asked before it and nothing later.
type queuedKind uint8

const (
	queuedOthers queuedKind = iota
	queuedWrites
	queuedReads
)

// maxReadBytes is how much may be held in copies of reads that wait.
const maxReadBytes = 1 << 20

// mayJoin reports whether a RESP command may be begun while others before it wait.
func (s *Session) mayJoin(spec *command.Spec) bool {
	switch {
	case s.waits >= maxWaits:
		return false
	case spec.Kind == command.KindWrite:
		return s.queued == queuedWrites
	case spec.Kind == command.KindRead:
		return s.queued == queuedReads && s.readBytes < maxReadBytes
	}
	return false
}

// readWhenGranted serves a RESP read on a node that has peers. Its keys are of one
// partition: see route.
func (s *Session) readWhenGranted(spec *command.Spec, args [][]byte) {
	p := s.routed.p
	w := s.newWait()
	w.spec, w.slot = spec, s.routed.slot
	w.read.forPartitions(1)
	w.read.parts[0] = readPart{p: p}
	if spec.Merge == command.MergeNone {
		if w.read.place = s.place; s.place.p == nil {
			w.read.place = place{p, p.Table.Hash(args[spec.FirstKey])}
		}
	}
	level, arg := s.readLevel(p)
	waits := s.askLeave(w, level, arg)
	if !waits && s.waitHead == nil {
		s.showRead(w, args)
		s.abandon(w)
		return
	}
	w.read.args.set(args)
	s.keepRead(w, len(w.read.args.buf))
	w.done = !waits
	s.queued = queuedReads
	s.enqueue(w)
	if waits {
		w.Done()
	}
}

// keepRead counts what a read that waits holds.
func (s *Session) keepRead(w *wait, bytes int) {
	w.read.bytes = bytes
	s.readBytes += bytes
}

// showRead executes a RESP read that has been decided on, and replies.
func (s *Session) showRead(w *wait, args [][]byte) {
	part := &w.read.parts[0]
	mark := len(s.w.Buf)
	err := part.err
	if err == nil {
		if w.spec.Merge == command.MergeNone {
			s.place = w.read.place
			s.readKey(w.spec, args)
			s.place = place{}
		} else {
			s.readKeys(w.spec, args)
		}
		err = s.endRead(part)
	}
	if err != nil {
		s.w.Buf = s.w.Buf[:mark]
		s.w.Error(respError(err, w.slot))
	} else {
		s.noteSeen(part.p)
	}
	w.failed = len(s.w.Buf) > mark && s.w.Buf[mark] == '-'
}

// serveRead executes a read whose turn has come.
func (s *Session) serveRead(w *wait) {
	s.readBytes -= w.read.bytes
	s.holdParts(w)
	if s.proto != front.ProtocolNative {
		s.showRead(w, w.read.args.args)
		return
	}
	req := &s.native.req
	*req = w.native.req
	req.Body = w.read.body
	s.native.began = time.Now()
	s.native.waited = s.native.began.Sub(w.began)
	err := w.read.refusal()
	if err == nil && req.Flags&wire.FlagDeadline != 0 && s.native.waited > time.Duration(req.DeadlineMs)*time.Millisecond {
		err = errDeadline
	}
	if err == nil {
		err = s.readOp(req, w)
	}
	if err != nil {
		w.failed = true
		s.w.Buf = appendFailure(s.w.Buf, req, err)
	}
	if req.Op == wire.OpCommand {
		s.dropArgs()
	}
	req.Body, s.native.waited = nil, 0
}

// fetchReads asks for the memory that the reads at the front of the queue will look at,
// as far as they may be executed, and returns how many these are. See ahead.go.
func (s *Session) fetchReads() (n int) {
	var places [aheadCommands]place
	for w := s.waitHead; w != nil && w.done && n < len(places); w = w.next {
		if w.isRead() {
			places[n] = w.read.place
			n++
		}
	}
	fetch(places[:n])
	return n
}

// nativeRead serves a request that reads, when the node gives leave.
func (s *Session) nativeRead(req *wire.Request) error {
	if !s.clustered {
		return s.readOp(req, nil)
	}
	w := s.nativeWait(req)
	waits, err := s.nativeLeave(w, req)
	switch {
	case err == nil && !waits:
		err = s.readOp(req, w)
		fallthrough
	case err != nil:
		s.abandon(w)
		return err
	}
	w.read.body = append(w.read.body[:0], req.Body...)
	s.keepRead(w, len(w.read.body))
	w.Done()
	return nil
}

// nativeLeave asks for leave to read the partitions that a request concerns.
func (s *Session) nativeLeave(w *wait, req *wire.Request) (waits bool, err error) {
	if err := s.findParts(w, req); err != nil {
		return false, err
	}
	level, arg := s.requestLevel(req)
	if waits = s.askLeave(w, level, arg); !waits {
		err = w.read.refusal()
	}
	return waits, err
}

// errCursor refuses a cursor that no scan has given out. Never changed.
var errCursor = &wire.Error{Status: wire.InvalidArgument, Text: "the cursor names a partition that does not exist"}

// findParts finds the partitions that a read concerns.
func (s *Session) findParts(w *wait, req *wire.Request) error {
	switch req.Op {
	case wire.OpGet:
		p := s.place.p
		if p == nil {
			p = s.srv.partition(req.Body)
		}
		w.read.forPartitions(1)
		w.read.parts[0] = readPart{p: p}
	case wire.OpScan:
		var scan wire.ScanBody
		if err := scan.Decode(req.Body, &s.srv.limits); err != nil {
			return err
		}
		at, _ := cursorAt(scan.Cursor)
		if at >= len(s.srv.partitions) {
			return errCursor
		}
		w.read.forPartitions(1)
		w.read.parts[0] = readPart{p: s.srv.partitions[at]}
	case wire.OpGetBatch:
		return s.findBatchParts(w, req)
	case wire.OpCommand:
		return s.findCommandPart(w, req)
	default:
		return wire.ErrUnknownOp
	}
	return nil
}

// findBatchParts finds the partitions of a GETBATCH, each once.
func (s *Session) findBatchParts(w *wait, req *wire.Request) error {
	s.native.partAt.reset(len(s.srv.partitions))
	for pass := range 2 {
		if pass == 1 {
			w.read.forPartitions(s.native.partAt.n)
		}
		var keys wire.Keys
		if err := keys.Decode(req.Body, &s.srv.limits); err != nil {
			return err
		}
		for {
			key, ok, err := keys.Next(&s.srv.limits)
			if err != nil {
				return err
			}
			if !ok {
				break
			}
			p := s.srv.partition(key)
			if at := s.native.partAt.place(p.Number); pass == 1 {
				w.read.parts[at] = readPart{p: p}
			}
		}
	}
	return nil
}

// partIndex numbers the partitions that a batch concerns in the order in which they
// come.
type partIndex struct {
	at []uint16 // by partition: its place plus 1, 0 for none
	n  int
}

func (x *partIndex) reset(partitions int) {
	if len(x.at) != partitions {
		x.at = make([]uint16, partitions)
	}
	clear(x.at)
	x.n = 0
}

// of numbers partitions as they come in parts.
func (x *partIndex) of(parts []readPart, partitions int) {
	x.reset(partitions)
	for i := range parts {
		x.place(parts[i].p.Number)
	}
}

// place returns a partition's place, the next one when it comes for the first time.
func (x *partIndex) place(partition int) int {
	if x.at[partition] == 0 {
		x.n++
		x.at[partition] = uint16(x.n)
	}
	return int(x.at[partition]) - 1
}

// endReads tells whether what was read by the leave for any of w's partitions may be
// shown.
func (s *Session) endReads(w *wait) error {
	if w == nil {
		return nil
	}
	for i := range w.read.parts {
		part := &w.read.parts[i]
		if part.err == nil {
			if err := s.endRead(part); err != nil {
				return err
			}
		}
	}
	return nil
}

// readPlace is the one partition that a read concerned, nil when there were several,
// and the weakest level that any of its parts had.
func (s *Session) readPlace(w *wait) (p *node.Partition, level wire.Consistency) {
	for i := range w.read.parts {
		level = max(level, w.read.parts[i].grant.Level) // they are numbered from the strongest on
	}
	if len(w.read.parts) == 1 {
		p = w.read.parts[0].p
	}
	return p, level
}
