package wal

import (
	"errors"
	"hash/crc32"
	"math/rand"
	"strings"
	"testing"

	"github.com/prakashpandey/vegadb/internal/vfs"
)

// openDamaged opens a log that may be damaged, and closes it if it opens.
func openDamaged(tb testing.TB, fs vfs.FS) (got []Record, err error) {
	tb.Helper()
	l, err := Open(small(fs, Always), func(r Record) error { got = append(got, copyOf(r)); return nil })
	if err == nil {
		mustClose(tb, l)
	}
	return got, err
}

// Fault 4: the last record torn at every byte.
func TestATornLastBatchIsCutAtEveryByte(t *testing.T) {
	batches := simpleBatches(5, 60)
	m := builtLog(t, batches)
	all := extents(t, m)
	last := all[len(all)-1]
	whole := contents(t, m, last.file)[last.start:last.end]
	want := flat(batches[:4])
	garbage := rand.New(rand.NewSource(1))
	for cut := range len(whole) {
		for _, filled := range []bool{false, true} {
			c := m.CrashClone(nil)
			tail := make([]byte, len(whole)-cut)
			if filled {
				garbage.Read(tail)
				tail[0] = ^whole[cut]
			} else if strings.Trim(string(whole[cut:]), "\x00") == "" {
				continue // what is torn off was zeros anyway
			}
			patch(t, c, last.file, last.start+int64(cut), tail)
			got, err := openDamaged(t, c)
			if err != nil {
				t.Fatalf("torn at byte %d (garbage: %v): %v", cut, filled, err)
			}
			wantRecords(t, got, want)
			// The log goes on where it was cut, and what was cut does not come back.
			l, _ := mustOpen(t, small(c, Always))
			r := rec(9, 1, 20)
			mustAppend(t, l, r)
			mustClose(t, l)
			got, err = openDamaged(t, c)
			if err != nil {
				t.Fatal(err)
			}
			wantRecords(t, got, append(append([]Record(nil), want...), *r))
		}
	}
}

// Fault 5: a flipped bit with valid batches after it.
func TestAFlippedBitMidLogIsRefusedAndNamedAtEveryPosition(t *testing.T) {
	m := builtLog(t, simpleBatches(7, 20))
	all := extents(t, m)
	before := tree(t, m)
	positions := map[int64]extent{}
	for off := int64(0); off < headerBytes; off++ {
		if off < 64 || off%16 == 0 || off >= headerOffChecksum { // the rest is reserved, and all alike
			positions[off] = extent{file: all[0].file, start: 0}
		}
	}
	for _, e := range all[:len(all)-1] {
		for off := e.start; off < e.end; off++ {
			positions[off] = e
		}
	}
	file := contents(t, m, all[0].file)
	for off, e := range positions {
		for bit := range 8 {
			old := patch(t, m, e.file, off, []byte{file[off] ^ 1<<bit})
			_, err := openDamaged(t, m)
			var bad *CorruptError
			if !errors.Is(err, ErrCorrupt) || !errors.As(err, &bad) {
				t.Fatalf("bit %d of byte %d: %v, want ErrCorrupt", bit, off, err)
			}
			if bad.File != e.file || bad.Offset != e.start {
				t.Fatalf("bit %d of byte %d: named %s offset %d, want %s offset %d", bit, off, bad.File, bad.Offset, e.file, e.start)
			}
			patch(t, m, e.file, off, old)
		}
	}
	if tree(t, m) != before {
		t.Fatal("a refused log was changed")
	}
}

func TestDamageAcrossSegmentsIsNamedWhereItIs(t *testing.T) {
	m := builtLog(t, simpleBatches(60, 900))
	all := extents(t, m)
	if all[0].file == all[len(all)-1].file {
		t.Fatal("the log fits one segment")
	}
	rng := rand.New(rand.NewSource(2))
	for i, e := range all[:len(all)-1] {
		off := e.start + rng.Int63n(e.end-e.start)
		c := m.CrashClone(nil)
		old := patch(t, c, e.file, off, []byte{0})
		patch(t, c, e.file, off, []byte{old[0] ^ 0x40})
		_, err := openDamaged(t, c)
		var bad *CorruptError
		if !errors.As(err, &bad) || bad.File != e.file || bad.Offset != e.start {
			t.Fatalf("batch %d: %v, want %s offset %d", i, err, e.file, e.start)
		}
	}
}

func TestDamageToTheLastBatchAfterARestartIsRefused(t *testing.T) {
	m := builtLog(t, simpleBatches(3, 60))
	all := extents(t, m)
	l, _ := mustOpen(t, small(m, Always)) // from here on, what it has replayed is known to be durable
	c := m.CrashClone(nil)
	mustClose(t, l)
	patch(t, c, all[2].file, all[2].start+40, []byte("damage"))
	if _, err := openDamaged(t, c); !errors.Is(err, ErrCorrupt) {
		t.Fatalf("%v, want ErrCorrupt", err)
	}
}

