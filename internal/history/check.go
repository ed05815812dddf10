package history

import (
	"maps"
	"runtime"
	"slices"
	"sync"
	"time"
)

// Options bound a check. The zero value has defaults for all.
type Options struct {
	// Timeout bounds the search of one key. Default 30 s.
	Timeout time.Duration
	// Steps bounds the search of one key as well, independently of the machine's speed. Default 20 million.
	Steps int
	// Memory bounds the states one search remembers, in bytes. Default 1 GiB.
	Memory int
	// Slack is added to the age that a bounded read may have, for the clocks and their granularity. Default 0.
	Slack time.Duration
	// MinimiseTime bounds the minimising of each illegal history. Default 10 s; negative: they stay whole.
	MinimiseTime time.Duration
}

func (o Options) withDefaults() Options {
	if o.Timeout == 0 {
		o.Timeout = 30 * time.Second
	}
	if o.Steps == 0 {
		o.Steps = 20_000_000
	}
	if o.Memory == 0 {
		o.Memory = 1 << 30
	}
	if o.MinimiseTime == 0 {
		o.MinimiseTime = 10 * time.Second
	}
	return o
}

func (o Options) limits() limits { return limits{o.Timeout, o.Steps, o.Memory} }

// maxProblems bounds how many problems are minimised and reported; a broken store breaks its promises on every key.
const maxProblems = 8

// Check judges a history.
func Check(h History, o Options) Report {
	o = o.withDefaults()
	keys := h.ByKey()
	r := Report{Verdict: Legal, Keys: len(keys), Ops: len(h)}
	for _, op := range h {
		switch op.Outcome {
		case OK:
			r.OK++
		case Failed:
			r.Failed++
		default:
			r.Unknown++
		}
	}
	for _, judged := range judgeKeys(keys, o) {
		if judged.verdict == Undecided {
			r.Undecided = append(r.Undecided, judged.key)
		}
		r.Problems = append(r.Problems, judged.problems...)
	}
	switch {
	case len(r.Problems) > 0:
		r.Verdict = Illegal
	case len(r.Undecided) > 0:
		r.Verdict = Undecided
	}
	if len(r.Problems) > maxProblems {
		r.MoreProblems = len(r.Problems) - maxProblems
		r.Problems = r.Problems[:maxProblems]
	}
	for i := range r.Problems {
		if p := &r.Problems[i]; p.Promise == promiseLinearizable && o.MinimiseTime > 0 {
			p.Start, p.Ops = minimise(p.Ops, o)
		}
	}
	return r
}

// judged is what was found out about one key.
type judged struct {
	key      string
	verdict  Verdict // of the search
	problems []Problem
}

// judgeKeys judges the keys in their order, several at a time.
func judgeKeys(keys map[string]History, o Options) []judged {
	names := slices.Sorted(maps.Keys(keys))
	out := make([]judged, len(names))
	var wg sync.WaitGroup
	turns := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i, name := range names {
		turns <- struct{}{}
		wg.Go(func() {
			out[i] = judgeKey(name, keys[name], o)
			<-turns
		})
	}
	wg.Wait()
	return out
}

func judgeKey(key string, h History, o Options) judged {
	j := judged{key: key, verdict: search(h, State{}, o.limits())}
	j.problems = brokenPromises(key, h, o)
	if j.verdict == Illegal {
		j.problems = append(j.problems, Problem{
			Promise: promiseLinearizable, Key: key, Ops: h,
			Text: "no order of these operations, each between its call and its reply, explains all the replies",
		})
	}
	return j
}
