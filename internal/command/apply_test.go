package command

import (
	"bytes"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/prakashpandey/vegadb/internal/store"
	"github.com/prakashpandey/vegadb/internal/wire"
)

func find(t *store.Table, key string) (e store.Entry, ok bool) {
	h := t.Hash([]byte(key))
	s := t.Stripe(h)
	s.Lock()
	defer s.Unlock()
	ok = s.Find(h, []byte(key), &e)
	e.Key, e.Value = bytes.Clone(e.Key), bytes.Clone(e.Value)
	return e, ok
}

func mustApply(t testing.TB, table *store.Table, index uint64, stamp int64, ops ...[]byte) (results []outcomeOf) {
	t.Helper()
	entry := append(Begin(nil), bytes.Join(ops, nil)...)
	SetCount(entry, len(ops))
	SetStamp(entry, stamp)
	if err := Apply(table, index, entry, keepOutcomes(&results)); err != nil {
		t.Fatal(err)
	}
	return results
}

func TestExpiredEntryIsReplacedNotExtended(t *testing.T) {
	key := []byte("k")
	dead := AppendPut(nil, key, []byte("old"), PutOp{ExpireAt: 100})
	for name, c := range map[string]struct {
		op   []byte
		want store.Entry
	}{
		"put":             {AppendPut(nil, key, []byte("new"), PutOp{}), store.Entry{Value: []byte("new"), Version: 2}},
		"put if absent":   {AppendPut(nil, key, []byte("new"), PutOp{Flags: IfAbsent}), store.Entry{Value: []byte("new"), Version: 2}},
		"put if version":  {AppendPut(nil, key, []byte("new"), PutOp{Flags: IfVersion}), store.Entry{Value: []byte("new"), Version: 2}},
		"put keeping ttl": {AppendPut(nil, key, []byte("new"), PutOp{Flags: KeepTTL}), store.Entry{Value: []byte("new"), Version: 2}},
		"append":          {AppendAppend(nil, key, []byte("new")), store.Entry{Value: []byte("new"), Version: 2}},
		"increment":       {AppendIncr(nil, key, 5, IncrOp{ExpireAt: 300}), store.Entry{Value: []byte("5"), Version: 2, ExpireAt: 300}},
	} {
		x := newExecutor(t, 2)
		mustApply(t, x.table, 1, 50, dead)
		r := mustApply(t, x.table, 2, 100, c.op)[0]
		if r.status != wire.OK {
			t.Errorf("%s: %v", name, r.status)
		}
		if e, ok := find(x.table, "k"); !ok || !bytes.Equal(e.Value, c.want.Value) || e.Version != c.want.Version || e.ExpireAt != c.want.ExpireAt {
			t.Errorf("%s: %+v", name, e)
		}
	}
	for name, op := range map[string][]byte{
		"delete":  AppendDelete(nil, key, DeleteOp{}),
		"expire":  AppendExpire(nil, key, 1000, 0),
		"persist": AppendPersist(nil, key, 0),
		"present": AppendPut(nil, key, []byte("new"), PutOp{Flags: IfPresent}),
	} {
		x := newExecutor(t, 2)
		mustApply(t, x.table, 1, 50, dead)
		if r := mustApply(t, x.table, 2, 100, op)[0]; r.status != wire.NotFound || r.n != 0 {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// The entry's stamp decides, not how late it is applied: a follower that lags
// must not see other expiries than its leader.
func TestExpiryIsJudgedByTheStamp(t *testing.T) {
	x := newExecutor(t, 2)
	mustApply(t, x.table, 1, 50, AppendPut(nil, []byte("k"), []byte("1"), PutOp{ExpireAt: 100}))
	if r := mustApply(t, x.table, 2, 99, AppendIncr(nil, []byte("k"), 1, IncrOp{}))[0]; r.n != 2 || r.expireAt != 100 {
		t.Errorf("a millisecond before: %+v", r)
	}
	if r := mustApply(t, x.table, 3, 100, AppendIncr(nil, []byte("k"), 1, IncrOp{}))[0]; r.n != 1 || r.expireAt != 0 {
		t.Errorf("at its time: %+v", r)
	}
}

func TestOldValueIsToldBeforeItIsOverwritten(t *testing.T) {
	x := newExecutor(t, 2)
	key := []byte("k")
	results := mustApply(t, x.table, 1, 0,
		AppendPut(nil, key, []byte("first"), PutOp{Flags: ReturnOld}),
		AppendPut(nil, key, []byte("other"), PutOp{Flags: ReturnOld}),
		AppendDelete(nil, key, DeleteOp{Flags: ReturnOld}),
		AppendDelete(nil, key, DeleteOp{Flags: ReturnOld}),
	)
	want := []string{"", "first", "other", ""}
	for i, r := range results {
		if r.bytes != want[i] || (r.kind == ResultNil) != (want[i] == "") {
			t.Errorf("op %d: %+v", i, r)
		}
	}
}

func TestOtherKindsAreLeftAlone(t *testing.T) {
	const otherKind = 7
	key := []byte("k")
	for name, c := range map[string]struct {
		op   []byte
		want wire.Status
		left bool // the entry is as it was, but for its expiry
	}{
		"increment":      {AppendIncr(nil, key, 1, IncrOp{}), wire.WrongType, true},
		"append":         {AppendAppend(nil, key, []byte("x")), wire.WrongType, true},
		"get":            {AppendGet(nil, key), wire.WrongType, true},
		"put and return": {AppendPut(nil, key, []byte("x"), PutOp{Flags: ReturnOld}), wire.WrongType, true},
		"get and delete": {AppendDelete(nil, key, DeleteOp{Flags: ReturnOld}), wire.WrongType, true},
		"get and expire": {AppendExpire(nil, key, 100, ReturnOld), wire.WrongType, true},
		"expire":         {AppendExpire(nil, key, 100, 0), wire.OK, true},
		"put":            {AppendPut(nil, key, []byte("x"), PutOp{}), wire.OK, false},
		"delete":         {AppendDelete(nil, key, DeleteOp{}), wire.OK, false},
	} {
		x := newExecutor(t, 2)
		h := x.table.Hash(key)
		s := x.table.Stripe(h)
		s.Lock()
		s.Put(h, key, []byte("5"), store.Meta{Version: 1, Kind: otherKind})
		s.Unlock()
		if r := mustApply(t, x.table, 2, 50, c.op)[0]; r.status != c.want {
			t.Errorf("%s: %v", name, r.status)
		}
		if e, ok := find(x.table, "k"); c.left != (ok && e.Kind == otherKind && string(e.Value) == "5") {
			t.Errorf("%s: left %+v", name, e)
		}
	}
}

func TestFlushEmptiesAndSaysSo(t *testing.T) {
	x := newExecutor(t, 2)
	mustApply(t, x.table, 1, 0, AppendPut(nil, []byte("a"), nil, PutOp{}), AppendPut(nil, []byte("b"), nil, PutOp{}))
	if r := mustApply(t, x.table, 2, 0, AppendFlush(nil)); len(r) != 1 || r[0].status != wire.OK {
		t.Errorf("%+v", r)
	}
	if n := x.table.Len(); n != 0 {
		t.Errorf("%d entries are left", n)
	}
}

// A reader that locks both keys' stripes finds both of a batch or none.
func TestBatchIsSeenWholeOrNotAtAll(t *testing.T) {
	x := newExecutor(t, 2)
	keys := [][]byte{[]byte("first"), []byte("second"), []byte("third")}
	var mask uint64
	for _, key := range keys {
		mask |= 1 << x.table.StripeIndex(x.table.Hash(key))
	}
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		for i := range 2000 {
			value := fmt.Appendf(nil, "%d", i)
			entry := Begin(nil)
			for _, key := range keys {
				entry = AppendPut(entry, key, value, PutOp{})
			}
			SetCount(entry, len(keys))
			if err := x.applier.Apply(x.table, uint64(i+1), entry, nil); err != nil {
				t.Error(err)
			}
		}
	}()
	for range 2000 {
		x.table.LockMask(mask)
		var seen []string
		for _, key := range keys {
			var e store.Entry
			h := x.table.Hash(key)
			x.table.Stripe(h).Find(h, key, &e)
			seen = append(seen, string(e.Value))
		}
		x.table.UnlockMask(mask)
		if seen[0] != seen[1] || seen[1] != seen[2] {
			t.Fatalf("seen %q", seen)
		}
	}
	wg.Wait()
}

type countSink struct{ n int }

func (c *countSink) Result(int, *Result) { c.n++ }

func TestApplierDoesNotAllocate(t *testing.T) {
	x := newExecutor(t, 2)
	key := []byte("key:000000000001")
	entries := [][]byte{
		AppendPut(Begin(nil), key, []byte("12"), PutOp{Flags: ReturnOld}),
		AppendIncr(Begin(nil), key, 1, IncrOp{}),
		AppendExpire(Begin(nil), key, 1<<40, ExpireXX),
		AppendPut(AppendPut(Begin(nil), key, []byte("12"), PutOp{}), []byte("k2"), []byte("3"), PutOp{}),
	}
	SetCount(entries[3], 2)
	sink := &countSink{}
	apply := func() {
		for i, entry := range entries {
			if err := x.applier.Apply(x.table, uint64(i+1), entry, sink); err != nil {
				t.Fatal(err)
			}
		}
	}
	apply()
	if allocs := testing.AllocsPerRun(100, apply); allocs != 0 {
		t.Fatalf("%v allocations", allocs)
	}
}

func TestEncodeDoesNotAllocate(t *testing.T) {
	requests := [][][]byte{
		{[]byte("SET"), []byte("key"), []byte("value")},
		{[]byte("SET"), []byte("key"), []byte("value"), []byte("EX"), []byte("10"), []byte("NX")},
		{[]byte("INCRBY"), []byte("key"), []byte("5")},
		{[]byte("EXPIRE"), []byte("key"), []byte("5"), []byte("GT")},
	}
	entry := make([]byte, 0, 1024)
	if allocs := testing.AllocsPerRun(100, func() {
		for _, args := range requests {
			spec, err := Resolve(args)
			if err != nil {
				t.Fatal(err)
			}
			if entry, err = spec.Encode(Begin(entry[:0]), args, 1); err != nil {
				t.Fatal(err)
			}
		}
	}); allocs != 0 {
		t.Fatalf("%v allocations", allocs)
	}
}

func FuzzApply(f *testing.F) {
	f.Add(AppendPut(Begin(nil), []byte("k"), []byte("1"), PutOp{Flags: ReturnOld, ExpireAt: 5}))
	f.Add(AppendIncr(BeginSession(nil, Session{Seq: 1}), []byte("k"), -1, IncrOp{}))
	f.Add(AppendFlush(Begin(nil)))
	two := AppendExpire(AppendDelete(Begin(nil), []byte("k"), DeleteOp{Flags: IfVersion}), []byte("k"), 9, ExpireGT)
	SetCount(two, 2)
	f.Add(two)
	f.Add(append(Begin(nil), opGet, 0, 0xff, 0xff, 0xff, 0xff, 0x0f))
	f.Fuzz(func(t *testing.T, entry []byte) {
		table := store.New(store.Options{Stripes: 2})
		defer table.Close()
		mustApply(t, table, 1, 0, AppendPut(nil, []byte("k"), []byte("1"), PutOp{}))
		before := Fingerprint(table, 0)
		var m0, m1 runtime.MemStats
		runtime.ReadMemStats(&m0)
		var applier Applier
		err := applier.Apply(table, 2, entry, nil)
		runtime.ReadMemStats(&m1)
		if taken, ceiling := m1.TotalAlloc-m0.TotalAlloc, uint64(16<<10+4*len(entry)); taken > ceiling {
			t.Fatalf("%d bytes made Apply allocate %d, ceiling %d", len(entry), taken, ceiling)
		}
		if (err == nil) != (Validate(entry) == nil) {
			t.Fatalf("Apply: %v, Validate: %v", err, Validate(entry))
		}
		if err != nil && Fingerprint(table, 0) != before {
			t.Fatalf("%v, and yet the table has changed", err)
		}
	})
}

func BenchmarkApply(b *testing.B) {
	const keys = 1 << 16
	value := bytes.Repeat([]byte("x"), 64)
	for _, bench := range []struct {
		name   string
		append func(dst, key []byte) []byte
	}{
		{"put", func(dst, key []byte) []byte { return AppendPut(dst, key, value, PutOp{}) }},
		{"increment", func(dst, key []byte) []byte { return AppendIncr(dst, key, 1, IncrOp{}) }},
		{"delete", func(dst, key []byte) []byte { return AppendDelete(dst, key, DeleteOp{}) }},
	} {
		b.Run(bench.name, func(b *testing.B) {
			table := store.New(store.Options{})
			defer table.Close()
			key := []byte("key:000000")
			var applier Applier
			var entry []byte
			sink := &countSink{}
			b.ReportAllocs()
			i := uint64(0)
			for b.Loop() {
				i++
				for n, at := i*7919%keys, len(key)-1; n > 0; n, at = n/10, at-1 {
					key[at] = '0' + byte(n%10)
				}
				entry = bench.append(Begin(entry[:0]), key)
				if err := applier.Apply(table, i, entry, sink); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkResolveAndEncodeSET(b *testing.B) {
	args := [][]byte{[]byte("SET"), []byte("key:000000000001"), []byte("xxx")}
	var entry []byte
	b.ReportAllocs()
	for b.Loop() {
		spec, _ := Resolve(args)
		entry, _ = spec.Encode(Begin(entry[:0]), args, 1)
	}
}

func TestEntryBornExpiredTakesNoRoom(t *testing.T) {
	x := newExecutor(t, 2)
	key := []byte("k")
	for name, op := range map[string][]byte{
		"put":       AppendPut(nil, key, []byte("v"), PutOp{ExpireAt: 50}),
		"increment": AppendIncr(nil, key, 1, IncrOp{ExpireAt: 50}),
	} {
		if r := mustApply(t, x.table, 1, 50, op)[0]; r.status != wire.OK {
			t.Errorf("%s: %v", name, r.status)
		}
		if n := x.table.Len(); n != 0 {
			t.Errorf("%s: %d entries are held", name, n)
		}
	}
	mustApply(t, x.table, 1, 0, AppendPut(nil, key, []byte("v"), PutOp{}))
	mustApply(t, x.table, 2, 50, AppendPut(nil, key, []byte("v"), PutOp{ExpireAt: 50}))
	if n := x.table.Len(); n != 0 {
		t.Errorf("%d entries are left of the one that was replaced", n)
	}
}

// locks notes, at each result, whether the table could be read.
type locks struct {
	t     *store.Table
	taken []bool
}

func (l *locks) Result(int, *Result) {
	free := true
	for i := range uint64(64) {
		s := l.t.Stripe(i << 58)
		if s.TryLock() {
			s.Unlock()
		} else {
			free = false
		}
	}
	l.taken = append(l.taken, !free)
}

func TestNobodyGetsAtABatchBeforeAllOfItIsDone(t *testing.T) {
	table := store.New(store.Options{Stripes: 4})
	defer table.Close()
	e := Begin(nil)
	for i := range 20 {
		e = AppendPut(e, fmt.Appendf(nil, "key-%d", i), []byte("v"), PutOp{})
	}
	SetCount(e, 20)
	l := &locks{t: table}
	if err := Apply(table, 1, e, l); err != nil {
		t.Fatal(err)
	}
	if len(l.taken) != 20 || slices.Contains(l.taken, false) {
		t.Errorf("%v", l.taken)
	}
}
