package snapshot

import (
	"bytes"
	"context"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/prakashpandey/vegadb/internal/store"
	"github.com/prakashpandey/vegadb/internal/vfs"
)

// TestFilesOfVersion1AreRead reads a file that version 1 of the format wrote.
func TestFilesOfVersion1AreRead(t *testing.T) {
	file, err := os.ReadFile("testdata/version1.snap")
	check(t, err)
	fs := newMem(t)
	writeFileBytes(t, fs, pathOf(1, 40), file)
	want := numbered(30).all
	want = append(want,
		store.Entry{Key: []byte("expires"), Value: []byte("later"), Version: 31, ExpireAt: 2_000_000},
		store.Entry{Key: []byte("kind"), Value: []byte("nine"), Version: 32, Kind: 9})
	meta := testMeta(1, 40)
	meta.Entries = 32
	if m, got, err := collect(fs, pathOf(1, 40)); err != nil || !equalMeta(m, meta) || m.State != nil || !equalEntries(got, want) {
		t.Errorf("%+v with %d entries, %v", m, len(got), err)
	}
	loaded, err := LoadAll(context.Background(), fs, testDir, []uint32{1}, LoadOptions{Open: nowhere, Cluster: meta.Cluster, Partitions: meta.Partitions})
	check(t, err)
	if !equalMeta(loaded[0].Meta, meta) || loaded[0].Problems != nil {
		t.Errorf("loaded %+v", loaded[0])
	}
}

func TestStateBeyondTheLimitIsRefusedAndLeavesNothing(t *testing.T) {
	fs := newMem(t)
	m := testMeta(1, 10)
	m.State = make([]byte, MaxStateBytes+1)
	if _, err := Write(context.Background(), fs, testDir, m, nil, WriteOptions{}); err == nil || !strings.Contains(err.Error(), "the limit is 67108864") {
		t.Errorf("error is %v", err)
	}
	assertNames(t, fs)
	m.State = m.State[:MaxStateBytes]
	info := write(t, fs, m, nil)
	got, err := Verify(fs, info.Path)
	check(t, err)
	if !bytes.Equal(got.State, m.State) {
		t.Errorf("%d bytes come back", len(got.State))
	}
}

// TestListDoesNotReadTheState: it is called after every snapshot, of all groups.
func TestListDoesNotReadTheState(t *testing.T) {
	fs := newMem(t)
	write(t, fs, withState(testMeta(0, 7), 1<<20), nil)
	write(t, fs, withState(testMeta(1, 9), 10), numbered(9))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	infos, err := List(fs, testDir)
	runtime.ReadMemStats(&after)
	check(t, err)
	if len(infos) != 2 || infos[0].Err != nil || infos[0].State != nil || infos[1].State != nil || infos[1].Entries != 9 {
		t.Errorf("listed %+v", infos)
	}
	if got := after.TotalAlloc - before.TotalAlloc; got > 100_000 {
		t.Errorf("listing allocated %d bytes", got)
	}
}

// TestTheMetaGroupIsAGroupLikeOthers: number 0, no entries, only state.
func TestTheMetaGroupIsAGroupLikeOthers(t *testing.T) {
	fs := newMem(t)
	meta := func(index uint64) Meta { return withState(testMeta(0, index), int(index)) }
	for _, i := range []uint64{5, 10, 20} {
		info := write(t, fs, meta(i), nil)
		if info.Path != pathOf(0, i) || info.Entries != 0 {
			t.Errorf("wrote %+v", info)
		}
	}
	write(t, fs, testMeta(1, 3), numbered(3))
	check(t, Prune(fs, testDir, 0, 2))
	assertNames(t, fs, FileName(0, 10), FileName(0, 20), FileName(1, 3))
	infos, err := List(fs, testDir)
	check(t, err)
	if got := JoinIndex(infos, 0, 2); got != 10 {
		t.Errorf("the log may go up to %d", got)
	}
	flip(t, fs, pathOf(0, 20))
	var states []int
	loaded, err := LoadAll(context.Background(), fs, testDir, []uint32{0, 1}, LoadOptions{Open: func(m Meta) (Sink, error) {
		if m.Group == 0 {
			states = append(states, len(m.State))
		}
		return func(*store.Entry) error { return nil }, nil
	}})
	check(t, err)
	if l := loaded[0]; l.Group != 0 || l.Meta.Index != 10 || l.MustReach != 20 || len(l.Problems) != 1 || !slices.Equal(states, []int{10}) {
		t.Errorf("loaded %+v, states %v", l, states)
	}
}

func TestAFileWhoseStateIsBadIsSetAsideBeforeItIsOpened(t *testing.T) {
	fs := newMem(t)
	write(t, fs, withState(testMeta(1, 10), 100), numbered(10))
	info := write(t, fs, withState(testMeta(1, 20), 100), numbered(20))
	b := readFile(t, fs, info.Path)
	b[headerBytes+blockHeaderBytes+50] ^= 1
	writeFileBytes(t, fs, info.Path, b)
	var ts tables
	loaded, err := LoadAll(context.Background(), vfs.FS(fs), testDir, []uint32{1}, LoadOptions{Open: ts.open})
	check(t, err)
	if l := loaded[0]; l.Meta.Index != 10 || len(l.Meta.State) != 100 || len(l.Problems) != 1 || len(ts.opened) != 1 {
		t.Errorf("loaded %+v, opened %d", l, len(ts.opened))
	}
}
