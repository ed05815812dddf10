//go:build unix

package faultfs

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prakashpandey/vegadb/internal/vfs"
)

// disks are a directory of the machine's with a shadow, and the model of package vfs, to which the same is done.
type disks struct {
	t     *testing.T
	root  string
	real  vfs.FS
	model *vfs.Mem
	open  map[string][2]vfs.File
}

func newDisks(t *testing.T) *disks {
	d := &disks{t: t, root: filepath.Join(t.TempDir(), "data"), model: vfs.NewMem(), open: map[string][2]vfs.File{}}
	d.restart()
	d.both(func(fs vfs.FS) error { return fs.MkdirAll(filepath.Join(d.root, "sub")) })
	// The root's own name is taken to be durable.
	for dir := d.root; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if err := d.model.SyncDir(filepath.Dir(dir)); err != nil {
			t.Fatal(err)
		}
	}
	d.both(func(fs vfs.FS) error { return fs.SyncDir(d.root) })
	return d
}

// restart is a process that takes the place of one that was killed.
func (d *disks) restart() {
	s, err := openShadow(vfs.OS(), d.root, func(vfs.Op) {})
	if err != nil {
		d.t.Fatal(err)
	}
	for _, f := range d.open {
		f[0].Close()
		f[1].Close()
	}
	clear(d.open)
	d.real = s
}

func (d *disks) both(do func(vfs.FS) error) {
	d.t.Helper()
	if a, b := do(d.real), do(d.model); (a == nil) != (b == nil) {
		d.t.Fatalf("one disk says %v, the other %v", a, b)
	}
}

// file returns a file of both, opened if need be.
func (d *disks) file(name string) (f [2]vfs.File, ok bool) {
	if f, ok := d.open[name]; ok {
		return f, true
	}
	a, errA := d.real.OpenReadWrite(name)
	b, errB := d.model.OpenReadWrite(name)
	if (errA == nil) != (errB == nil) {
		d.t.Fatalf("open %s: one disk says %v, the other %v", name, errA, errB)
	}
	if errA == nil {
		d.open[name] = [2]vfs.File{a, b}
	}
	return [2]vfs.File{a, b}, errA == nil
}

// forget lets go of names whose files have others now.
func (d *disks) forget(names ...string) {
	for _, name := range names {
		if f, ok := d.open[name]; ok {
			f[0].Close()
			f[1].Close()
			delete(d.open, name)
		}
	}
}

// step does something that is drawn.
func (d *disks) step(rng *rand.Rand) string {
	dir := []string{d.root, filepath.Join(d.root, "sub")}[rng.IntN(2)]
	name := filepath.Join(dir, string(rune('a'+rng.IntN(4))))
	switch kind := rng.IntN(12); kind {
	case 0, 1:
		d.forget(name)
		d.both(func(fs vfs.FS) error {
			f, err := fs.Create(name)
			if err == nil {
				err = f.Close()
			}
			return err
		})
		return "create " + name
	case 2:
		to := filepath.Join(dir, string(rune('a'+rng.IntN(4))))
		d.forget(name, to)
		d.both(func(fs vfs.FS) error { return fs.Rename(name, to) })
		return "rename " + name + " to " + to
	case 3:
		d.forget(name)
		d.both(func(fs vfs.FS) error { return fs.Remove(name) })
		return "remove " + name
	case 4, 5:
		d.both(func(fs vfs.FS) error { return fs.SyncDir(dir) })
		return "sync directory " + dir
	case 6:
		d.restart()
		return "restart"
	case 7:
		size := rng.Int64N(3000)
		if f, ok := d.file(name); ok {
			f[0].Truncate(size)
			f[1].Truncate(size)
		}
		return fmt.Sprintf("truncate %s to %d", name, size)
	case 8, 9:
		if f, ok := d.file(name); ok {
			for _, one := range f {
				if err := one.Sync(); err != nil {
					d.t.Fatal(err)
				}
			}
		}
		return "sync " + name
	default:
		data, off := []byte(strings.Repeat(string(rune('A'+rng.IntN(26))), 1+rng.IntN(1500))), rng.Int64N(2000)
		if f, ok := d.file(name); ok {
			for _, one := range f {
				if _, err := one.WriteAt(data, off); err != nil {
					d.t.Fatal(err)
				}
			}
		}
		return fmt.Sprintf("write %d at %d of %s", len(data), off, name)
	}
}

// contents returns all files below root, by name.
func contents(t *testing.T, fs vfs.FS, dir string, all map[string]string) map[string]string {
	t.Helper()
	names, err := fs.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, base := range names {
		name := filepath.Join(dir, base)
		info, err := fs.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.IsDir {
			contents(t, fs, name, all)
			continue
		}
		f, err := fs.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		text := make([]byte, info.Size)
		if _, err := f.ReadAt(text, 0); err != nil && info.Size > 0 {
			t.Fatal(err)
		}
		f.Close()
		all[name] = string(text)
	}
	return all
}

