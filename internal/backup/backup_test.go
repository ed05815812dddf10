package backup

import (
	"context"
	"errors"
	"fmt"
	"math/rand"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb"
	"github.com/prakashpandey/vegadb/client"
	"github.com/prakashpandey/vegadb/internal/vfs"
	"github.com/prakashpandey/vegadb/internal/wire"
)

func TestABackupHoldsWhatTheClusterHeld(t *testing.T) {
	for name, options := range map[string][]func(*vegadb.Config){
		"in memory": nil,
		"on disk":   {func(c *vegadb.Config) { c.InMemory, c.DataDir = false, t.TempDir() }},
	} {
		t.Run(name, func(t *testing.T) {
			db := serve(t, 5, options...)
			want := fill(t, db, 500)
			fs := vfs.NewMem()
			var last Progress
			m, err := Take(t.Context(), db, fs, "/backups/one", Options{Parallel: 3, Program: "test", Progress: func(p Progress) {
				if p.Bytes < last.Bytes || p.Partitions < last.Partitions || p.Of != 5 {
					t.Errorf("%+v after %+v", p, last)
				}
				last = p
			}})
			if err != nil {
				t.Fatal(err)
			}
			if m.Entries != 500 || len(m.Files) != 5 || last.Partitions != 5 || last.Bytes != m.Bytes || m.Completed.IsZero() {
				t.Errorf("%+v, last %+v", m, last)
			}
			b := open(t, fs, "/backups/one")
			equal(t, contents(t, b), want)
			expiring := 0
			for e := range b.All(t.Context()) {
				if e.ExpireAt != 0 {
					expiring++
				}
			}
			if expiring != 72 {
				t.Errorf("%d entries expire", expiring)
			}
			names, err := fs.List("/backups/one")
			if err != nil || len(names) != 6 {
				t.Errorf("%v %v", names, err)
			}
		})
	}
}

func TestAnEmptyClusterCanBeBackedUp(t *testing.T) {
	db := serve(t, 3)
	fs := vfs.NewMem()
	if _, err := Take(t.Context(), db, fs, "/b", Options{}); err != nil {
		t.Fatal(err)
	}
	equal(t, contents(t, open(t, fs, "/b")), nil)
}

func TestNothingIsOverwritten(t *testing.T) {
	db := serve(t, 2)
	fs := vfs.NewMem()
	if _, err := Take(t.Context(), db, fs, "/b", Options{}); err != nil {
		t.Fatal(err)
	}
	for _, resume := range []bool{false, true} {
		if _, err := Take(t.Context(), db, fs, "/b", Options{Resume: resume}); !errors.Is(err, ErrComplete) {
			t.Errorf("a complete one, resume %v: %v", resume, err)
		}
	}
	if err := fs.MkdirAll("/other/photos"); err != nil {
		t.Fatal(err)
	}
	if _, err := Take(t.Context(), db, fs, "/other", Options{Resume: true}); !errors.Is(err, ErrNotEmpty) {
		t.Errorf("something else: %v", err)
	}
	if _, err := Open(fs, "/other"); !errors.Is(err, ErrNoBackup) {
		t.Errorf("open something else: %v", err)
	}
	if _, err := Open(fs, "/nowhere"); !errors.Is(err, ErrNoBackup) {
		t.Errorf("open nothing: %v", err)
	}
}

func TestAnInterruptedBackupIsKnownAndResumed(t *testing.T) {
	db := serve(t, 6)
	want := fill(t, db, 600)
	fs := vfs.NewMem()
	ctx, cancel := context.WithCancel(t.Context())
	begun := map[int]int{}
	var mu sync.Mutex
	count := func(partition int, body *wire.BackupBody) {
		mu.Lock()
		defer mu.Unlock()
		if body.Token == 0 {
			begun[partition]++
		}
	}
	_, err := Take(ctx, hooked{db, func(partition int, body *wire.BackupBody, _ *wire.Response) (bool, error) {
		if count(partition, body); partition == 3 && body.Offset > 0 {
			cancel()
		}
		return false, nil
	}}, fs, "/b", Options{Parallel: 1})
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if _, err := Open(fs, "/b"); !errors.Is(err, ErrIncomplete) || !strings.Contains(err.Error(), "3 of 6 partitions") {
		t.Errorf("open: %v", err)
	}
	if _, err := Take(t.Context(), db, fs, "/b", Options{}); !errors.Is(err, ErrIncomplete) {
		t.Errorf("again: %v", err)
	}
	// One of the files that are there turns bad: it is received again.
	flip(t, fs, "/b/partition-00001.snap", 200)
	clear(begun)
	if _, err := Take(t.Context(), hooked{db, func(partition int, body *wire.BackupBody, _ *wire.Response) (bool, error) {
		count(partition, body)
		return false, nil
	}}, fs, "/b", Options{Resume: true}); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(begun) != "map[1:1 3:1 4:1 5:1]" {
		t.Errorf("begun %v", begun)
	}
	equal(t, contents(t, open(t, fs, "/b")), want)
}

