package history

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"
)

// The promises, as reports name them.
const (
	promiseLinearizable = "linearizable"
	promiseSource       = "only what was written is read"
	promiseUnique       = "no two writes share a version"
	promiseForward      = "versions never go back"
	promiseKept         = "no acknowledged write is missing at the end"
	promiseCounter      = "a counter holds its increments, each once"
	promiseSession      = "session reads show what their session has seen"
	promiseBounded      = "bounded reads are not older than asked"
)

// brokenPromises looks for what can be shown without a search.
func brokenPromises(key string, h History, o Options) []Problem {
	h = slices.Clone(h)
	slices.SortStableFunc(h, func(a, b Op) int { return cmp.Compare(a.Call, b.Call) })
	var out []Problem
	for _, check := range []func(History, Options) *Problem{
		checkSources, checkVersions, checkForward, checkKept, checkCounter, checkSessions, checkBounded,
	} {
		if p := check(h, o); p != nil {
			p.Key = key
			out = append(out, *p)
		}
	}
	return out
}

// broken makes a Problem of the operations that show it.
func broken(promise string, ops []Op, format string, args ...any) *Problem {
	return &Problem{Promise: promise, Ops: ops, Text: fmt.Sprintf(format, args...)}
}

// checkSources: reads of every level show a value that somebody wrote, that was not refused, whose writing had begun
// before the read ended, and under the version that its writer was told.
func checkSources(h History, _ Options) *Problem {
	writers := make(map[string][]Op)
	for _, op := range h {
		switch op.Kind {
		case Put, CompareAndPut:
			if op.Kind == Put || op.Outcome != OK || op.Found {
				writers[op.Value] = append(writers[op.Value], op)
			}
		case Increment:
			return nil // its values are sums: checkCounter and the search judge them
		}
	}
	for _, read := range h {
		if read.Kind != Get || read.Outcome != OK || !read.Found {
			continue
		}
		from := writers[read.Got]
		if len(from) == 0 {
			return broken(promiseSource, []Op{read}, "nobody wrote the value that was read")
		}
		if !slices.ContainsFunc(from, func(w Op) bool { return couldShow(w, read) }) {
			return broken(promiseSource, append(slices.Clone(from), read), "the value cannot come from who wrote it")
		}
	}
	return nil
}

// couldShow reports whether a read may show what w wrote.
func couldShow(w, read Op) bool {
	sameVersion := w.Outcome != OK || w.Version == 0 || read.Version == 0 || w.Version == read.Version
	return w.Outcome != Failed && w.Call <= read.Return && sameVersion
}

// written returns the version that an acknowledged write gave the key, 0 if it gave none or did not tell.
func written(op Op) uint64 {
	if op.Outcome != OK || !op.Kind.Writes() {
		return 0
	}
	if (op.Kind == Delete || op.Kind == CompareAndPut) && !op.Found {
		return 0
	}
	return op.Version
}

// shown returns the version of the entry that a successful operation has seen or made, 0 if there was none.
func shown(op Op) uint64 {
	if op.Outcome != OK || op.Kind == Delete && !op.Found || op.Kind == Get && !op.Found {
		return 0
	}
	return op.Version
}

func checkVersions(h History, _ Options) *Problem {
	writer := make(map[uint64]Op)
	for _, op := range h {
		v := written(op)
		if v == 0 {
			continue
		}
		if other, taken := writer[v]; taken {
			return broken(promiseUnique, []Op{other, op}, "both were acknowledged with version %d", v)
		}
		writer[v] = op
	}
	return nil
}

// checkForward: whoever reads linearizably, or writes, gets at least the version that anybody was shown before.
func checkForward(h History, _ Options) *Problem {
	ended := slices.Clone(h)
	ended = slices.DeleteFunc(ended, func(op Op) bool { return shown(op) == 0 || !op.Level.Linearizes() })
	slices.SortStableFunc(ended, func(a, b Op) int { return cmp.Compare(a.Return, b.Return) })
	var newest Op
	next := 0
	for _, op := range h { // in order of calls
		for next < len(ended) && ended[next].Return < op.Call {
			if shown(ended[next]) > shown(newest) {
				newest = ended[next]
			}
			next++
		}
		v, floor := shown(op), shown(newest)
		if v == 0 || floor == 0 || !op.Level.Linearizes() {
			continue
		}
		if v < floor || written(op) == floor {
			return broken(promiseForward, []Op{newest, op}, "version %d was there before the call, the reply has version %d", floor, v)
		}
	}
	return nil
}

// finalRead is the last linearizable read that began after all other operations had ended, but for those of unknown
// outcome.
func finalRead(h History) (Op, bool) {
	var last Op
	found := false
	for _, op := range h {
		if op.Kind == Get && op.Outcome == OK && op.Level.Linearizes() && op.Call >= last.Call {
			last, found = op, true
		}
	}
	for _, op := range h {
		if op.Outcome != Unknown && op.Return > last.Call && op.Call < last.Call {
			return Op{}, false
		}
		if op.Kind.Writes() && op.Call > last.Call {
			return Op{}, false
		}
	}
	return last, found
}

