package node

import (
	"context"
	"errors"
	"time"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/meta"
	"github.com/prakashpandey/vegadb/internal/mover"
	"github.com/prakashpandey/vegadb/internal/replica"
	"github.com/prakashpandey/vegadb/internal/ring"
	"github.com/prakashpandey/vegadb/internal/wal"
)

// What is to be done with a group that this node leads is decided by package mover, a step at a time; here it is carried
// out.

// mindApart is the least time between two looks, however much happens.
const mindApart = 5 * time.Millisecond

// mind looks after the groups: moves, leaders, replicas that are not wanted any more.
// On the worker.
func (w *worker) mind() {
	now := time.Now()
	if passed := now.Sub(w.minded); passed < mover.Every && (passed < mindApart || !w.mindNow.Load()) {
		return
	}
	w.mindNow.Store(false)
	w.minded = now
	view := w.n.meta.view.Load()
	if view == nil || !w.n.ready.Load() {
		return
	}
	others := w.others()
	var reports []meta.GroupReport
	for group := range uint32(len(w.n.partitions) + 1) {
		pl := view.Group(uint64(group))
		if group > 0 {
			p := w.n.partitions[group-1]
			if p.mode.Load() <= modeConverting {
				w.convert(p, pl)
				continue
			}
		}
		st, here := w.host.Status(group)
		switch {
		case !here:
			if group > 0 {
				w.leaveDamaged(group, pl)
			}
		case st.Leads:
			if r := w.drive(&st, pl, others, now); r != nil {
				reports = append(reports, *r)
			}
		case group > 0 && w.n.cluster.current.Load():
			w.leave(&st, pl)
		}
	}
	if len(reports) > 0 {
		w.n.report(reports)
	}
}

// others is what the mover is told of the other nodes and their replicas.
func (w *worker) others() *mover.View {
	c := w.n.cluster
	return &mover.View{
		Progress: w.host.Progress, Rests: c.rests(), Resting: c.isResting,
		Heard:   func(node ring.NodeID) bool { return c.steadyMs()-w.n.lastHeard(node) < silentMs },
		Damaged: c.isDamaged,
	}
}

// isResting reports whether a peer wants no leadership.
func (c *cluster) isResting(node ring.NodeID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.resting[node]
}

// drive takes a group that this node leads one step further, and returns its
// configuration if the meta state does not know it yet.
func (w *worker) drive(st *replica.Status, pl *meta.Placement, others *mover.View, now time.Time) *meta.GroupReport {
	a := w.n.cluster.mover.Drive(st, pl, others, now)
	if a.Lost != 0 {
		w.n.logger.Warn("a replica that is to be filled does not answer, though its node does: it gets a new id", "group", st.Group, "replica", a.Lost)
	}
	if a.Damaged != 0 {
		w.n.logger.Warn("a replica is damaged on its node: it is removed from its group, and a new one is made", "group", st.Group, "replica", a.Damaged)
	}
	if a.Change != nil {
		if err := w.host.Reconfigure(st.Group, *a.Change); err != nil {
			w.n.logger.Debug("configuration not changed", "group", st.Group, "err", err)
		}
	}
	if a.Transfer != 0 {
		w.transfer(st.Group, a.Transfer)
	}
	return a.Report
}

// transfer hands a group to another replica.
func (w *worker) transfer(group uint32, to uint64) {
	if group > 0 {
		w.n.partitions[group-1].view.Handed(w.nowMs() + electionTicks*tickMs)
	}
	w.host.Transfer(group, to)
}

// rests reports whether the node wants no leadership: it is about to stop, or its disk
// does not answer or is full.
func (c *cluster) rests() bool { return c.stopping.Load() || c.stalled.Load() || c.full.Load() }

// handOverPatience bounds HandOver.
const handOverPatience = 5 * time.Second

// HandOver gives the leadership of every group to another node, before this one
// stops, so that no client has to wait for an election. It returns when that is done,
// or cannot be done in time.
func (n *Node) HandOver(ctx context.Context) {
	if n.cluster == nil || !n.ready.Load() || !n.clustered.Load() {
		return
	}
	n.cluster.stopping.Store(true)
	n.worker.do(n.tellLeaders)
	ctx, cancel := context.WithTimeout(ctx, handOverPatience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		left := 0
		if !n.worker.ask(func() {
			n.worker.minded = time.Time{}
			left = n.toHandOver()
		}) || left == 0 {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			n.logger.Warn("leadership was not handed over in time; other nodes will elect", "groups", left)
			return
		}
	}
}

// toHandOver counts the groups led here that another node could lead. On the worker.
func (n *Node) toHandOver() (count int) {
	n.worker.host.Groups(func(group uint32) {
		if st, ok := n.worker.host.Status(group); !ok || !st.Leads {
			return
		}
		able := false
		n.worker.host.Progress(group, func(p replica.Progress) { able = able || p.CaughtUp && !p.Learner })
		if able {
			count++
		}
	})
	return count
}

