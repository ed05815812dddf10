package node

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/vfs"
	"github.com/prakashpandey/vegadb/internal/wal"
)

// smallDisk has room for a dozen segments of the logs in these tests. What is written is many times that, and no
// snapshot is due for the log's size.
const smallDisk = 12 * 32 << 10

// TestALogThatFillsItsDiskIsShortenedByItself writes much more than the disk holds over a few keys: the log leaves room
// for snapshots, and they let it become shorter. A write may be refused meanwhile, but not for good.
func TestALogThatFillsItsDiskIsShortenedByItself(t *testing.T) {
	for _, policy := range policies {
		t.Run(policy.String(), func(t *testing.T) { synctest.Test(t, func(t *testing.T) { fillByItself(t, policy) }) })
	}
}

func fillByItself(t *testing.T, policy wal.SyncPolicy) {
	disk := vfs.NewMem()
	disk.SetLimit(smallDisk)
	o := smallOptions(disk, policy)
	o.SnapshotLogBytes = 1 << 40
	n := open(t, o)
	model := map[string]string{}
	mustPut(t, n, "idle", "written once") // its partition must not keep the log
	model["idle"] = "written once"
	refused := 0
	for i := range 3000 {
		m := put(n, fmt.Sprintf("key-%d", i%20), strings.Repeat(string(rune('a'+i%26)), 1000), command.PutOp{})
		deadline := time.Now().Add(10 * time.Minute) // the bubble's clock
		err := write(t, n, m)
		for ; errors.Is(err, wal.ErrNoSpace) && time.Now().Before(deadline); err = write(t, n, m) {
			refused++
			time.Sleep(100 * time.Millisecond)
		}
		if err != nil {
			t.Fatalf("write %d, %d refusals: %v", i, refused, err)
		}
		m.model(model)
	}
	if n.SnapshotStatus().Written == 0 {
		t.Error("no snapshot was written: the disk is too large to prove anything")
	}
	closeNode(t, n)
	holds(t, disk, policy, canonical(model))
}

// TestAFullLogIsShortenedOnceThereIsRoomForSnapshots fills the log to its reserve while no snapshot can be written, with
// a partition in it that is not written to any more. Then there is room for snapshots and for nothing else.
func TestAFullLogIsShortenedOnceThereIsRoomForSnapshots(t *testing.T) {
	for _, policy := range policies {
		t.Run(policy.String(), func(t *testing.T) { synctest.Test(t, func(t *testing.T) { fillThenSnapshot(t, policy) }) })
	}
}

func fillThenSnapshot(t *testing.T, policy wal.SyncPolicy) {
	disk := vfs.NewMem()
	var s switchable
	s.set(func(op vfs.Op) error {
		if op.Kind == vfs.OpCreate && strings.HasPrefix(op.Name, "data/snapshots") {
			return syscall.ENOSPC
		}
		return nil
	})
	disk.SetLimit(2 * smallDisk)
	n := open(t, smallOptions(s.on(disk), policy))
	model := map[string]string{}
	write1 := func(i, size int) error {
		m := put(n, fmt.Sprintf("key-%d", i%20), strings.Repeat("x", size), command.PutOp{})
		err := write(t, n, m)
		if err == nil {
			m.model(model)
		}
		return err
	}
	mustPut(t, n, "idle", "written once")
	model["idle"] = "written once"
	err := error(nil)
	for _, size := range []int{1000, 0} {
		for i := 0; i == 0 || err == nil; i++ {
			err = write1(i, size)
		}
	}
	if free, _, limited := n.log.Room(); !errors.Is(err, wal.ErrNoSpace) || !limited || free > 100 {
		t.Fatalf("%v, %d bytes of the log are free", err, free)
	}
	disk.SetLimit(disk.Used() + 2*40_000) // two images of twenty keys
	s.clear()
	for deadline := time.Now().Add(10 * time.Minute); ; time.Sleep(time.Second) { // the bubble's clock
		if err = write1(0, 1000); err == nil || time.Now().After(deadline) {
			break
		}
	}
	if err != nil {
		t.Errorf("ten minutes after there is room for snapshots: %v", err)
	}
	closeNode(t, n)
	holds(t, disk, policy, canonical(model))
}

// TestTheLogsOfAClusterThatFillTheirDisksAreShortened is the same for a cluster.
func TestTheLogsOfAClusterThatFillTheirDisksAreShortened(t *testing.T) {
	c := startPeers(t, 3, wal.Always)
	c.settled(3)
	for i := range c.nodes {
		c.disks[i].SetLimit(c.disks[i].Used() + 4*256<<10)
	}
	want := map[string]string{}
	for i := range 4000 {
		key := fmt.Sprintf("key-%d", i%20)
		want[key] = strings.Repeat(string(rune('a'+i%26)), 1000)
		c.put(key, want[key]) // again and again, for a minute at most
	}
	for i, n := range c.nodes {
		if n.SnapshotStatus().Written == 0 {
			t.Errorf("node %d has written no snapshot: its disk is too large to prove anything", i)
		}
	}
	c.holdEverywhere(want)
}

// TestWhatTheLogLeavesFree is as much as the snapshots take that are not there yet.
func TestWhatTheLogLeavesFree(t *testing.T) {
	n := open(t, smallOptions(vfs.NewMem(), wal.Always))
	for i := range 200 {
		mustPut(t, n, fmt.Sprint("key-", i), strings.Repeat("x", 1000))
	}
	appended := int64(n.log.Stats().RecordBytes)
	before := n.spareBytes(appended)
	if before < 2*min(appended, n.memory.Used()) {
		t.Errorf("%d bytes are left free for two snapshots of %d", before, appended)
	}
	snapshotNow(t, n)
	mustPut(t, n, "key-0", "x")
	snapshotNow(t, n)
	after := n.spareBytes(int64(n.log.Stats().RecordBytes))
	if all := n.images.all.Load(); after > all/2+64<<10 || all == 0 {
		t.Errorf("%d bytes are left free when snapshots of %d bytes are there already", after, all)
	}
	closeNode(t, n)
}