func TestABackupIsResumedFromItsOwnClusterAlone(t *testing.T) {
	fs := vfs.NewMem()
	ctx, cancel := context.WithCancel(t.Context())
	_, err := Take(ctx, hooked{serve(t, 2), func(p int, _ *wire.BackupBody, _ *wire.Response) (bool, error) {
		if p == 1 {
			cancel()
		}
		return false, nil
	}}, fs, "/b", Options{Parallel: 1})
	if err == nil {
		t.Fatal("not interrupted")
	}
	if _, err := Take(t.Context(), serve(t, 2), fs, "/b", Options{Resume: true}); err == nil || !strings.Contains(err.Error(), "choose another directory") {
		t.Errorf("%v", err)
	}
}

func TestABackupOutlivesLeadersThatChange(t *testing.T) {
	// On disk: there what is forgotten is no obstacle to what is begun anew.
	db := serve(t, 3, func(c *vegadb.Config) { c.InMemory, c.DataDir = false, t.TempDir() })
	want := fill(t, db, 300)
	fs := vfs.NewMem()
	var n, forgotten, busy atomic.Int64
	_, err := Take(t.Context(), hooked{db, func(_ int, body *wire.BackupBody, reply *wire.Response) (bool, error) {
		switch i := n.Add(1); {
		case body.Offset > 0 && i%9 == 0 && forgotten.Load() < 6:
			forgotten.Add(1)
			*reply = wire.Response{Status: wire.NotFound}
			return true, nil
		case i%4 == 0:
			busy.Add(1)
			*reply = wire.Response{Status: wire.Busy, Body: []byte("busy")}
			return true, nil
		case i%5 == 0:
			return true, &client.Error{Status: client.Status(wire.Unavailable)}
		}
		return false, nil
	}}, fs, "/b", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if forgotten.Load() == 0 || busy.Load() == 0 {
		t.Fatal("nothing happened on the way: the test proves nothing")
	}
	equal(t, contents(t, open(t, fs, "/b")), want)
}

func TestABackupEndsWhenAPartitionCannotBeServed(t *testing.T) {
	db := serve(t, 3)
	for name, answer := range map[string]func(reply *wire.Response) error{
		"no leader": func(*wire.Response) error { return &client.Error{Status: client.Status(wire.Unavailable)} },
		"no rights": func(r *wire.Response) error { *r = wire.Response{Status: wire.PermissionDenied}; return nil },
		"disk full": func(r *wire.Response) error {
			*r = wire.Response{Status: wire.Internal, Body: []byte("no space")}
			return nil
		},
		"forgetful": func(r *wire.Response) error { *r = wire.Response{Status: wire.NotFound}; return nil },
		"nonsense":  func(r *wire.Response) error { *r = wire.Response{Status: wire.OK, Body: []byte("x")}; return nil },
		"not a file": func(r *wire.Response) error {
			*r = wire.Response{Status: wire.OK, Body: piece(7, 3, "abc")}
			return nil
		},
		"too much": func(r *wire.Response) error { *r = wire.Response{Status: wire.OK, Body: piece(7, 0, "")}; return nil },
	} {
		t.Run(name, func(t *testing.T) {
			fs := vfs.NewMem()
			_, err := Take(t.Context(), hooked{db, func(p int, _ *wire.BackupBody, reply *wire.Response) (bool, error) {
				return p == 1, answer(reply)
			}}, fs, "/b", Options{Patience: time.Millisecond, Parallel: 1})
			if err == nil || !strings.Contains(err.Error(), "partition 1: ") {
				t.Errorf("%v", err)
			}
			if _, err := Open(fs, "/b"); !errors.Is(err, ErrIncomplete) {
				t.Errorf("open: %v", err)
			}
			names, err := fs.List("/b")
			if err != nil || strings.Contains(strings.Join(names, " "), "partition-00001") {
				t.Errorf("%v %v", names, err)
			}
		})
	}
}

func piece(token, size uint64, data string) []byte {
	p := wire.BackupPiece{Token: token, Size: size}
	return append(p.AppendHeader(nil), data...)
}

func TestABackupThatCannotBeginLeavesNothing(t *testing.T) {
	db := serve(t, 2)
	fs := vfs.NewMem()
	if err := fs.MkdirAll("/there"); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"/there", "/new"} {
		_, err := Take(t.Context(), hooked{db, func(_ int, _ *wire.BackupBody, reply *wire.Response) (bool, error) {
			*reply = wire.Response{Status: wire.PermissionDenied}
			return true, nil
		}}, fs, dir, Options{})
		if !errors.Is(err, client.ErrPermission) {
			t.Errorf("%s: %v", dir, err)
		}
		if _, err := Open(fs, dir); !errors.Is(err, ErrNoBackup) {
			t.Errorf("%s: open: %v", dir, err)
		}
	}
	if _, err := fs.Stat("/there"); err != nil {
		t.Error(err)
	}
	if _, err := fs.Stat("/new"); err == nil {
		t.Error("the directory was left behind")
	}
}

