package wal

import (
	"errors"
	"fmt"
	"math/rand"
	"sync"
	"testing"

	"github.com/prakashpandey/vegadb/internal/vfs"
)

// model is what a log promises, kept beside it: the calls of Append in order, and how far they are durable.
type model struct {
	mu     sync.Mutex // held around Append, so that a crash never falls between it and its entry here
	calls  []call
	base   int // calls made before the log was opened last
	floors map[uint32]uint64
}

type call struct{ recs []Record }

// promise is what must be found after a crash at some moment.
type promise struct {
	durable int               // calls that must be there
	calls   []call            // calls that may be there, in order
	floors  map[uint32]uint64 // what truncation may have taken
}

func (m *model) promise(durablePos uint64) promise {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := promise{durable: m.base + int(durablePos), calls: m.calls[:len(m.calls):len(m.calls)], floors: map[uint32]uint64{}}
	for g, i := range m.floors {
		p.floors[g] = i
	}
	return p
}

// check compares what a crashed log replays with the promise. It returns how many calls are there.
func (p promise) check(got []Record) (int, error) {
	// The replay is a run of whole calls: find where it begins, then compare one by one.
	first := 0
	for first < len(p.calls) && (len(got) == 0 || !sameRecord(p.calls[first].recs[0], got[0])) {
		first++
	}
	last := first
	rest := got
	for len(rest) > 0 {
		if last == len(p.calls) {
			return 0, fmt.Errorf("%d records more than were appended", len(rest))
		}
		for _, r := range p.calls[last].recs {
			if len(rest) == 0 || !sameRecord(rest[0], r) {
				return 0, fmt.Errorf("call %d is not there as a whole: the log has half of it or something else", last)
			}
			rest = rest[1:]
		}
		last++
	}
	if len(got) == 0 {
		last = 0
	}
	if last < p.durable && p.needed(last, p.durable) {
		return 0, fmt.Errorf("the log ends with call %d, but %d were durable", last, p.durable)
	}
	if p.needed(0, min(first, p.durable)) {
		return 0, fmt.Errorf("the log begins with call %d, and snapshots do not cover all before it", first)
	}
	return last, nil
}

// needed tells whether any of the calls holds a record that no snapshot covers.
func (p promise) needed(from, to int) bool {
	for _, c := range p.calls[from:to] {
		for _, r := range c.recs {
			if r.Index > p.floors[r.Group] {
				return true
			}
		}
	}
	return false
}

// crashRun is one random workload on a disk that is cloned, as after a power cut, at every boundary.
type crashRun struct {
	t      *testing.T
	policy SyncPolicy
	rng    *rand.Rand
	model  model
	disk   *vfs.Mem
	log    *Log
	next   map[uint32]uint64

	mu     sync.Mutex // guards what follows
	crash  *rand.Rand
	live   bool // clones are taken
	clones int
	during func() uint64 // durable position of the log in use
}

