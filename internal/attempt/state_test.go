package attempt

import (
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/internal/wire"
	"pgregory.net/rapid"
)

// The kinds of request that differ to the rules.
var (
	read     = Request{}
	bare     = Request{Writes: true}                            // a write without a session
	numbered = Request{Writes: true, Numbered: true, Own: true} // one with a place in a session of the client's
	foreign  = Request{Writes: true, Numbered: true}            // one that a proxy passes on, with its caller's session
	pinned   = Request{Pinned: true, Stays: true}               // the next page of a scan
	whole    = Request{Stays: true}                             // a batch that has its parts in several places
)

func TestWhatMayBeTriedAgain(t *testing.T) {
	type row struct {
		name    string
		outcome Outcome
		status  wire.Status
		yes     []Request // of all the kinds
		doubts  bool
	}
	all := []Request{read, bare, numbered, foreign, pinned, whole}
	for _, c := range []row{
		{"lost before it was sent", LostUnsent, 0, []Request{read, bare, numbered, foreign, whole}, false},
		{"lost after it was sent", LostSent, 0, []Request{read, numbered, foreign, whole}, true},
		{"taken off a silent connection", Stalled, 0, []Request{read, numbered, foreign, whole}, true},
		{"out of time, unsent", TimedOut, 0, nil, false},
		{"out of time, sent", TimedOutSent, 0, nil, false},
		{"left, unsent", Canceled, 0, nil, false},
		{"left, sent", CanceledSent, 0, nil, false},
		{"not the leader", Replied, wire.NotLeader, []Request{read, bare, numbered, foreign}, false},
		{"another epoch", Replied, wire.WrongEpoch, []Request{read, bare, numbered, foreign}, false},
		{"busy", Replied, wire.Busy, all, false},
		{"unavailable", Replied, wire.Unavailable, all, false},
		{"shutting down", Replied, wire.ShuttingDown, all, false},
		{"loading", Replied, wire.Loading, all, false},
		{"unknown outcome", Replied, wire.UnknownOutcome, []Request{read, numbered, foreign, pinned, whole}, true},
		{"session expired", Replied, wire.SessionExpired, []Request{numbered}, false},
		{"not found", Replied, wire.NotFound, nil, false},
		{"no integer", Replied, wire.NotInteger, nil, false},
		{"too large", Replied, wire.TooLarge, nil, false},
		{"not permitted", Replied, wire.PermissionDenied, nil, false},
		{"no space", Replied, wire.NoSpace, nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, r := range all {
				want := false
				for _, y := range c.yes {
					want = want || y == r
				}
				s := State{Outcome: c.outcome, Status: c.status}
				if got := s.Retriable(r, true); got != want || s.Doubt != c.doubts {
					t.Errorf("%+v: %v, want %v; in doubt: %v, want %v", r, got, want, s.Doubt, c.doubts)
				}
				s = State{Outcome: c.outcome, Status: c.status}
				if c.outcome.Lost() && s.Retriable(r, false) {
					t.Errorf("%+v: a closed client connects anew", r)
				}
			}
		})
	}
}

func TestASessionThatHasExpiredAfterADoubtIsNotReplaced(t *testing.T) {
	s := State{Outcome: LostSent}
	if !s.Retriable(numbered, true) {
		t.Fatal("a write of a session is repeated")
	}
	s.Outcome, s.Status = Replied, wire.SessionExpired
	if s.Retriable(numbered, true) || !s.Unknown(numbered) {
		t.Error("it would take effect twice, perhaps")
	}
}

func TestWhatIsKnownOfARequestThatHasFailed(t *testing.T) {
	for _, c := range []struct {
		name    string
		state   State
		unknown bool // of a write
	}{
		{"never tried", State{}, false},
		{"never sent", State{Outcome: LostUnsent}, false},
		{"never sent, but an earlier attempt was", State{Outcome: LostUnsent, Doubt: true}, true},
		{"sent", State{Outcome: LostSent}, true},
		{"stalled", State{Outcome: Stalled}, true},
		{"too late, unsent", State{Outcome: TimedOut}, false},
		{"too late, unsent, but an earlier attempt was", State{Outcome: TimedOut, Doubt: true}, true},
		{"too late, sent", State{Outcome: TimedOutSent}, true},
		{"left, unsent", State{Outcome: Canceled}, false},
		{"left, sent", State{Outcome: CanceledSent}, true},
		{"refused", State{Outcome: Replied, Status: wire.Busy}, false},
		{"refused after a doubt", State{Outcome: Replied, Status: wire.Busy, Doubt: true}, true},
		{"forbidden after a doubt", State{Outcome: Replied, Status: wire.PermissionDenied, Doubt: true}, true},
		{"decided after a doubt", State{Outcome: Replied, Status: wire.NotInteger, Doubt: true}, false},
		{"carried out after a doubt", State{Outcome: Replied, Status: wire.OK, Doubt: true}, false},
		{"condition does not hold, after a doubt", State{Outcome: Replied, Status: wire.VersionMismatch, Doubt: true}, false},
	} {
		for _, r := range []Request{bare, numbered, foreign} {
			if got := c.state.Unknown(r); got != c.unknown {
				t.Errorf("%s: a write (%+v) is of unknown outcome: %v", c.name, r, got)
			}
		}
		if c.state.Unknown(read) {
			t.Errorf("%s: a read has no outcome to be unknown", c.name)
		}
	}
}

