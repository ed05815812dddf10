package datadir

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand"
	"strings"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/internal/vfs"
)

func TestANewDirectoryGetsAnIdentityThatStays(t *testing.T) {
	fs := newMem(t)
	d := open(t, fs, want(16, 1))
	if !d.Manifest.Created.Equal(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)) || d.Partitions != 16 || !d.Created ||
		d.Node == (ID{}) || d.Cluster == (ID{}) || d.Node == d.Cluster {
		t.Errorf("created %+v", d.Manifest)
	}
	check(t, d.Close())
	again := open(t, fs, want(0, 2))
	defer again.Close()
	if again.Created || again.Manifest != d.Manifest {
		t.Errorf("opened %+v, created %+v", again.Manifest, d.Manifest)
	}
	other := newMem(t)
	o := open(t, other, want(0, 3))
	defer o.Close()
	if o.Node == d.Node || o.Cluster == d.Cluster || o.Partitions != DefaultPartitions {
		t.Errorf("another directory is %+v", o.Manifest)
	}
}

func TestTheRealFileSystemWorksToo(t *testing.T) {
	dir := t.TempDir() + "/a/b"
	d, err := Open(vfs.OS(), dir, want(4, 1))
	check(t, err)
	if _, err := Open(vfs.OS(), dir, want(4, 1)); !errors.Is(err, ErrInUse) {
		t.Errorf("a second server gets %v", err)
	}
	check(t, d.Close())
	r, err := Check(vfs.OS(), dir)
	check(t, err)
	if r.Verdict != OK {
		t.Error(lines(&r))
	}
	d, err = Open(vfs.OS(), dir, want(0, 1))
	check(t, err)
	beginLog(t, vfs.OS(), d)
	check(t, d.SetFloors(map[uint32]uint64{1: 5}))
	check(t, d.Close())
	d, err = Open(vfs.OS(), dir, want(0, 1))
	check(t, err)
	if d.Floors()[1] != 5 {
		t.Errorf("floors are %v", d.Floors())
	}
	check(t, d.Close())
}

func TestASecondServerIsRefusedByName(t *testing.T) {
	fs := newMem(t)
	d := open(t, fs, want(0, 1))
	before := tree(t, fs, "/srv")
	_, err := Open(fs, testDir, want(0, 2))
	if !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), testDir) {
		t.Errorf("error is %v", err)
	}
	if _, err := Check(fs, testDir); !errors.Is(err, ErrInUse) {
		t.Errorf("a check beside a server gives %v", err)
	}
	assertUnchanged(t, fs, "/srv", before)
	check(t, d.Close())
	check(t, open(t, fs, want(0, 2)).Close())
}

func TestPartitionsAreFixedAtCreation(t *testing.T) {
	fs := newMem(t)
	check(t, open(t, fs, want(16, 1)).Close())
	before := tree(t, fs, "/srv")
	_, err := Open(fs, testDir, want(32, 1))
	if !errors.Is(err, ErrPartitions) || !strings.Contains(err.Error(), "16 partitions, 32 were asked for") {
		t.Errorf("error is %v", err)
	}
	assertUnchanged(t, fs, "/srv", before)
	for _, n := range []int{-1, MaxPartitions + 1} {
		if _, err := Open(newMem(t), testDir, want(n, 1)); err == nil {
			t.Errorf("%d partitions are taken", n)
		}
	}
}

func TestAForeignDirectoryIsRefusedAndNotTouched(t *testing.T) {
	for name, contents := range map[string]map[string]string{
		"a file":                     {"photo.jpg": "x"},
		"a directory":                {"home/notes": "x"},
		"a log without its manifest": {"log/0000000000000001.wal": "x", "LOCK": ""},
		"snapshots without manifest": {"snapshots/p00001-00000000000000000001.snap": "x"},
	} {
		t.Run(name, func(t *testing.T) {
			fs := newMem(t)
			for path, c := range contents {
				if dir, _, ok := strings.Cut(path, "/"); ok {
					check(t, fs.MkdirAll(testDir+"/"+dir))
				} else {
					check(t, fs.MkdirAll(testDir))
				}
				writeAll(t, fs, testDir+"/"+path, []byte(c))
			}
			before := tree(t, fs, "/srv")
			_, err := Open(fs, testDir, want(0, 1))
			if err == nil || !strings.Contains(err.Error(), testDir) {
				t.Errorf("error is %v", err)
			}
			if !strings.Contains(name, "manifest") && !errors.Is(err, ErrForeign) {
				t.Errorf("error is %v", err)
			}
			assertUnchanged(t, fs, "/srv", before)
		})
	}
}

