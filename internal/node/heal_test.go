package node

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	mathrand "math/rand" // what vfs takes
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/internal/meta"
	"github.com/prakashpandey/vegadb/internal/replica"
	"github.com/prakashpandey/vegadb/internal/ring"
	"github.com/prakashpandey/vegadb/internal/snapshot"
	"github.com/prakashpandey/vegadb/internal/vfs"
	"github.com/prakashpandey/vegadb/internal/wal"
)

// written is a cluster of three with data, part of it in snapshots that the log does not
// reach behind, and what it holds.
func written(t *testing.T) (c *peers, want map[string]string) {
	c, want = startPeers(t, 3, wal.Always), map[string]string{}
	c.settled(3)
	for round := 0; !c.shortened(); round++ {
		for i := range 30 {
			key := fmt.Sprint("key-", i)
			want[key] = strings.Repeat("v", 3000+round)
			c.put(key, want[key])
		}
		for _, n := range c.nodes {
			snapshotNow(t, n)
		}
	}
	c.put("key-0", "the last word")
	want["key-0"] = "the last word"
	return c, want
}

// shortened reports whether every node's log has lost its beginning.
func (c *peers) shortened() bool {
	return !slices.ContainsFunc(c.nodes, func(n *Node) bool { return n.log.Stats().Truncated == 0 })
}

// snapshotsOf are the paths of a group's snapshots on a disk.
func snapshotsOf(t *testing.T, disk vfs.FS, group uint32) (paths []string) {
	t.Helper()
	infos, err := snapshot.ListGroup(disk, "data/snapshots", group)
	if err != nil {
		t.Fatal(err)
	}
	for _, info := range infos {
		paths = append(paths, info.Path)
	}
	return paths
}

// damageGroup flips a bit in each of a group's snapshots, and returns how many there are.
func damageGroup(t *testing.T, disk vfs.FS, group uint32) int {
	t.Helper()
	paths := snapshotsOf(t, disk, group)
	for _, path := range paths {
		damage(t, disk, path)
	}
	return len(paths)
}

// replicaOn is the replica that the cluster has of a group on node i, as node by knows it.
func (c *peers) replicaOn(i int, group uint64) (r meta.Replica, settled bool) {
	for _, n := range c.nodes {
		if n == nil {
			continue
		}
		pl := n.meta.view.Load().Group(group)
		for _, r := range pl.Actual {
			if r.Node == c.ids[i] {
				return r, pl.Settled()
			}
		}
		return meta.Replica{}, pl.Settled()
	}
	panic("no node runs")
}

// TestADamagedPartitionIsFilledByItsPeers: faults 5 and 6 in a cluster.
func TestADamagedPartitionIsFilledByItsPeers(t *testing.T) {
	c, want := written(t)
	for _, i := range []int{0, 2} { // the founder, and one that has joined
		group := uint64(1 + i)
		before, _ := c.replicaOn(i, group)
		c.stop(i)
		bad := damageGroup(t, c.disks[i], uint32(group))
		c.put("meanwhile", fmt.Sprint(i))
		want["meanwhile"] = fmt.Sprint(i)
		c.start(i)
		c.healed(i, group, before.ID)
		c.settled(3)
		c.holdEverywhere(want)
		for key, value := range want {
			if got := c.get(key); got != value {
				t.Errorf("%s is %q", key, got)
			}
		}
		if kept := files(t, c.disks[i], "damaged", ""); len(kept) != bad {
			t.Errorf("%d snapshots were damaged, and damaged/ has %q", bad, kept)
		}
		if left := files(t, c.disks[i], "snapshots", ".bad"); len(left) != 0 {
			t.Errorf("left among the snapshots: %q", left)
		}
		c.stop(i) // and the next start is like any other
		c.start(i)
		c.settled(3)
		c.holdEverywhere(want)
	}
}

