package auth

import (
	"fmt"
	"net/netip"
	"sync"
	"time"
)

const (
	// maxTracked bounds the addresses a Limiter remembers (about 1 MiB).
	maxTracked = 8192
	// evictSample is how many it looks at to make room for one more.
	evictSample = 16
)

// LimitedError says that an address has failed too often to be heard now.
type LimitedError struct{ RetryAfter time.Duration }

func (e *LimitedError) Error() string {
	return fmt.Sprintf("too many failed logins from this address: try again in %s", e.RetryAfter.Round(time.Second))
}

// Limiter allows each address a number of failed logins per minute: a token
// bucket per address that starts full and refills evenly. IPv6 addresses count
// by their /64, which is what one household or host is given.
//
// Its memory is bounded: when it tracks maxTracked addresses, a new one takes
// the place of the fullest, that is, least guilty, of a small sample. A nil
// Limiter allows everything.
type Limiter struct {
	perMinute float64
	clock     func() time.Time

	mu      sync.Mutex
	buckets map[netip.Addr]bucket // guarded by mu
}

type bucket struct {
	tokens float64
	at     time.Time // when tokens was right
}

// NewLimiter allows perMinute failures; 0 means no limit, and a nil Limiter.
func NewLimiter(perMinute int, clock func() time.Time) *Limiter {
	if perMinute <= 0 {
		return nil
	}
	return &Limiter{perMinute: float64(perMinute), clock: clock, buckets: map[netip.Addr]bucket{}}
}

// Take counts an attempt, or refuses it with a *LimitedError.
func (l *Limiter) Take(addr netip.Addr) error {
	if l == nil {
		return nil
	}
	addr = network(addr)
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock()
	tokens := l.level(addr, now)
	if tokens < 1 {
		return &LimitedError{RetryAfter: time.Duration((1 - tokens) / l.perMinute * float64(time.Minute))}
	}
	l.store(addr, bucket{tokens - 1, now})
	return nil
}

// Refund takes back one attempt that turned out to be right.
func (l *Limiter) Refund(addr netip.Addr) {
	if l == nil {
		return
	}
	addr = network(addr)
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock()
	l.store(addr, bucket{l.level(addr, now) + 1, now})
}

// level is what the address's bucket holds now. Caller holds mu.
func (l *Limiter) level(addr netip.Addr, now time.Time) float64 {
	b, ok := l.buckets[addr]
	if !ok {
		return l.perMinute
	}
	elapsed := max(0, now.Sub(b.at).Minutes()) // a clock set back refills nothing
	return min(l.perMinute, b.tokens+elapsed*l.perMinute)
}

// store keeps b, or forgets the address when its bucket is full. Caller holds mu.
func (l *Limiter) store(addr netip.Addr, b bucket) {
	if b.tokens >= l.perMinute {
		delete(l.buckets, addr)
		return
	}
	if _, ok := l.buckets[addr]; !ok && len(l.buckets) >= maxTracked {
		l.evict(b.at)
	}
	l.buckets[addr] = b
}

func (l *Limiter) evict(now time.Time) {
	var victim netip.Addr
	fullest, seen := -1.0, 0
	for addr := range l.buckets {
		if level := l.level(addr, now); level > fullest {
			victim, fullest = addr, level
		}
		if seen++; seen >= evictSample {
			break
		}
	}
	delete(l.buckets, victim)
}

// network is the unit that is limited: an IPv4 address, or an IPv6 /64.
func network(addr netip.Addr) netip.Addr {
	addr = addr.Unmap()
	if addr.Is6() {
		if p, err := addr.WithZone("").Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return addr
}