func TestLessons(t *testing.T) {
	reply := func(status wire.Status) State { return State{Outcome: Replied, Status: status} }
	ms := time.Millisecond
	for _, c := range []struct {
		name      string
		state     State
		elsewhere bool
		hint      time.Duration
		want      Lesson // Wait: the longest it may be, by chance half of that; or the hint
		atLeader  bool
	}{
		{"the connection was lost", State{Outcome: LostSent}, false, 0, Lesson{Again: true, Refresh: true}, false},
		{"there was none", State{}, false, 0, Lesson{Again: true, Refresh: true}, false},
		{"another node leads", reply(wire.NotLeader), true, 0, Lesson{Again: true, Refresh: true}, true},
		{"nobody leads", reply(wire.NotLeader), false, 0, Lesson{Again: true, Refresh: true, Wait: ms}, true},
		{"a replica does not serve", reply(wire.Unavailable), false, 0, Lesson{Again: true, Refresh: true, Wait: ms}, true},
		{"another epoch", reply(wire.WrongEpoch), false, 0, Lesson{Again: true, Refresh: true, Wait: ms}, true},
		{"busy", reply(wire.Busy), false, 0, Lesson{Again: true, Wait: ms}, false},
		{"busy, with a hint", reply(wire.Busy), false, 70 * ms, Lesson{Again: true, Wait: 70 * ms}, false},
		{"unknown outcome", reply(wire.UnknownOutcome), false, 0, Lesson{Again: true, Refresh: true, Wait: ms}, false},
		{"session expired", reply(wire.SessionExpired), false, 0, Lesson{Again: true, Renew: Fresh}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, random := range []uint64{0, 1 << 63, 1<<64 - 1} {
				s := c.state
				got := s.Learn(c.elsewhere, c.hint, random)
				if got.Wait < c.want.Wait/2 || got.Wait > c.want.Wait || c.hint != 0 && got.Wait != c.hint {
					t.Errorf("waits %v, want up to %v", got.Wait, c.want.Wait)
				}
				if got.Wait = c.want.Wait; got != c.want || s.AtLeader != c.atLeader {
					t.Errorf("%+v (at the leader: %v), want %+v", got, s.AtLeader, c.want)
				}
			}
		})
	}
}

func TestRedirectsOneAfterTheOtherArePausedFromTheSecondOn(t *testing.T) {
	s := State{Outcome: Replied, Status: wire.NotLeader}
	learn := func() time.Duration { return s.Learn(true, 0, 1<<63).Wait }
	if learn() != 0 {
		t.Error("the first is followed at once")
	}
	for i := range 1000 {
		if learn() == 0 {
			t.Fatalf("redirect %d is followed at once: two nodes could send it to and fro", i+2)
		}
	}
	s.Status = wire.SessionExpired
	learn()
	if s.Status = wire.NotLeader; learn() == 0 {
		t.Error("a session that has expired is no sign of a leader")
	}
	s.Outcome = LostSent
	learn()
	if s.Outcome = Replied; learn() == 0 {
		t.Error("nor is a lost connection")
	}
	s.Status = wire.Busy
	learn()
	if s.Status = wire.NotLeader; learn() != 0 {
		t.Error("somebody led meanwhile")
	}
}

func TestUnknownOutcomesAndExpiredSessionsEnd(t *testing.T) {
	s := State{Outcome: Replied, Status: wire.UnknownOutcome}
	for i := range MaxDoubts {
		if !s.Learn(false, 0, 0).Again {
			t.Fatalf("ends after %d", i+1)
		}
	}
	if s.Learn(false, 0, 0).Again {
		t.Error("does not end")
	}
	s = State{Outcome: Replied, Status: wire.SessionExpired}
	for i := range MaxRenewals {
		if l := s.Learn(false, 0, 0); l.Renew != Fresh {
			t.Fatalf("renewal %d: %+v", i+1, l)
		}
	}
	if l := s.Learn(false, 0, 0); l.Renew != Plain || !l.Again {
		t.Errorf("%+v", l)
	}
}

func TestPausesGrowLongerForAServerThatIsBusyThanForAnElection(t *testing.T) {
	longest := func(status wire.Status) (d time.Duration) {
		s := State{Outcome: Replied, Status: status}
		for range 20 {
			d = s.Learn(false, 0, 1<<64-1).Wait
		}
		return d
	}
	if d, want := longest(wire.Busy), RetryPauses().Last; d > want || d < want/2 {
		t.Errorf("busy: %v, want %v", d, want)
	}
	if d, want := longest(wire.Unavailable), ElectPauses().Last; d > want || d < want/2 {
		t.Errorf("no leader: %v, want %v", d, want)
	}
}

