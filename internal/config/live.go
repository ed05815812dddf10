package config

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
)

// ErrUnknown and ErrFixed are what Live.Set refuses a name with.
var (
	ErrUnknown = errors.New("unknown setting")
	ErrFixed   = errors.New("cannot be changed while the server runs")
)

// Pair is a name and a value, as CONFIG GET and CONFIG SET speak of them.
type Pair struct{ Name, Value string }

// Live is the settings of a running server. Readers take a consistent copy
// without a lock; CONFIG SET replaces the whole.
type Live struct {
	current atomic.Pointer[Server]
	mu      sync.Mutex // one Set at a time, so that none is lost
}

// NewLive starts from c, which the caller has validated.
func NewLive(c Server) *Live {
	l := &Live{}
	l.current.Store(&c)
	return l
}

// Current is the settings now. The result must not be changed.
func (l *Live) Current() *Server { return l.current.Load() }

// Set changes all of pairs or none. Names may be Redis's. The errors wrap
// ErrUnknown, ErrFixed or a *ValueError, with the name as it was given; name
// says which pair it was.
//
// apply, when not nil, is called with the settings before and after while no
// other Set can run; an error from it leaves everything as it was.
func (l *Live) Set(pairs []Pair, apply func(old, now *Server) error) (name string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	old := l.current.Load()
	now := *old
	for _, p := range pairs {
		s := Lookup(p.Name)
		switch {
		case s == nil && derivedValue(&now, p.Name) != nil, s != nil && !s.Runtime:
			return p.Name, fmt.Errorf("%s: %w", p.Name, ErrFixed)
		case s == nil:
			return p.Name, fmt.Errorf("%s: %w", p.Name, ErrUnknown)
		}
		if err := s.Set(&now, p.Value); err != nil {
			return p.Name, err
		}
		name = p.Name
	}
	if err := now.Validate(); err != nil {
		return name, err
	}
	if apply != nil {
		if err := apply(old, &now); err != nil {
			return name, err
		}
	}
	l.current.Store(&now)
	return "", nil
}