func TestDamageToTheLastBatchAfterACleanCloseIsRefused(t *testing.T) {
	m := vfs.NewMem()
	l, _ := mustOpen(t, small(m, EverySec))
	mustAppend(t, l, rec(1, 1, 100))
	mustAppend(t, l, rec(1, 2, 100))
	mustClose(t, l)
	e := extents(t, m)[0]
	patch(t, m, e.file, e.start+40, []byte("damage"))
	if _, err := openDamaged(t, m); !errors.Is(err, ErrCorrupt) {
		t.Fatalf("%v, want ErrCorrupt: the close said that everything was durable", err)
	}
}

// Fault 10: a block written twice or in the wrong place.
func TestAMisplacedBlockIsNoticed(t *testing.T) {
	const block = 512
	batches := simpleBatches(60, 900)
	m := builtLog(t, batches)
	all := extents(t, m)
	last := all[len(all)-1]
	want := flat(batches)
	rng := rand.New(rand.NewSource(3))
	place := func() (string, int64) {
		e := all[rng.Intn(len(all))]
		return e.file, e.start / block * block
	}
	for range 300 {
		from, fromOff := place()
		to, toOff := place()
		moved := contents(t, m, from)[fromOff : fromOff+block]
		if string(moved) == string(contents(t, m, to)[toOff:toOff+block]) {
			continue
		}
		c := m.CrashClone(nil)
		patch(t, c, to, toOff, moved)
		got, err := openDamaged(t, c)
		if err == nil && (to != last.file || toOff+block <= last.start) {
			t.Fatalf("block %d of %s in the place of block %d of %s went unnoticed", fromOff, from, toOff, to)
		}
		if err == nil {
			wantRecords(t, got, want[:len(got)]) // only the unfinished end may be missing
		} else if !errors.Is(err, ErrCorrupt) {
			t.Fatal(err)
		}
	}
}

func TestABatchCopiedBehindTheEndIsNotReplayed(t *testing.T) {
	batches := simpleBatches(4, 60)
	m := builtLog(t, batches)
	all := extents(t, m)
	e, end := all[1], all[3].end
	patch(t, m, e.file, end, contents(t, m, e.file)[e.start:e.end])
	got, err := openDamaged(t, m)
	if err != nil {
		t.Fatal(err)
	}
	wantRecords(t, got, flat(batches))
}

func TestAnOldSegmentInTheWrongPlaceIsRefused(t *testing.T) {
	m := builtLog(t, simpleBatches(60, 900))
	one, two := segmentName(testDir, 1), segmentName(testDir, 2)
	patch(t, m, two, 0, contents(t, m, one))
	_, err := openDamaged(t, m)
	var bad *CorruptError
	if !errors.As(err, &bad) || bad.File != two || bad.Offset != 0 {
		t.Fatalf("%v, want damage in the header of %s", err, two)
	}
}

func TestAMissingSegmentIsRefused(t *testing.T) {
	m := builtLog(t, simpleBatches(60, 900))
	two := segmentName(testDir, 2)
	if err := m.Remove(two); err != nil {
		t.Fatal(err)
	}
	_, err := openDamaged(t, m)
	var bad *CorruptError
	if !errors.As(err, &bad) || bad.File != two {
		t.Fatalf("%v, want damage that names %s", err, two)
	}
}

func TestAnOldestSegmentWithoutItsFirstBatchIsRefused(t *testing.T) {
	m := builtLog(t, simpleBatches(60, 900))
	for _, e := range extents(t, m) {
		if e.file == segmentName(testDir, 1) {
			continue
		}
		// As after a truncation; then the oldest segment loses all it held, and so do those after it.
		patch(t, m, e.file, e.start, make([]byte, e.end-e.start))
	}
	if err := m.Remove(segmentName(testDir, 1)); err != nil {
		t.Fatal(err)
	}
	if _, err := openDamaged(t, m); !errors.Is(err, ErrCorrupt) {
		t.Fatalf("%v, want ErrCorrupt: truncation keeps a segment until the next one holds something durable", err)
	}
}

func TestAnUnknownFormatVersionIsSaidAsSuch(t *testing.T) {
	m := builtLog(t, simpleBatches(3, 60))
	name := segmentName(testDir, 1)
	h := contents(t, m, name)[:headerBytes]
	le.PutUint32(h[headerOffVersion:], 7)
	le.PutUint32(h[headerOffChecksum:], checksumOf(h))
	patch(t, m, name, 0, h)
	_, err := openDamaged(t, m)
	if !errors.Is(err, ErrVersion) || errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "version 7") {
		t.Fatalf("%v, want ErrVersion naming version 7", err)
	}
	if _, err := Check(m, testDir); !errors.Is(err, ErrVersion) {
		t.Fatalf("check: %v, want ErrVersion", err)
	}
	if _, err := Repair(m, testDir, false); !errors.Is(err, ErrVersion) {
		t.Fatalf("repair: %v, want ErrVersion: it must not cut what it does not understand", err)
	}
}

