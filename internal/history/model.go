package history

import (
	"fmt"
	"strconv"
)

// State is what one key holds, as far as the operations applied so far tell.
//
// Invariant: Version is a lower bound of the version of the last write, and exactly that if Exact. Versions of one
// key only grow, also over deletions.
type State struct {
	Present bool   `json:"present"`
	Value   string `json:"value,omitempty"`
	Version uint64 `json:"version,omitempty"`
	Exact   bool   `json:"exact,omitempty"`

	// How many interchangeable writes with an open end have been applied; see event.rank.
	puts, deletes, increments uint32
}

// String shows the state on one line.
func (s State) String() string {
	switch {
	case !s.Present && s.Version == 0:
		return "no entry"
	case !s.Present:
		return fmt.Sprintf("no entry, last version %d", s.Version)
	case s.Exact:
		return fmt.Sprintf("%s, version %d", short(s.Value), s.Version)
	}
	return fmt.Sprintf("%s, version above %d", short(s.Value), s.Version)
}

// event is an operation as the model sees it.
type event struct {
	*Op
	// certain: the operation has taken effect: its reply says so, or somebody has seen it.
	certain bool
	// rank orders writes with open ends that are interchangeable, deletions among each other and increments by the same
	// delta: whichever takes effect first might as well have been the one called first. Trying them in that order
	// alone leaves n+1 cases of 2ⁿ. -1: not ranked.
	rank int
}

// step applies e to s: whether it can happen in s with the reply it got, and what holds then.
func step(s State, e event) (State, bool) {
	if !e.certain {
		return stepUncertain(s, e)
	}
	switch e.Kind {
	case Get:
		return s.observe(e.Found, e.Got, e.Version)
	case Put:
		return s.write(e.Value, e.Version)
	case Delete:
		if e.Found != s.Present {
			return s, false
		}
		if !e.Found {
			return s, true
		}
		return s.remove(e.Version)
	case CompareAndPut:
		if !e.Found {
			next, ok := s.hasVersion(e.Version)
			return next, ok && e.Version != e.Expect
		}
		next, ok := s.hasVersion(e.Expect)
		if !ok {
			return s, false
		}
		return next.write(e.Value, e.Version)
	case Increment:
		sum, ok := s.plus(e.Delta)
		if !ok || sum != e.Sum {
			return s, false
		}
		return s.write(formatInt(sum), e.Version)
	}
	return s, false
}

// stepUncertain applies a write of which nobody knows when, or whether, it took effect. It is always possible; that it
// never happens is the same as that it happens after everything else.
func stepUncertain(s State, e event) (State, bool) {
	switch e.Kind {
	case Put:
		if !takeTurn(&s.puts, e.rank) {
			return s, false
		}
		return s.overwrite(e.Value), true
	case Delete:
		if !takeTurn(&s.deletes, e.rank) {
			return s, false
		}
		if s.Present {
			s.Present, s.Value, s.Exact = false, "", false
		}
		return s, true
	case CompareAndPut:
		if next, ok := s.hasVersion(e.Expect); ok {
			return next.overwrite(e.Value), true
		}
		return s, true // it met another version
	case Increment:
		if !takeTurn(&s.increments, e.rank) {
			return s, false
		}
		if sum, ok := s.plus(e.Delta); ok {
			return s.overwrite(formatInt(sum)), true
		}
		return s, true // it was refused
	}
	return s, false
}

// takeTurn lets ranked writes pass in the order of their ranks only.
func takeTurn(applied *uint32, rank int) bool {
	if rank < 0 {
		return true
	}
	if int(*applied) != rank {
		return false
	}
	*applied++
	return true
}

// observe is a read.
func (s State) observe(found bool, value string, version uint64) (State, bool) {
	if found != s.Present || s.Value != value {
		return s, false
	}
	if !found || version == 0 {
		return s, true
	}
	return s.hasVersion(version)
}

// hasVersion tells whether the entry can have this version, 0 standing for no entry. If it can, it has it from here on.
func (s State) hasVersion(version uint64) (State, bool) {
	if version == 0 || !s.Present {
		return s, version == 0 && !s.Present
	}
	if s.Exact {
		return s, s.Version == version
	}
	if version <= s.Version {
		return s, false
	}
	s.Version, s.Exact = version, true
	return s, true
}

// write is a write of known effect. Its version, if known, must be above all before it.
func (s State) write(value string, version uint64) (State, bool) {
	if version == 0 {
		return s.overwrite(value), true
	}
	if version <= s.Version {
		return s, false
	}
	s.Present, s.Value, s.Version, s.Exact = true, value, version, true
	return s, true
}

// overwrite is a write of unknown version.
func (s State) overwrite(value string) State {
	s.Present, s.Value, s.Exact = true, value, false
	return s
}

func (s State) remove(version uint64) (State, bool) {
	if version != 0 && version <= s.Version {
		return s, false
	}
	s.Present, s.Value, s.Exact = false, "", false
	s.Version = max(s.Version, version)
	return s, true
}

// plus is what an increment would leave; false if the value is no integer.
func (s State) plus(delta int64) (int64, bool) {
	if !s.Present {
		return delta, true
	}
	n, err := strconv.ParseInt(s.Value, 10, 64)
	return n + delta, err == nil
}
