package snapshot

import (
	"bytes"
	"context"
	"errors"
	"math"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/prakashpandey/vegadb/internal/store"
	"github.com/prakashpandey/vegadb/internal/vfs"
)

// sizes around everything that has an edge: varints, blocks, pieces.
var sizes = []int{0, 1, 16, 127, 128, 300, 16383, 16384, blockTargetBytes - 10, blockTargetBytes, MaxBlockBytes - 40, MaxBlockBytes}

func drawEntry(t *rapid.T, index uint64) store.Entry {
	blob := func(name string, weightSmall bool) []byte {
		n := rapid.IntRange(0, 40).Draw(t, name+" length")
		if !weightSmall || rapid.IntRange(0, 30).Draw(t, "large") == 0 {
			n += rapid.SampledFrom(sizes).Draw(t, name+" size")
		}
		if rapid.Bool().Draw(t, "compressible") {
			return bytes.Repeat([]byte{byte(n)}, n)
		}
		b := make([]byte, n)
		x := rapid.Uint64().Draw(t, "seed") | 1
		for i := range b {
			x ^= x << 13
			x ^= x >> 7
			x ^= x << 17
			b[i] = byte(x)
		}
		return b
	}
	return store.Entry{
		Key:      blob("key", true),
		Value:    blob("value", true),
		Version:  rapid.Uint64Range(0, index).Draw(t, "version"),
		ExpireAt: rapid.SampledFrom([]int64{0, 0, math.MaxInt64, 1_000_000, 1_000_001, 999_999, 1, -1, math.MinInt64}).Draw(t, "expiry"),
		Kind:     rapid.SampledFrom([]uint8{0, 0, 1, 255}).Draw(t, "kind"),
	}
}

func TestWhatIsWrittenIsLoaded(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		fs := newMem(t)
		m := testMeta(rapid.Uint32().Draw(rt, "group"), rapid.Uint64().Draw(rt, "index"))
		if n := rapid.SampledFrom([]int{0, 0, 1, 100, blockTargetBytes, blockTargetBytes + 1, 700_000}).Draw(rt, "state"); n > 0 {
			m = withState(m, n)
			if rapid.Bool().Draw(rt, "compressible state") {
				m.State = bytes.Repeat([]byte{5}, n)
			}
		}
		src := &entries{}
		for range rapid.IntRange(0, 60).Draw(rt, "entries") {
			src.all = append(src.all, drawEntry(rt, m.Index))
		}
		alive := slices.DeleteFunc(slices.Clone(src.all), func(e store.Entry) bool {
			return e.ExpireAt != 0 && e.ExpireAt < m.Stamp
		})
		info := write(t, fs, m, src)
		m.Entries = uint64(len(alive))
		if !equalMeta(info.Meta, m) || info.Expired != uint64(len(src.all)-len(alive)) {
			rt.Fatalf("wrote %+v, want %+v with %d expired", info, m, len(src.all)-len(alive))
		}
		got, loaded, err := collect(fs, info.Path)
		if err != nil {
			rt.Fatal(err)
		}
		if !equalMeta(got, m) || !equalEntries(loaded, alive) {
			rt.Fatalf("loaded %+v with %d entries, want %+v with %d", got, len(loaded), m, len(alive))
		}
		verified, err := Verify(fs, info.Path)
		if err != nil || !reflect.DeepEqual(verified, info) {
			rt.Fatalf("Verify gives %+v, %v; Write gave %+v", verified, err, info)
		}
	})
}

func TestATableComesBackFromItsImage(t *testing.T) {
	const n = 20_000
	table := store.New(store.Options{})
	defer table.Close()
	for _, e := range numbered(n).all {
		h := table.Hash(e.Key)
		s := table.Stripe(h)
		s.Lock()
		s.Put(h, e.Key, e.Value, store.Meta{Version: e.Version})
		s.Unlock()
	}
	img := table.Image()
	defer img.Close()
	fs := newMem(t)
	info := write(t, fs, testMeta(1, n), img)

	var back *store.Table
	_, err := Load(fs, info.Path, func(m Meta) (Sink, error) {
		if m.Entries != n {
			t.Errorf("open is told %d entries", m.Entries)
		}
		back = store.New(store.Options{SizeHint: int(m.Entries)})
		return func(e *store.Entry) error {
			h := back.Hash(e.Key)
			s := back.Stripe(h)
			s.Lock()
			s.Put(h, e.Key, e.Value, store.Meta{Version: e.Version, ExpireAt: e.ExpireAt, Kind: e.Kind})
			s.Unlock()
			return nil
		}, nil
	})
	check(t, err)
	defer back.Close()
	if back.Len() != n {
		t.Fatalf("%d entries came back", back.Len())
	}
	for _, want := range numbered(n).all {
		var e store.Entry
		h := back.Hash(want.Key)
		s := back.Stripe(h)
		s.Lock()
		if !s.Find(h, want.Key, &e) || !bytes.Equal(e.Value, want.Value) || e.Version != want.Version {
			t.Errorf("%s is %q version %d", want.Key, e.Value, e.Version)
		}
		s.Unlock()
	}
}

