package node

import (
	"context"
	"errors"
	"math"
	"strings"
	"sync"
	"testing"

	"github.com/prakashpandey/vegadb/internal/meta"
	"github.com/prakashpandey/vegadb/internal/snapshot"
	"github.com/prakashpandey/vegadb/internal/wal"
)

// holdRecords has records of a node's groups wait for room in its log until the result is called. The disk has some: for
// a snapshot, say, and not for another segment of the log.
func (c *peers) holdRecords(i int) (release func()) {
	c.t.Helper()
	n := c.nodes[i]
	c.disks[i].SetLimit(c.disks[i].Used() + 64<<10)
	rec := wal.Record{Group: unknownGroup, Type: 200, Index: 1}
	for size := 8 << 10; size > 0; {
		rec.Payload = make([]byte, size)
		if _, err := n.log.AppendReserved(&rec); errors.Is(err, wal.ErrNoSpace) {
			size /= 2
		}
		n.log.Kick()
	}
	// A command of the meta group is proposed, and taken by followers, as long as there is any room.
	ctx, cancel := context.WithCancel(c.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = n.proposeMeta(ctx, &meta.UpdateMember{Node: n.cluster.describe()})
	}()
	end := sync.OnceFunc(func() { cancel(); <-done })
	c.t.Cleanup(end)
	eventually(c.t, "records wait for room", func() bool {
		waits := false
		n.worker.ask(func() { waits = n.worker.driver.Waits() })
		return waits
	})
	return func() {
		c.disks[i].SetLimit(math.MaxInt64)
		end()
	}
}

// TestNoSnapshotIsPublishedWhileRecordsWaitForRoom: the hard state of the replica that it is for may be among them. A start
// that found the snapshot and not the hard state would refuse.
func TestNoSnapshotIsPublishedWhileRecordsWaitForRoom(t *testing.T) {
	c := startPeers(t, 2, wal.Always)
	c.settled(2)
	n, p, _ := c.follower(0)
	s := makeSending(t, n, p, 1000)
	i := 0
	if c.nodes[1] == n {
		i = 1
	}
	release := c.holdRecords(i)
	if err := s.to(t.Context(), n); !errors.Is(err, wal.ErrNoSpace) {
		t.Errorf("the snapshot: %v", err)
	}
	for _, path := range files(t, n.fs, "snapshots", "") {
		if strings.Contains(path, snapshot.FileName(groupID(0), s.index)) {
			t.Errorf("%s was published", path)
		}
	}
	release()
	eventually(t, "there is room, and the snapshot is taken", func() bool { return s.to(t.Context(), n) == nil })
}

// TestNobodyReliesOnANodeWhoseRecordsWaitForRoom: that others rely on it must not be durable before the hard state on which
// they do.
func TestNobodyReliesOnANodeWhoseRecordsWaitForRoom(t *testing.T) {
	c := startPeers(t, 1, wal.Always)
	n := c.nodes[0]
	release := c.holdRecords(0)
	if err := n.markClustered(t.Context()); !errors.Is(err, wal.ErrNoSpace) || n.dir.Clustered() {
		t.Errorf("%v, clustered: %v", err, n.dir.Clustered())
	}
	release()
	eventually(t, "there is room, and others may come", func() bool { return n.markClustered(t.Context()) == nil })
	if !n.dir.Clustered() {
		t.Error("it is not noted that others rely on the node")
	}
}

// TestMoreRecordsThanALogSegmentHoldsAreAppended: a follower that has much to make up for gets them at once.
func TestMoreRecordsThanALogSegmentHoldsAreAppended(t *testing.T) {
	c := startPeers(t, 1, wal.Always)
	n := c.nodes[0]
	recs := make([]wal.Record, 3*n.opts.LogSegmentBytes/100)
	for i := range recs {
		recs[i] = wal.Record{Group: unknownGroup, Type: 200, Index: 1, Payload: make([]byte, 100)}
	}
	var err error
	n.worker.ask(func() { err = n.worker.driver.Record(recs...) })
	if err != nil {
		t.Errorf("%d records: %v", len(recs), err)
	}
}
