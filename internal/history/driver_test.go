package history

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"
)

// mapStore is a correct Store in memory, that loses every nth reply to a write.
type mapStore struct {
	mu      sync.Mutex
	entries map[string]State
	index   uint64
	nth     int
	calls   int
}

func (m *mapStore) Do(ctx context.Context, op Op) Reply {
	if _, ok := ctx.Deadline(); !ok {
		return Reply{Outcome: Failed, Error: "no deadline"}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls++
	reply := m.apply(op)
	if m.nth > 0 && m.calls%m.nth == 0 && op.Kind.Writes() {
		return Reply{Outcome: Unknown, Error: "the reply is lost"}
	}
	return reply
}

func (m *mapStore) apply(op Op) Reply {
	e := m.entries[op.Key]
	r := Reply{Outcome: OK, Found: e.Present, Version: e.Version}
	switch op.Kind {
	case Get:
		r.Got = e.Value
		return r
	case Delete:
		if !e.Present {
			return Reply{Outcome: OK}
		}
	case CompareAndPut:
		if r.Found = e.Version == op.Expect; !r.Found {
			return r
		}
	case Increment:
		sum, err := e.plus(op.Delta)
		if !err {
			return Reply{Outcome: Failed}
		}
		r.Sum, op.Value = sum, strconv.FormatInt(sum, 10)
	}
	m.index++
	m.entries[op.Key] = State{Present: true, Value: op.Value, Version: m.index}
	if op.Kind == Delete {
		m.entries[op.Key] = State{}
	}
	r.Version = m.index
	return r
}

func TestAWorkloadOnACorrectStoreIsLegalAndHasEveryOperation(t *testing.T) {
	rec := NewRecorder(Monotonic())
	store := &mapStore{entries: map[string]State{}, nth: 50}
	w := Workload{Seed: 3, MaxOps: 6000, OpsPerKey: 100, ValueSize: 40, Levels: []Level{Linearizable, Session, Bounded, Local, Lease}}
	w.Run(t.Context(), rec, func(int) Store { return store })
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if n := ReadAll(ctx, rec, store); n > 0 {
		t.Errorf("%d keys not read at the end", n)
	}
	h := rec.History()
	r := Check(h, Options{})
	if r.Verdict != Legal || r.Unknown == 0 || r.Keys < 16 {
		t.Fatal(r)
	}
	counts := map[string]int{}
	for _, op := range h {
		counts[string(op.Kind)+string(op.Level)]++
		if op.Kind == CompareAndPut && op.Found {
			counts["stored by compare-and-put"]++
		}
		if op.Kind == Put && len(op.Value) != 40 {
			t.Fatalf("a value of %d bytes: %s", len(op.Value), op.Value)
		}
	}
	for _, what := range []string{"get", "getsession", "getbounded", "getlocal", "getlease", "put", "delete", "increment",
		"compare-and-put", "stored by compare-and-put"} {
		if counts[what] < 20 {
			t.Errorf("%s: %d", what, counts[what])
		}
	}
}

func TestAWorkloadEndsWithItsContextAndLeavesNothingBehind(t *testing.T) {
	rec := NewRecorder(Monotonic())
	ctx, cancel := context.WithCancelCause(t.Context())
	store := &mapStore{entries: map[string]State{}}
	Workload{Pause: time.Microsecond}.Run(ctx, rec, func(int) Store { return stopAfter{store, 500, cancel} })
	n := rec.Len()
	for _, op := range rec.History() {
		if op.Return == Open {
			t.Errorf("in flight: %s", op)
		}
	}
	if n < 500 || n > 600 || rec.Len() != n {
		t.Errorf("%d operations", n)
	}
}

// stopAfter ends the workload after a number of calls.
type stopAfter struct {
	*mapStore
	n      int
	cancel context.CancelCauseFunc
}

func (s stopAfter) Do(ctx context.Context, op Op) Reply {
	r := s.mapStore.Do(ctx, op)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calls == s.n {
		s.cancel(errors.New("enough"))
	}
	return r
}

func TestWhatIsInFlightBelongsToTheHistory(t *testing.T) {
	var now time.Duration
	rec := NewRecorder(func() time.Duration { now++; return now })
	flying := rec.Begin(Op{Client: 1, Kind: Put, Key: "k", Value: "a"})
	read := rec.Begin(Op{Client: 2, Kind: Get, Key: "k"})
	read.End(Reply{Outcome: OK, Found: true, Got: "a", Version: 7})
	h := rec.History()
	if h[0].Outcome != Unknown || h[0].Return != Open || h[1].Call != 2 || h[1].Return != 3 {
		t.Errorf("%+v", h)
	}
	if r := Check(h, Options{}); r.Verdict != Legal {
		t.Error(r)
	}
	flying.End(Reply{Outcome: OK, Version: 7})
	if h[0].Outcome != Unknown || rec.History()[0].Outcome != OK {
		t.Error("a history must not change after it was taken")
	}
	lost := rec.Begin(Op{Kind: Put, Key: "k", Value: "b"})
	lost.End(Reply{Outcome: Unknown})
	if op := rec.History()[2]; op.Return != Open {
		t.Errorf("an unknown outcome has an end: %+v", op)
	}
}
