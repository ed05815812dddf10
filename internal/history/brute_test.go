package history

import (
	"cmp"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// brute decides linearizability the plain way: it tries every order that real time allows, with and without each
// operation of unknown outcome. It shares the meaning of single operations (step) with the search, and nothing of what
// the search does to be fast: no sightings, no ranks, nothing left out.
func brute(h History, s State) bool {
	if !slices.ContainsFunc(h, func(op Op) bool { return op.Outcome == OK }) {
		return true
	}
	for i := range h {
		if op := h[i]; op.Outcome == Failed || op.Kind == Get && op.Outcome != OK || !mayBeNext(h, i) {
			continue
		}
		next, ok := step(s, event{&h[i], h[i].Outcome == OK, -1})
		if ok && brute(slices.Delete(slices.Clone(h), i, i+1), next) {
			return true
		}
	}
	return false
}

// mayBeNext: nothing else had ended before it was called.
func mayBeNext(h History, i int) bool {
	return !slices.ContainsFunc(h, func(op Op) bool { return op.Outcome == OK && op.Return < h[i].Call })
}

// drawHistory draws a short history of one key: half sensible, because an entry is kept and replies follow it, half not.
func drawHistory(t *rapid.T, kinds []Kind, versions bool) History {
	var h History
	var now int64
	var entry State
	busy := make([]int64, 3) // when each client is free
	for n := range rapid.IntRange(1, 7).Draw(t, "operations") {
		now += rapid.Int64Range(0, 2).Draw(t, "wait")
		client := rapid.IntRange(0, len(busy)-1).Draw(t, "client")
		call := max(now, busy[client])
		op := Op{Client: client, Kind: rapid.SampledFrom(kinds).Draw(t, "kind"), Key: "k", Call: call}
		op.Return = call + rapid.Int64Range(0, 6).Draw(t, "takes")
		busy[client] = op.Return + 1
		entry = reply(t, &op, entry, uint64(n+1))
		if rapid.IntRange(0, 9).Draw(t, "mixed up") == 0 {
			entry = State{Present: true, Value: "1", Version: uint64(rapid.IntRange(1, n+1).Draw(t, "version"))}
		}
		if op.Kind.Writes() && rapid.IntRange(0, 2).Draw(t, "lost") == 0 {
			op.Return, op.Reply = Open, Reply{Outcome: Unknown}
		}
		if !versions {
			op.Version = 0
		}
		h = append(h, op)
	}
	return h
}

// reply gives op the reply that fits the entry and returns what the entry is then, or was.
func reply(t *rapid.T, op *Op, entry State, version uint64) State {
	op.Reply = Reply{Outcome: OK, Found: entry.Present, Version: version}
	next := State{Present: true, Value: rapid.SampledFrom([]string{"", "v"}).Draw(t, "numeric") + formatInt(int64(version)), Version: version}
	switch op.Kind {
	case Get:
		op.Got, op.Version = entry.Value, entry.Version
		return entry
	case Delete:
		next = State{}
	case CompareAndPut:
		op.Expect = entry.Version
		if rapid.Bool().Draw(t, "mismatch") {
			op.Found = false
			op.Version, op.Expect = entry.Version, version+3
			return entry
		}
		op.Value, op.Found = next.Value, true
	case Increment:
		op.Delta = rapid.Int64Range(1, 2).Draw(t, "delta")
		sum, ok := entry.plus(op.Delta)
		if !ok {
			sum = 1
		}
		op.Sum, next.Value = sum, formatInt(sum)
	default:
		op.Value = next.Value
	}
	if !op.Found && op.Kind == Delete {
		op.Version = 0
	}
	if rapid.IntRange(0, 3).Draw(t, "took no effect") == 0 {
		return entry
	}
	return next
}

func TestTheSearchAgreesWithTryingEveryOrder(t *testing.T) {
	for name, kinds := range map[string][]Kind{
		"registers": {Get, Get, Put, Put, Delete, CompareAndPut},
		"counters":  {Get, Increment, Increment, Increment},
		"all":       {Get, Put, Delete, CompareAndPut, Increment},
	} {
		t.Run(name, func(t *testing.T) {
			verdicts := map[Verdict]int{}
			rapid.Check(t, func(t *rapid.T) {
				h := drawHistory(t, kinds, rapid.Bool().Draw(t, "versions"))
				want := Illegal
				if brute(h, State{}) {
					want = Legal
				}
				verdicts[want]++
				if got := search(h, State{}, Options{}.withDefaults().limits()); got != want {
					t.Fatalf("the search says %s, trying every order says %s:\n%s", got, want, Problem{Ops: h})
				}
			})
			if verdicts[Legal] == 0 || verdicts[Illegal] == 0 {
				t.Errorf("one-sided histories: %v", verdicts)
			}
		})
	}
}

func TestAMinimisedHistoryProvesThatTheWholeOneIsIllegal(t *testing.T) {
	smaller := 0
	rapid.Check(t, func(t *rapid.T) {
		h := drawHistory(t, []Kind{Get, Get, Put, Put, Delete, CompareAndPut, Increment}, rapid.Bool().Draw(t, "versions"))
		slices.SortStableFunc(h, func(a, b Op) int { return cmp.Compare(a.Call, b.Call) })
		legal := brute(h, State{})
		// Each step by itself, tried on legal histories too: it must leave them legal.
		for i := range h {
			rest := slices.Delete(slices.Clone(h), i, i+1)
			if observes(h[i]) || unobserved(h, i) {
				mustStay(t, legal, h, rest, State{})
			}
		}
		if i := oldest(h); i >= 0 && isFirst(h, i) {
			if start, ok := after(h[i]); ok {
				mustStay(t, legal, h, slices.Delete(slices.Clone(h), i, i+1), start)
			}
		}
		for _, op := range h {
			mustStay(t, legal, h, prefix(h, op.Return), State{})
		}
		if legal {
			return
		}
		start, small := minimise(h, Options{}.withDefaults())
		if brute(small, start) {
			t.Fatalf("what is left is legal:\n%s\nof\n%s", Problem{Start: start, Ops: small}, Problem{Ops: h})
		}
		if len(small) < len(h) {
			smaller++
		}
	})
	if smaller == 0 {
		t.Error("nothing was ever left out")
	}
}

// mustStay fails if a legal history has been turned into an illegal one.
func mustStay(t *rapid.T, legal bool, h, rest History, start State) {
	if legal && !brute(rest, start) {
		t.Fatalf("a legal history\n%s\nhas become illegal:\n%s", Problem{Ops: h}, Problem{Promise: promiseLinearizable, Start: start, Ops: rest})
	}
}
