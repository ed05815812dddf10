package vfs

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestImplementationsAgree puts every file system through the same questions: what passes on Mem must mean the same
// on a real disk.
func TestImplementationsAgree(t *testing.T) {
	roots := map[string]func(t *testing.T) (FS, string){
		"OS":  func(t *testing.T) (FS, string) { return OS(), t.TempDir() },
		"Mem": func(*testing.T) (FS, string) { return newMemDirFS(t, "/data"), "/data" },
		"Inject": func(*testing.T) (FS, string) {
			return Inject(newMemDirFS(t, "/data"), func(Op) error { return nil }), "/data"
		},
	}
	questions := map[string]func(t *testing.T, fs FS, dir string){
		"create, write, read back":         askReadBack,
		"create empties what exists":       askCreateEmpties,
		"missing files are ErrNotExist":    askMissing,
		"open is for reading only":         askReadOnly,
		"rename replaces":                  askRename,
		"remove leaves open files usable":  askRemoveOpen,
		"list is sorted base names":        askList,
		"truncate and allocate":            askSizes,
		"positioned writes past the end":   askHoles,
		"locks exclude until closed":       askLock,
		"a closed file refuses everything": askClosed,
		"free space is known":              askFree,
	}
	for name, root := range roots {
		for question, ask := range questions {
			t.Run(name+"/"+question, func(t *testing.T) {
				fs, dir := root(t)
				ask(t, fs, dir)
			})
		}
	}
}

func newMemDirFS(tb testing.TB, dir string) *Mem {
	tb.Helper()
	m := NewMem()
	must(tb, m.MkdirAll(dir))
	return m
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func write(tb testing.TB, fs FS, name, contents string) {
	tb.Helper()
	f, err := fs.Create(name)
	must(tb, err)
	_, err = f.Write([]byte(contents))
	must(tb, err)
	must(tb, f.Close())
}

func read(tb testing.TB, fs FS, name string) string {
	tb.Helper()
	f, err := fs.Open(name)
	must(tb, err)
	defer f.Close()
	b, err := io.ReadAll(f)
	must(tb, err)
	return string(b)
}

func askReadBack(t *testing.T, fs FS, dir string) {
	name := filepath.Join(dir, "a")
	f, err := fs.Create(name)
	must(t, err)
	if f.Name() != name {
		t.Errorf("name %q, want %q", f.Name(), name)
	}
	for _, part := range []string{"hello ", "world"} {
		n, err := f.Write([]byte(part))
		if n != len(part) || err != nil {
			t.Fatalf("write: %d, %v", n, err)
		}
	}
	must(t, f.Sync())
	if size, err := f.Size(); size != 11 || err != nil {
		t.Errorf("size %d, %v, want 11", size, err)
	}
	b := make([]byte, 5)
	if n, err := f.ReadAt(b, 6); n != 5 || err != nil || string(b) != "world" {
		t.Errorf("read at 6: %d, %v, %q", n, err, b)
	}
	if n, err := f.ReadAt(b, 9); n != 2 || err != io.EOF {
		t.Errorf("read over the end: %d, %v, want 2, EOF", n, err)
	}
	if n, err := f.ReadAt(b, 100); n != 0 || err != io.EOF {
		t.Errorf("read past the end: %d, %v, want 0, EOF", n, err)
	}
	if n, err := f.Read(b); n != 0 || err != io.EOF {
		t.Errorf("sequential read after the writes: %d, %v, want 0, EOF", n, err)
	}
	must(t, f.Close())
	must(t, fs.SyncDir(dir))
	if got := read(t, fs, name); got != "hello world" {
		t.Errorf("read back %q", got)
	}
	if info, err := fs.Stat(name); err != nil || info != (Info{Size: 11}) {
		t.Errorf("stat: %+v, %v", info, err)
	}
}

func askCreateEmpties(t *testing.T, fs FS, dir string) {
	name := filepath.Join(dir, "a")
	write(t, fs, name, "long contents")
	write(t, fs, name, "short")
	if got := read(t, fs, name); got != "short" {
		t.Errorf("read %q", got)
	}
}

func askMissing(t *testing.T, fs FS, dir string) {
	missing := filepath.Join(dir, "no such file")
	_, openErr := fs.Open(missing)
	_, rwErr := fs.OpenReadWrite(missing)
	_, statErr := fs.Stat(missing)
	_, listErr := fs.List(missing)
	_, createErr := fs.Create(filepath.Join(missing, "file"))
	for what, err := range map[string]error{
		"open": openErr, "open for writing": rwErr, "stat": statErr, "list": listErr, "create in it": createErr,
		"remove": fs.Remove(missing), "rename": fs.Rename(missing, filepath.Join(dir, "b")), "sync": fs.SyncDir(missing),
	} {
		if !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: %v, want ErrNotExist", what, err)
		}
	}
}