// boundary is the disk's hook: before each change, the disk as a power cut would leave it must keep the promise.
func (r *crashRun) boundary(op vfs.Op) error {
	if !op.Kind.Changes() {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.live {
		return nil
	}
	// First what is durable, then the clone: it may hold more, never less.
	durable := r.during()
	strict, loose := r.disk.CrashClone(nil), r.disk.CrashClone(r.crash)
	p := r.model.promise(durable)
	r.verify(strict, p, op)
	r.verify(loose, p, op)
	return nil
}

// verify opens a crashed disk, goes on with it, and opens it once more.
func (r *crashRun) verify(disk *vfs.Mem, p promise, op vfs.Op) {
	r.clones++
	fail := func(err error) { r.t.Errorf("crash before %v of %s at %d: %v", op.Kind, op.Name, op.Off, err) }
	o := small(disk, r.policy)
	var got []Record
	l, err := Open(o, func(rec Record) error { got = append(got, copyOf(rec)); return nil })
	if err != nil {
		fail(err)
		return
	}
	last, err := p.check(got)
	if err != nil {
		fail(err)
	}
	// What a restart has shown must stay, even if the next crash comes at once.
	p = promise{durable: last, calls: p.calls[:last:last], floors: p.floors}
	extra := rec(77, 1, 100)
	if _, err := l.Append(extra); err == nil {
		p.calls = append(p.calls, call{[]Record{*extra}})
	} else if !errors.Is(err, ErrBusy) {
		fail(err)
	}
	again := disk.CrashClone(r.crash)
	if err := l.Close(); err != nil {
		fail(err)
	}
	got = nil
	l, err = Open(small(again, r.policy), func(rec Record) error { got = append(got, copyOf(rec)); return nil })
	if err != nil {
		fail(fmt.Errorf("second open: %w", err))
		return
	}
	if _, err := p.check(got); err != nil {
		fail(fmt.Errorf("second open: %w", err))
	}
	if err := l.Close(); err != nil {
		fail(err)
	}
}

func (r *crashRun) open() {
	o := small(vfs.Inject(r.disk, r.boundary), r.policy)
	o.OnFatal = func(err error) { r.t.Errorf("fatal: %v", err) }
	o.OnDurable = func(pos uint64) {
		// Fault 14: what is reported is on the disk already.
		p := r.model.promise(pos)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.verify(r.disk.CrashClone(nil), p, vfs.Op{Name: "OnDurable"})
	}
	var got []Record
	// Crashes during recovery count too: what was durable before the close still is.
	r.mu.Lock()
	r.during = func() uint64 { return 0 }
	r.model.base = len(r.model.calls)
	r.live = true
	r.mu.Unlock()
	l, err := Open(o, func(rec Record) error { got = append(got, copyOf(rec)); return nil })
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := r.model.promise(0).check(got); err != nil {
		r.t.Fatal(err)
	}
	r.mu.Lock()
	r.during = l.DurablePos
	r.mu.Unlock()
	r.log = l
}

func (r *crashRun) append() uint64 {
	var recs []*Record
	var c call
	for range 1 + r.rng.Intn(3) {
		g := uint32(r.rng.Intn(3))
		rec := rec(g, r.next[g]+1, r.rng.Intn(1200))
		r.next[g]++
		recs = append(recs, rec)
		c.recs = append(c.recs, *rec)
	}
	for {
		r.model.mu.Lock()
		pos, err := r.log.Append(recs...)
		if err == nil {
			r.model.calls = append(r.model.calls, c)
		}
		r.model.mu.Unlock()
		if err == nil {
			return pos
		}
		if !errors.Is(err, ErrBusy) {
			r.t.Fatal(err)
		}
		mustSync(r.t, r.log)
	}
}

func (r *crashRun) step(pos uint64) uint64 {
	switch n := r.rng.Intn(20); {
	case n < 12:
		return r.append()
	case n < 14:
		r.log.Kick()
	case n < 16:
		if err := r.log.Flush(pos); err != nil {
			r.t.Fatal(err)
		}
	case n < 17:
		mustSync(r.t, r.log)
	case n < 19:
		r.snapshot()
	default:
		mustClose(r.t, r.log)
		r.open()
		return 0
	}
	return pos
}

// snapshot raises floors over what is durable, as a published snapshot does, and truncates.
func (r *crashRun) snapshot() {
	mustSync(r.t, r.log)
	r.model.mu.Lock()
	for g, index := range r.next {
		if r.rng.Intn(3) > 0 {
			r.model.floors[g] = index
			r.log.SetFloor(g, index)
		}
	}
	r.model.mu.Unlock()
	if _, err := r.log.Truncate(); err != nil {
		r.t.Fatal(err)
	}
}

// Faults 1, 2, 3, 12 and 14: a power cut at every write, sync and rename boundary of random workloads.
func TestNothingPromisedIsLostInACrashAtAnyBoundary(t *testing.T) {
	seeds, steps := 4, 80
	if testing.Short() {
		seeds = 2
	}
	for _, p := range policies {
		t.Run(p.String(), func(t *testing.T) {
			clones := 0
			for seed := range int64(seeds) {
				r := &crashRun{
					t: t, policy: p, rng: rand.New(rand.NewSource(seed)), crash: rand.New(rand.NewSource(seed + 1000)),
					disk: vfs.NewMem(), next: map[uint32]uint64{}, model: model{floors: map[uint32]uint64{}},
				}
				r.open()
				pos := uint64(0)
				for range steps {
					pos = r.step(pos)
				}
				mustClose(t, r.log)
				clones += r.clones
				if t.Failed() {
					t.Fatalf("seed %d", seed)
				}
			}
			t.Logf("%d crashes", clones)
			if clones < 100 {
				t.Errorf("only %d crashes: the boundaries are not reached", clones)
			}
		})
	}
}
