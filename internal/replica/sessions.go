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
	// outcomes above acked, in ascending order of seq.
	outcomes []outcome
}

// outcome is what one write brought: of a batch, one result for each op.
type outcome struct {
	seq  uint64
	one  result
	more []result // the second op and further ones
	n    int
}

// result is a command.Result that outlives the call.
type result struct {
	status   wire.Status
	kind     command.ResultKind
	cut      bool // the value was too long to be kept
	int      int64
	version  uint64
	expireAt int64
	value    []byte
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
	ses := s.byID[id.ID]
	if ses == nil {
		if created <= s.floor {
			refuse(sink, count)
			return nil, false
		}
		ses = s.create(id.ID, created)
	}
	s.acknowledge(ses, id.Acked)
	at, known := slices.BinarySearchFunc(ses.outcomes, id.Seq, func(o outcome, seq uint64) int { return cmp.Compare(o.seq, seq) })
	switch {
	case known:
		ses.outcomes[at].replay(sink)
		return nil, false
	case id.Seq <= ses.acked:
		refuse(sink, count)
		return nil, false
	}
	if len(ses.outcomes) >= maxOutcomes || s.outcomes >= maxOutcomesTotal && len(ses.outcomes) > 0 {
		s.acknowledge(ses, ses.outcomes[0].seq)
		at = max(at-1, 0)
		if id.Seq <= ses.acked {
			refuse(sink, count)
			return nil, false
		}
	}
	ses.outcomes = slices.Insert(ses.outcomes, at, outcome{seq: id.Seq})
	s.outcomes++
	s.taking, s.sink = &ses.outcomes[at], sink
	return s, true
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
	n := 0
	for n < len(ses.outcomes) && ses.outcomes[n].seq <= seq {
		s.values -= ses.outcomes[n].bytes()
		n++
	}
	s.outcomes -= n
	if n > 0 {
		ses.outcomes = slices.Delete(ses.outcomes, 0, n)
	}
}

// keep takes one op's result, its value only if there is room, and returns the bytes
// of the value.
func (o *outcome) keep(r *command.Result, room bool) int64 {
	kept := result{status: r.Status, kind: r.Kind, int: r.Int, version: r.Version, expireAt: r.ExpireAt}
	switch {
	case len(r.Bytes) > keptBytes, len(r.Bytes) > 0 && !room:
		kept.cut = true
	case len(r.Bytes) > 0:
		kept.value = bytes.Clone(r.Bytes)
	}
	if o.n == 0 {
		o.one = kept
	} else {
		o.more = append(o.more, kept)
	}
	o.n++
	return int64(len(kept.value))
}

// bytes is what the outcome's values take.
func (o *outcome) bytes() int64 {
	n := int64(len(o.one.value))
	for i := range o.more {
		n += int64(len(o.more[i].value))
	}
	return n
}

// replay gives sink the outcome as it was the first time.
func (o *outcome) replay(sink command.Sink) {
	if sink == nil {
		return
	}
	for i := range o.n {
		kept := &o.one
		if i > 0 {
			kept = &o.more[i-1]
		}
		r := command.Result{Status: kept.status, Kind: kept.kind, Int: kept.int, Bytes: kept.value, Version: kept.version, ExpireAt: kept.expireAt}
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
