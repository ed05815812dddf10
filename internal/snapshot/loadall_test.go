package snapshot

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/prakashpandey/vegadb/internal/store"
	"github.com/prakashpandey/vegadb/internal/vfs"
)

// tables counts what each group's last opened sink was given.
type tables struct {
	mu     sync.Mutex
	counts map[uint32]int
	opened []Meta
}

func (ts *tables) open(m Meta) (Sink, error) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if ts.counts == nil {
		ts.counts = map[uint32]int{}
	}
	ts.counts[m.Group] = 0
	ts.opened = append(ts.opened, m)
	return func(*store.Entry) error {
		ts.mu.Lock()
		defer ts.mu.Unlock()
		ts.counts[m.Group]++
		return nil
	}, nil
}

// flip damages the middle of a file.
func flip(t *testing.T, fs vfs.FS, path string) {
	t.Helper()
	b := readFile(t, fs, path)
	b[len(b)/2] ^= 1
	writeFileBytes(t, fs, path, b)
}

func TestGroupsLoadInParallelEachFromItsNewest(t *testing.T) {
	defer goleak.VerifyNone(t)
	fs := newMem(t)
	groups := []uint32{9, 0, 2, 3, 4, 5} // 9 has no snapshot; the order is the caller's
	for _, g := range groups[1:] {
		write(t, fs, testMeta(g, 10), numbered(10))
		write(t, fs, withState(testMeta(g, 100+uint64(g)), 50), numbered(100+int(g)))
	}
	write(t, fs, testMeta(77, 5), numbered(5)) // nobody asks for it
	var ts tables
	var lastDone, lastTotal int64
	loaded, err := LoadAll(context.Background(), fs, testDir, groups, LoadOptions{
		Workers: 3, Open: ts.open, Cluster: [16]byte{7}, Partitions: 64,
		Progress: func(done, total int64) {
			if done < lastDone || done > total {
				t.Errorf("progress %d of %d after %d", done, total, lastDone)
			}
			lastDone, lastTotal = done, total
		},
	})
	check(t, err)
	if lastDone != lastTotal || lastDone == 0 {
		t.Errorf("progress ends at %d of %d", lastDone, lastTotal)
	}
	for i, g := range groups {
		l := loaded[i]
		want := withState(testMeta(g, 100+uint64(g)), 50)
		want.Entries = want.Index
		if g == 9 {
			if l.Group != 9 || l.Path != "" || !equalMeta(l.Meta, Meta{}) || l.MustReach != 0 {
				t.Errorf("a group without a snapshot is %+v", l)
			}
			continue
		}
		if l.Group != g || !equalMeta(l.Meta, want) || l.Path != pathOf(g, want.Index) || l.MustReach != want.Index || l.Problems != nil {
			t.Errorf("group %d is %+v", g, l)
		}
		if ts.counts[g] != int(want.Entries) {
			t.Errorf("group %d has %d entries", g, ts.counts[g])
		}
	}
	if len(ts.opened) != 5 {
		t.Errorf("%d files were opened", len(ts.opened))
	}
	for _, m := range ts.opened {
		if len(m.State) != 50 {
			t.Errorf("group %d is opened with %d bytes of state", m.Group, len(m.State))
		}
	}
}

func TestABadFileIsSetAsideAndTheOneBeforeItIsUsed(t *testing.T) {
	fs := newMem(t)
	for _, i := range []uint64{10, 600, 700} {
		write(t, fs, testMeta(1, i), incompressible(int(i), 700, 1))
	}
	flip(t, fs, pathOf(1, 700))
	flip(t, fs, pathOf(1, 600))
	var ts tables
	var done, total int64
	loaded, err := LoadAll(context.Background(), fs, testDir, []uint32{1}, LoadOptions{
		Open: ts.open, Progress: func(d, n int64) { done, total = d, n },
	})
	check(t, err)
	l := loaded[0]
	if l.Meta.Index != 10 || ts.counts[1] != 10 || l.MustReach != 700 {
		t.Errorf("loaded %+v with %d entries", l, ts.counts[1])
	}
	if done != total {
		t.Errorf("progress ends at %d of %d", done, total)
	}
	if len(l.Problems) != 2 {
		t.Fatalf("problems: %v", l.Problems)
	}
	for i, index := range []uint64{700, 600} {
		p := l.Problems[i]
		if p.Path != pathOf(1, index) || p.Aside != p.Path+".bad" || !errors.Is(p.Err, ErrCorrupt) ||
			!strings.Contains(p.String(), FileName(1, index)+".bad") {
			t.Errorf("problem %d: %v", i, p)
		}
	}
	assertNames(t, fs, FileName(1, 10), FileName(1, 600)+".bad", FileName(1, 700)+".bad")

	// The next start finds no bad file and still knows how far the group was.
	loaded, err = LoadAll(context.Background(), fs, testDir, []uint32{1}, LoadOptions{Open: ts.open})
	check(t, err)
	if l := loaded[0]; l.Meta.Index != 10 || l.MustReach != 700 || l.Problems != nil {
		t.Errorf("the next start gives %+v", l)
	}
}

