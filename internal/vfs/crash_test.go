package vfs

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand"
	"os"
	"slices"
	"syscall"
	"testing"

	"pgregory.net/rapid"
)

// clones calls check with many outcomes of a power cut, the strictest first.
func clones(m *Mem, n int, check func(*Mem)) {
	check(m.CrashClone(nil))
	for seed := range n {
		check(m.CrashClone(rand.New(rand.NewSource(int64(seed)))))
	}
}

func TestCrashKeepsSyncedContents(t *testing.T) {
	m := newMemDirFS(t, "/d")
	f, err := m.Create("/d/a")
	must(t, err)
	_, err = f.Write(bytes.Repeat([]byte("s"), 2000))
	must(t, err)
	must(t, f.Sync())
	must(t, m.SyncDir("/d"))
	must(t, m.SyncDir("/"))
	_, err = f.WriteAt(bytes.Repeat([]byte("u"), 2000), 1000)
	must(t, err)

	clones(m, 200, func(c *Mem) {
		got := []byte(read(t, c, "/d/a"))
		if len(got) < 2000 || !bytes.Equal(got[:1000], bytes.Repeat([]byte("s"), 1000)) {
			t.Fatalf("synced bytes are gone: %d bytes left", len(got))
		}
	})
}

func TestCrashTearsUnsyncedWritesAtSectors(t *testing.T) {
	m := newMemDirFS(t, "/d")
	f, err := m.Create("/d/a")
	must(t, err)
	must(t, f.Truncate(4096))
	must(t, f.Sync())
	must(t, m.SyncDir("/d"))
	must(t, m.SyncDir("/"))
	_, err = f.WriteAt(bytes.Repeat([]byte("x"), 2000), 300)
	must(t, err)

	kinds := map[string]bool{}
	clones(m, 300, func(c *Mem) {
		got := []byte(read(t, c, "/d/a"))
		written := bytes.Count(got, []byte("x"))
		for off := 0; off < 4096; off += sectorBytes {
			inSector := bytes.Count(got[off:off+sectorBytes], []byte("x"))
			want := max(0, min(2300, off+sectorBytes)-max(300, off))
			if inSector != 0 && inSector != want {
				t.Fatalf("the sector at %d holds %d of %d bytes: sectors are not torn", off, inSector, want)
			}
		}
		switch {
		case written == 0:
			kinds["lost"] = true
		case written == 2000:
			kinds["whole"] = true
		default:
			kinds["torn"] = true
		}
	})
	if len(kinds) != 3 {
		t.Fatalf("outcomes seen: %v, want lost, whole and torn", kinds)
	}
}

func TestCrashForgetsNamesThatWereNotSynced(t *testing.T) {
	m := newMemDirFS(t, "/d")
	must(t, m.SyncDir("/"))
	write(t, m, "/d/kept", "1")
	must(t, m.SyncDir("/d"))
	write(t, m, "/d/created", "2")
	must(t, m.Rename("/d/kept", "/d/renamed"))

	seen := map[string]bool{}
	clones(m, 100, func(c *Mem) {
		names, err := c.List("/d")
		must(t, err)
		if slices.Contains(names, "kept") == slices.Contains(names, "renamed") {
			t.Fatalf("half a rename: %v", names)
		}
		seen[fmt.Sprint(names)] = true
	})
	if len(seen) != 4 || !seen["[kept]"] {
		t.Fatalf("outcomes seen: %v, want all four", seen)
	}
	must(t, m.SyncDir("/d"))
	clones(m, 20, func(c *Mem) {
		names, err := c.List("/d")
		must(t, err)
		if !slices.Equal(names, []string{"created", "renamed"}) {
			t.Fatalf("synced names: %v", names)
		}
	})
}

