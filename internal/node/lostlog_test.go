package node

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/internal/datadir"
	"github.com/prakashpandey/vegadb/internal/meta"
	"github.com/prakashpandey/vegadb/internal/replica"
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

// afterCompany is the disk of a node of a cluster of three, the founder's or another's,
// after some rounds of snapshots. What was written since is in its log alone.
func afterCompany(t *testing.T, node, rounds int) (disk *vfs.Mem, o Options) {
	t.Helper()
	c := startPeers(t, 3, wal.Always)
	c.settled(3)
	for round := range rounds {
		for i := range 40 {
			c.put(fmt.Sprint("key-", i), strings.Repeat("v", 2000+round))
		}
		snapshotNow(t, c.nodes[node])
	}
	c.put("key-0", "the last word")
	eventually(t, "all three vote in the meta group", func() bool {
		pl := c.nodes[node].meta.view.Load().Group(0)
		return len(pl.Actual) == 3 && pl.Settled() && !slices.ContainsFunc(pl.Actual, func(r meta.Replica) bool { return r.Role != meta.Voter })
	})
	eventually(t, "it is noted that the founder has company", func() bool { return c.nodes[0].dir.Floors()[0] > 0 })
	disk = c.disks[node].CrashClone(nil)
	for i, n := range c.nodes {
		c.nodes[i] = nil
		n.Close()
	}
	return disk, c.opts[node]
}

// startFounder starts the node on what is left of its disk, and reports why it does not,
// or, if it does, which of its groups it would serve alone.
func startFounder(t *testing.T, o Options, disk vfs.FS) (alone []int, err error) {
	t.Helper()
	o.FS = disk
	n, err := Open(o)
	if err != nil {
		return nil, err
	}
	defer n.Close()
	if err := n.Load(t.Context()); err != nil {
		return nil, err
	}
	for group := range len(n.partitions) + 1 {
		var st replica.Status
		here := false
		n.worker.ask(func() { st, here = n.worker.host.Status(uint32(group)) })
		if group > 0 && n.partitions[group-1].mode.Load() <= modeConverting || here && len(st.Conf.Voters) == 1 {
			alone = append(alone, group)
		}
	}
	return alone, nil
}

// TestAFounderThatHasLostRecordsDoesNotServeAlone takes away files of the log, and of the
// rest, in every way that a person could. Whatever is left, the node must not come up as
// the lone one that it once was.
func TestAFounderThatHasLostRecordsDoesNotServeAlone(t *testing.T) {
	for _, rounds := range []int{0, 3} {
		t.Run(fmt.Sprint(rounds, " rounds of snapshots"), func(t *testing.T) { loseRecords(t, rounds) })
	}
}

func loseRecords(t *testing.T, rounds int) {
	whole, o := afterCompany(t, 0, rounds)
	segments := files(t, whole, "log", ".wal")
	if alone, err := startFounder(t, o, whole.CrashClone(nil)); err != nil || len(alone) > 0 {
		t.Fatalf("with everything there: %v, alone: %v", err, alone)
	}
	remove := func(disk vfs.FS, paths ...string) {
		for _, path := range paths {
			if err := disk.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
	}
	snapshots := func(disk vfs.FS, meta, others bool) (paths []string) {
		for _, path := range files(t, disk, "snapshots", ".snap") {
			if of := strings.Contains(path, "p00000"); of && meta || !of && others {
				paths = append(paths, path)
			}
		}
		return paths
	}
	others := map[string]func(vfs.FS){
		"nothing else": func(vfs.FS) {},
		"FLOORS":       func(d vfs.FS) { remove(d, "data/FLOORS") },
		"snapshots":    func(d vfs.FS) { remove(d, snapshots(d, true, true)...) },
		"meta":         func(d vfs.FS) { remove(d, snapshots(d, true, false)...) },
		"partitions":   func(d vfs.FS) { remove(d, snapshots(d, false, true)...) },
		"all but VEGA": func(d vfs.FS) { remove(d, append(snapshots(d, true, true), "data/FLOORS")...) },
	}
	for what, gone := range others {
		for from := range segments {
			for to := from + 1; to <= len(segments); to++ {
				for _, anew := range []bool{false, true} {
					all := to-from == len(segments)
					if anew && !all || all && what == "all but VEGA" || rounds == 0 && all && what != "nothing else" && what != "partitions" && what != "meta" {
						continue // what a new directory looks like, or one that was never used with company
					}
					disk := whole.CrashClone(nil)
					gone(disk)
					remove(disk, segments[from:to]...)
					if anew {
						if err := wal.Begin(disk, "data/log", time.Now()); err != nil {
							t.Fatal(err)
						}
					}
					alone, err := startFounder(t, o, disk)
					if len(alone) > 0 {
						t.Errorf("without segments %d to %d of %d, without %s, a new log %v: groups %v are served alone", from, to, len(segments), what, anew, alone)
					}
					if all && err == nil {
						t.Errorf("without a log, without %s, a new log %v: it starts", what, anew)
					}
				}
			}
		}
	}
}

// TestAMemberThatHasLostEverythingIsNotTakenBack: of its directory only the manifest is
// left, which is what the directory of a node looks like that has not joined yet.
func TestAMemberThatHasLostEverythingIsNotTakenBack(t *testing.T) {
	c := startPeers(t, 3, wal.Always)
	c.settled(3)
	o := c.opts[2]
	c.nodes[2].Close()
	c.nodes[2] = nil
	eventually(t, "the others no longer believe that it is running", func() bool {
		disk := c.disks[2].CrashClone(nil)
		for _, path := range append(slices.Concat(files(t, disk, "log", ".wal"), files(t, disk, "snapshots", "")), "data/FLOORS") {
			if err := disk.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
		o.FS = disk
		n, err := Open(o)
		if err != nil {
			t.Fatal(err)
		}
		defer n.Close()
		n.Advertise("client-2:1", "")
		if err = n.Load(t.Context()); err == nil {
			t.Fatal("it is taken back")
		}
		return strings.Contains(err.Error(), "has lost what was in it")
	})
}