func checkKept(h History, _ Options) *Problem {
	read, ok := finalRead(h)
	if !ok {
		return nil
	}
	var newest Op
	maybeDeleted := false
	for _, op := range h {
		if written(op) > written(newest) {
			newest = op
		}
		maybeDeleted = maybeDeleted || op.Kind == Delete && op.Outcome != Failed && (op.Version == 0 || op.Outcome == Unknown)
	}
	v := written(newest)
	switch {
	case v == 0, !read.Found && (newest.Kind == Delete || maybeDeleted), read.Found && read.Version == 0:
		return nil
	case !read.Found:
		return broken(promiseKept, []Op{newest, read}, "the entry is gone and nobody deleted it")
	case read.Version < v:
		return broken(promiseKept, []Op{newest, read}, "version %d was acknowledged, at the end there is version %d", v, read.Version)
	}
	return nil
}

// checkCounter applies to keys that are only incremented and read.
func checkCounter(h History, _ Options) *Problem {
	read, ok := finalRead(h)
	if !ok {
		return nil
	}
	var low, high int64
	increments := []Op{}
	for _, op := range h {
		if op.Kind == Get || op.Outcome == Failed {
			continue
		}
		if op.Kind != Increment {
			return nil
		}
		increments = append(increments, op)
		switch op.Outcome {
		case OK:
			low, high = low+op.Delta, high+op.Delta
		case Unknown:
			low, high = low+min(op.Delta, 0), high+max(op.Delta, 0)
		}
	}
	if len(increments) == 0 {
		return nil
	}
	var sum int64
	if read.Found {
		var err error
		if sum, err = strconv.ParseInt(read.Got, 10, 64); err != nil {
			return broken(promiseCounter, []Op{read}, "the counter holds no integer")
		}
	}
	if sum < low || sum > high {
		return broken(promiseCounter, []Op{read}, "%d increments, acknowledged or of unknown outcome, add up to %d at least and %d at most; the counter holds %d",
			len(increments), low, high, sum)
	}
	return nil
}

// checkSessions: within one client, a session read shows at least the version that the client has written or read
// before. Other clients' deletes may have removed the entry.
func checkSessions(h History, _ Options) *Problem {
	newest := make(map[int]Op)
	for _, op := range h {
		floor := max(shown(newest[op.Client]), written(newest[op.Client]))
		if op.Kind == Get && op.Level == Session && op.Outcome == OK {
			if p := notOlder(promiseSession, h, newest[op.Client], op, floor); p != nil {
				return p
			}
		}
		if max(shown(op), written(op)) > floor {
			newest[op.Client] = op
		}
	}
	return nil
}

// notOlder compares a read with the version it must show at least.
func notOlder(promise string, h History, known, read Op, floor uint64) *Problem {
	switch {
	case floor == 0 || read.Found && (read.Version == 0 || read.Version >= floor):
		return nil
	case read.Found:
		return broken(promise, []Op{known, read}, "it must show version %d at least, it shows %d", floor, read.Version)
	}
	for _, op := range h {
		if op.Kind != Delete || op.Outcome == Failed || op.Call > read.Return {
			continue
		}
		if op.Outcome == Unknown || op.Found && (op.Version == 0 || op.Version >= floor) {
			return nil
		}
	}
	return broken(promise, []Op{known, read}, "it must show version %d at least, it shows no entry, and nobody deleted it since", floor)
}

// checkBounded: what was acknowledged longer ago than the read's bound is visible to it.
func checkBounded(h History, o Options) *Problem {
	acknowledged := slices.Clone(h)
	acknowledged = slices.DeleteFunc(acknowledged, func(op Op) bool { return written(op) == 0 })
	slices.SortStableFunc(acknowledged, func(a, b Op) int { return cmp.Compare(a.Return, b.Return) })
	for i := 1; i < len(acknowledged); i++ { // from here on: the newest of all that ended so far
		if written(acknowledged[i]) < written(acknowledged[i-1]) {
			acknowledged[i] = withReturn(acknowledged[i-1], acknowledged[i].Return)
		}
	}
	for _, op := range h {
		if op.Kind != Get || op.Level != Bounded || op.Outcome != OK {
			continue
		}
		since := op.Call - int64(min(op.MaxAge+o.Slack, time.Duration(math.MaxInt64/2)))
		n, _ := slices.BinarySearchFunc(acknowledged, since, func(w Op, t int64) int { return cmp.Compare(w.Return, t) })
		if n == 0 {
			continue
		}
		known := acknowledged[n-1]
		if p := notOlder(promiseBounded, h, known, op, written(known)); p != nil {
			return p
		}
	}
	return nil
}

func withReturn(op Op, at int64) Op {
	op.Return = at
	return op
}