func TestWithEverySnapshotBadTheGroupIsEmptyAndKnownToBeBehind(t *testing.T) {
	fs := newMem(t)
	write(t, fs, testMeta(1, 50), numbered(50))
	flip(t, fs, pathOf(1, 50))
	loaded, err := LoadAll(context.Background(), fs, testDir, []uint32{1}, LoadOptions{Open: nowhere})
	check(t, err)
	if l := loaded[0]; l.Path != "" || l.Meta.Index != 0 || l.MustReach != 50 || len(l.Problems) != 1 {
		t.Errorf("loaded %+v", l)
	}
}

func TestSettingAsideKeepsEarlierBadFiles(t *testing.T) {
	fs := newMem(t)
	for _, want := range []string{".bad", ".bad.2", ".bad.3"} {
		write(t, fs, testMeta(1, 50), numbered(50))
		to, err := SetAside(fs, pathOf(1, 50))
		check(t, err)
		if to != pathOf(1, 50)+want {
			t.Errorf("set aside as %s", to)
		}
		if g, i, ok := parseBadName(FileName(1, 50) + want); !ok || g != 1 || i != 50 {
			t.Errorf("%s is not recognised", want)
		}
	}
	assertNames(t, fs, FileName(1, 50)+".bad", FileName(1, 50)+".bad.2", FileName(1, 50)+".bad.3")
}

func TestAFileThatCannotBeReadIsPassedOverAndLeftInPlace(t *testing.T) {
	fs := newMem(t)
	write(t, fs, testMeta(1, 10), numbered(10))
	write(t, fs, testMeta(1, 20), numbered(20))
	broken := vfs.Inject(fs, func(op vfs.Op) error {
		if op.Kind == vfs.OpRead && op.Name == pathOf(1, 20) && op.Off == headerBytes {
			return syscall.EIO
		}
		return nil
	})
	loaded, err := LoadAll(context.Background(), broken, testDir, []uint32{1}, LoadOptions{Open: nowhere})
	check(t, err)
	l := loaded[0]
	if l.Meta.Index != 10 || l.MustReach != 20 || len(l.Problems) != 1 || l.Problems[0].Aside != "" || !errors.Is(l.Problems[0].Err, syscall.EIO) {
		t.Errorf("loaded %+v", l)
	}
	assertNames(t, fs, FileName(1, 10), FileName(1, 20))
}