func TestCrashOfARemovalBringsTheFileBackOrNot(t *testing.T) {
	m := newMemDirFS(t, "/d")
	f, err := m.Create("/d/a")
	must(t, err)
	_, err = f.Write([]byte("contents"))
	must(t, err)
	must(t, f.Sync())
	must(t, m.SyncDir("/d"))
	must(t, m.SyncDir("/"))
	must(t, m.Remove("/d/a"))
	if got := read(t, m.CrashClone(nil), "/d/a"); got != "contents" {
		t.Fatalf("read %q", got)
	}
	gone := 0
	clones(m, 50, func(c *Mem) {
		if _, err := c.Stat("/d/a"); errors.Is(err, os.ErrNotExist) {
			gone++
		}
	})
	if gone == 0 || gone == 51 {
		t.Fatalf("gone in %d of 51 clones", gone)
	}
}

func TestCrashOfADirectoryThatWasNotSynced(t *testing.T) {
	m := NewMem()
	must(t, m.MkdirAll("/x/y"))
	write(t, m, "/x/y/a", "1")
	must(t, m.SyncDir("/x/y"))
	if names, err := m.CrashClone(nil).List("/"); err != nil || len(names) != 0 {
		t.Fatalf("the strictest crash keeps %v, %v", names, err)
	}
	must(t, m.SyncDir("/x"))
	must(t, m.SyncDir("/"))
	if names, err := m.CrashClone(nil).List("/x/y"); err != nil || len(names) != 1 {
		t.Fatalf("after syncing every directory: %v, %v", names, err)
	}
}

func TestCrashClonesAreIndependentAndRepeatable(t *testing.T) {
	m := newMemDirFS(t, "/d")
	must(t, m.SyncDir("/"))
	write(t, m, "/d/a", string(bytes.Repeat([]byte("x"), 10000)))
	must(t, m.SyncDir("/d"))
	one := m.CrashClone(rand.New(rand.NewSource(7)))
	two := m.CrashClone(rand.New(rand.NewSource(7)))
	before := read(t, two, "/d/a")
	if read(t, one, "/d/a") != before {
		t.Fatal("the same seed gave another clone")
	}
	write(t, one, "/d/a", "changed")
	if read(t, two, "/d/a") != before || read(t, m, "/d/a") == "changed" {
		t.Fatal("a clone shares memory")
	}
}

// TestMemIsAFileSystemWhateverTheOrder compares a Mem file with a byte slice, and its strictest crash clone with the
// slice as of the last sync.
func TestMemIsAFileSystemWhateverTheOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := NewMem()
		f, err := m.Create("/a")
		if err != nil || m.SyncDir("/") != nil {
			t.Fatal(err)
		}
		var model, synced []byte
		grow := func(n int) {
			if n > len(model) {
				model = append(model, make([]byte, n-len(model))...)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"write": func(t *rapid.T) {
				off := rapid.IntRange(0, 3000).Draw(t, "off")
				data := rapid.SliceOfN(rapid.Byte(), 0, 1500).Draw(t, "data")
				if _, err := f.WriteAt(data, int64(off)); err != nil {
					t.Fatal(err)
				}
				if len(data) > 0 {
					grow(off + len(data))
					copy(model[off:], data)
				}
			},
			"truncate": func(t *rapid.T) {
				n := rapid.IntRange(0, 3000).Draw(t, "size")
				if err := f.Truncate(int64(n)); err != nil {
					t.Fatal(err)
				}
				model = model[:min(n, len(model)):min(n, len(model))]
				grow(n)
			},
			"allocate": func(t *rapid.T) {
				off, n := rapid.IntRange(0, 2000).Draw(t, "off"), rapid.IntRange(1, 2000).Draw(t, "n")
				if err := f.Allocate(int64(off), int64(n)); err != nil {
					t.Fatal(err)
				}
				grow(off + n)
			},
			"sync": func(t *rapid.T) {
				if err := f.Sync(); err != nil {
					t.Fatal(err)
				}
				synced = append([]byte(nil), model...)
			},
			"": func(t *rapid.T) {
				same := func(fs FS, want []byte, what string) {
					g, err := fs.Open("/a")
					if err != nil {
						t.Fatal(err)
					}
					got := make([]byte, len(want)+1)
					if n, _ := g.ReadAt(got, 0); n != len(want) || !bytes.Equal(got[:n], want) {
						t.Fatalf("%s: %d bytes, want %d", what, n, len(want))
					}
					g.Close()
				}
				same(m, model, "live")
				same(m.CrashClone(nil), synced, "after the strictest crash")
			},
		})
	})
}

