package attempt

import (
	"time"

	"github.com/prakashpandey/vegadb/internal/mutant"
	"github.com/prakashpandey/vegadb/internal/wire"
)

const (
	// MaxDoubts is how often UNKNOWN_OUTCOME, and MaxRenewals how often SESSION_EXPIRED, leads to another attempt.
	MaxDoubts   = 3
	MaxRenewals = 2
)

// State is what a request has been through. The zero value is that of one that was not tried yet.
type State struct {
	// How the last attempt has ended. Whoever carries the attempts out sets both.
	Outcome Outcome
	Status  wire.Status // of the reply; good with Replied

	// Doubt: an attempt may have been executed without an answer.
	Doubt bool
	// AtLeader: a replica has refused, so the leader is to answer, whatever the read would be content with.
	AtLeader bool

	redirects uint8 // NOT_LEADER, one after the other; counts to 2
	doubts    uint8 // UNKNOWN_OUTCOME
	renewals  uint8 // SESSION_EXPIRED
	pause     Pause
}

// Decided reports whether the last attempt has brought the outcome of a write.
func (s *State) Decided() bool { return s.Outcome == Replied && Decides(s.Status) }

// Unknown reports whether nobody can tell if the request has taken effect, should there be no further attempt. If it is
// false and there was no answer that decides, the request has not taken effect.
func (s *State) Unknown(r Request) bool {
	return r.Writes && !s.Decided() && (s.Doubt || s.Outcome.Unanswered())
}

// Retriable reports whether the same request may be sent once more and has a chance of another answer: nothing was executed, or it may
// be executed twice. It notes when the request may have been executed. open is false once the client is closed: it will not
// connect anew.
func (s *State) Retriable(r Request, open bool) bool {
	switch s.Outcome {
	case LostUnsent:
		return !r.Pinned && open
	case LostSent, Stalled:
		s.Doubt = true
		return !r.Pinned && open && r.Repeatable()
	case Replied:
		switch s.Status {
		case wire.NotLeader, wire.WrongEpoch:
			return !r.Stays
		case wire.Busy, wire.Unavailable, wire.ShuttingDown, wire.Loading:
			return true
		case wire.UnknownOutcome:
			s.Doubt = true
			return r.Repeatable()
		case wire.SessionExpired:
			return !s.Doubt && r.Own
		}
	}
	return false
}

// Renewal is what a write needs whose session was refused without its having been executed.
type Renewal uint8

const (
	Keep  Renewal = iota // nothing: it keeps the place it has, if it has one
	Fresh                // a place in another session
	Plain                // none any more: no session that this client makes is accepted
)

// Lesson is what follows from an attempt that is to be followed by another.
type Lesson struct {
	Again   bool          // false: it is not to be followed by another after all
	Wait    time.Duration // before the next one
	Refresh bool          // the topology is to be asked for: it seems to be old
	Renew   Renewal       // what the write needs first
}

// Learn draws the lesson from the last attempt. elsewhere is for NOT_LEADER: there is another node to go to at once, see
// [Partition.Redirect]. hint is how long the server has asked to wait, 0 without one.
func (s *State) Learn(elsewhere bool, hint time.Duration, random uint64) Lesson {
	if s.Outcome != Replied {
		return Lesson{Again: true, Refresh: true}
	}
	l := Lesson{Again: true}
	pauses := ElectPauses()
	redirects := s.redirects
	s.redirects = 0
	switch s.Status {
	case wire.NotLeader:
		s.AtLeader, l.Refresh = true, true
		if s.redirects = min(redirects+1, 2); s.redirects == 1 && elsewhere {
			return l
		}
	case wire.UnknownOutcome:
		l.Refresh = true
		s.doubts++
		l.Again = s.doubts <= MaxDoubts
	case wire.SessionExpired:
		s.renewals++
		if l.Renew = Fresh; s.renewals > MaxRenewals {
			l.Renew = Plain
		}
		s.redirects = redirects
		return l
	case wire.Busy, wire.Loading:
		pauses = RetryPauses()
	default:
		s.AtLeader, l.Refresh = true, true
	}
	l.Wait = max(s.pause.Take(pauses, random), hint)
	return l
}

// Permission says whether a request may be sent over a connection.
type Permission uint8

const (
	Refused  Permission = iota // it may not: what it has been through could be repeated
	Allowed                    // as it is
	Renumber                   // once it has left its session, which is no good there: nothing was executed
)

// Resend says whether the request may be sent, after what it has been through: what may have been executed already needs a
// session that is not too old and a server that knows it. session is the place of the request, nil if it has none of this
// client's; keeps tells whether the server keeps sessions.
func (s *State) Resend(r Request, session *Session, keeps bool, ages Ages, now time.Time) Permission {
	if mutant.On(mutant.RepeatAsNew) && s.Doubt && session != nil {
		return Renumber // as if nothing had been executed
	}
	switch {
	case session == nil && s.Doubt && r.Writes && !keeps:
		return Refused
	case session == nil, keeps && session.repeats(ages, now):
		return Allowed
	case s.Doubt:
		return Refused
	}
	return Renumber
}
