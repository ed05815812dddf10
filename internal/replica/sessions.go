package replica

import (
	"bytes"
	"cmp"
	"math"
	"slices"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// Sessions is what a group remembers of its clients' writes so that a retry takes
// effect once: by session, the outcomes above what the client has acknowledged. It
// is part of the replicated state: every replica that has applied the same entries
// holds the same.
//
// A session lives for command.SessionLifetime of log time from its creation, which
// its id tells. A write that comes later is refused, and so is one that the client
// had acknowledged: nobody can tell any more whether it is a retry.
//
// Bounds: maxSessions sessions, of each maxOutcomes outcomes and of all together
// maxOutcomesTotal; values of keptBytes each and keptBytesTotal together. What goes
// beyond is forgotten, and a retry of it is refused rather than executed.
type Sessions struct {
	byID map[[16]byte]*session
	last *session // the one that was met last; nil: none
	// floor is the latest creation among the sessions that were dropped to make
	// room: an unknown session that is not younger may be one of them.
	floor int64
	// purgedAt is the log time of the last search for sessions that are over.
	purgedAt int64
	outcomes int   // of all sessions
	values   int64 // bytes of values in them
	// taking is the outcome being recorded, between begin and end.
	taking *outcome
	sink   command.Sink
}

type session struct {
	id      [16]byte
	created int64
	acked   uint64
	// outcomes[head:] are those above acked, in ascending order of seq. What is before
	// head is free: writes come and are acknowledged in order for the most part, so the
	// list moves on like a queue.
	outcomes []outcome
	head     int
}

// outcome is what one write brought: of a batch, one result for each op.
type outcome struct {
	seq   uint64
	one   result
	n     int    // results
	extra *extra // nil: there is one result at most, without a value
}

// extra is what most outcomes do without.
type extra struct {
	more   []result // of the second op and further ones
	values [][]byte // by op; those beyond its end have none
}

// result is a command.Result that outlives the call, without its value.
type result struct {
	version  uint64
	int      int64
	expireAt int64
	status   wire.Status
	kind     command.ResultKind
	cut      bool // the value was too long to be kept
}

const (
	maxSessions      = 1 << 16
	maxOutcomes      = 4096
	maxOutcomesTotal = 1 << 17
	keptBytes        = 4 << 10
	keptBytesTotal   = 8 << 20
	purgeEveryMs     = 60_000
)

var lifetimeMs = command.SessionLifetime.Milliseconds()

// NewSessions returns an empty memory.
func NewSessions() *Sessions { return &Sessions{byID: make(map[[16]byte]*session)} }

// Len returns how many sessions are remembered.
func (s *Sessions) Len() int { return len(s.byID) }

// begin judges a session's write as of the entry's stamp. execute says that it is
// new: apply it with the returned sink, then call end. Otherwise sink (which may be
// nil) has been given the outcome: that of the first time, or SessionExpired.
func (s *Sessions) begin(id command.Session, stamp int64, count int, sink command.Sink) (record command.Sink, execute bool) {
	s.purge(stamp)
	created := id.CreatedAt()
	if created > stamp+lifetimeMs || created+lifetimeMs <= stamp || id.Seq == 0 {
		refuse(sink, count)
		return nil, false
	}
	ses := s.find(id.ID)
	if ses == nil {
		if created <= s.floor {
			refuse(sink, count)
			return nil, false
		}
		ses = s.create(id.ID, created)
	}
	s.acknowledge(ses, id.Acked)
	at, known := ses.search(id.Seq)
	switch {
	case known:
		ses.outcomes[at].replay(sink)
		return nil, false
	case id.Seq <= ses.acked:
		refuse(sink, count)
		return nil, false
	}
	if ses.count() >= maxOutcomes || s.outcomes >= maxOutcomesTotal && ses.count() > 0 {
		s.acknowledge(ses, ses.outcomes[ses.head].seq)
		if at, _ = ses.search(id.Seq); id.Seq <= ses.acked {
			refuse(sink, count)
			return nil, false
		}
	}
	s.taking, s.sink = ses.insert(at, id.Seq), sink
	s.outcomes++
	return s, true
}

// find returns a session that is remembered, or nil.
func (s *Sessions) find(id [16]byte) *session {
	if s.last != nil && s.last.id == id {
		return s.last
	}
	ses := s.byID[id]
	if ses != nil {
		s.last = ses
	}
	return ses
}

// count is how many outcomes are remembered.
func (ses *session) count() int { return len(ses.outcomes) - ses.head }

// search returns where in outcomes seq is, or belongs.
func (ses *session) search(seq uint64) (at int, known bool) {
	n := len(ses.outcomes)
	if ses.head == n || ses.outcomes[n-1].seq < seq {
		return n, false // the usual case: writes come in order
	}
	at, known = slices.BinarySearchFunc(ses.outcomes[ses.head:], seq, func(o outcome, seq uint64) int { return cmp.Compare(o.seq, seq) })
	return ses.head + at, known
}

// insert makes room for the outcome of seq at a place that search has returned.
func (ses *session) insert(at int, seq uint64) *outcome {
	if len(ses.outcomes) == cap(ses.outcomes) && ses.head > len(ses.outcomes)/2 {
		n := copy(ses.outcomes, ses.outcomes[ses.head:])
		clear(ses.outcomes[n:])
		ses.outcomes = ses.outcomes[:n]
		at -= ses.head
		ses.head = 0
	}
	if at == len(ses.outcomes) {
		ses.outcomes = append(ses.outcomes, outcome{seq: seq})
	} else {
		ses.outcomes = slices.Insert(ses.outcomes, at, outcome{seq: seq})
	}
	return &ses.outcomes[at]
}

// Result keeps one op's result and passes it on.
func (s *Sessions) Result(i int, r *command.Result) {
	s.values += s.taking.keep(r, s.values < keptBytesTotal)
	if s.sink != nil {
		s.sink.Result(i, r)
	}
}

// end closes what begin has opened.
func (s *Sessions) end() { s.taking, s.sink = nil, nil }

// create makes room if need be and adds a session.
func (s *Sessions) create(id [16]byte, created int64) *session {
	if len(s.byID) >= maxSessions {
		s.dropOldest()
	}
	ses := &session{id: id, created: created}
	s.byID[id] = ses
	return ses
}

// dropOldest forgets an eighth of the sessions, those created first. The order is
// that of creation and id, so that every replica drops the same.
func (s *Sessions) dropOldest() {
	for _, ses := range s.sorted()[:len(s.byID)/8+1] {
		s.floor = max(s.floor, ses.created)
		s.drop(ses)
	}
	for _, ses := range s.byID { // as old as one that was dropped: nobody could tell them apart
		if ses.created <= s.floor {
			s.drop(ses)
		}
	}
}

func (s *Sessions) drop(ses *session) {
	s.acknowledge(ses, math.MaxUint64)
	delete(s.byID, ses.id)
	if s.last == ses {
		s.last = nil
	}
}

// sorted returns the sessions in the order of creation and id.
func (s *Sessions) sorted() []*session {
	all := make([]*session, 0, len(s.byID))
	for _, ses := range s.byID {
		all = append(all, ses)
	}
	slices.SortFunc(all, func(a, b *session) int {
		return cmp.Or(cmp.Compare(a.created, b.created), bytes.Compare(a.id[:], b.id[:]))
	})
	return all
}

// purge forgets, once a minute of log time, the sessions that are over.
func (s *Sessions) purge(stamp int64) {
	if stamp-s.purgedAt < purgeEveryMs {
		return
	}
	s.purgedAt = stamp
	for _, ses := range s.byID {
		if ses.created+lifetimeMs <= stamp {
			s.drop(ses)
		}
	}
}

// acknowledge drops a session's outcomes up to seq.
func (s *Sessions) acknowledge(ses *session, seq uint64) {
	if seq <= ses.acked {
		return
	}
	ses.acked = seq
	from := ses.head
	for ses.head < len(ses.outcomes) && ses.outcomes[ses.head].seq <= seq {
		if o := &ses.outcomes[ses.head]; o.extra != nil {
			s.values -= o.bytes()
			o.extra = nil
		}
		ses.head++
	}
	s.outcomes -= ses.head - from
	if ses.head == len(ses.outcomes) {
		ses.outcomes, ses.head = ses.outcomes[:0], 0
	}
}

// keep takes one op's result, its value only if there is room, and returns the bytes
// of the value.
func (o *outcome) keep(r *command.Result, room bool) int64 {
	kept := result{status: r.Status, kind: r.Kind, int: r.Int, version: r.Version, expireAt: r.ExpireAt}
	var value []byte
	switch {
	case len(r.Bytes) > keptBytes, len(r.Bytes) > 0 && !room:
		kept.cut = true
	case len(r.Bytes) > 0:
		value = bytes.Clone(r.Bytes)
	}
	o.add(kept, value)
	return int64(len(value))
}

// add adds the next op's result, with its value, which may be nil.
func (o *outcome) add(r result, value []byte) {
	if o.extra == nil && (o.n > 0 || value != nil) {
		o.extra = &extra{}
	}
	if o.n == 0 {
		o.one = r
	} else {
		o.extra.more = append(o.extra.more, r)
	}
	if value != nil {
		o.extra.values = append(o.extra.values, make([][]byte, o.n+1-len(o.extra.values))...)
		o.extra.values[o.n] = value
	}
	o.n++
}

// get returns the i-th op's result and its value.
func (o *outcome) get(i int) (r *result, value []byte) {
	if o.extra != nil && i < len(o.extra.values) {
		value = o.extra.values[i]
	}
	if i == 0 {
		return &o.one, value
	}
	return &o.extra.more[i-1], value
}

// bytes is what the outcome's values take.
func (o *outcome) bytes() (n int64) {
	if o.extra != nil {
		for _, value := range o.extra.values {
			n += int64(len(value))
		}
	}
	return n
}

// replay gives sink the outcome as it was the first time.
func (o *outcome) replay(sink command.Sink) {
	if sink == nil {
		return
	}
	for i := range o.n {
		kept, value := o.get(i)
		r := command.Result{Status: kept.status, Kind: kept.kind, Int: kept.int, Bytes: value, Version: kept.version, ExpireAt: kept.expireAt}
		if kept.cut {
			r = command.Result{Status: wire.UnknownOutcome} // executed, but the old value is gone
		}
		sink.Result(i, &r)
	}
}

// refuse answers every op of an entry that cannot be judged any more.
func refuse(sink command.Sink, count int) {
	if sink == nil {
		return
	}
	r := command.Result{Status: wire.SessionExpired}
	for i := range count {
		sink.Result(i, &r)
	}
}
