package node

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/internal/meta"
	"github.com/prakashpandey/vegadb/internal/replica"
	"github.com/prakashpandey/vegadb/internal/snapshot"
	"github.com/prakashpandey/vegadb/internal/vfs"
	"github.com/prakashpandey/vegadb/internal/wal"
)

// sending is a snapshot as a leader would send it to a replica of p on n: of the state
// that the replica has, declared to be one of ahead entries later and of a later term.
type sending struct {
	header, file []byte
	index        uint64
}

func makeSending(t *testing.T, n *Node, p *Partition, ahead uint64) sending {
	t.Helper()
	var st replica.Status
	n.worker.ask(func() { st, _ = n.worker.host.Status(groupID(p.Number)) })
	p.mu.Lock()
	state, replicated := p.group.State(), p.group.AppendState(nil)
	p.mu.Unlock()
	term := st.Term + 10
	fs := vfs.NewMem()
	info, err := snapshot.Write(t.Context(), fs, "/", snapshot.Meta{
		Group: groupID(p.Number), Term: term, Index: state.Index + ahead, Stamp: state.Stamp,
		Partitions: uint32(len(n.partitions)), Cluster: n.dir.Cluster, State: replicated, Raft: true,
	}, nil, snapshot.WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	sender := st.Conf.Voters[0]
	if sender == st.Replica {
		sender = st.Conf.Voters[1]
	}
	header := binary.LittleEndian.AppendUint32(nil, groupID(p.Number))
	header = binary.LittleEndian.AppendUint64(header, st.Replica)
	header = binary.LittleEndian.AppendUint64(header, sender)
	header = binary.LittleEndian.AppendUint64(header, term)
	f, err := fs.Open(info.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return sending{header, b, info.Index}
}

func (s sending) to(ctx context.Context, n *Node) error {
	return (*peerHandler)(n).Snapshot(ctx, n.cluster.self, s.header, int64(len(s.file)), bytes.NewReader(s.file))
}

// follower is a node that has a replica of p and does not lead it.
func (c *peers) follower(partition int) (*Node, *Partition, *switchable) {
	c.t.Helper()
	leader := c.leader(partition)
	for i, n := range c.nodes {
		if p := n.partitions[partition]; n != leader && n.Holds(p) {
			return n, p, c.hooks[i]
		}
	}
	c.t.Fatal("nobody follows")
	return nil, nil, nil
}

// TestOfTwoSnapshotsThatArriveAtOnceOneIsInstalled: a leader that has lost its office
// and does not know it sends one, and its successor another. Both are published before
// the worker hears of either.
func TestOfTwoSnapshotsThatArriveAtOnceOneIsInstalled(t *testing.T) {
	c := startPeers(t, 2, wal.Always)
	c.settled(2)
	for partition := range c.nodes[0].partitions {
		n, p, hook := c.follower(partition)
		all := []sending{makeSending(t, n, p, 100), makeSending(t, n, p, 200)}
		var published atomic.Int32
		both := make(chan struct{})
		hook.set(func(op vfs.Op) error {
			if op.Kind != vfs.OpSync || !strings.Contains(op.Name, "snapshots/p") {
				return nil
			}
			if published.Add(1) == 2 {
				// The worker decides when both wait for it, should they.
				n.worker.do(func() { time.Sleep(50 * time.Millisecond) })
				close(both)
			}
			<-both
			return nil
		})
		var arrivals sync.WaitGroup
		errs := make([]error, len(all))
		for i, s := range all {
			arrivals.Go(func() { errs[i] = s.to(t.Context(), n) })
		}
		arrivals.Wait()
		hook.clear()
		taken := uint64(0)
		for i, err := range errs {
			if err == nil {
				taken = max(taken, all[i].index)
			}
		}
		if taken == 0 {
			t.Fatalf("partition %d: neither was taken: %v", partition, errs)
		}
		eventually(t, "the one that was taken is installed", func() bool { return p.State().Index >= taken })
	}
}

// TestARefusedSnapshotLeavesNoFile: what is of no use any more when it is complete is
// not kept on disk.
func TestARefusedSnapshotLeavesNoFile(t *testing.T) {
	c := startPeers(t, 2, wal.Always)
	c.settled(2)
	n, p, hook := c.follower(0)
	s := makeSending(t, n, p, 50)
	newer := makeSending(t, n, p, 500)
	var once sync.Once
	var between error
	hook.set(func(op vfs.Op) error {
		if op.Kind == vfs.OpSync && strings.Contains(op.Name, snapshot.FileName(groupID(0), s.index)) {
			once.Do(func() { between = newer.to(t.Context(), n) })
		}
		return nil
	})
	err := s.to(t.Context(), n)
	hook.clear()
	if between != nil || err != nil && !strings.Contains(err.Error(), "no use") {
		t.Fatalf("the newer one: %v; the older one: %v", between, err)
	}
	eventually(t, "the newer one is installed", func() bool { return p.State().Index >= newer.index })
	for _, path := range files(t, n.fs, "snapshots", "") {
		if strings.Contains(path, snapshot.FileName(groupID(0), s.index)) {
			t.Errorf("%s was left behind", path)
		}
	}
}

// TestASnapshotThatTheReplicaHasIsNoFailure: a replica that was killed may have more than
// its leader remembers. A leader that is refused sends the same snapshot for ever.
func TestASnapshotThatTheReplicaHasIsNoFailure(t *testing.T) {
	c := startPeers(t, 2, wal.Always)
	c.settled(2)
	n, p, _ := c.follower(0)
	s := makeSending(t, n, p, 0)
	if err := s.to(t.Context(), n); err != nil {
		t.Errorf("refused: %v", err)
	}
	for _, path := range files(t, n.fs, "snapshots", "") {
		if strings.Contains(path, snapshot.FileName(groupID(0), s.index)) {
			t.Errorf("%s was published", path)
		}
	}
}

// TestASnapshotDoesNotOutliveItsReplica drops a replica at the very moment when a
// snapshot of it, received or its own, is to be published.
func TestASnapshotDoesNotOutliveItsReplica(t *testing.T) {
	c := startPeers(t, 2, wal.Always)
	c.settled(2)
	for _, own := range []bool{false, true} {
		partition := 0
		if own {
			partition = 1
		}
		n, p, hook := c.follower(partition)
		group := groupID(partition)
		s := makeSending(t, n, p, 100)
		var once sync.Once
		hook.set(func(op vfs.Op) error {
			if op.Kind != vfs.OpRename || !strings.Contains(op.Name, "snapshots/p0000"+string(rune('0'+group))) {
				return nil
			}
			once.Do(func() {
				n.worker.ask(func() {
					st, _ := n.worker.host.Status(group)
					n.worker.leave(&st, &meta.Placement{})
				})
				for deadline := time.Now().Add(200 * time.Millisecond); time.Now().Before(deadline) && p.mode.Load() != modeAbsent; {
					time.Sleep(time.Millisecond) // a drop that does not wait gets its chance
				}
			})
			return nil
		})
		if own {
			if _, err := n.snapshotPartition(p); err != nil {
				t.Fatal(err)
			}
		} else if err := s.to(t.Context(), n); err == nil {
			t.Error("a snapshot for a replica that is gone was taken")
		}
		eventually(t, "the replica is dropped", func() bool { return p.mode.Load() == modeAbsent })
		hook.clear()
		for i, other := range c.nodes {
			if other != n {
				continue
			}
			for _, path := range files(t, c.disks[i], "snapshots", "") {
				if strings.Contains(path, "p0000"+string(rune('0'+group))) {
					t.Errorf("own %v: %s is left of a replica that is gone", own, path)
				}
			}
		}
	}
}

// TestADropThatTheDiskRefusesIsTriedAgain: the partition could not come back to the node
// before its next start.
func TestADropThatTheDiskRefusesIsTriedAgain(t *testing.T) {
	c := startPeers(t, 2, wal.Always)
	c.settled(2)
	n, p, hook := c.follower(0)
	if _, err := n.snapshotPartition(p); err != nil { // so that there is something to remove
		t.Fatal(err)
	}
	var failures atomic.Int32
	hook.set(func(op vfs.Op) error {
		if op.Kind == vfs.OpRemove && strings.Contains(op.Name, "snapshots/p00001") && failures.Add(1) == 1 {
			return syscall.EIO
		}
		return nil
	})
	n.worker.ask(func() {
		st, _ := n.worker.host.Status(1)
		n.worker.leave(&st, &meta.Placement{})
	})
	eventually(t, "the replica is dropped", func() bool { return p.mode.Load() == modeAbsent })
	if failures.Load() < 2 {
		t.Errorf("%d files were removed: nothing was refused", failures.Load())
	}
}

// TestTheMetaGroupsSnapshotIsWrittenByOneAtATime: the snapshotter and those who send
// it to laggards would use the same temporary file.
func TestTheMetaGroupsSnapshotIsWrittenByOneAtATime(t *testing.T) {
	c := startPeers(t, 1, wal.Always)
	n := c.nodes[0]
	for round := range uint64(50) {
		n.meta.mu.Lock()
		st := n.meta.group.State()
		n.meta.group.Advance(st.Index+1, st.Term, nil)
		n.meta.mu.Unlock()
		var writers sync.WaitGroup
		for range 4 {
			writers.Go(func() {
				if err := n.snapshotMeta(t.Context()); err != nil {
					t.Errorf("round %d: %v", round, err)
				}
			})
		}
		writers.Wait()
		if t.Failed() {
			return
		}
	}
}
