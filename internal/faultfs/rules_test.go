//go:build unix

package faultfs

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/internal/vfs"
)

// connected returns a commander and the world of a server that obeys it.
func connected(t *testing.T, root string, o Orders) (*Commander, World) {
	t.Helper()
	dir, err := os.MkdirTemp("", "faultfs-") // the name of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	c, err := Listen(filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.Order(o)
	w, err := Connect(filepath.Join(dir, "s"), root)
	if err != nil {
		t.Fatal(err)
	}
	return c, w
}

func TestRulesStrikeTheOperationsThatTheyName(t *testing.T) {
	root := t.TempDir()
	c, w := connected(t, root, Orders{Rules: []Rule{
		{Kinds: []vfs.Kind{vfs.OpSync}, Path: "log/*", Skip: 1, Count: 1, Action: Fail, Errno: syscall.EIO},
	}})
	if err := w.FS.MkdirAll(filepath.Join(root, "log")); err != nil {
		t.Fatal(err)
	}
	other, err := w.FS.Create(filepath.Join(root, "other"))
	if err != nil {
		t.Fatal(err)
	}
	f, err := w.FS.Create(filepath.Join(root, "log", "1"))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []error{nil, syscall.EIO, nil} {
		if err := f.Sync(); !errors.Is(err, want) {
			t.Errorf("sync %d: %v, want %v", i, err, want)
		}
		if err := other.Sync(); err != nil {
			t.Errorf("a file that no rule names: %v", err)
		}
	}
	r, err := c.Report()
	if err != nil || len(r.Struck) != 1 || r.Struck[0] != 1 || r.Ops != 9 {
		t.Errorf("report: %+v, %v", r, err)
	}
	for _, f := range []vfs.File{f, other} {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestAnOperationStallsUntilOtherOrdersCome(t *testing.T) {
	root := t.TempDir()
	c, w := connected(t, root, Orders{Rules: []Rule{{Kinds: []vfs.Kind{vfs.OpCreate}, Action: Stall}}})
	var created sync.WaitGroup
	created.Go(func() {
		f, err := w.FS.Create(filepath.Join(root, "f"))
		if err != nil {
			t.Error(err)
			return
		}
		f.Close()
	})
	for {
		r, err := c.Report()
		if err != nil {
			t.Fatal(err)
		}
		if r.Waiting == 1 {
			break
		}
	}
	if _, err := os.Stat(filepath.Join(root, "f")); err == nil {
		t.Error("it was carried out")
	}
	c.Order(Orders{})
	created.Wait()
	if _, err := os.Stat(filepath.Join(root, "f")); err != nil {
		t.Error(err)
	}
}

func TestAKillStrikesBeforeTheOperationOrAfterIt(t *testing.T) {
	for _, after := range []bool{false, true} {
		root := t.TempDir()
		r := newRules(root)
		s, err := openShadow(vfs.OS(), root, r.after)
		if err != nil {
			t.Fatal(err)
		}
		fs := vfs.Inject(s, r.before)
		f, err := fs.Create(filepath.Join(root, "old"))
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
		there := ""
		r.kill = func() {
			for _, name := range []string{"old", "new"} {
				if _, err := os.Stat(filepath.Join(root, name)); err == nil {
					there += name
				}
			}
		}
		r.set(Orders{Rules: []Rule{{Kinds: []vfs.Kind{vfs.OpRename}, Path: "new", Action: Kill, After: after}}})
		if err := fs.Rename(filepath.Join(root, "old"), filepath.Join(root, "new")); err != nil {
			t.Fatal(err)
		}
		if want := map[bool]string{false: "old", true: "new"}[after]; there != want {
			t.Errorf("after %v: the end found %q, want %q", after, there, want)
		}
	}
}

func TestTheWallClockIsMovedAndTheMonotonicIsNot(t *testing.T) {
	c, w := connected(t, t.TempDir(), Orders{})
	before := w.Elapsed()
	c.Order(Orders{ClockMs: -time.Hour.Milliseconds()})
	off := time.Since(w.Clock())
	if off < 59*time.Minute || off > 61*time.Minute {
		t.Errorf("the clock is behind by %v", off)
	}
	if took := w.Elapsed() - before; took < 0 || took > 10*time.Minute {
		t.Errorf("meanwhile %v have passed", took)
	}
}