// TestAPowerCutLeavesACompleteBackupOrNone cuts the power before every operation
// that changes the disk.
func TestAPowerCutLeavesACompleteBackupOrNone(t *testing.T) {
	db := serve(t, 3)
	want := fill(t, db, 50)
	disk := vfs.NewMem()
	seed := rand.Int63()
	rng := rand.New(rand.NewSource(seed))
	var clones []*vfs.Mem
	cut := func() {
		clones = append(clones, disk.CrashClone(nil), disk.CrashClone(rng))
	}
	fs := vfs.Inject(disk, func(op vfs.Op) error {
		if op.Kind.Changes() {
			cut()
		}
		return nil
	})
	if _, err := Take(t.Context(), db, fs, "/backups/b", Options{Parallel: 1}); err != nil {
		t.Fatal(err)
	}
	cut()
	finished := 0
	for i, clone := range clones {
		b, err := Open(clone, "/backups/b")
		if errors.Is(err, ErrIncomplete) || errors.Is(err, ErrNoBackup) {
			// It can be resumed.
			if i%5 == 0 {
				if _, err := Take(t.Context(), db, clone, "/backups/b", Options{Resume: true}); err != nil {
					t.Fatalf("seed %d, crash %d: %v", seed, i, err)
				}
				equal(t, contents(t, open(t, clone, "/backups/b")), want)
			}
			continue
		}
		if err != nil {
			t.Fatalf("seed %d, crash %d: %v", seed, i, err)
		}
		finished++
		if problems, err := b.Verify(t.Context(), nil); err != nil || len(problems) > 0 {
			t.Fatalf("seed %d, crash %d: %v %v", seed, i, problems, err)
		}
		equal(t, contents(t, b), want)
	}
	if finished < 2 {
		t.Errorf("%d of %d crashes left a complete backup", finished, len(clones))
	}
}

func TestAFullDiskIsSaidAndLeavesNoCompleteBackup(t *testing.T) {
	db := serve(t, 3)
	fill(t, db, 2000)
	m, err := Take(t.Context(), db, vfs.NewMem(), "/b", Options{})
	if err != nil {
		t.Fatal(err)
	}
	disk := vfs.NewMem()
	disk.SetLimit(m.Files[0].Bytes + m.Files[1].Bytes + m.Files[2].Bytes/2)
	if _, err := Take(t.Context(), db, disk, "/b", Options{Parallel: 1}); err == nil || !strings.Contains(err.Error(), "no space") {
		t.Errorf("%v", err)
	}
	if _, err := Open(disk, "/b"); !errors.Is(err, ErrIncomplete) {
		t.Errorf("open: %v", err)
	}
}