func TestUnfinishedFilesAreRemovedAndForeignOnesLeftAlone(t *testing.T) {
	batches := simpleBatches(3, 60)
	m := builtLog(t, batches)
	for _, base := range []string{"0000000000000009.wal.tmp", "notes.txt", "1.wal", "0000000000000001.wal.4096.cut"} {
		f, err := m.Create(testDir + "/" + base)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	got, err := openDamaged(t, m)
	if err != nil {
		t.Fatal(err)
	}
	wantRecords(t, got, flat(batches))
	names, _ := m.List(testDir)
	if s := strings.Join(names, " "); strings.Contains(s, ".tmp") || !strings.Contains(s, "notes.txt") || !strings.Contains(s, ".cut") {
		t.Fatalf("left: %s", s)
	}
}

// Repair must make every damaged log open again, with everything before the damage, and delete nothing.
func TestRepairCutsAtTheDamageAndSetsTheRestAside(t *testing.T) {
	batches := simpleBatches(60, 900)
	m := builtLog(t, batches)
	all := extents(t, m)
	rng := rand.New(rand.NewSource(4))
	for i := range 40 {
		c := m.CrashClone(nil)
		n := rng.Intn(len(all) - 1)
		wantFirst := n // batches that stay
		switch e := all[n]; i % 4 {
		default:
			patch(t, c, e.file, e.start+rng.Int63n(20), []byte{0xFF, 0xFE, 0xFD})
		case 1: // a damaged header takes its segment with it
			patch(t, c, e.file, 100, []byte{1})
			for wantFirst > 0 && all[wantFirst-1].file == e.file {
				wantFirst--
			}
		case 2: // a missing segment takes those after it
			if e.file == all[len(all)-1].file || e.file == all[0].file {
				continue
			}
			if err := c.Remove(e.file); err != nil {
				t.Fatal(err)
			}
			for wantFirst > 0 && all[wantFirst-1].file == e.file {
				wantFirst--
			}
		}
		before := tree(t, c)
		rep, err := Check(c, testDir)
		if err != nil || rep.Damage == nil {
			t.Fatalf("check: %v, damage %v", err, rep.Damage)
		}
		dry, err := Repair(c, testDir, true)
		if err != nil || len(dry.Actions) == 0 || tree(t, c) != before {
			t.Fatalf("dry run: %v, actions %v, changed: %v", err, dry.Actions, tree(t, c) != before)
		}
		done, err := Repair(c, testDir, false)
		if err != nil || strings.Join(done.Actions, ";") != strings.Join(dry.Actions, ";") {
			t.Fatalf("repair: %v, did %v, announced %v", err, done.Actions, dry.Actions)
		}
		got, err := openDamaged(t, c.CrashClone(nil))
		if err != nil {
			t.Fatalf("after the repair of %v: %v", rep.Damage, err)
		}
		wantRecords(t, got, flat(batches[:wantFirst]))
		names, _ := c.List(testDir)
		if !strings.Contains(strings.Join(names, " "), cutSuffix) {
			t.Fatalf("nothing was set aside: %v", names)
		}
	}
}

func TestCheckOfASoundLogSaysSoAndRepairLeavesItAlone(t *testing.T) {
	batches := simpleBatches(30, 900)
	m := builtLog(t, batches)
	before := tree(t, m)
	rep, err := Check(m, testDir)
	if err != nil || rep.Damage != nil || rep.TornBytes != 0 || rep.Batches != 30 || rep.Records != uint64(len(flat(batches))) {
		t.Fatalf("%+v, %v", rep, err)
	}
	rep, err = Repair(m, testDir, false)
	if err != nil || len(rep.Actions) != 0 || tree(t, m) != before {
		t.Fatalf("repair of a sound log: %v, %v", rep.Actions, err)
	}
}

// A repair interrupted anywhere leaves a log that a second repair finishes.
func TestARepairSurvivesACrashAtEveryStep(t *testing.T) {
	batches := simpleBatches(60, 900)
	m := builtLog(t, batches)
	all := extents(t, m)
	patch(t, m, all[10].file, all[10].start+30, []byte("damage"))
	f, err := m.OpenReadWrite(all[10].file)
	if err != nil || f.Sync() != nil {
		t.Fatal(err)
	}
	f.Close()
	var at []*vfs.Mem
	rng := rand.New(rand.NewSource(5))
	work := m.CrashClone(nil)
	fs := vfs.Inject(work, func(op vfs.Op) error {
		if op.Kind.Changes() {
			at = append(at, work.CrashClone(nil), work.CrashClone(rng), work.CrashClone(rng))
		}
		return nil
	})
	if _, err := Repair(fs, testDir, false); err != nil {
		t.Fatal(err)
	}
	for i, c := range at {
		if _, err := Repair(c, testDir, false); err != nil {
			t.Fatalf("clone %d: %v", i, err)
		}
		got, err := openDamaged(t, c)
		if err != nil {
			t.Fatalf("clone %d: %v", i, err)
		}
		wantRecords(t, got, flat(batches[:10]))
	}
}

func checksumOf(header []byte) uint32 { return crc32.Checksum(header[:headerOffChecksum], castagnoli) }
