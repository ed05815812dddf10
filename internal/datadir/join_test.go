package datadir

import (
	"errors"
	"math/rand"
	"strings"
	"testing"

	"github.com/prakashpandey/vegadb/internal/vfs"
	"github.com/prakashpandey/vegadb/internal/wal"
)

func TestADirectoryThatJoinsIsItsClustersAndSaysSo(t *testing.T) {
	fs := newMem(t)
	w := want(16, 1)
	w.Cluster = ID{7, 7}
	d := open(t, fs, w)
	if d.Cluster != w.Cluster || d.Node == (ID{}) || d.Joined != d.Manifest.Created || d.Joined.IsZero() || !d.Clustered() {
		t.Errorf("created %+v", d.Manifest)
	}
	check(t, d.Close())
	text := string(readAll(t, fs, testDir+"/VEGA"))
	if !strings.HasPrefix(text, "vega-data 2\n") || !strings.Contains(text, "\njoined 2026-01-02T03:04:05Z\n") {
		t.Errorf("the manifest is\n%s", text)
	}
	// Joining again, and starting without --join, find what is there.
	for _, cluster := range []ID{w.Cluster, {}} {
		again := want(0, 2)
		again.Cluster = cluster
		e := open(t, fs, again)
		if e.Manifest != d.Manifest || e.Created || !e.Clustered() {
			t.Errorf("opened %+v, created %+v", e.Manifest, d.Manifest)
		}
		check(t, e.Close())
	}
}

// TestADirectoryThatIsCreatedAloneIsAsItWas: programs that know no clusters open it.
func TestADirectoryThatIsCreatedAloneIsAsItWas(t *testing.T) {
	fs := newMem(t)
	d := open(t, fs, want(16, 1))
	defer d.Close()
	if text := string(readAll(t, fs, testDir+"/VEGA")); !strings.HasPrefix(text, "vega-data 1\n") || strings.Contains(text, "joined") {
		t.Errorf("the manifest is\n%s", text)
	}
	if !d.Joined.IsZero() || d.Clustered() {
		t.Errorf("created %+v", d.Manifest)
	}
}

func TestADirectoryOfAnotherClusterIsRefusedAndBothAreNamed(t *testing.T) {
	fs := newMem(t)
	d := open(t, fs, want(16, 1))
	check(t, d.Close())
	before := tree(t, fs, "/srv")
	w := want(0, 2)
	w.Cluster = ID{7, 7}
	_, err := Open(fs, testDir, w)
	if !errors.Is(err, ErrCluster) || !strings.Contains(err.Error(), d.Cluster.String()) || !strings.Contains(err.Error(), w.Cluster.String()) ||
		!strings.Contains(err.Error(), testDir) {
		t.Errorf("error is %v", err)
	}
	assertUnchanged(t, fs, "/srv", before)
}

func TestThatANodeIsClusteredStays(t *testing.T) {
	fs := newMem(t)
	d := open(t, fs, want(16, 1))
	beginLog(t, fs, d)
	check(t, d.SetFloors(map[uint32]uint64{1: 10}))
	check(t, d.MarkClustered())
	check(t, d.MarkClustered())
	check(t, d.SetFloors(map[uint32]uint64{0: 5, 1: 12}))
	check(t, d.MarkClustered())
	if !d.Clustered() || d.Floors()[0] != 5 {
		t.Errorf("clustered %v, floors %v", d.Clustered(), d.Floors())
	}
	check(t, d.Close())
	d = open(t, fs, want(16, 1))
	defer d.Close()
	if !d.Clustered() || d.Floors()[0] != 5 || d.Floors()[1] != 12 {
		t.Errorf("after a restart: clustered %v, floors %v", d.Clustered(), d.Floors())
	}
}

func TestADirectoryThatLostItsLogIsRefusedAndNotTouched(t *testing.T) {
	for name, c := range map[string]struct {
		use     func(*Dir) error
		refused bool
	}{
		"in use":        {(*Dir).MarkInUse, true},
		"clustered":     {(*Dir).MarkClustered, true},
		"some given up": {func(d *Dir) error { return d.SetFloors(map[uint32]uint64{3: 9}) }, true},
		// Nor can it be known of an older server's that had not come to a snapshot.
		"not yet in use": {func(*Dir) error { return nil }, false},
	} {
		t.Run(name, func(t *testing.T) {
			fs := newMem(t)
			d := open(t, fs, want(16, 1))
			beginLog(t, fs, d)
			check(t, c.use(d))
			check(t, d.Close())
			check(t, open(t, fs, want(16, 2)).Close()) // with its log it opens
			remove(t, fs, logFiles(t, fs)...)
			before := tree(t, fs, "/srv")
			d, err := Open(fs, testDir, want(16, 3))
			if !c.refused {
				check(t, err)
				check(t, d.Close())
				return
			}
			if !errors.Is(err, ErrLogLost) || !strings.Contains(err.Error(), testDir) || !strings.Contains(err.Error(), "--join") {
				t.Errorf("error is %v", err)
			}
			assertUnchanged(t, fs, "/srv", before)
			check(t, fs.Remove(testDir+"/log"))
			if _, err := Open(fs, testDir, want(16, 3)); !errors.Is(err, ErrLogLost) {
				t.Errorf("without the directory the error is %v", err)
			}
		})
	}
}

// TestNoPowerCutOfAFirstStartLooksLikeALostLog cuts the power before every change
// that a first start makes. What is left always starts; and once the start is
// through, it never starts without its log.
func TestNoPowerCutOfAFirstStartLooksLikeALostLog(t *testing.T) {
	for _, join := range []bool{false, true} {
		disk := newMem(t)
		p := &powerCuts{disk: disk, promised: map[uint32]uint64{}}
		fs := vfs.Inject(disk, p.hook)
		w := want(3, 1)
		if join {
			w.Cluster = ID{5}
		}
		firstStart := func(fs vfs.FS, w Want) error {
			d, err := Open(fs, testDir, w)
			if err != nil {
				return err
			}
			defer d.Close()
			log, err := wal.Open(wal.Options{FS: fs, Dir: d.LogDir(), SegmentBytes: segmentBytes, MaxRecordBytes: 4 << 10},
				func(wal.Record) error { return nil })
			if err != nil {
				return err
			}
			return errors.Join(d.MarkInUse(), log.Close())
		}
		check(t, firstStart(fs, w))
		p.mu.Lock()
		cuts := p.cuts
		p.mu.Unlock()
		marked := false
		for i, c := range cuts {
			r, err := Check(c.left, testDir)
			if _, none := c.left.Stat(testDir); none == nil && (err != nil || r.Verdict != OK) {
				t.Errorf("cut %d, before %s: check gives %v\n%s", i, c.at, err, lines(&r))
			}
			_, err = c.left.Stat(testDir + "/FLOORS")
			marked = marked || err == nil
			w.Rand = rand.New(rand.NewSource(int64(i)))
			if err := firstStart(c.left, w); err != nil {
				t.Errorf("cut %d, before %s: a start gives %v", i, c.at, err)
				continue
			}
			remove(t, c.left, logFiles(t, c.left)...)
			left := c.left.CrashClone(nil)
			if err := firstStart(left, w); !errors.Is(err, ErrLogLost) {
				t.Errorf("cut %d, before %s: a start after that without its log gives %v", i, c.at, err)
			}
		}
		if !marked {
			t.Error("no cut left the mark: the test does not reach it")
		}
	}
}
