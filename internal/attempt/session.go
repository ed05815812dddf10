package attempt

import (
	"encoding/binary"
	"math/bits"
	"time"

	"github.com/prakashpandey/vegadb/internal/wire"
)

// Session numbers the writes that start on one connection, so that a repetition of
// one, over whatever connection, takes effect once. The server remembers the
// outcomes above the acknowledged mark; the mark travels with each write.
//
// Invariants:
//
//   - A sequence number is given away once; the write that it goes to keeps it for all its attempts.
//   - acked never passes a write that is not settled: whose outcome somebody may still ask for.
//   - next - acked ≤ Window: no more outcomes than a server remembers of one
//     session. A session that is full (one write is stuck, while thousands after
//     it are done) is left to its writes, and the next ones begin another.
type Session struct {
	ID   wire.SessionID
	Born time.Time

	next  uint64 // the last number given away
	acked uint64
	done  [Window / 64]uint64 // bit n mod Window: n > acked is settled
}

// Window is how many outcomes a server remembers of one session.
const Window = 4096

// Ages are what sessions and the knowledge of clocks are used for.
type Ages struct {
	Use     time.Duration // for how long, from its birth, new writes join a session
	Repeat  time.Duration // until when, counted from its birth, writes are repeated
	Relearn time.Duration // how old the news of a server's clock is when it is doubted
}

// DefaultAges lie well within what the server promises (10 minutes), as its clock is another one.
func DefaultAges() Ages {
	return Ages{Use: 150 * time.Second, Repeat: 5 * time.Minute, Relearn: time.Minute}
}

// Begin makes s a new session, as old as the server's clock says.
func (s *Session) Begin(c Clock, now time.Time, random uint64) {
	*s = Session{Born: now}
	ms := c.Read(now)
	if ms == 0 {
		ms = uint64(now.UnixMilli())
	}
	binary.BigEndian.PutUint64(s.ID[:], ms)
	binary.LittleEndian.PutUint64(s.ID[8:], random)
}

// Full reports whether the session has no numbers to give away.
func (s *Session) Full() bool { return s.next-s.acked >= Window }

// Number gives a number away and tells the acknowledged mark. The session must not be full.
func (s *Session) Number() (sequence, acked uint64) {
	s.next++
	return s.next, s.acked
}

// Acked is the acknowledged mark: every write up to it is settled.
func (s *Session) Acked() uint64 { return s.acked }

// Outstanding is how many of the numbers from the mark on are given away.
func (s *Session) Outstanding() uint64 { return s.next - s.acked }

// Settle notes that nobody will ask for the outcome of a write again: once for each number.
func (s *Session) Settle(sequence uint64) {
	if sequence != s.acked+1 {
		s.done[sequence/64%uint64(len(s.done))] |= 1 << (sequence % 64)
		return
	}
	s.acked++
	for {
		at := s.acked + 1
		word := &s.done[at/64%uint64(len(s.done))]
		run := uint64(bits.TrailingZeros64(^(*word >> (at % 64)))) // settled ones from here on
		if run == 0 {
			return
		}
		*word &^= (1<<run - 1) << (at % 64)
		s.acked += run
	}
}

// Joins reports whether new writes may join the session.
func (s *Session) Joins(a Ages, now time.Time) bool { return now.Sub(s.Born) <= a.Use }

// repeats reports whether its writes may still be repeated.
func (s *Session) repeats(a Ages, now time.Time) bool { return now.Sub(s.Born) < a.Repeat }

// Clock is what a server's greeting has told of its clock.
type Clock struct {
	Ms uint64    // unix ms; 0: it did not tell
	At time.Time // when the greeting came
}

// Read is the server's clock now, in unix ms, if both go at the same pace; 0 if it did not tell.
func (c Clock) Read(now time.Time) uint64 {
	if c.Ms == 0 {
		return 0
	}
	return c.Ms + uint64(now.Sub(c.At)/time.Millisecond)
}

// Doubted reports whether the connection should be made anew because the server has refused a session for its age: by what is known
// here it was young, so the server's clock is not where it is thought to be (one of both machines slept, say), and the next
// greeting tells. Not while the news is fresh: a clock that another greeting does not set right would have every
// connection closed at once.
func (c Clock) Doubted(s *Session, a Ages, now time.Time) bool {
	return s.Joins(a, now) && now.Round(0).Sub(c.At.Round(0)) > a.Relearn // by the wall clock, which goes on in sleep
}