// healed waits until node i has a replica of the group that is newer than id, with a vote.
func (c *peers) healed(i int, group, id uint64) {
	c.t.Helper()
	eventually(c.t, "the node has a new replica, with a vote", func() bool {
		r, settled := c.replicaOn(i, group)
		return settled && r.ID > id && r.Role == meta.Voter
	})
}

// TestAPowerCutAtAnyBoundaryOfHealingLosesNoEvidence cuts the power of a node that heals at every
// boundary of its file operations. Whatever is left, it starts: either the damaged replica is set apart
// once more, or it is gone for good. It never comes back, and its bad files are there.
func TestAPowerCutAtAnyBoundaryOfHealingLosesNoEvidence(t *testing.T) {
	c, want := written(t)
	const i, group = 2, 1
	before, _ := c.replicaOn(i, group)
	c.stop(i)
	damageGroup(t, c.disks[i], group)
	var bad [][]byte
	for _, path := range snapshotsOf(t, c.disks[i], group) {
		bad = append(bad, readFile(t, c.disks[i], path))
	}
	cuts := &crasher{mem: c.disks[i], rng: mathrand.New(mathrand.NewSource(newRand(t).Int64())), every: 1, enabled: true}
	c.hooks[i].set(cuts.hook)
	c.start(i)
	c.healed(i, group, before.ID)
	c.holdEverywhere(want)
	for j := range c.nodes {
		if c.nodes[j] != nil {
			c.nodes[j].Close()
			c.nodes[j] = nil
		}
	}
	c.hooks[i].clear()
	apart, gone, last := 0, 0, len(cuts.crashes)
	for at, crash := range cuts.crashes {
		if at%(1+last/100) != 0 && crash.at.Kind != vfs.OpRename && crash.at.Kind != vfs.OpSyncDir {
			continue // enough of those that are alike
		}
		for _, b := range bad {
			if !holdsFile(t, crash.disk, b) {
				t.Fatalf("cut %d, before %+v: a damaged file is gone", at, crash.at)
			}
		}
		c.opts[i].FS = crash.disk
		c.start(i)
		n := c.nodes[i]
		c.nodes[i] = nil
		var st replica.Status
		here := false
		n.worker.ask(func() { st, here = n.worker.host.Status(group) })
		damaged := n.cluster.damagedHere(group)
		switch {
		case here && st.Replica <= before.ID:
			t.Fatalf("cut %d, before %+v: replica %d is back", at, crash.at, st.Replica)
		case damaged != nil && (here || gone > 0 || damaged.hard.Replica != before.ID):
			t.Fatalf("cut %d, before %+v: replica %d is set apart, after it was gone %d times", at, crash.at, damaged.hard.Replica, gone)
		case damaged != nil:
			apart++
		case n.cluster.gone[group] < before.ID && !here:
			t.Fatalf("cut %d, before %+v: nothing says that the replica is gone", at, crash.at)
		default:
			gone++
		}
		n.Close()
	}
	if apart < 3 || gone < 3 {
		t.Errorf("set apart at %d of the cuts, gone at %d: the test does not see both", apart, gone)
	}
}

// holdsFile reports whether a file with that contents is among the snapshots or in damaged/.
func holdsFile(t *testing.T, disk vfs.FS, contents []byte) bool {
	for _, dir := range []string{"snapshots", "damaged"} {
		if _, err := disk.List("data/" + dir); err != nil {
			continue
		}
		for _, path := range files(t, disk, dir, "") {
			if bytes.Equal(readFile(t, disk, path), contents) {
				return true
			}
		}
	}
	return false
}

