package attempt

import (
	"math/bits"
	"time"
)

// Bounds are the first and the longest of pauses that grow.
type Bounds struct{ First, Last time.Duration }

// RetryPauses lie between attempts that a server has refused because a queue is full or it loads.
func RetryPauses() Bounds { return Bounds{time.Millisecond, 500 * time.Millisecond} }

// ElectPauses lie between attempts, and looks for somebody to ask, while a partition has no leader that is known.
func ElectPauses() Bounds { return Bounds{time.Millisecond, 100 * time.Millisecond} }

// RefreshPauses lie between questions for the topology while nothing new is learnt.
func RefreshPauses() Bounds { return Bounds{time.Millisecond, 100 * time.Millisecond} }

// DialPauses lie between tries to connect to a node.
func DialPauses() Bounds { return Bounds{5 * time.Millisecond, 2 * time.Second} }

// Pause is one that doubles each time it is taken. The zero value begins with the first.
type Pause struct{ next time.Duration }

// Take returns how long to wait this time: between half of the pause and the whole, by chance, so that a thousand
// clients do not come back at once. With other bounds than before it goes on from where it is.
func (p *Pause) Take(b Bounds, random uint64) time.Duration {
	now := max(p.next, b.First)
	p.next = min(2*now, max(b.Last, now))
	return Jitter(now, random)
}

// Reset begins with the first again.
func (p *Pause) Reset() { p.next = 0 }

// Jitter returns a duration between half of d and d.
func Jitter(d time.Duration, random uint64) time.Duration {
	return d/2 + time.Duration(below(random, uint64(d/2)+1))
}

// below makes of a random number one below n.
func below(random, n uint64) uint64 {
	high, _ := bits.Mul64(random, n)
	return high
}
