package history

import (
	"cmp"
	"slices"
)

// unseen is the value that the model gives to puts whose value nobody saw: which of them it was makes no difference.
const unseen = "(a value that nobody saw)"

// events prepares the history of one key for the search. It leaves out what has no effect and tells nothing: failed
// operations, reads without an answer, reads of levels that do not linearize.
//
// Without blind it also leaves out writes of unknown outcome that nobody saw. A history that is legal without them is
// legal with them, since they may take effect after everything else; so this cheaper question is asked first. The
// opposite does not hold: such a write may be what a later delete found.
func events(h History, start State, blind bool) []event {
	delta, hasIncrements := commonDelta(h)
	seen := map[int]sighting{}
	if !hasIncrements { // a sum may happen to be a value that was put
		seen = sightings(h, start)
	}
	var out []event
	for i := range h {
		op := &h[i]
		switch {
		case op.Outcome == Failed, op.Kind == Get && (op.Outcome != OK || !op.Level.Linearizes()):
		case op.Outcome == OK:
			out = append(out, event{op, true, -1})
		default:
			if sight, ok := seen[i]; ok {
				out = append(out, event{proven(op, sight), true, -1})
			} else if blind || op.Kind == Delete || op.Kind == Increment {
				out = append(out, event{op, false, -1})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b event) int { return cmp.Compare(a.Call, b.Call) })
	rank(out, delta, hasIncrements)
	return out
}

// sighting is the first proof that a write has taken effect.
type sighting struct {
	by      int64  // it had, by then
	version uint64 // which it got; 0 if not known
}

// sightings finds the proofs for writes of unknown outcome: linearizable reads of their values.
func sightings(h History, start State) map[int]sighting {
	writer := make(map[string]int) // of a value; -1: several
	if start.Present {
		writer[start.Value] = -1
	}
	for i, op := range h {
		if (op.Kind == Put || op.Kind == CompareAndPut) && op.Outcome != Failed {
			if _, taken := writer[op.Value]; taken {
				i = -1
			}
			writer[op.Value] = i
		}
	}
	seen := make(map[int]sighting)
	for _, op := range h {
		if op.Kind != Get || op.Outcome != OK || !op.Found || !op.Level.Linearizes() {
			continue
		}
		i, ok := writer[op.Got]
		if !ok || i < 0 || h[i].Outcome != Unknown {
			continue
		}
		if s, ok := seen[i]; !ok || op.Return < s.by {
			seen[i] = sighting{op.Return, cmp.Or(s.version, op.Version)}
		}
	}
	return seen
}

// proven is op as it is known after the sighting.
func proven(op *Op, s sighting) *Op {
	known := *op
	known.Outcome, known.Found, known.Version = OK, true, s.version
	// A value seen before it was written keeps an empty interval: the search has to call that illegal.
	known.Return = max(s.by, op.Call)
	return &known
}

// commonDelta is the delta that most increments of unknown outcome have, and whether there are increments at all.
func commonDelta(h History) (delta int64, any bool) {
	count := make(map[int64]int)
	for _, op := range h {
		if op.Kind != Increment || op.Outcome == Failed {
			continue
		}
		any = true
		if op.Outcome == Unknown {
			count[op.Delta]++
			if count[op.Delta] > count[delta] {
				delta = op.Delta
			}
		}
	}
	return delta, any
}

// rank numbers the interchangeable among the uncertain events, which are in order of their calls.
func rank(events []event, delta int64, hasIncrements bool) {
	var puts, deletes, increments int
	next := func(n *int) int { *n++; return *n - 1 }
	for i := range events {
		e := &events[i]
		if e.certain {
			continue
		}
		switch {
		case e.Kind == Delete:
			e.rank = next(&deletes)
		case e.Kind == Increment && e.Delta == delta:
			e.rank = next(&increments)
		case e.Kind == Put && !hasIncrements && !readAnywhere(events, e.Value):
			anonymous := *e.Op
			anonymous.Value = unseen
			e.Op, e.rank = &anonymous, next(&puts)
		}
	}
}

func readAnywhere(events []event, value string) bool {
	return slices.ContainsFunc(events, func(e event) bool { return e.Kind == Get && e.Found && e.Got == value })
}
