package node

import (
	"errors"
	"math"
	"slices"
	"time"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/prakashpandey/vegadb/internal/mover"
	"github.com/prakashpandey/vegadb/internal/replica"
	"github.com/prakashpandey/vegadb/internal/ring"
	"github.com/prakashpandey/vegadb/internal/wal"
)

// A full disk stops writes and nothing else. What keeps the rest going:
//
//   - The log keeps a reserve. A node that is down to it is full: writes of partitions that it leads are refused before
//     they are proposed, and it wants no leadership. What was proposed before, and what the groups themselves have to
//     write down (terms, votes, configurations, the meta group's commands), goes into the reserve.
//   - Nodes tell each other that they are full. The leader of a group most of whose voters are refuses its writes: they
//     could never be committed.
//   - When even the reserve is used up, records wait in memory, in order, and the worker goes on: signs of life and the
//     rounds of reads need no room. Messages that could only be answered with a record count as lost on the way.
//   - The log never takes the space that the next snapshots need; see spareBytes. A log that gets no room calls for a
//     snapshot, which lets go of what is in it.

// backlogged is a batch of records that the log has no room for yet.
type backlogged struct {
	recs  []wal.Record
	batch uint64
	sync  bool
}

// logReserve is how much of the log's last room is kept: enough to write down all groups' states several times, and for
// what is on its way when the disk is found to be full.
func logReserve(segmentBytes int64, partitions int) int64 {
	const most, perGroup, usual = 4 << 20, 256, 64 << 20
	if segmentBytes <= 0 {
		segmentBytes = usual
	}
	return min(segmentBytes/4, max(min(segmentBytes/8, most), int64(partitions+1)*perGroup))
}

// lookAtSpace learns how much room the log has, and tells when the disk is full and when it is not any more. On the
// worker, once a turn.
func (w *worker) lookAtSpace() {
	c := w.n.cluster
	free, left, limited := w.n.log.Room()
	reserve := logReserve(w.n.opts.LogSegmentBytes, len(w.n.partitions))
	w.space, w.tight = math.MaxInt64, false
	was := c.full.Load()
	full := len(w.backlog) > 0
	if limited {
		w.space, w.tight = free, left < reserve/2
		full = full || free < reserve/4 || was && free < reserve
	}
	if full == was {
		return
	}
	if full {
		w.n.logger.Error("the disk is full: writes are refused here, and other nodes are to lead; reads go on",
			"roomBytes", free+left, "do", "free some space: nothing else is needed")
		c.fullSince.Store(w.nowMs())
	} else {
		w.n.logger.Info("there is space on the disk again: writes are taken")
	}
	c.full.Store(full)
	c.noteFull()
	w.mindNow.Store(true)
	w.n.tellLeaders()
}

// noteFull notes whether any node is full, so that writes have to look closer.
func (c *cluster) noteFull() {
	c.mu.Lock()
	c.anyFull.Store(c.full.Load() || len(c.fullPeers) > 0)
	c.mu.Unlock()
}

// noteFullPeer notes whether a peer's disk is full.
func (c *cluster) noteFullPeer(node ring.NodeID, full bool) {
	c.mu.Lock()
	known := c.fullPeers[node]
	if full {
		c.fullPeers[node] = true
	} else {
		delete(c.fullPeers, node)
	}
	c.mu.Unlock()
	if known != full {
		c.noteFull()
	}
}

// spaceFor refuses a write of p for lack of space on disks: with wal.ErrBusy while a node with space is about to take
// over, otherwise with wal.ErrNoSpace. p.mu is held.
func (n *Node) spaceFor(p *Partition) error {
	c := n.cluster
	if !c.anyFull.Load() {
		return nil
	}
	conf, full := p.group.Configuration(), c.full.Load()
	most := c.haveSpace(conf, conf.Voters, full) && (!conf.Joint() || c.haveSpace(conf, conf.Outgoing, full))
	switch {
	case most && !full:
		return nil
	case most && n.worker.nowMs()-c.fullSince.Load() < 2*mover.HandPatience.Milliseconds():
		return wal.ErrBusy
	}
	c.noSpace.Add(1)
	return wal.ErrNoSpace
}

