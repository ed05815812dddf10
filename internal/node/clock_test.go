package node

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/store"
	"github.com/prakashpandey/vegadb/internal/vfs"
	"github.com/prakashpandey/vegadb/internal/wal"
)

// fakeClock is a wall clock that can be set, beside a monotonic one that cannot.
type fakeClock struct {
	mu   sync.Mutex
	wall time.Time
	mono time.Duration
}

func newFakeClock() *fakeClock {
	return &fakeClock{wall: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)}
}

func (c *fakeClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wall
}

func (c *fakeClock) elapsed() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mono
}

// pass lets time pass; set moves the wall clock alone.
func (c *fakeClock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wall, c.mono = c.wall.Add(d), c.mono+d
}

func (c *fakeClock) set(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wall = c.wall.Add(d)
}

func clockedOptions(c *fakeClock, disk vfs.FS, policy wal.SyncPolicy) Options {
	o := smallOptions(disk, policy)
	o.Clock, o.Elapsed = c.now, c.elapsed
	return o
}

// expiry returns when the key expires, 0 for never, and whether it is there.
func expiry(n *Node, key string) (at int64, there bool) {
	visit(n, func(e *store.Entry) {
		if string(e.Key) == key {
			at, there = e.ExpireAt, true
		}
	})
	return at, there
}

func sweepAll(n *Node) {
	at := make([]time.Time, len(n.partitions))
	for range 20 {
		for i, p := range n.partitions {
			n.sweep(p, &at[i], n.opts.Clock())
		}
	}
}

// TestAClockSetBackLosesNothing sets the clock back by an hour: stamps do not
// follow, a key that is set with a time to live then stays for that time, for
// writes, for the sweeper and after a restart (fault 20).
func TestAClockSetBackLosesNothing(t *testing.T) {
	for _, policy := range policies {
		clock, disk := newFakeClock(), vfs.NewMem()
		n := open(t, clockedOptions(clock, disk, policy))
		expiring := func(key string, d time.Duration) {
			t.Helper()
			m := put(n, key, "1", command.PutOp{ExpireAt: n.Now() + d.Milliseconds()})
			if err := write(t, n, m); err != nil {
				t.Fatal(err)
			}
		}
		expiring("before", time.Minute)
		stamp := n.Partition([]byte("before")).group.State().Stamp
		clock.set(-time.Hour)
		expiring("after", time.Minute)
		for _, p := range n.partitions {
			if s := p.group.State().Stamp; s != 0 && s < stamp {
				t.Errorf("%v: a stamp went back by %d ms", policy, stamp-s)
			}
		}
		sweepAll(n)
		closeNode(t, n)
		n = open(t, clockedOptions(clock, disk, policy))
		if n.Now() < stamp {
			t.Errorf("%v: after a restart the node's time lies %d ms before the log's", policy, stamp-n.Now())
		}
		clock.pass(59 * time.Second)
		sweepAll(n)
		for _, key := range []string{"before", "after"} {
			if at, there := expiry(n, key); !there || at <= n.Now() {
				t.Errorf("%v: %s is gone before its minute is over", policy, key)
			}
		}
		clock.pass(2 * time.Minute)
		sweepAll(n)
		n.mustApplied(t)
		sweepAll(n)
		for _, key := range []string{"before", "after"} {
			if _, there := expiry(n, key); there {
				t.Errorf("%v: %s is there two minutes after its time", policy, key)
			}
		}
		closeNode(t, n)
	}
}

// TestAClockSetForwardExpiresOnlyWhatExpires (fault 20).
func TestAClockSetForwardExpiresOnlyWhatExpires(t *testing.T) {
	clock, disk := newFakeClock(), vfs.NewMem()
	n := open(t, clockedOptions(clock, disk, wal.Always))
	if err := write(t, n, put(n, "minute", "1", command.PutOp{ExpireAt: n.Now() + 60_000})); err != nil {
		t.Fatal(err)
	}
	if err := write(t, n, put(n, "day", "1", command.PutOp{ExpireAt: n.Now() + 86_400_000})); err != nil {
		t.Fatal(err)
	}
	mustPut(t, n, "ever", "1")
	clock.set(time.Hour)
	sweepAll(n)
	n.mustApplied(t)
	sweepAll(n)
	clock.set(-time.Hour)
	closeNode(t, n)
	n = open(t, clockedOptions(clock, disk, wal.Always))
	sweepAll(n) // by the log's time, which has not gone back
	for key, want := range map[string]bool{"minute": false, "day": true, "ever": true} {
		if _, there := expiry(n, key); there != want {
			t.Errorf("%s is there: %v", key, there)
		}
	}
	closeNode(t, n)
}

// mustApplied waits until everything accepted has been applied.
func (n *Node) mustApplied(t *testing.T) {
	t.Helper()
	until(t, func() bool {
		n.Kick()
		for _, p := range n.partitions {
			p.mu.Lock()
			behind := p.group.State().Index != p.group.Last()
			p.mu.Unlock()
			if behind {
				return false
			}
		}
		return true
	})
}

// TestTheSweeperMovesLogTimeOnWhenNobodyWrites: an expired entry of a partition
// that is not written to goes by an entry without effect, and after a second at the
// earliest by another.
func TestTheSweeperMovesLogTimeOnWhenNobodyWrites(t *testing.T) {
	clock := newFakeClock()
	n := open(t, clockedOptions(clock, vfs.NewMem(), wal.EverySec))
	defer n.Close()
	p := n.Partition([]byte("key"))
	if err := write(t, n, put(n, "key", "1", command.PutOp{ExpireAt: n.Now() + 100})); err != nil {
		t.Fatal(err)
	}
	var at time.Time
	sweep := func() (entries uint64) {
		last := p.group.Last()
		n.sweep(p, &at, n.opts.Clock())
		return p.group.Last() - last
	}
	if sweep() != 0 || p.Table.Len() != 1 {
		t.Error("an entry whose time has not come was swept, or log time moved on")
	}
	clock.pass(200 * time.Millisecond)
	if got := sweep(); got != 1 || p.Table.Len() != 1 {
		t.Errorf("%d entries move log time on, %d keys; want 1 and 1: only the log's time expires", got, p.Table.Len())
	}
	if sweep() != 0 || p.Table.Len() != 0 || n.expired.Load() != 1 {
		t.Errorf("the entry is not swept: %d keys, %d expired", p.Table.Len(), n.expired.Load())
	}
	for range 3 {
		clock.pass(time.Minute)
		if sweep() != 0 {
			t.Error("log time is moved on although nothing expires")
		}
	}
}

// TestTheSweeperGivesMemoryBackWithoutAnythingExpiring: housekeeping does not
// depend on keys with a time to live.
func TestTheSweeperGivesMemoryBackWithoutAnythingExpiring(t *testing.T) {
	o := smallOptions(vfs.NewMem(), wal.Never)
	o.Partitions = 1
	n := open(t, o)
	defer n.Close()
	value := strings.Repeat("x", 4000)
	for i := range 500 {
		mustPut(t, n, "key-"+string(rune('a'+i%26))+string(rune('a'+i/26)), value)
	}
	full := n.partitions[0].Table.Stats().Mapped
	if err := n.FlushAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	sweepAll(n)
	if now := n.partitions[0].Table.Stats().Mapped; now > full/2 {
		t.Errorf("%d bytes are mapped after FLUSHALL, %d before", now, full)
	}
}
