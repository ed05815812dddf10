package node

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/prakashpandey/vegadb/internal/meta"
	"github.com/prakashpandey/vegadb/internal/mover"
	"github.com/prakashpandey/vegadb/internal/recovery"
	"github.com/prakashpandey/vegadb/internal/replica"
	"github.com/prakashpandey/vegadb/internal/ring"
	"github.com/prakashpandey/vegadb/internal/snapshot"
	"github.com/prakashpandey/vegadb/internal/wal"
)

// A partition of which all snapshots prove bad, and of which the log lacks what they held, is
// beyond what this node can do by itself. If it has peers, they can:
//
//  1. At the start its replica is set apart: it is not brought up, and nothing of it is
//     touched. Its group has it as a member still, as one that is silent.
//  2. This node tells the others (tellDamaged). The group's leader removes the replica from
//     the group and reports that (mover.View.Damaged); the meta group gives the next one a new
//     id (meta.Report).
//  3. When the meta state says that, the replica is given up: its bad files are marked as
//     such, a record in the log says that it is gone, and, when that is on disk, the bad files go
//     to damaged/ and whatever else there is of it goes (giveUp).
//  4. The new replica comes as any other: empty, as a learner, filled by a snapshot.
//
// A start in between finds what it found before: bad files stay where they are, under names
// that say that they are bad, until it is on disk that the replica is gone. A group that has
// lost so many replicas that it cannot be changed gives none of them up: whoever puts their
// files right has all of it back.

// apartReplica is one that is not brought up because it is damaged.
type apartReplica struct {
	hard     replica.HardState
	unread   []string // snapshots that could not be read and still have their names; giveUp's
	givingUp bool     // the worker's
}

// setApart takes note of a group whose history is not complete here, if its peers can replace
// the replica. Otherwise it says why not; "": they never could.
func (n *Node) setApart(g *recovery.Group, why error, problems []snapshot.Problem) (apart bool, refusal string) {
	if n.cluster == nil || !n.dir.Clustered() || g.Damage == nil {
		return false, ""
	}
	hard, only := g.Damage.Lost()
	if !only {
		return false, "" // the log lacks something, and with it perhaps other groups' votes
	}
	if refusal := n.othersSuffice(g.Group()); refusal != "" {
		return false, refusal
	}
	files, err := snapshot.Bad(n.fs, n.dir.SnapshotDir(), g.Group())
	if err != nil {
		return false, err.Error()
	}
	r := &apartReplica{hard: hard}
	for _, p := range problems {
		if p.Aside == "" {
			r.unread = append(r.unread, p.Path)
		}
	}
	files = append(files, r.unread...)
	n.badFiles += len(files)
	if err := n.dir.MakeDamagedDir(n.badFiles); err != nil {
		return false, err.Error()
	}
	p := n.partitions[g.Group()-1]
	p.void()
	n.cluster.damaged[g.Group()] = r
	n.logger.Error("a replica is damaged here beyond repair: the other nodes are to replace it",
		"partition", p.Number, "replica", hard.Replica, "files", files, "err", why)
	return true, ""
}

// othersSuffice says why the group's other replicas cannot replace the one here, "" if they
// can, as far as this node knows.
func (n *Node) othersSuffice(group uint32) string {
	view := n.meta.view.Load()
	if view == nil {
		return "the node does not know who has the group's other replicas"
	}
	voters, others := 0, 0
	for _, r := range view.Group(uint64(group)).Actual {
		if r.Role == meta.Voter {
			voters++
			if r.Node != ring.NodeID(n.dir.Node) {
				others++
			}
		}
	}
	if 2*others <= voters {
		return fmt.Sprintf("the other nodes cannot replace this replica: without it %d of the group's %d voters are left, and that is no majority", others, voters)
	}
	return ""
}

// damagedHere is the replica of the group that was set apart; nil: none was.
func (c *cluster) damagedHere(group uint32) *apartReplica {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.damaged[group]
}

// damagedGroups lists the groups whose replica here was set apart, ascending.
func (c *cluster) damagedGroups() (groups []uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for group := range c.damaged {
		groups = append(groups, group)
	}
	slices.Sort(groups)
	return groups
}

// A frame of damaged replicas: for each of the sender's group u32, replica u64. Peers of a version
// that does not know it pass over it.
const damagedBytes = 12

// tellDamaged tells every other member which replicas here are damaged.
func (n *Node) tellDamaged() {
	c := n.cluster
	groups := c.damagedGroups()
	view := n.meta.view.Load()
	if len(groups) == 0 || view == nil {
		return
	}
	frame := []byte{kindDamaged}
	for _, group := range groups {
		if apart := c.damagedHere(group); apart != nil {
			frame = binary.LittleEndian.AppendUint32(frame, group)
			frame = binary.LittleEndian.AppendUint64(frame, apart.hard.Replica)
		}
	}
	for i := range view.Members {
		if id := view.Members[i].ID; id != c.self {
			c.transport.Send(id, frame)
		}
	}
}