func TestWhatIsNotDamageEndsTheStartAndMovesNothing(t *testing.T) {
	newer := func(fs vfs.FS) {
		b := readFile(t, fs, pathOf(1, 20))
		binary.LittleEndian.PutUint32(b[8:], formatVersion+1)
		binary.LittleEndian.PutUint32(b[headerCRCOff:], crc32.Checksum(b[:headerCRCOff], castagnoli))
		writeFileBytes(t, fs, pathOf(1, 20), b)
	}
	full := errors.New("memory limit")
	for name, c := range map[string]struct {
		prepare func(vfs.FS)
		options LoadOptions
		want    error
	}{
		"a newer version":      {prepare: newer, options: LoadOptions{Open: nowhere}, want: ErrVersion},
		"another cluster":      {options: LoadOptions{Open: nowhere, Cluster: [16]byte{8}}, want: ErrForeign},
		"another partitioning": {options: LoadOptions{Open: nowhere, Partitions: 32}, want: ErrForeign},
		"open fails":           {options: LoadOptions{Open: func(Meta) (Sink, error) { return nil, full }}, want: full},
		"the sink fails":       {options: LoadOptions{Open: func(Meta) (Sink, error) { return func(*store.Entry) error { return full }, nil }}, want: full},
	} {
		t.Run(name, func(t *testing.T) {
			defer goleak.VerifyNone(t)
			fs := newMem(t)
			write(t, fs, testMeta(1, 10), numbered(10))
			write(t, fs, testMeta(1, 20), numbered(20))
			if c.prepare != nil {
				c.prepare(fs)
			}
			if _, err := LoadAll(context.Background(), fs, testDir, []uint32{1, 2, 3}, c.options); !errors.Is(err, c.want) {
				t.Errorf("error is %v", err)
			}
			assertNames(t, fs, FileName(1, 10), FileName(1, 20))
		})
	}
}

