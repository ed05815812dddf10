package node

import (
	"errors"
	"strings"
	"testing"

	"github.com/prakashpandey/vegadb/internal/datadir"
	"github.com/prakashpandey/vegadb/internal/vfs"
	"github.com/prakashpandey/vegadb/internal/wal"
)

// TestANodeThatHasLostItsLogDoesNotStart: neither as if it were new, nor with what
// its snapshots say (fault 11).
func TestANodeThatHasLostItsLogDoesNotStart(t *testing.T) {
	for _, snapshots := range []bool{false, true} {
		disk := vfs.NewMem()
		n := open(t, smallOptions(disk, wal.Always))
		mustPut(t, n, "key", "value")
		if snapshots {
			if err := n.Snapshot(t.Context()); err != nil {
				t.Fatal(err)
			}
			mustPut(t, n, "key", "a value that no snapshot has")
		}
		closeNode(t, n)
		for _, f := range files(t, disk, "log", ".wal") {
			if err := disk.Remove(f); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := Open(smallOptions(disk, wal.Always)); !errors.Is(err, datadir.ErrLogLost) || !strings.Contains(err.Error(), "data") {
			t.Errorf("snapshots %v: a start gives %v", snapshots, err)
		}
	}
}

// TestAFullDiskDoesNotKeepALoneNodeFromStarting: a directory of a version that did
// not note that its log is in use must not need space for that.
func TestAFullDiskDoesNotKeepALoneNodeFromStarting(t *testing.T) {
	disk := vfs.NewMem()
	n := open(t, smallOptions(disk, wal.Always))
	mustPut(t, n, "key", "value")
	closeNode(t, n)
	if err := disk.Remove("data/FLOORS"); err != nil {
		t.Fatal(err)
	}
	disk.SetLimit(disk.Used())
	closeNode(t, open(t, smallOptions(disk, wal.Always)))
	if _, err := disk.Stat("data/FLOORS"); err == nil {
		t.Fatal("the disk was not full")
	}
	disk.SetLimit(1 << 30)
	closeNode(t, open(t, smallOptions(disk, wal.Always)))
	if _, err := disk.Stat("data/FLOORS"); err != nil {
		t.Error(err)
	}
}