// haveSpace reports whether most of the voters' nodes have space on their disks.
func (c *cluster) haveSpace(conf *replica.Configuration, voters []uint64, full bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	have := 0
	for _, id := range voters {
		node, _ := conf.Node(id)
		if node == c.self && !full || node != c.self && !c.fullPeers[node] {
			have++
		}
	}
	return have > len(voters)/2
}

// admit refuses a proposal that the log here has no room for.
func (w *worker) admit(p *inProposal) error {
	size := int64(len(p.entry)) + recordOverhead
	if w.space < size || w.n.cluster.full.Load() {
		part := w.n.partitions[p.group-1]
		part.mu.Lock()
		defer part.mu.Unlock()
		if err := w.n.spaceFor(part); err != nil {
			return err
		}
		if w.space < size {
			w.n.cluster.noSpace.Add(1)
			return wal.ErrNoSpace
		}
	}
	if w.space != math.MaxInt64 {
		w.space -= size
	}
	return nil
}

// proposeMeta proposes a command of the meta group: as long as there is any room for it, the reserve included.
func (w *worker) proposeMeta(entry []byte) {
	if st, ok := w.host.Status(0); ok && st.Leads && len(w.backlog) > 0 {
		return // who wants it tries again
	}
	w.host.Propose(0, entry, nil, false)
}

// deaf reports whether a message counts as lost on its way, because only a record could answer it, for which there is
// no room. Raft repeats what matters.
func (w *worker) deaf(m *replica.Message) bool {
	kind := m.Raft.GetType()
	if len(w.backlog) > 0 {
		switch kind {
		case raftpb.MsgApp, raftpb.MsgSnap, raftpb.MsgVote, raftpb.MsgPreVote, raftpb.MsgTimeoutNow, raftpb.MsgProp:
			return true
		}
		return false
	}
	return w.tight && kind == raftpb.MsgApp && m.Group > 0 && slices.ContainsFunc(m.Raft.GetEntries(), func(e *raftpb.Entry) bool {
		return e.GetType() == raftpb.EntryNormal && len(e.Data) > 0
	})
}

// log appends a batch of records. What the log has no room for waits in the backlog. again says that the host has more
// to do at once.
func (w *worker) log(recs []wal.Record, batch uint64, sync bool) (again bool, err error) {
	if len(w.backlog) == 0 {
		done, pos, err := w.append(recs)
		if err == nil {
			return w.logged(pos, batch, sync)
		}
		if !errors.Is(err, wal.ErrNoSpace) {
			return false, err
		}
		recs = recs[done:]
	}
	w.backlog = append(w.backlog, backlogged{slices.Clone(recs), batch, sync})
	return false, nil
}

// logged takes note of a batch that is in the log up to pos.
func (w *worker) logged(pos, batch uint64, sync bool) (again bool, err error) {
	if w.n.opts.Durability == wal.Always {
		w.n.log.Kick()
		w.unsynced = append(w.unsynced, unsyncedBatch{pos, batch, time.Now()})
		return false, nil
	}
	if err := w.keep(pos, sync); err != nil {
		return false, err
	}
	w.host.Persisted(batch)
	return true, nil
}

// workOff appends what there is room for by now of what had to wait.
func (w *worker) workOff() error {
	for len(w.backlog) > 0 {
		b := &w.backlog[0]
		done, pos, err := w.append(b.recs)
		b.recs = b.recs[done:]
		if errors.Is(err, wal.ErrNoSpace) {
			return nil
		}
		if err == nil {
			_, err = w.logged(pos, b.batch, b.sync)
		}
		if err != nil {
			return err
		}
		w.backlog = slices.Delete(w.backlog, 0, 1)
	}
	return nil
}

// record appends records of the node's own: all of them, or wal.ErrNoSpace.
func (w *worker) record(recs ...wal.Record) error {
	if len(w.backlog) > 0 { // they must not overtake it
		return wal.ErrNoSpace
	}
	_, _, err := w.append(recs)
	return err
}
