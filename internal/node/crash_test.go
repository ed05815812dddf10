package node

import (
	"maps"
	mathrand "math/rand" // what vfs takes
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/prakashpandey/vegadb/internal/vfs"
	"github.com/prakashpandey/vegadb/internal/wal"
)

// crash is the disk as a power cut left it, with the states it may hold.
type crash struct {
	disk     *vfs.Mem
	from, to int // the state must be one of states[from : to+1]
	at       vfs.Op
}

// crasher takes clones of the disk at boundaries between file operations while a
// workload runs.
type crasher struct {
	mu        sync.Mutex
	mem       *vfs.Mem
	rng       *mathrand.Rand
	every     int // take about one in so many boundaries
	safe      int // states[safe] is the newest that must survive
	submitted int // states[submitted] is the newest that may be there
	crashes   []crash
	enabled   bool
}

func (c *crasher) hook(op vfs.Op) error {
	switch op.Kind {
	case vfs.OpWrite, vfs.OpSync, vfs.OpRename, vfs.OpSyncDir, vfs.OpCreate, vfs.OpRemove, vfs.OpTruncate:
	default:
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.enabled && c.rng.Intn(c.every) == 0 {
		c.crashes = append(c.crashes, crash{c.mem.CrashClone(c.rng), c.safe, c.submitted, op})
	}
	return nil
}

// TestPowerCutAtAnyBoundaryLosesNothingAcknowledged runs a random workload with
// snapshots, cuts the power at random boundaries between file operations, and
// compares what a start finds with what may be there: with always, what was
// acknowledged and at most the write in flight, each whole or not at all; with
// everysec and never, a state that once was, no older than the last sync.
func TestPowerCutAtAnyBoundaryLosesNothingAcknowledged(t *testing.T) {
	for _, policy := range []wal.SyncPolicy{wal.Always, wal.EverySec, wal.Never} {
		t.Run(policy.String(), func(t *testing.T) {
			for range 3 {
				powerCuts(t, policy, rand.Uint64())
			}
		})
	}
}

func powerCuts(t *testing.T, policy wal.SyncPolicy, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 1))
	mem := vfs.NewMem()
	c := &crasher{mem: mem, rng: mathrand.New(mathrand.NewSource(int64(seed))), every: 12}
	o := smallOptions(vfs.Inject(mem, c.hook), policy)
	o.OnFatal = func(err error) { t.Errorf("seed %d: %v", seed, err) }
	n := open(t, o)
	c.enabled = true // from here on the directory exists
	states := []string{""}
	texts := []string{"the beginning"}
	model := map[string]string{}
	for step := range 400 {
		m := randomMutation(rng, n)
		m.model(model)
		states, texts = append(states, canonical(model)), append(texts, m.text)
		c.mu.Lock()
		c.submitted = len(states) - 1
		c.mu.Unlock()
		if err := write(t, n, m); err != nil {
			t.Fatalf("seed %d, step %d: %v", seed, step, err)
		}
		if step%97 == 96 {
			snapshotNow(t, n)
		}
		if policy != wal.Always && step%50 == 49 {
			if err := n.Sync(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if policy == wal.Always || step%50 == 49 {
			c.mu.Lock()
			c.safe = c.submitted
			c.mu.Unlock()
		}
	}
	if err := n.Close(); err != nil {
		t.Fatalf("seed %d: close: %v", seed, err)
	}
	if len(c.crashes) < 20 {
		t.Fatalf("seed %d: only %d crashes: the workload reaches too few boundaries", seed, len(c.crashes))
	}
	for i, crash := range c.crashes {
		checkCrash(t, policy, seed, i, crash, states, texts)
	}
}

// checkCrash starts a node on what a power cut left, twice: the first start
// repairs what it must, the second must find the same.
func checkCrash(t *testing.T, policy wal.SyncPolicy, seed uint64, i int, c crash, states, texts []string) {
	t.Helper()
	var first string
	for start := range 2 {
		n := open(t, smallOptions(c.disk, policy))
		got := contents(n)
		if err := n.Close(); err != nil {
			t.Fatalf("seed %d, crash %d: close: %v", seed, i, err)
		}
		if start == 0 {
			first = got
			continue
		}
		if got != first {
			t.Fatalf("seed %d, crash %d before %v: a second start finds something else:\n%s\nfirst:\n%s", seed, i, c.at, got, first)
		}
	}
	for s := c.to; s >= c.from; s-- {
		if states[s] == first {
			return
		}
	}
	t.Fatalf("seed %d, crash %d before %v: found\n%s\nwhich is none of the %d states allowed; the newest acknowledged is\n%s\n(last write: %s)",
		seed, i, c.at, first, c.to-c.from+1, states[c.from], texts[c.to])
}

// TestWritesGoOnAfterACrash makes sure that a node which recovered from a torn
// log can be written to and restarted: what recovery cut must not come back.
func TestWritesGoOnAfterACrash(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 3))
	cuts := mathrand.New(mathrand.NewSource(int64(seed)))
	disk := vfs.NewMem()
	model := map[string]string{}
	for round := range 12 {
		n := open(t, smallOptions(disk, wal.Always))
		if got := contents(n); got != canonical(model) {
			t.Fatalf("seed %d, round %d: found\n%s\nwant\n%s", seed, round, got, canonical(model))
		}
		for range 50 {
			m := randomMutation(rng, n)
			m.model(model)
			if err := write(t, n, m); err != nil {
				t.Fatal(err)
			}
		}
		if round%3 == 2 {
			snapshotNow(t, n)
		}
		clone := disk.CrashClone(cuts)
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
		disk = clone
		model = maps.Clone(model)
	}
}