func TestLargeEntriesGoThroughASmallBuffer(t *testing.T) {
	const size = 48 << 20
	value := make([]byte, size)
	for i := range value {
		value[i] = byte(i * 7 >> 3)
	}
	src := &slab{data: append(make([]byte, 16), value...), klen: 16, vlen: size}
	dir := t.TempDir()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	info, err := Write(context.Background(), vfs.OS(), dir, testMeta(1, 5), src, WriteOptions{})
	runtime.ReadMemStats(&after)
	check(t, err)
	if got := after.TotalAlloc - before.TotalAlloc; got > 6<<20 {
		t.Errorf("writing a value of %d bytes allocated %d", size, got)
	}
	_, got, err := collect(vfs.OS(), info.Path)
	check(t, err)
	if len(got) != 1 || !bytes.Equal(got[0].Value, value) {
		t.Error("the value did not come back")
	}
}

func TestWritingAllocatesPerFileNotPerEntry(t *testing.T) {
	dir := t.TempDir()
	cost := func(n int) float64 {
		img := newSlab(n, true)
		return testing.AllocsPerRun(3, func() {
			img.next = 0
			if _, err := Write(context.Background(), vfs.OS(), dir, benchMeta(1), img, WriteOptions{}); err != nil {
				t.Fatal(err)
			}
		})
	}
	if small, large := cost(10_000), cost(60_000); large > small+20 {
		t.Errorf("10,000 entries take %v allocations, 60,000 take %v", small, large)
	}
}

func TestLoadingAllocatesPerFileNotPerEntry(t *testing.T) {
	dir := t.TempDir()
	cost := func(n int) float64 {
		info, err := Write(context.Background(), vfs.OS(), dir, benchMeta(1), newSlab(n, false), WriteOptions{})
		check(t, err)
		return testing.AllocsPerRun(3, func() {
			if _, err := Verify(vfs.OS(), info.Path); err != nil {
				t.Fatal(err)
			}
		})
	}
	if small, large := cost(10_000), cost(60_000); large > small+20 {
		t.Errorf("10,000 entries take %v allocations, 60,000 take %v", small, large)
	}
}

func TestWriteStopsWhenItsContextEnds(t *testing.T) {
	fs := newMem(t)
	ctx, cancel := context.WithCancel(context.Background())
	calls := 0
	_, err := Write(ctx, fs, testDir, testMeta(1, 1000), numbered(1000), WriteOptions{Progress: func(Progress) {
		if calls++; calls == 3 {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) || calls != 3 {
		t.Errorf("after %d batches: %v", calls, err)
	}
	assertNames(t, fs)
}

func TestProgressEndsAtTheTotal(t *testing.T) {
	fs := newMem(t)
	src := numbered(1000)
	src.all[5].ExpireAt = 1 // left out, and still counted as done
	var last Progress
	info, err := Write(context.Background(), fs, testDir, testMeta(1, 1000), src, WriteOptions{Progress: func(p Progress) {
		if p.Entries < last.Entries || p.Bytes < last.Bytes {
			t.Errorf("progress goes back from %+v to %+v", last, p)
		}
		last = p
	}})
	check(t, err)
	if last.Entries != 1000 || last.Total != 1000 || info.Entries != 999 || info.Expired != 1 {
		t.Errorf("last progress %+v, info %+v", last, info)
	}
}

func TestNothingIsPublishedWithoutTheNodesConsent(t *testing.T) {
	fs := newMem(t)
	no := errors.New("the log is not durable")
	_, err := Write(context.Background(), fs, testDir, testMeta(1, 10), numbered(10), WriteOptions{
		BeforePublish: func(context.Context) error {
			assertNames(t, fs, FileName(1, 10)+tmpSuffix)
			// Already durable: what a power cut leaves now is the whole file.
			check(t, fs.SyncDir(testDir))
			writeFileBytes(t, fs, pathOf(1, 10), readFile(t, fs.CrashClone(nil), pathOf(1, 10)+tmpSuffix))
			if _, err := Verify(fs, pathOf(1, 10)); err != nil {
				t.Error(err)
			}
			check(t, fs.Remove(pathOf(1, 10)))
			return no
		},
	})
	if !errors.Is(err, no) {
		t.Errorf("error is %v", err)
	}
	assertNames(t, fs)
}

func TestAnEntryFromTheFutureIsRefused(t *testing.T) {
	fs := newMem(t)
	_, err := Write(context.Background(), fs, testDir, testMeta(1, 9), numbered(10), WriteOptions{})
	if err == nil || !strings.Contains(err.Error(), "version 10, beyond the snapshot's index 9") {
		t.Errorf("error is %v", err)
	}
	assertNames(t, fs)
}

func TestCreatedComesFromTheClock(t *testing.T) {
	fs := newMem(t)
	now := time.UnixMilli(1234567)
	info, err := Write(context.Background(), fs, testDir, testMeta(1, 10), numbered(10), WriteOptions{Now: func() time.Time { return now }})
	check(t, err)
	if info.Created != 1234567 {
		t.Errorf("created %d", info.Created)
	}
}

// assertNames checks what the directory holds.
func assertNames(t testing.TB, fs vfs.FS, want ...string) {
	t.Helper()
	got, err := fs.List(testDir)
	check(t, err)
	if !slices.Equal(got, want) {
		t.Errorf("the directory holds %q, want %q", got, want)
	}
}