func same(a, b map[string]string) bool {
	if len(a) != len(b) {
		return false
	}
	for name, text := range a {
		if other, ok := b[name]; !ok || other != text {
			return false
		}
	}
	return true
}

func show(all map[string]string) string {
	var lines []string
	for name, text := range all {
		lines = append(lines, fmt.Sprintf("%s: %d bytes, %.8q…", name, len(text), text))
	}
	return strings.Join(lines, "\n")
}

// The strictest power cut of a real directory leaves what the model in memory says.
func TestAPowerCutLeavesWhatTheModelSays(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	for range 12 {
		d := newDisks(t)
		var steps []string
		for range 3 { // power cuts
			for range 1 + rng.IntN(60) {
				steps = append(steps, d.step(rng))
			}
			d.model = d.model.CrashClone(nil)
			clear(d.open)
			if err := Cut(d.root, nil); err != nil {
				t.Fatal(err)
			}
			got, want := contents(t, vfs.OS(), d.root, map[string]string{}), contents(t, d.model, d.root, map[string]string{})
			if !same(got, want) {
				t.Fatalf("after\n%s\nthere is\n%s\nand is to be\n%s", strings.Join(steps, "\n"), show(got), show(want))
			}
			steps = append(steps, "power cut")
			d.restart()
		}
	}
}

// A lax cut keeps what was synced, and of each sector and name what was or what is.
func TestALaxPowerCutMixesSectorsAndNeverNamesOfOneFile(t *testing.T) {
	seen := map[string]bool{}
	for seed := range uint64(60) {
		root := filepath.Join(t.TempDir(), "data")
		if err := os.MkdirAll(root, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, "final"), []byte("old"), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := openShadow(vfs.OS(), root, func(vfs.Op) {})
		if err != nil {
			t.Fatal(err)
		}
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		tmp, err := s.Create(filepath.Join(root, "tmp"))
		must(err)
		_, err = tmp.WriteAt([]byte("new"), 0)
		must(err)
		must(tmp.Sync())
		must(s.SyncDir(root))
		big, err := s.Create(filepath.Join(root, "big"))
		must(err)
		must(s.SyncDir(root))
		_, err = big.WriteAt([]byte(strings.Repeat("x", 4*sectorBytes)), 0)
		must(err)
		must(s.Rename(filepath.Join(root, "tmp"), filepath.Join(root, "final")))
		must(tmp.Close())
		must(big.Close())
		must(Cut(root, rand.New(rand.NewPCG(seed, 0))))
		all := contents(t, vfs.OS(), root, map[string]string{})
		final, hasTmp := all[filepath.Join(root, "final")], false
		if text, ok := all[filepath.Join(root, "tmp")]; ok {
			hasTmp = true
			if text != "new" {
				t.Fatalf("seed %d: what was synced is %q", seed, text)
			}
		}
		if (final == "old") != hasTmp {
			t.Fatalf("seed %d: a rename has happened by halves:\n%s", seed, show(all))
		}
		text := all[filepath.Join(root, "big")]
		for _, r := range text {
			if r != 'x' && r != 0 {
				t.Fatalf("seed %d: %q was never written", seed, r)
			}
		}
		seen["renamed "+fmt.Sprint(!hasTmp)] = true
		seen[fmt.Sprintf("size %d", len(text))] = true
		if n := strings.Count(text, "x"); n > 0 && n < len(text) {
			seen["torn"] = true
		}
	}
	for _, outcome := range []string{"renamed true", "renamed false", "size 0", "size 2048", "torn"} {
		if !seen[outcome] {
			t.Errorf("no cut ended with %q", outcome)
		}
	}
}

// What is written while a sync is under way belongs to the next one.
func TestWhatIsWrittenDuringASyncIsKeptByTheNextOne(t *testing.T) {
	root := filepath.Join(t.TempDir(), "data")
	if err := os.MkdirAll(root, 0o700); err != nil {
		t.Fatal(err)
	}
	s, err := openShadow(vfs.OS(), root, func(vfs.Op) {})
	if err != nil {
		t.Fatal(err)
	}
	f, err := s.Create(filepath.Join(root, "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := s.SyncDir(root); err != nil {
		t.Fatal(err)
	}
	// The write below it waits while a whole sync goes by.
	slow := &shadowFile{File: slowWriter{f.(*shadowFile).File, f.Sync}, shadow: s, id: f.(*shadowFile).id, state: f.(*shadowFile).state}
	if _, err := slow.WriteAt([]byte("late"), 0); err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	if err := Cut(root, nil); err != nil {
		t.Fatal(err)
	}
	if got := contents(t, vfs.OS(), root, map[string]string{})[filepath.Join(root, "f")]; got != "late" {
		t.Errorf("a power cut leaves %q", got)
	}
}

// slowWriter does something before each write.
type slowWriter struct {
	vfs.File
	before func() error
}

func (w slowWriter) WriteAt(p []byte, off int64) (int, error) {
	if err := w.before(); err != nil {
		return 0, err
	}
	return w.File.WriteAt(p, off)
}