func askReadOnly(t *testing.T, fs FS, dir string) {
	name := filepath.Join(dir, "a")
	write(t, fs, name, "x")
	f, err := fs.Open(name)
	must(t, err)
	defer f.Close()
	if _, err := f.WriteAt([]byte("y"), 0); err == nil {
		t.Error("a file opened for reading took a write")
	}
	g, err := fs.OpenReadWrite(name)
	must(t, err)
	defer g.Close()
	if _, err := g.WriteAt([]byte("y"), 0); err != nil {
		t.Error(err)
	}
	if got := read(t, fs, name); got != "y" {
		t.Errorf("read %q", got)
	}
}

func askRename(t *testing.T, fs FS, dir string) {
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	write(t, fs, a, "from a")
	write(t, fs, b, "from b")
	must(t, fs.Rename(a, b))
	if got := read(t, fs, b); got != "from a" {
		t.Errorf("read %q", got)
	}
	if _, err := fs.Stat(a); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the old name: %v", err)
	}
}

func askRemoveOpen(t *testing.T, fs FS, dir string) {
	name := filepath.Join(dir, "a")
	write(t, fs, name, "kept")
	f, err := fs.Open(name)
	must(t, err)
	must(t, fs.Remove(name))
	b := make([]byte, 4)
	if _, err := f.ReadAt(b, 0); err != nil || string(b) != "kept" {
		t.Errorf("read of a removed file: %q, %v", b, err)
	}
	must(t, f.Close())
}

func askList(t *testing.T, fs FS, dir string) {
	sub := filepath.Join(dir, "deep", "down")
	must(t, fs.MkdirAll(sub))
	must(t, fs.MkdirAll(sub))
	for _, base := range []string{"c", "a", "b"} {
		write(t, fs, filepath.Join(sub, base), base)
	}
	names, err := fs.List(sub)
	if err != nil || !slices.Equal(names, []string{"a", "b", "c"}) {
		t.Errorf("list: %v, %v", names, err)
	}
	if info, err := fs.Stat(sub); err != nil || !info.IsDir {
		t.Errorf("stat of a directory: %+v, %v", info, err)
	}
	if err := fs.MkdirAll(filepath.Join(sub, "a", "x")); err == nil {
		t.Error("made a directory below a file")
	}
}

func askSizes(t *testing.T, fs FS, dir string) {
	f, err := fs.Create(filepath.Join(dir, "a"))
	must(t, err)
	defer f.Close()
	_, err = f.Write([]byte("123456"))
	must(t, err)
	must(t, f.Truncate(3))
	must(t, f.Truncate(5))
	want := "123\x00\x00"
	if err := f.Allocate(0, 8192); err == nil {
		want += string(make([]byte, 8192-5))
	} else if !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
	must(t, f.Sync())
	if got := read(t, fs, f.Name()); got != want {
		t.Errorf("%d bytes beginning with %q, want %d", len(got), got[:min(len(got), 10)], len(want))
	}
}

func askHoles(t *testing.T, fs FS, dir string) {
	f, err := fs.Create(filepath.Join(dir, "a"))
	must(t, err)
	defer f.Close()
	_, err = f.WriteAt([]byte("end"), 1000)
	must(t, err)
	if got := read(t, fs, f.Name()); !bytes.Equal([]byte(got), append(make([]byte, 1000), "end"...)) {
		t.Errorf("a hole does not read as zeros")
	}
	if _, err := f.WriteAt([]byte("x"), -1); err == nil {
		t.Error("wrote at a negative offset")
	}
}

func askLock(t *testing.T, fs FS, dir string) {
	name := filepath.Join(dir, "LOCK")
	l, err := fs.Lock(name)
	must(t, err)
	if _, err := fs.Lock(name); !errors.Is(err, ErrLocked) {
		t.Errorf("second lock: %v, want ErrLocked", err)
	}
	must(t, l.Close())
	l, err = fs.Lock(name)
	must(t, err)
	must(t, l.Close())
}

func askClosed(t *testing.T, fs FS, dir string) {
	f, err := fs.Create(filepath.Join(dir, "a"))
	must(t, err)
	must(t, f.Close())
	_, readErr := f.Read(make([]byte, 1))
	_, readAtErr := f.ReadAt(make([]byte, 1), 0)
	_, writeErr := f.Write([]byte("x"))
	_, writeAtErr := f.WriteAt([]byte("x"), 0)
	_, sizeErr := f.Size()
	for what, err := range map[string]error{
		"read": readErr, "read at": readAtErr, "write": writeErr, "write at": writeAtErr, "size": sizeErr,
		"sync": f.Sync(), "truncate": f.Truncate(1), "allocate": f.Allocate(0, 1), "close": f.Close(),
	} {
		if err == nil {
			t.Errorf("%s of a closed file succeeded", what)
		}
	}
}

func askFree(t *testing.T, fs FS, dir string) {
	if n, err := fs.Free(dir); n == 0 || err != nil {
		t.Errorf("free: %d, %v", n, err)
	}
}
