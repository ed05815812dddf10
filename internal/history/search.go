package history

import (
	"time"

	"github.com/anishathalye/porcupine"
)

// Verdict is what can be said of a history.
type Verdict string

const (
	Legal     Verdict = "legal"
	Illegal   Verdict = "illegal"
	Undecided Verdict = "unknown" // the search was given up; this is no kind of legal
)

// limits bound one search.
type limits struct {
	time  time.Duration
	steps int
	bytes int // of memory for states already visited
}

// search decides whether the history of one key is linearizable, from the given state on.
func search(h History, start State, most limits) Verdict {
	seen := events(h, start, false)
	verdict := searchEvents(seen, start, most)
	if verdict == Legal {
		return Legal
	}
	all := events(h, start, true)
	if len(all) == len(seen) {
		return verdict
	}
	return searchEvents(all, start, most)
}

func searchEvents(list []event, start State, most limits) Verdict {
	model, gaveUp := model(start, most.stepsFor(len(list)))
	switch porcupine.CheckOperationsTimeout(model, operations(list), most.time) {
	case porcupine.Ok:
		return Legal
	case porcupine.Illegal:
		if !gaveUp() {
			return Illegal
		}
	}
	return Undecided
}

// stepsFor is the bound of steps for a history of n operations: each may keep a set of n bits and a state.
func (l limits) stepsFor(n int) int {
	const state = 160
	return min(l.steps, l.bytes/(n/8+state))
}

// model is what porcupine needs. After the given number of steps it says no to everything, so that the search ends
// soon, and gaveUp says so.
func model(start State, steps int) (m porcupine.Model, gaveUp func() bool) {
	taken := 0
	return porcupine.Model{
		Init: func() any { return start },
		Step: func(state, input, _ any) (bool, any) {
			if taken++; taken > steps {
				return false, state
			}
			next, ok := step(state.(State), *input.(*event))
			return ok, next
		},
		Hash: func(state any) uint64 { return state.(State).Version },
		DescribeOperation: func(input, _ any) string {
			e := input.(*event)
			return e.call() + " → " + e.reply()
		},
		DescribeState: func(state any) string { return state.(State).String() },
	}, func() bool { return taken > steps }
}

func operations(list []event) []porcupine.Operation {
	out := make([]porcupine.Operation, len(list))
	for i := range list {
		e := &list[i]
		out[i] = porcupine.Operation{ClientId: e.Client, Input: e, Call: e.Call, Return: e.Return}
	}
	return out
}