// TestAnInterruptedHealingIsTakenUpAgain cuts the power of the node in the middle of giving up its damaged
// replica, and starts it again.
func TestAnInterruptedHealingIsTakenUpAgain(t *testing.T) {
	for what, at := range map[string]func(vfs.Op) bool{
		"a bad file in damaged/ is made durable": func(op vfs.Op) bool { return op.Kind == vfs.OpSyncDir && strings.HasSuffix(op.Name, "damaged") },
		"the floor goes":                         func(op vfs.Op) bool { return op.Kind == vfs.OpRename && strings.HasSuffix(op.To, "FLOORS") },
	} {
		t.Run(what, func(t *testing.T) {
			c, want := written(t)
			const i, group = 1, 2
			before, _ := c.replicaOn(i, group)
			c.stop(i)
			bad := damageGroup(t, c.disks[i], group)
			left := make(chan *vfs.Mem, 1)
			var started, off atomic.Bool
			c.fatal = func(node int, _ error) bool { return node == i && off.Load() }
			c.hooks[i].set(func(op vfs.Op) error {
				if op.Kind.Changes() && at(op) && started.Load() && !off.Swap(true) {
					left <- c.disks[i].CrashClone(nil)
				}
				if op.Kind.Changes() && off.Load() {
					return syscall.EIO // nothing of this life gets any further
				}
				return nil
			})
			c.start(i)
			started.Store(true) // it takes its group longer than that to agree
			disk := <-left
			n := c.nodes[i]
			c.nodes[i] = nil
			n.Close()
			c.hooks[i].clear()
			c.disks[i], c.opts[i].FS = disk, c.hooks[i].on(disk)
			c.put("meanwhile", what)
			want["meanwhile"] = what
			c.start(i)
			c.healed(i, group, before.ID)
			c.settled(3)
			c.holdEverywhere(want)
			if kept := files(t, disk, "damaged", ""); len(kept) != bad {
				t.Errorf("%d snapshots were damaged, and damaged/ has %q", bad, kept)
			}
		})
	}
}

// keyOf is a key of a partition.
func (c *peers) keyOf(partition int) string {
	for i := 0; ; i++ {
		if key := fmt.Sprint("of-", i); c.partitionOf(key) == partition {
			return key
		}
	}
}