func TestWhereARequestMayGo(t *testing.T) {
	ages, now := DefaultAges(), time.Unix(1_000_000, 0)
	young, old := &Session{Born: now.Add(-ages.Repeat + 1)}, &Session{Born: now.Add(-ages.Repeat)}
	doubt := State{Doubt: true}
	for _, c := range []struct {
		name    string
		state   State
		request Request
		session *Session
		keeps   bool
		want    Permission
	}{
		{"a read", State{}, read, nil, false, Allowed},
		{"a read, in doubt", doubt, read, nil, false, Allowed},
		{"a write", State{}, bare, nil, false, Allowed},
		{"a write with a caller's session, in doubt", doubt, foreign, nil, true, Allowed},
		{"the same, to a server without sessions", doubt, foreign, nil, false, Refused},
		{"a write of a session", State{}, numbered, young, true, Allowed},
		{"the same, in doubt", doubt, numbered, young, true, Allowed},
		{"of one that is too old", State{}, numbered, old, true, Renumber},
		{"the same, in doubt", doubt, numbered, old, true, Refused},
		{"to a server without sessions", State{}, numbered, young, false, Renumber},
		{"the same, in doubt", doubt, numbered, young, false, Refused},
	} {
		if got := c.state.Resend(c.request, c.session, c.keeps, ages, now); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

// TestNothingIsExecutedTwice plays requests against servers that execute what they get, answer or not, and remember sessions
// or not: whatever happens, a write takes effect once at most, and what its caller is told is so.
func TestNothingIsExecutedTwice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var (
			s        State
			session  *Session
			r        = Request{Writes: true}
			ages     = Ages{Use: 2 * time.Second, Repeat: 4 * time.Second, Relearn: time.Second}
			now      = time.Unix(1_000_000, 0)
			executed = map[[2]uint64]int{} // by session and number; all without one are {}
			number   uint64
			plain    = !rapid.Bool().Draw(t, "client keeps sessions")
			total    = func() (n int) {
				for _, times := range executed {
					n += times
				}
				return n
			}
		)
		for range rapid.IntRange(1, 20).Draw(t, "attempts") {
			keeps := rapid.IntRange(0, 3).Draw(t, "server keeps sessions") > 0
			now = now.Add(time.Duration(rapid.IntRange(0, 1500).Draw(t, "ms")) * time.Millisecond)
			switch s.Resend(r, session, keeps, ages, now) {
			case Refused:
				if !s.Unknown(r) && total() > 0 {
					t.Fatal("it was executed, and the caller is told that it was not")
				}
				return
			case Renumber:
				session, r.Numbered, r.Own = nil, false, false
			}
			if session == nil && keeps && !plain {
				session = new(Session)
				session.Begin(Clock{}, now, rapid.Uint64().Draw(t, "id"))
				number, _ = session.Number()
				r.Numbered, r.Own = true, true
			}
			key := [2]uint64{}
			if session != nil {
				key = [2]uint64{uint64(session.Born.UnixNano()), number}
			}
			before := executed[key]
			execute := func() {
				if key == ([2]uint64{}) || executed[key] == 0 {
					executed[key]++
				}
			}
			s.Outcome = Replied
			switch rapid.IntRange(0, 7).Draw(t, "what happens") {
			case 0:
				s.Outcome = LostUnsent
			case 1:
				s.Outcome = LostSent
			case 2:
				execute()
				s.Outcome = rapid.SampledFrom([]Outcome{LostSent, Stalled, TimedOutSent, CanceledSent}).Draw(t, "outcome")
			case 3:
				s.Status = rapid.SampledFrom([]wire.Status{wire.NotLeader, wire.Busy, wire.Unavailable, wire.WrongEpoch, wire.PermissionDenied}).Draw(t, "refusal")
			case 4:
				if rapid.Bool().Draw(t, "executed") {
					execute()
				}
				s.Status = wire.UnknownOutcome
			case 5:
				if s.Status = wire.SessionExpired; key == ([2]uint64{}) {
					s.Status = wire.Loading
				}
			case 6:
				s.Outcome = TimedOut
			default:
				execute()
				s.Status = wire.OK
			}
			if total() > 1 {
				t.Fatalf("executed %d times (%d before this attempt)", total(), before)
			}
			if !s.Retriable(r, true) {
				break
			}
			l := s.Learn(false, 0, 0)
			if l.Renew != Keep {
				session, r.Numbered, r.Own = nil, false, false
				plain = l.Renew == Plain
			}
			if !l.Again {
				break
			}
		}
		told := s.Decided() || s.Unknown(r)
		if !told && total() > 0 {
			t.Fatalf("%+v: it was executed, and the caller is told that it was not", s)
		}
		if s.Decided() && total() != 1 {
			t.Fatalf("%+v: the caller is told that it was executed", s)
		}
	})
}