func TestLoadingEndsWithTheContext(t *testing.T) {
	defer goleak.VerifyNone(t)
	fs := newMem(t)
	for g := range uint32(8) {
		write(t, fs, testMeta(g, 20), numbered(20))
	}
	ctx, cancel := context.WithCancel(context.Background())
	_, err := LoadAll(ctx, fs, testDir, []uint32{0, 1, 2, 3, 4, 5, 6, 7}, LoadOptions{Workers: 2, Open: func(Meta) (Sink, error) {
		cancel()
		return func(*store.Entry) error { return nil }, nil
	}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
}

func TestListGivesGroupsInOrderNewestFirst(t *testing.T) {
	fs := newMem(t)
	for _, at := range [][2]uint64{{2, 5}, {1, 7}, {1, 100}, {2, 50}, {100_000, 1}} {
		write(t, fs, testMeta(uint32(at[0]), at[1]), numbered(int(at[1])))
	}
	for _, other := range []string{"notes", "p1-2.snap", FileName(1, 7) + ".tmp", FileName(1, 7) + ".bad", "p00001-18446744073709551616.snap"} {
		writeFileBytes(t, fs, testDir+"/"+other, []byte("x"))
	}
	writeFileBytes(t, fs, pathOf(1, 50), []byte("x"))
	infos, err := List(fs, testDir)
	check(t, err)
	var got [][2]uint64
	for _, i := range infos {
		got = append(got, [2]uint64{uint64(i.Group), i.Index})
		if bad := i.Index == 50 && i.Group == 1; bad != (i.Err != nil) {
			t.Errorf("%s: error %v", i.Path, i.Err)
		}
	}
	if want := [][2]uint64{{1, 100}, {1, 50}, {1, 7}, {2, 50}, {2, 5}, {100_000, 1}}; !slices.Equal(got, want) {
		t.Errorf("listed %v", got)
	}
}

func TestTheLogMayGoUpToTheOldestSnapshotThatIsKept(t *testing.T) {
	infos := []Info{
		{Meta: Meta{Group: 1, Index: 100}},
		{Meta: Meta{Group: 1, Index: 50}, Err: ErrCorrupt},
		{Meta: Meta{Group: 1, Index: 7}},
		{Meta: Meta{Group: 1, Index: 3}},
		{Meta: Meta{Group: 2, Index: 60}, Err: ErrCorrupt},
		{Meta: Meta{Group: 2, Index: 50}},
	}
	for _, tc := range []struct {
		group uint32
		keep  int
		want  uint64
	}{
		{1, 1, 100}, {1, 2, 7}, {1, 3, 3}, {1, 4, 0}, {1, 0, 100},
		{2, 1, 50}, {2, 2, 0}, // only one is good: the log is the fallback
		{3, 1, 0}, {3, 2, 0},
	} {
		if got := JoinIndex(infos, tc.group, tc.keep); got != tc.want {
			t.Errorf("group %d, keeping %d: the log may go up to %d, want %d", tc.group, tc.keep, got, tc.want)
		}
	}
}

func TestPruneKeepsTheNewestGoodOnes(t *testing.T) {
	fs := newMem(t)
	for _, i := range []uint64{1, 2, 3, 4} {
		write(t, fs, testMeta(1, i), numbered(1))
	}
	write(t, fs, testMeta(2, 1), numbered(1))
	writeFileBytes(t, fs, pathOf(1, 4), []byte("damaged"))
	check(t, Prune(fs, testDir, 1, 2))
	assertNames(t, fs, FileName(1, 2), FileName(1, 3), FileName(1, 4), FileName(2, 1))
	check(t, Prune(fs, testDir, 1, 0)) // never all of them
	assertNames(t, fs, FileName(1, 3), FileName(1, 4), FileName(2, 1))
}

func TestDropLeavesNothingOfAGroupAndTouchesNoOther(t *testing.T) {
	fs := newMem(t)
	keep := []string{FileName(0, 4), FileName(11, 2), FileName(11, 3) + ".bad", "mine.tmp", FileName(11, 5) + ".tmp"}
	drop := []string{FileName(1, 4), FileName(1, 2), FileName(1, 3) + ".bad", FileName(1, 3) + ".bad.2", FileName(1, 5) + ".tmp", receivedName(1, 9, [8]byte{7})}
	for _, n := range slices.Concat(keep, drop) {
		writeFileBytes(t, fs, testDir+"/"+n, []byte("x"))
	}
	check(t, Drop(fs, testDir, 1))
	check(t, Drop(fs, testDir, 1))
	slices.Sort(keep)
	assertNames(t, fs.CrashClone(nil), keep...)
	failure := errors.New("disk")
	broken := vfs.Inject(fs, func(op vfs.Op) error {
		if op.Kind == vfs.OpRemove {
			return failure
		}
		return nil
	})
	if err := Drop(broken, testDir, 11); !errors.Is(err, failure) || !strings.Contains(err.Error(), "group 11") {
		t.Errorf("error is %v", err)
	}
}

func TestADropThatWasCutOffCanBeRepeated(t *testing.T) {
	crashEverywhere(t,
		func(fs vfs.FS) {
			for i := uint64(60); i <= 62; i++ {
				write(t, fs, testMeta(1, i), numbered(int(i)))
			}
		},
		func(fs vfs.FS) error { return Drop(fs, testDir, 1) },
		func(at string, left vfs.FS) {
			check(t, Drop(left, testDir, 1))
			assertNames(t, left)
		})
}

func TestCleanRemovesOnlyUnfinishedSnapshots(t *testing.T) {
	fs := newMem(t)
	write(t, fs, testMeta(1, 2), numbered(2))
	keep := []string{"mine.tmp", "p1.tmp", FileName(1, 1) + ".bad", FileName(1, 2)}
	for _, n := range append([]string{FileName(1, 3) + ".tmp"}, keep[:3]...) {
		writeFileBytes(t, fs, testDir+"/"+n, []byte("x"))
	}
	check(t, Clean(fs, testDir))
	slices.Sort(keep)
	assertNames(t, fs, keep...)
}

func TestNamesAreRecognisedExactly(t *testing.T) {
	for _, at := range [][2]uint64{{0, 0}, {1, 1}, {99_999, 5}, {100_000, 7}, {1<<32 - 1, 1<<64 - 1}} {
		g, i, ok := parseName(FileName(uint32(at[0]), at[1]))
		if !ok || uint64(g) != at[0] || i != at[1] {
			t.Errorf("%v comes back as %d, %d, %v", at, g, i, ok)
		}
	}
	for _, name := range []string{"", "p", ".snap", "p-.snap", "p00001-1.snap", "p+0001-00000000000000000001.snap", "p00001-00000000000000000001.snap ",
		"q00001-00000000000000000001.snap", "p00001-00000000000000000001.SNAP", "p4294967296-00000000000000000001.snap"} {
		if _, _, ok := parseName(name); ok {
			t.Errorf("%q passes for a snapshot", name)
		}
	}
	for _, name := range []string{FileName(1, 1), FileName(1, 1) + ".badly", FileName(1, 1) + ".bad.", FileName(1, 1) + ".bad.x", "x.bad"} {
		if _, _, ok := parseBadName(name); ok {
			t.Errorf("%q passes for one set aside", name)
		}
	}
}
