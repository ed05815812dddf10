package node

import (
	"bytes"
	"errors"
	mathrand "math/rand" // what vfs takes
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/prakashpandey/vegadb/internal/datadir"
	"github.com/prakashpandey/vegadb/internal/replica"
	"github.com/prakashpandey/vegadb/internal/snapshot"
	"github.com/prakashpandey/vegadb/internal/vfs"
	"github.com/prakashpandey/vegadb/internal/wal"
)

func newRand(t *testing.T) *rand.Rand {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// TestATornLastRecordIsCutAndNothingElse tears the last write at every byte
// (fault 4).
func TestATornLastRecordIsCutAndNothingElse(t *testing.T) {
	disk := vfs.NewMem()
	n := open(t, smallOptions(disk, wal.Always))
	defer n.Close()
	mustPut(t, n, "before", "stays")
	without, before := disk.CrashClone(nil), contents(n)
	mustPut(t, n, "last", "torn")
	with, after := disk.CrashClone(nil), contents(n)
	segment := files(t, disk, "log", ".wal")[0]
	from, to := readFile(t, without, segment), readFile(t, with, segment)
	begin, end := differ(from, to)
	for k := begin; k <= end; k++ {
		torn := without.CrashClone(nil)
		overwrite(t, torn, segment, int64(begin), to[begin:k])
		want := before
		if k == end {
			want = after
		}
		holds(t, torn, wal.Always, want)
	}
}

// differ returns the range in which a and b differ.
func differ(a, b []byte) (begin, end int) {
	for a[begin] == b[begin] {
		begin++
	}
	for end = len(a); a[end-1] == b[end-1]; end-- {
	}
	return begin, end
}

// TestAFlippedBitInTheLogIsRefusedAndNamed damages what had been durable in the
// middle of the log: the node does not start, says where, and changes nothing;
// a check says the same (fault 5).
func TestAFlippedBitInTheLogIsRefusedAndNamed(t *testing.T) {
	rng := newRand(t)
	disk := vfs.NewMem()
	n := open(t, smallOptions(disk, wal.Always))
	fill(t, n, rng, 60, map[string]string{})
	closeNode(t, n)
	segment := files(t, disk, "log", ".wal")[0]
	whole := readFile(t, disk, segment)
	end := len(bytes.TrimRight(whole, "\x00"))
	for at := 4096; at < end-1000; at += 1 + rng.IntN(900) {
		bad := disk.CrashClone(nil)
		overwrite(t, bad, segment, int64(at), []byte{whole[at] ^ 1<<rng.IntN(8)})
		damaged := readFile(t, bad, segment)
		for range 2 {
			err := refused(t, bad)
			if !errors.Is(err, wal.ErrCorrupt) || !strings.Contains(err.Error(), segment) || !strings.Contains(err.Error(), "vega-server check") {
				t.Fatalf("offset %d: %v", at, err)
			}
		}
		if !bytes.Equal(readFile(t, bad, segment), damaged) {
			t.Fatalf("offset %d: the refused start has changed the log", at)
		}
		report, err := datadir.Check(bad, "data")
		if err != nil || report.Verdict != datadir.Damaged || !strings.Contains(strings.Join(report.Lines(), "\n"), segment) {
			t.Fatalf("offset %d: check: %v, %v", at, err, report.Lines())
		}
	}
}

// TestABlockInTheWrongPlaceIsNoticed writes one durable batch over another of the
// same length, and one file over another (fault 10).
func TestABlockInTheWrongPlaceIsNoticed(t *testing.T) {
	disk := vfs.NewMem()
	n := open(t, smallOptions(disk, wal.Always))
	segment := files(t, disk, "log", ".wal")[0]
	var marks [][]byte
	for _, key := range []string{"k1", "k2", "k3", "k4"} {
		mustPut(t, n, key, "the same length")
		marks = append(marks, readFile(t, disk, segment))
	}
	for i := 0; len(files(t, disk, "log", ".wal")) < 3; i++ {
		mustPut(t, n, "filler", strings.Repeat("x", 1000))
	}
	closeNode(t, n)
	b1, e1 := differ(marks[0], marks[1])
	b2, e2 := differ(marks[1], marks[2])
	twice := disk.CrashClone(nil)
	overwrite(t, twice, segment, int64(b2), marks[1][b1:min(e1, b1+e2-b2)])
	if err := refused(t, twice); !errors.Is(err, wal.ErrCorrupt) {
		t.Errorf("a batch written twice: %v", err)
	}
	swapped := disk.CrashClone(nil)
	logs := files(t, disk, "log", ".wal")
	overwrite(t, swapped, logs[1], 0, readFile(t, disk, logs[0]))
	if err := refused(t, swapped); !errors.Is(err, wal.ErrCorrupt) {
		t.Errorf("a segment in another's place: %v", err)
	}
}

// TestAnyOneSnapshotMayBeDamaged damages each snapshot file in turn, after one
// round of snapshots and after many: the one before it and the log make up for it
// (fault 6).
func TestAnyOneSnapshotMayBeDamaged(t *testing.T) {
	rng := newRand(t)
	disk := vfs.NewMem()
	n := open(t, smallOptions(disk, wal.Always))
	model := map[string]string{}
	for _, rounds := range []int{1, 1, 4} {
		for range rounds {
			fill(t, n, rng, 150, model)
			snapshotNow(t, n)
		}
		fill(t, n, rng, 20, model)
		for _, path := range files(t, disk, "snapshots", ".snap") {
			bad := disk.CrashClone(nil)
			damage(t, bad, path)
			holds(t, bad, wal.Always, canonical(model))
			if aside := files(t, bad, "snapshots", ".bad"); len(aside) == 0 && isNewest(t, disk, path) {
				t.Errorf("%s is damaged and was not set aside", path)
			}
		}
	}
	if n.log.Stats().Truncated == 0 {
		t.Error("the log was never shortened: the test proves nothing")
	}
	closeNode(t, n)
}

func isNewest(t *testing.T, disk vfs.FS, path string) bool {
	infos, err := snapshot.List(disk, "data/snapshots")
	if err != nil {
		t.Fatal(err)
	}
	for i, info := range infos {
		if info.Path == path {
			return i == 0 || infos[i-1].Group != info.Group
		}
	}
	return false
}

// TestWithoutAnyGoodSnapshotTheNodeRefusesToStart damages every snapshot after
// the log before them has gone: the node says what is missing, at every start, and
// never comes up empty (fault 6).
func TestWithoutAnyGoodSnapshotTheNodeRefusesToStart(t *testing.T) {
	rng := newRand(t)
	disk := vfs.NewMem()
	n := open(t, smallOptions(disk, wal.Always))
	model := map[string]string{}
	for n.log.Stats().Truncated == 0 {
		fill(t, n, rng, 100, model)
		snapshotNow(t, n)
	}
	closeNode(t, n)
	for _, path := range files(t, disk, "snapshots", ".snap") {
		damage(t, disk, path)
	}
	for range 3 {
		err := refused(t, disk)
		if !errors.Is(err, replica.ErrGap) || !strings.Contains(err.Error(), "group ") || !strings.Contains(err.Error(), "vega-server check") {
			t.Fatalf("the node refuses with: %v", err)
		}
	}
	if got := len(files(t, disk, "snapshots", ".bad")); got == 0 {
		t.Error("the damaged snapshots are gone: they are evidence and are to be kept")
	}
}

// TestACrashAtAnyPointOfASnapshotLeavesNoGap cuts the power at every boundary of
// a round that publishes snapshots and truncates the log (faults 3 and 12).
func TestACrashAtAnyPointOfASnapshotLeavesNoGap(t *testing.T) {
	rng := newRand(t)
	cuts := mathrand.New(mathrand.NewSource(rng.Int64()))
	disk := vfs.NewMem()
	var crashes []*vfs.Mem
	armed := false
	c := &crasher{mem: disk, rng: cuts, every: 1}
	n := open(t, smallOptions(vfs.Inject(disk, c.hook), wal.Always))
	model := map[string]string{}
	for round := range 4 {
		fill(t, n, rng, 120, model)
		c.mu.Lock()
		c.enabled = round == 3
		c.mu.Unlock()
		armed = snapshotTruncates(t, n)
	}
	c.mu.Lock()
	c.enabled = false
	for _, crash := range c.crashes {
		crashes = append(crashes, crash.disk)
	}
	c.mu.Unlock()
	if !armed || len(crashes) < 20 {
		t.Fatalf("the round has %d boundaries, truncates: %v", len(crashes), armed)
	}
	closeNode(t, n)
	for _, crashed := range crashes {
		holds(t, crashed, wal.Always, canonical(model))
	}
}

func snapshotTruncates(t *testing.T, n *Node) bool {
	before := n.log.Stats().Truncated
	snapshotNow(t, n)
	return n.log.Stats().Truncated > before
}

// TestACrashDuringRecoveryChangesNothing cuts the power at every boundary of a
// start that has a torn log and unfinished files to tidy up, and starts again
// (fault 13).
func TestACrashDuringRecoveryChangesNothing(t *testing.T) {
	rng := newRand(t)
	cuts := mathrand.New(mathrand.NewSource(rng.Int64()))
	disk := vfs.NewMem()
	n := open(t, smallOptions(disk, wal.Always))
	model := map[string]string{}
	fill(t, n, rng, 200, model)
	snapshotNow(t, n)
	fill(t, n, rng, 200, model)
	killed := disk.CrashClone(cuts)
	closeNode(t, n)
	for range 3 {
		c := &crasher{mem: killed, rng: cuts, every: 1, enabled: true}
		holds(t, vfs.Inject(killed, c.hook), wal.Always, canonical(model))
		for _, crash := range c.crashes {
			holds(t, crash.disk, wal.Always, canonical(model))
		}
		killed = c.crashes[cuts.Intn(len(c.crashes))].disk
	}
}

// TestWhatIsAcknowledgedIsOnDisk cuts the power right after each acknowledgement
// and keeps only what was synced (fault 14).
func TestWhatIsAcknowledgedIsOnDisk(t *testing.T) {
	rng := newRand(t)
	disk := vfs.NewMem()
	n := open(t, smallOptions(disk, wal.Always))
	model := map[string]string{}
	for range 40 {
		fill(t, n, rng, 1, model)
		holds(t, disk.CrashClone(nil), wal.Always, canonical(model))
	}
	closeNode(t, n)
}

// TestAnEntryFromTheFutureIsRefused makes sure that a log record which this
// version cannot apply ends the start, before anything is served.
func TestAnEntryFromTheFutureIsRefused(t *testing.T) {
	disk := vfs.NewMem()
	n := open(t, smallOptions(disk, wal.Always))
	mustPut(t, n, "key", "value")
	for _, payload := range []string{"\xee from a newer version, long enough for a header", "short"} {
		clone := disk.CrashClone(nil)
		l, err := wal.Open(wal.Options{FS: clone, Dir: "data/log", SegmentBytes: 32 << 10}, func(wal.Record) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		index := n.Partition([]byte("key")).group.Last() + 1
		rec := wal.Record{Group: groupID(n.Partition([]byte("key")).Number), Type: 1, Term: 1, Index: index, Payload: []byte(payload)}
		if _, err := l.Append(&rec); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if err := refused(t, clone); !strings.Contains(err.Error(), "index 2") && !strings.Contains(err.Error(), "entry 2") {
			t.Errorf("%q: %v", payload, err)
		}
	}
	closeNode(t, n)
}
