package snapshot

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/prakashpandey/vegadb/internal/store"
	"github.com/prakashpandey/vegadb/internal/vfs"
)

// crashSeeds is how many of the outcomes of a power cut are tried at each
// boundary, beside the strictest.
const crashSeeds = 12

// crashEverywhere runs work on a disk prepared by setup and looks, before each
// operation that can change what a power cut leaves, and after the last, at
// what would be left.
func crashEverywhere(t *testing.T, setup func(vfs.FS), work func(vfs.FS) error, look func(after string, left vfs.FS)) {
	t.Helper()
	disk := newMem(t)
	setup(disk)
	cut := func(at string) {
		look(at, disk.CrashClone(nil))
		for seed := range int64(crashSeeds) {
			look(at, disk.CrashClone(rand.New(rand.NewSource(seed))))
		}
	}
	boundaries := 0
	err := work(vfs.Inject(disk, func(op vfs.Op) error {
		if op.Kind.Changes() {
			boundaries++
			cut("before " + op.Kind.String() + " of " + op.Name)
		}
		return nil
	}))
	check(t, err)
	cut("at the end")
	if boundaries < 3 {
		t.Errorf("only %d boundaries were seen", boundaries)
	}
}

// loadNewest is a start: clean, load, and give the entries of group 1.
func loadNewest(t *testing.T, fs vfs.FS) (Loaded, []store.Entry) {
	t.Helper()
	check(t, Clean(fs, testDir))
	var got []store.Entry
	loaded, err := LoadAll(context.Background(), fs, testDir, []uint32{1}, LoadOptions{
		Open: func(Meta) (Sink, error) {
			got = nil
			return func(e *store.Entry) error {
				c := *e
				c.Key, c.Value = slices.Clone(e.Key), slices.Clone(e.Value)
				got = append(got, c)
				return nil
			}, nil
		},
	})
	check(t, err)
	if len(loaded[0].Problems) > 0 {
		t.Fatalf("a power cut left a published file that is bad: %v", loaded[0].Problems)
	}
	return loaded[0], got
}

func TestACrashLeavesTheOldSnapshotOrTheNew(t *testing.T) {
	old, next := numbered(50), incompressible(300, 1000, 9) // the new one has several blocks
	oldMeta, nextMeta := withState(testMeta(1, 50), 30), withState(testMeta(1, 90), 150_000)
	published := false
	crashEverywhere(t,
		func(fs vfs.FS) { write(t, fs, oldMeta, old) },
		func(fs vfs.FS) error {
			_, err := Write(context.Background(), fs, testDir, nextMeta, next, WriteOptions{})
			published = err == nil
			return err
		},
		func(at string, left vfs.FS) {
			l, got := loadNewest(t, left)
			switch {
			case l.Meta.Index == 50 && !published && equalEntries(got, numbered(50).all) && bytes.Equal(l.Meta.State, oldMeta.State):
			case l.Meta.Index == 90 && bytes.Equal(l.Meta.State, nextMeta.State) && equalEntries(got, incompressible(300, 1000, 9).all):
			default:
				t.Errorf("%s: index %d with %d entries (published: %v)", at, l.Meta.Index, len(got), published)
			}
		})
}

func TestACrashWhileASnapshotIsWrittenAgainLeavesOneOfThem(t *testing.T) {
	crashEverywhere(t,
		func(fs vfs.FS) { write(t, fs, testMeta(1, 90), numbered(90)) },
		func(fs vfs.FS) error {
			_, err := Write(context.Background(), fs, testDir, testMeta(1, 90), numbered(90), WriteOptions{})
			return err
		},
		func(at string, left vfs.FS) {
			if l, got := loadNewest(t, left); l.Meta.Index != 90 || !equalEntries(got, numbered(90).all) {
				t.Errorf("%s: index %d with %d entries", at, l.Meta.Index, len(got))
			}
		})
}

func TestACrashWhilePruningLeavesTheNewest(t *testing.T) {
	crashEverywhere(t,
		func(fs vfs.FS) {
			for i := uint64(60); i <= 63; i++ {
				write(t, fs, testMeta(1, i), numbered(int(i)))
			}
		},
		func(fs vfs.FS) error { return Prune(fs, testDir, 1, 1) },
		func(at string, left vfs.FS) {
			if l, got := loadNewest(t, left); l.Meta.Index != 63 || !equalEntries(got, numbered(63).all) {
				t.Errorf("%s: index %d with %d entries", at, l.Meta.Index, len(got))
			}
		})
}