func TestAFileInPlaceOfTheDirectoryIsRefused(t *testing.T) {
	fs := newMem(t)
	writeAll(t, fs, testDir, []byte("I am a file"))
	if _, err := Open(fs, testDir, want(0, 1)); err == nil || !strings.Contains(err.Error(), testDir) {
		t.Errorf("error is %v", err)
	}
}

func TestANewerFormatIsRefusedAsSuch(t *testing.T) {
	for _, file := range []string{manifestFile, floorsFile} {
		fs := newMem(t)
		d := open(t, fs, want(0, 1))
		beginLog(t, fs, d)
		check(t, d.SetFloors(map[uint32]uint64{1: 1}))
		check(t, d.Close())
		name := map[string]string{manifestFile: manifestName, floorsFile: floorsName}[file]
		writeAll(t, fs, testDir+"/"+file, []byte(sealText(name+" 3\nsomething new\n")))
		before := tree(t, fs, "/srv")
		_, err := Open(fs, testDir, want(0, 1))
		if !errors.Is(err, ErrNewerFormat) || errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "version 3") {
			t.Errorf("%s: error is %v", file, err)
		}
		assertUnchanged(t, fs, "/srv", before)
		r, err := Check(fs, testDir)
		check(t, err)
		if r.Verdict != Damaged || r.Startable || !strings.Contains(lines(&r), "or a later one") {
			t.Errorf("%s: %s", file, lines(&r))
		}
	}
}

func TestEveryFlippedBitAndEveryCutOfATextFileIsFound(t *testing.T) {
	fs := newMem(t)
	d := open(t, fs, want(0, 1))
	beginLog(t, fs, d)
	check(t, d.SetFloors(map[uint32]uint64{1: 10, 2: 20}))
	check(t, d.Close())
	for _, file := range []string{manifestFile, floorsFile} {
		path := testDir + "/" + file
		good := readAll(t, fs, path)
		refused := func(what string, b []byte) {
			writeAll(t, fs, path, b)
			if _, err := Open(fs, testDir, want(0, 1)); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), path) {
				t.Errorf("%s, %s: %v", file, what, err)
			}
		}
		for i := range good {
			for bit := range 8 {
				bad := bytes.Clone(good)
				bad[i] ^= 1 << bit
				refused(fmt.Sprintf("bit %d of byte %d", bit, i), bad)
			}
			refused(fmt.Sprintf("cut to %d bytes", i), good[:i])
		}
		refused("a byte more", append(bytes.Clone(good), '\n'))
		refused("too long", make([]byte, maxTextBytes+1))
		writeAll(t, fs, path, good)
	}
	check(t, open(t, fs, want(0, 1)).Close())
}