func TestDamageIsNamedByFile(t *testing.T) {
	db := serve(t, 3)
	fill(t, db, 300)
	taken := vfs.NewMem()
	if _, err := Take(t.Context(), db, taken, "/b", Options{}); err != nil {
		t.Fatal(err)
	}
	other := vfs.NewMem()
	if _, err := Take(t.Context(), serve(t, 3), other, "/b", Options{}); err != nil {
		t.Fatal(err)
	}
	const victim = "/b/partition-00001.snap"
	size := func(fs vfs.FS) int64 {
		info, err := fs.Stat(victim)
		if err != nil {
			t.Fatal(err)
		}
		return info.Size
	}
	for name, damage := range map[string]func(fs *vfs.Mem) error{
		"a bit of the header":   func(fs *vfs.Mem) error { flip(t, fs, victim, 20); return nil },
		"a bit in the middle":   func(fs *vfs.Mem) error { flip(t, fs, victim, size(fs)/2); return nil },
		"a bit of the footer":   func(fs *vfs.Mem) error { flip(t, fs, victim, size(fs)-3); return nil },
		"cut short":             func(fs *vfs.Mem) error { return truncate(fs, victim, size(fs)-1) },
		"empty":                 func(fs *vfs.Mem) error { return truncate(fs, victim, 0) },
		"missing":               func(fs *vfs.Mem) error { return fs.Remove(victim) },
		"another partition":     func(fs *vfs.Mem) error { return replace(fs, victim, fs, "/b/partition-00002.snap") },
		"of another cluster":    func(fs *vfs.Mem) error { return replace(fs, victim, other, victim) },
		"bytes behind the file": func(fs *vfs.Mem) error { return truncate(fs, victim, size(fs)+1) },
	} {
		t.Run(name, func(t *testing.T) {
			fs := taken.CrashClone(nil)
			if err := damage(fs); err != nil {
				t.Fatal(err)
			}
			b, err := Open(fs, "/b")
			if err != nil {
				t.Fatal(err)
			}
			problems, err := b.Verify(t.Context(), nil)
			if err != nil || len(problems) != 1 || !errors.Is(problems[0], ErrDamaged) || !strings.Contains(problems[0].Error(), victim) {
				t.Errorf("%v %v", problems, err)
			}
			var last error
			for _, err := range b.All(t.Context()) {
				last = err
			}
			if last == nil && name != "bytes behind the file" {
				t.Error("its entries were handed out without an error")
			}
		})
	}
}

func truncate(fs vfs.FS, path string, size int64) error {
	f, err := fs.OpenReadWrite(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Truncate(size)
}

func replace(fs vfs.FS, path string, from vfs.FS, source string) error {
	text, err := readFile(from, source)
	if err != nil {
		return err
	}
	f, err := fs.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.Write(text)
	return err
}

func readFile(fs vfs.FS, path string) ([]byte, error) {
	f, err := fs.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	text := make([]byte, size)
	_, err = f.ReadAt(text, 0)
	return text, err
}

func TestManifestsThatCannotBeAreRefused(t *testing.T) {
	db := serve(t, 2)
	fs := vfs.NewMem()
	if _, err := Take(t.Context(), db, fs, "/b", Options{}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("/b", manifestName)
	good, err := readFile(fs, path)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		from, to string
		want     error
	}{
		"another format":      {formatName, "tar", ErrDamaged},
		"a newer version":     {`"version": 1`, `"version": 2`, ErrNewer},
		"no version":          {`"version": 1`, `"version": 0`, ErrDamaged},
		"no partitions":       {`"partitions": 2`, `"partitions": 0`, ErrDamaged},
		"too many partitions": {`"partitions": 2`, `"partitions": 3`, ErrDamaged},
		"a partition twice":   {`"partition": 1,`, `"partition": 0,`, ErrDamaged},
		"a path":              {`"partition-00001.snap"`, `"../partition-00001.snap"`, ErrDamaged},
		"no cluster":          {`"cluster_id": "`, `"cluster_id": "x`, ErrDamaged},
		"no checksum":         {`"sha256": "`, `"sha256": "00`, ErrDamaged},
		"not JSON":            {`{`, `[`, ErrDamaged},
		"something behind it": {"\n}\n", "\n}\n{}", ErrDamaged},
	} {
		text := strings.Replace(string(good), c.from, c.to, 1)
		if text == string(good) {
			t.Fatalf("%s: nothing was replaced", name)
		}
		f, err := fs.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		f.Close()
		if _, err := Open(fs, "/b"); !errors.Is(err, c.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte(`{"format":"vegadb-backup","version":1,"cluster_id":"00112233445566778899aabbccddeeff","partitions":2,"begun":"2030-01-31T12:00:00Z",
		"files":[{"partition":0,"name":"partition-00000.snap","sha256":"` + strings.Repeat("0", 64) + `"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := parseManifest(text)
		if err != nil {
			return
		}
		for i := range m.Files {
			if m.file(m.Files[i].Partition) != &m.Files[i] || m.Files[i].Name != filepath.Base(m.Files[i].Name) {
				t.Fatalf("%+v", m.Files[i])
			}
		}
	})
}