// hearDamaged takes a frame of damaged replicas.
func (n *Node) hearDamaged(from ring.NodeID, b []byte) {
	if len(b)%damagedBytes != 0 || len(b) > damagedBytes*len(n.partitions) {
		return
	}
	now := time.Now()
	told := make(map[uint32]damagedPeer, len(b)/damagedBytes)
	n.cluster.mu.Lock()
	for ; len(b) > 0; b = b[damagedBytes:] {
		group, id := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint64(b[4:])
		d := damagedPeer{id, now}
		if before := n.cluster.damagedPeers[from][group]; before.id == id {
			d.since = before.since
		}
		told[group] = d
	}
	n.cluster.damagedPeers[from] = told
	n.cluster.mu.Unlock()
	n.worker.mindNow.Store(true)
	n.worker.poke()
}

// damagedPeer is a replica that its node has set apart, and since when that is known here.
type damagedPeer struct {
	id    uint64
	since time.Time
}

// damagedPatience is how long a node must have said that a replica is damaged before its group removes it: until a leader
// that the other voters have left with it has stepped down, which takes up to two election time-outs. What it
// proposed before that would stay in its log, and remove the replica after its files have been put right.
const damagedPatience = 4 * electionTicks * tickMs * time.Millisecond

// isDamaged reports whether the node of a replica says that it is damaged, for long enough to act on it.
func (c *cluster) isDamaged(group uint32, r replica.Replica) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	d := c.damagedPeers[r.Node][group]
	return r.ID != 0 && d.id == r.ID && time.Since(d.since) >= damagedPatience
}

// leaveDamaged gives up a replica that was set apart, once its group has removed it. On the worker.
func (w *worker) leaveDamaged(group uint32, pl *meta.Placement) {
	c := w.n.cluster
	apart := c.damagedHere(group)
	if apart == nil || apart.givingUp || !c.current.Load() ||
		!mover.Unwanted(&replica.Status{Group: group, Replica: apart.hard.Replica}, pl, c.self) {
		return
	}
	apart.givingUp = true
	w.n.wg.Add(1)
	go w.n.giveUp(w.n.partitions[group-1], apart)
}

// giveUp ends a replica that was set apart: its group has removed it.
func (n *Node) giveUp(p *Partition, apart *apartReplica) {
	defer n.wg.Done()
	for _, step := range []func(context.Context, *Partition, *apartReplica) error{n.markBad, n.recordGone, n.keepBadAndDrop} {
		for {
			err := step(n.cluster.ctx, p, apart)
			if err == nil {
				break
			}
			if n.cluster.ctx.Err() != nil || errors.Is(err, ErrClosed) {
				return // the start after this one goes on with it
			}
			n.logger.Error("cannot give up a damaged replica; it is tried again", "partition", p.Number, "err", err)
			select {
			case <-time.After(dropAgainAfter):
			case <-n.cluster.ctx.Done():
				return
			}
		}
	}
	n.cluster.mu.Lock()
	delete(n.cluster.damaged, groupID(p.Number))
	n.cluster.mu.Unlock()
	n.cluster.transfers.replaced.Add(1)
	n.logger.Warn("a damaged replica is given up; what is left of it is in "+n.dir.DamagedDir()+", the other nodes fill a new one",
		"partition", p.Number, "replica", apart.hard.Replica)
	n.worker.poke()
}

// markBad gives files that could not be read names that say so: from here on no start may
// find that they can be read after all.
func (n *Node) markBad(_ context.Context, _ *Partition, apart *apartReplica) error {
	for len(apart.unread) > 0 {
		if _, err := snapshot.SetAside(n.fs, apart.unread[0]); err != nil {
			return err
		}
		apart.unread = apart.unread[1:]
	}
	return nil
}

// recordGone returns when it is on disk that the replica is gone.
func (n *Node) recordGone(ctx context.Context, p *Partition, apart *apartReplica) (err error) {
	group, id := groupID(p.Number), apart.hard.Replica
	asked := n.worker.ask(func() {
		if err = n.worker.driver.Record(replica.GoneRecord(group, id)); err != nil {
			return
		}
		n.cluster.transfers.dropped.Add(1)
		n.cluster.mu.Lock()
		n.cluster.gone[group] = max(n.cluster.gone[group], id)
		n.cluster.mu.Unlock()
	})
	if !asked || errors.Is(err, wal.ErrClosed) {
		return ErrClosed
	}
	if err != nil {
		return err
	}
	return n.log.Sync(ctx)
}

func (n *Node) keepBadAndDrop(_ context.Context, p *Partition, _ *apartReplica) error {
	return n.dropPartition(p)
}

// keepBad moves a group's bad files to where nobody deletes them. That its replica is gone is
// durable in the log already.
func (n *Node) keepBad(group uint32) error {
	files, err := snapshot.Bad(n.fs, n.dir.SnapshotDir(), group)
	if err != nil {
		return err
	}
	return n.dir.KeepDamaged(files...)
}