func TestMemRefusesWhatExceedsItsLimit(t *testing.T) {
	m := NewMem()
	m.SetLimit(1000)
	f, err := m.Create("/a")
	must(t, err)
	if err := f.Allocate(0, 900); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(make([]byte, 200), 850); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("a write over the limit: %v, want ENOSPC", err)
	}
	if _, err := f.WriteAt(make([]byte, 900), 0); err != nil {
		t.Fatalf("a write into allocated room: %v", err)
	}
	must(t, m.Remove("/a"))
	if m.Used() != 900 {
		t.Fatalf("%d bytes used while the removed file is open, want 900", m.Used())
	}
	must(t, f.Close())
	if free, err := m.Free("/"); free != 1000 || err != nil {
		t.Fatalf("free: %d, %v, want all", free, err)
	}
}

func TestInjectSeesAndStopsEveryOperation(t *testing.T) {
	eio := syscall.EIO
	var seen []Kind
	var fail Kind
	m := newMemDirFS(t, "/d")
	fs := Inject(m, func(op Op) error {
		seen = append(seen, op.Kind)
		if op.Kind == fail {
			return eio
		}
		return nil
	})
	all := func() {
		_ = fs.MkdirAll("/d")
		if f, err := fs.Create("/d/a"); err == nil {
			_, _ = f.Write([]byte("x"))
			_, _ = f.WriteAt([]byte("x"), 3)
			_, _ = f.Read(make([]byte, 1))
			_, _ = f.ReadAt(make([]byte, 1), 0)
			_ = f.Truncate(10)
			_ = f.Allocate(0, 20)
			_ = f.Sync()
			_ = f.Close()
		}
		_, _ = fs.Open("/d/a")
		_, _ = fs.OpenReadWrite("/d/a")
		_, _ = fs.List("/d")
		_, _ = fs.Stat("/d/a")
		_, _ = fs.Free("/d")
		if l, err := fs.Lock("/d/L"); err == nil {
			l.Close()
		}
		_ = fs.Rename("/d/a", "/d/b")
		_ = fs.Remove("/d/b")
		_ = fs.SyncDir("/d")
	}
	all()
	for kind := OpCreate; kind <= OpClose; kind++ {
		if !slices.Contains(seen, kind) {
			t.Errorf("%v was not seen", kind)
		}
		if kind.String() == "unknown" {
			t.Errorf("operation %d has no name", kind)
		}
	}
	fail = OpWrite
	f, err := fs.Create("/d/a")
	must(t, err)
	if _, err := f.Write([]byte("lost")); !errors.Is(err, eio) {
		t.Fatalf("write: %v, want EIO", err)
	}
	if got := read(t, m, "/d/a"); got != "" {
		t.Fatalf("the refused write happened: %q", got)
	}
}

func TestMkdirAllSyncSurvivesAnyCrash(t *testing.T) {
	m := NewMem()
	for range 2 {
		must(t, MkdirAllSync(m, "/x/y/z"))
		clones(m, 20, func(c *Mem) {
			if info, err := c.Stat("/x/y/z"); err != nil || !info.IsDir {
				t.Fatalf("the directory is gone: %v", err)
			}
		})
	}
	dir := t.TempDir() + "/a/b"
	must(t, MkdirAllSync(OS(), dir))
	if info, err := OS().Stat(dir); err != nil || !info.IsDir {
		t.Fatal(info, err)
	}
}