func TestAManifestSaysEachThingOnce(t *testing.T) {
	id := strings.Repeat("ab", 16)
	full := []string{"node " + id, "cluster " + id, "partitions 4", "created 2026-01-02T03:04:05Z"}
	text := func(lines ...string) string {
		return sealText("vega-data 1\n" + strings.Join(lines, "\n") + "\n")
	}
	joined := func(lines ...string) string {
		return sealText("vega-data 2\n" + strings.Join(lines, "\n") + "\n")
	}
	when := "joined 2026-01-02T03:04:05Z"
	for _, good := range []string{text(full...), joined(append(full, when)...)} {
		if _, err := decodeManifest("VEGA", good); err != nil {
			t.Fatal(err)
		}
	}
	for name, s := range map[string]string{
		"a line missing":   text(full[:3]...),
		"a line twice":     text(append(full, full[0])...),
		"an unknown key":   text(append(full, "colour blue")...),
		"no value":         text(append(full, "node")...),
		"a short id":       text("node ab", full[1], full[2], full[3]),
		"an id in words":   text("node "+strings.Repeat("xy", 16), full[1], full[2], full[3]),
		"no partitions":    text(full[0], full[1], "partitions 0", full[3]),
		"many partitions":  text(full[0], full[1], "partitions 16385", full[3]),
		"a strange time":   text(full[0], full[1], full[2], "created yesterday"),
		"alone and joined": text(append(full, when)...),
		"2 and not joined": joined(full...),
		"joined twice":     joined(append(full, when, when)...),
		"joined never":     joined(append(full, "joined 0001-01-01T00:00:00Z")...),
		"joined in words":  joined(append(full, "joined today")...),
		"version zero":     sealText("vega-data 0\n" + strings.Join(full, "\n") + "\n"),
		"another file":     sealText("vega-floors 1\n"),
		"a strange number": sealText("vega-data one\n"),
		"nothing":          sealText(""),
	} {
		if _, err := decodeManifest("VEGA", s); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFloorsOnlyRise(t *testing.T) {
	fs := newMem(t)
	d := open(t, fs, want(0, 1))
	beginLog(t, fs, d)
	check(t, d.SetFloors(map[uint32]uint64{1: 10, 7: 3}))
	check(t, d.SetFloors(map[uint32]uint64{1: 5, 2: 8}))
	want1 := map[uint32]uint64{1: 10, 2: 8, 7: 3}
	if got := d.Floors(); !maps.Equal(got, want1) {
		t.Errorf("floors are %v", got)
	}
	// What does not rise is not written.
	quiet := &Dir{fs: readOnly{fs}, path: testDir, floors: floors{byGroup: d.Floors()}}
	check(t, quiet.SetFloors(map[uint32]uint64{1: 10, 2: 1}))
	check(t, d.Close())
	d = open(t, fs, want(0, 1))
	defer d.Close()
	if got := d.Floors(); !maps.Equal(got, want1) {
		t.Errorf("after a restart floors are %v", got)
	}
}

func TestFloorsSayEachThingOnce(t *testing.T) {
	for name, text := range map[string]string{
		"a group twice":          "vega-floors 1\ngroup 1 5\ngroup 1 6\n",
		"clustered and alone":    "vega-floors 1\nclustered yes\n",
		"2 and not clustered":    "vega-floors 2\ngroup 1 5\n",
		"clustered twice":        "vega-floors 2\nclustered yes\nclustered yes\n",
		"clustered in some way":  "vega-floors 2\nclustered perhaps\n",
		"a group that is none":   "vega-floors 1\ngroup one 5\n",
		"a floor that is none":   "vega-floors 1\ngroup 1 -5\n",
		"something else":         "vega-floors 1\ncolour blue\n",
		"a group without floors": "vega-floors 1\ngroup 1\n",
	} {
		if _, err := decodeFloors("FLOORS", sealText(text)); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAFloorGoesWithItsReplica(t *testing.T) {
	fs := newMem(t)
	d := open(t, fs, want(0, 1))
	beginLog(t, fs, d)
	check(t, d.SetFloors(map[uint32]uint64{1: 10, 7: 3}))
	check(t, d.MarkClustered())
	for _, group := range []uint32{7, 7, 5} {
		check(t, d.DropFloor(group))
	}
	want1 := map[uint32]uint64{1: 10}
	if got := d.Floors(); !maps.Equal(got, want1) || !d.Clustered() {
		t.Errorf("floors are %v", got)
	}
	check(t, d.SetFloors(map[uint32]uint64{7: 1}))
	check(t, d.Close())
	d = open(t, fs.CrashClone(nil), want(0, 1))
	defer d.Close()
	want1[7] = 1
	if got := d.Floors(); !maps.Equal(got, want1) {
		t.Errorf("after a restart floors are %v", got)
	}
}

// TestACrashLeavesADirectoryThatOpens cuts the power before every change that
// creating a directory and raising floors twice makes.
func TestACrashLeavesADirectoryThatOpens(t *testing.T) {
	disk := newMem(t)
	var created *Dir
	low, high := map[uint32]uint64{1: 10}, map[uint32]uint64{1: 20, 2: 5}
	durable := map[uint32]uint64{}
	look := func(at string, left *vfs.Mem) {
		d, err := Open(left, testDir, want(0, 99))
		if err != nil {
			t.Errorf("%s: %v", at, err)
			return
		}
		defer d.Close()
		if created != nil && d.Manifest != created.Manifest {
			t.Errorf("%s: the directory has become %+v", at, d.Manifest)
		}
		if f := d.Floors(); !maps.Equal(f, durable) && !maps.Equal(f, low) && !maps.Equal(f, high) || f[1] < durable[1] {
			t.Errorf("%s: floors are %v, durable were %v", at, f, durable)
		}
		for _, sub := range []string{d.LogDir(), d.SnapshotDir()} {
			if _, err := left.List(sub); err != nil {
				t.Errorf("%s: %v", at, err)
			}
		}
	}
	cut := func(at string) {
		look(at, disk.CrashClone(nil))
		for seed := range int64(20) {
			look(at, disk.CrashClone(rand.New(rand.NewSource(seed))))
		}
	}
	fs := vfs.Inject(disk, func(op vfs.Op) error {
		if op.Kind.Changes() || op.Kind == vfs.OpLock {
			cut("before " + op.Kind.String() + " of " + op.Name)
		}
		return nil
	})
	d, err := Open(fs, testDir, want(0, 1))
	check(t, err)
	created = d
	cut("created")
	beginLog(t, fs, d)
	for _, floors := range []map[uint32]uint64{low, high} {
		check(t, d.SetFloors(floors))
		durable = floors
		cut("floors set")
	}
}

func TestAFailingDiskDuringCreationLeavesNoHalfIdentity(t *testing.T) {
	failure := errors.New("disk")
	for n := 0; ; n++ {
		disk := newMem(t)
		count, hit := 0, false
		fs := vfs.Inject(disk, func(op vfs.Op) error {
			if op.Kind == vfs.OpRemove {
				return nil
			}
			if count++; count == n+1 {
				hit = true
				return failure
			}
			return nil
		})
		d, err := Open(fs, testDir, want(0, 1))
		if !hit {
			check(t, err)
			check(t, d.Close())
			break
		}
		if err == nil {
			check(t, d.Close()) // a stat whose failure does not matter
			continue
		}
		if !errors.Is(err, failure) || !strings.Contains(err.Error(), testDir) {
			t.Errorf("operation %d fails: %v", n, err)
		}
		// The next start finds it as it should be, or makes it.
		d, err = Open(disk, testDir, want(0, 2))
		if err != nil {
			t.Errorf("after operation %d failed: %v", n, err)
			continue
		}
		check(t, d.Close())
	}
}

func TestRandomnessThatFailsCreatesNothing(t *testing.T) {
	fs := newMem(t)
	w := want(0, 1)
	w.Rand = bytes.NewReader(make([]byte, 20))
	if _, err := Open(fs, testDir, w); err == nil {
		t.Error("a directory was created")
	}
	if _, err := fs.Stat(testDir + "/" + manifestFile); err == nil {
		t.Error("there is a manifest")
	}
}

func FuzzManifest(f *testing.F) {
	m, err := newManifest(64, ID{}, rand.New(rand.NewSource(1)), time.Unix(1e9, 0))
	check(f, err)
	f.Add(m.encode())
	joined, err := newManifest(64, ID{1}, rand.New(rand.NewSource(1)), time.Unix(1e9, 0))
	check(f, err)
	f.Add(joined.encode())
	f.Add(sealText("vega-data 3\n"))
	f.Fuzz(func(t *testing.T, s string) {
		for _, text := range []string{s, sealText(s)} {
			m, err := decodeManifest("VEGA", text)
			if err != nil {
				continue
			}
			again, err := decodeManifest("VEGA", m.encode())
			if err != nil || again != m {
				t.Errorf("%+v comes back as %+v, %v", m, again, err)
			}
		}
	})
}

func FuzzFloors(f *testing.F) {
	for _, clustered := range []bool{false, true} {
		some := floors{map[uint32]uint64{0: 3, 1: 5, 9: 1 << 60}, clustered}
		f.Add(some.encode())
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, text := range []string{s, sealText(s), sealText("vega-floors 1\n" + s), sealText("vega-floors 2\nclustered yes\n" + s)} {
			floors, err := decodeFloors("FLOORS", text)
			if err != nil {
				continue
			}
			again, err := decodeFloors("FLOORS", floors.encode())
			if err != nil || !maps.Equal(again.byGroup, floors.byGroup) || again.clustered != floors.clustered {
				t.Errorf("%v comes back as %v, %v", floors, again, err)
			}
		}
	})
}