// TestADamageThatMostReplicasHaveGivesNothingUp: two of three nodes have lost the same partition. Nobody gives
// up what he had promised, whatever the log is shortened by meanwhile; the other partitions are served; and with the
// files of one of them put right everything is there again.
func TestADamageThatMostReplicasHaveGivesNothingUp(t *testing.T) {
	c, want := written(t)
	const group = 1
	other := c.keyOf(1)
	roll := func(nodes ...int) { // until the log of every node has lost what it begins with now
		t.Helper()
		for _, i := range nodes {
			from := c.nodes[i].log.Stats().Truncated
			for round := 0; c.nodes[i].log.Stats().Truncated < from+2; round++ {
				for j := range 30 {
					want[other] = strings.Repeat("w", 4000+round+j)
					c.put(other, want[other])
				}
				for _, n := range c.nodes {
					if n != nil {
						snapshotNow(t, n)
					}
				}
				if round > 200 {
					t.Fatal("the log does not get shorter")
				}
			}
		}
	}
	roll(1, 2)
	good := map[string][]byte{}
	for _, i := range []int{1, 2} {
		c.stop(i)
	}
	for _, path := range snapshotsOf(t, c.disks[1], group) {
		good[path] = readFile(t, c.disks[1], path)
	}
	for _, i := range []int{1, 2} {
		damageGroup(t, c.disks[i], group)
		c.start(i)
	}
	hard := c.nodes[1].cluster.damagedHere(group).hard
	c.put("another", "partition")
	roll(1)
	for range 2 {
		for _, i := range []int{1, 2} {
			if c.nodes[i].cluster.damagedHere(group) == nil {
				t.Fatalf("node %d has given its replica up", i)
			}
			c.stop(i)
			c.start(i)
		}
	}
	if now := c.nodes[1].cluster.damagedHere(group).hard; now.Replica != hard.Replica || now.Term < hard.Term || now.Vote != hard.Vote {
		t.Errorf("the hard state was %+v and is %+v", hard, now)
	}
	c.stop(1)
	for _, path := range files(t, c.disks[1], "snapshots", ".bad") {
		if err := c.disks[1].Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	for path, b := range good {
		f, err := c.disks[1].Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(b); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.disks[1].SyncDir("data/snapshots"); err != nil {
		t.Fatal(err)
	}
	before, _ := c.replicaOn(2, group)
	c.start(1)
	c.healed(2, group, before.ID)
	c.settled(3)
	want["another"] = "partition"
	c.holdEverywhere(want)
}

// A leader whose other voters have just gone does not know that yet. What it proposed would stay in its log, and remove a
// replica after its files have been put right.
func TestADamageIsActedOnOnceALeaderWithoutVotersHasSteppedDown(t *testing.T) {
	c := startPeers(t, 1, wal.Always)
	n, peer := c.nodes[0], ring.NodeID{9}
	frame := binary.LittleEndian.AppendUint64([]byte{1, 0, 0, 0}, 7)
	told := time.Now()
	n.hearDamaged(peer, frame)
	n.hearDamaged(peer, frame) // it says so every second
	if early := n.cluster.isDamaged(1, replica.Replica{ID: 7, Node: peer}); early && time.Since(told) < damagedPatience {
		t.Error("it was acted on at once")
	}
	eventually(t, "the damage is acted on", func() bool { return n.cluster.isDamaged(1, replica.Replica{ID: 7, Node: peer}) })
	if since := time.Since(told); since < damagedPatience {
		t.Errorf("it was acted on after %v", since)
	}
	if n.cluster.isDamaged(1, replica.Replica{ID: 8, Node: peer}) || n.cluster.isDamaged(2, replica.Replica{ID: 7, Node: peer}) {
		t.Error("another replica counts as damaged")
	}
	n.hearDamaged(peer, nil)
	if n.cluster.isDamaged(1, replica.Replica{ID: 7, Node: peer}) {
		t.Error("it is damaged although its node does not say so any more")
	}
}

// TestWithoutAMajorityOfOthersADamagedNodeRefusesToStart: one of two.
func TestWithoutAMajorityOfOthersADamagedNodeRefusesToStart(t *testing.T) {
	c := startPeers(t, 2, wal.Always)
	c.settled(2)
	for i := range 40 {
		c.put(fmt.Sprint("key-", i), "v")
	}
	for range 2 {
		snapshotNow(t, c.nodes[1])
	}
	c.stop(1)
	damageGroup(t, c.disks[1], 1)
	for range 2 {
		n, err := Open(c.opts[1])
		if err != nil {
			t.Fatal(err)
		}
		err = n.Load(t.Context())
		n.Close()
		if !errors.Is(err, replica.ErrGap) || !strings.Contains(err.Error(), "group 1:") || !strings.Contains(err.Error(), "1 of the group's 2 voters are left") ||
			!strings.Contains(err.Error(), "vega-server check") {
			t.Fatalf("it refuses with: %v", err)
		}
	}
}

// TestASnapshotThatCannotBeReadIsReplacedToo: nothing is wrong with what the disk gives, it gives nothing. Until the
// replica is given up, the file keeps its name: the next start may find it readable.
func TestASnapshotThatCannotBeReadIsReplacedToo(t *testing.T) {
	c, want := written(t)
	const i, group = 2, 3
	before, _ := c.replicaOn(i, group)
	c.stop(i)
	unreadable := snapshotsOf(t, c.disks[i], group)
	eio := func(op vfs.Op) error {
		if op.Kind == vfs.OpRead && slices.Contains(unreadable, op.Name) {
			return syscall.EIO
		}
		return nil
	}
	c.hooks[i].set(eio)
	c.start(i)
	c.healed(i, group, before.ID)
	c.settled(3)
	c.holdEverywhere(want)
	if kept := files(t, c.disks[i], "damaged", ".bad"); len(kept) != len(unreadable) {
		t.Errorf("%q could not be read, and damaged/ has %q", unreadable, kept)
	}
}