func TestACrashWhileABadFileIsSetAsideLosesNothing(t *testing.T) {
	crashEverywhere(t,
		func(fs vfs.FS) {
			write(t, fs, testMeta(1, 60), numbered(60))
			info := write(t, fs, testMeta(1, 70), numbered(70))
			b := readFile(t, fs, info.Path)
			b[len(b)/2] ^= 4
			writeFileBytes(t, fs, info.Path, b)
		},
		func(fs vfs.FS) error {
			_, err := LoadAll(context.Background(), fs, testDir, []uint32{1}, LoadOptions{Open: nowhere})
			if err != nil {
				return err
			}
			// A later write goes on from there, and prunes.
			if _, err := Write(context.Background(), fs, testDir, testMeta(1, 80), numbered(80), WriteOptions{}); err != nil {
				return err
			}
			return Prune(fs, testDir, 1, 1)
		},
		func(at string, left vfs.FS) {
			bad := 0
			names, err := left.List(testDir)
			check(t, err)
			for _, n := range names {
				if strings.HasPrefix(n, FileName(1, 70)) {
					bad++
				}
			}
			l, err := LoadAll(context.Background(), left, testDir, []uint32{1}, LoadOptions{Open: nowhere})
			check(t, err)
			if i := l[0].Meta.Index; (i != 60 && i != 80) || bad != 1 || l[0].MustReach < 70 {
				t.Errorf("%s: index %d, must reach %d, %d bad files", at, i, l[0].MustReach, bad)
			}
		})
}

func nowhere(Meta) (Sink, error) { return func(*store.Entry) error { return nil }, nil }

// TestAFailingDiskPublishesNothing fails each operation of a write in turn.
func TestAFailingDiskPublishesNothing(t *testing.T) {
	for _, failure := range []error{syscall.EIO, syscall.ENOSPC} {
		for n := 0; ; n++ {
			disk := newMem(t)
			write(t, disk, testMeta(1, 50), numbered(50))
			count, failed := 0, vfs.Op{}
			fs := vfs.Inject(disk, func(op vfs.Op) error {
				if op.Kind == vfs.OpRemove {
					return nil // cleaning up works
				}
				if count++; count == n+1 {
					failed = op
					return failure
				}
				return nil
			})
			_, err := Write(context.Background(), fs, testDir, testMeta(1, 90), incompressible(300, 1000, 9), WriteOptions{})
			if failed.Kind == 0 {
				check(t, err)
				break
			}
			if !errors.Is(err, failure) || !strings.Contains(err.Error(), testDir) {
				t.Errorf("%s of %s fails: Write gives %v", failed.Kind, failed.Name, err)
			}
			want := []string{FileName(1, 50)}
			if failed.Kind == vfs.OpSyncDir {
				want = append(want, FileName(1, 90)) // whole; only its durability is unknown
			}
			assertNames(t, disk, want...)
			if l, _ := loadNewest(t, disk); l.Path == "" {
				t.Errorf("%s of %s fails: nothing can be loaded", failed.Kind, failed.Name)
			}
		}
	}
}

func TestAFullDiskGivesItsSpaceBackAndRecovers(t *testing.T) {
	disk := newMem(t)
	write(t, disk, testMeta(1, 50), numbered(50))
	used := disk.Used()
	disk.SetLimit(used + 200_000)
	big := func() *entries { return incompressible(400, 1000, 3) }
	_, err := Write(context.Background(), disk, testDir, testMeta(1, 90), big(), WriteOptions{})
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("error is %v", err)
	}
	if disk.Used() != used {
		t.Errorf("%d bytes stay in use, %d were before", disk.Used(), used)
	}
	disk.SetLimit(10 << 20)
	write(t, disk, testMeta(1, 90), big())
	if l, _ := loadNewest(t, disk); l.Meta.Index != 90 {
		t.Errorf("index %d is loaded", l.Meta.Index)
	}
}

// shortReads is a file that gives less than it has: what a file that shrinks
// while it is read looks like.
type shortReads struct{ vfs.File }

func (f shortReads) ReadAt(b []byte, off int64) (int, error) {
	if off > 0 && len(b) > footerBytes {
		return 0, io.EOF
	}
	return f.File.ReadAt(b, off)
}

type shortFS struct{ vfs.FS }

func (fs shortFS) Open(name string) (vfs.File, error) {
	f, err := fs.FS.Open(name)
	return shortReads{f}, err
}

func TestAFileThatShrinksWhileReadIsNoticed(t *testing.T) {
	fs := newMem(t)
	info := write(t, fs, testMeta(1, 50), numbered(50))
	if _, err := Verify(shortFS{fs}, info.Path); !errors.Is(err, ErrCorrupt) {
		t.Errorf("error is %v", err)
	}
}