// report tells the meta group what groups consist of. It is told once; should that
// be lost, the next look finds that the state still does not know.
func (n *Node) report(groups []meta.GroupReport) {
	n.wg.Add(1)
	go func() {
		defer n.wg.Done()
		ctx, cancel := context.WithTimeout(n.cluster.ctx, callPatience)
		defer cancel()
		if _, err := n.proposeMeta(ctx, &meta.Report{Groups: groups}); err != nil {
			n.worker.do(func() {
				for _, g := range groups {
					n.cluster.mover.NotReported(uint32(g.Group))
				}
			})
		}
	}()
}

// convert makes a lone node's group one with peers, when it is to have further
// replicas: everything accepted is applied first, while new writes wait.
func (w *worker) convert(p *Partition, pl *meta.Placement) {
	n := w.n
	if len(pl.Target) == 1 && pl.Target[0].Node == n.cluster.self && pl.Target[0].ID == replica.FirstReplica {
		return
	}
	n.clustered.Store(true)
	p.mu.Lock()
	p.mode.Store(modeConverting)
	ready := p.group.State().Index == p.group.Last()
	p.mu.Unlock()
	if !ready {
		w.minded = time.Time{}
		time.AfterFunc(time.Millisecond, w.poke)
		return
	}
	err := w.givePeers(p)
	if errors.Is(err, wal.ErrNoSpace) {
		return // later
	}
	if err != nil && !errors.Is(err, wal.ErrClosed) {
		n.fatal("give a partition peers", err)
	}
}

// givePeers ends a lone node's group with an entry without effect. In one batch with it
// goes the hard state that makes the group one with peers: a start that finds entries
// behind it must find that, too, or it would take them for committed. By its index the
// entry keeps the batch from being truncated until a snapshot reaches it, and such a
// snapshot says what the batch says. It also keeps a new replica, whose log is empty,
// from believing that it lacks nothing.
func (w *worker) givePeers(p *Partition) error {
	p.mu.Lock()
	rec := p.group.Prepare(w.n.Now(), command.AppendClock(command.Begin(nil)))
	p.mu.Unlock()
	hard := replica.HardState{Replica: replica.FirstReplica, Term: rec.Term, Commit: rec.Index}
	if err := w.driver.Record(rec, replica.StateRecord(rec.Group, hard)); err != nil {
		return err
	}
	p.mu.Lock()
	p.group.Accept(rec.Payload)
	err := p.group.Apply(p.Table, rec.Index, rec.Term, rec.Payload, nil)
	p.mode.Store(modeRaft) // at once with the entry, for the sake of snapshots
	p.mu.Unlock()
	if err != nil {
		return err
	}
	return w.n.addRaft(p, hard, nil, false)
}

// leave drops a replica that its group has removed.
func (w *worker) leave(st *replica.Status, pl *meta.Placement) {
	if !mover.Unwanted(st, pl, w.n.cluster.self) {
		return
	}
	n := w.n
	err := w.driver.Record(replica.GoneRecord(st.Group, st.Replica))
	if errors.Is(err, wal.ErrNoSpace) {
		return // later
	}
	p := n.partitions[st.Group-1]
	n.logger.Info("a replica is no longer needed here and is dropped", "partition", p.Number, "replica", st.Replica)
	n.cluster.transfers.dropped.Add(1)
	p.view.Dropped() // reads under way must not show what is about to go
	w.host.Remove(st.Group)
	n.cluster.mu.Lock()
	n.cluster.gone[st.Group] = max(n.cluster.gone[st.Group], st.Replica)
	n.cluster.mu.Unlock()
	if err != nil {
		n.logger.Error("cannot record that a replica is gone", "err", err)
		return
	}
	n.wg.Add(1)
	go n.dropReplica(p)
}

// dropAgainAfter is how long it takes until a drop that the disk did not allow is tried again.
const dropAgainAfter = time.Second

// dropReplica gives back what a removed replica held, once it is on disk that it is
// gone.
func (n *Node) dropReplica(p *Partition) {
	defer n.wg.Done()
	if err := n.log.Sync(n.cluster.ctx); err != nil {
		return // the start after this one finishes it
	}
	for {
		err := n.dropPartition(p)
		if err == nil {
			break
		}
		// Until it succeeds, the partition cannot come back to this node.
		n.logger.Error("cannot drop a replica's data; it is tried again", "partition", p.Number, "err", err)
		select {
		case <-time.After(dropAgainAfter):
		case <-n.cluster.ctx.Done():
			return // the start after this one finishes it
		}
	}
	p.mode.Store(modeAbsent)
	n.worker.poke()
}
