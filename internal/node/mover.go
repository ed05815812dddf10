package node

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/meta"
	"github.com/prakashpandey/vegadb/internal/replica"
	"github.com/prakashpandey/vegadb/internal/wal"
)

// The leader of each group drives it to its target in the meta state, a step at a
// time: new replicas as learners; when they have caught up, one change that makes them
// voters and removes the old ones; then it reports what is. All that is remembered
// is in the group's configuration and in the meta state, so whoever leads next goes on.

// step is when a group's configuration or leader was last changed by this node.
type step struct {
	conf     uint64 // index of the configuration that it started from
	at       time.Time
	handed   time.Time // leadership
	reported uint64    // index of the configuration that was reported
	// silent is a learner that is to vote and does not answer, since since.
	silent uint64
	since  time.Time
}

const (
	mindEvery = 100 * time.Millisecond
	// mindApart is the least time between two looks, however much happens.
	mindApart = 5 * time.Millisecond
	// stepPatience is how long a change of the configuration may take to show until it is
	// tried again.
	stepPatience = 2 * time.Second
	// handPatience is between two attempts to hand a group to its preferred leader.
	handPatience = 3 * time.Second
)

// mind looks after the groups: moves, leaders, replicas that are not wanted any more.
// On the worker.
func (w *worker) mind() {
	now := time.Now()
	if passed := now.Sub(w.minded); passed < mindEvery && (passed < mindApart || !w.mindNow.Load()) {
		return
	}
	w.mindNow.Store(false)
	w.minded = now
	view := w.n.meta.view.Load()
	if view == nil || !w.n.ready.Load() {
		return
	}
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
		case st.Leads:
			if r := w.drive(&st, pl, now); r != nil {
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

// drive takes a group that this node leads one step further, and returns its
// configuration if the meta state does not know it yet.
func (w *worker) drive(st *replica.Status, pl *meta.Placement, now time.Time) *meta.GroupReport {
	s := w.n.cluster.steps[st.Group]
	if w.n.cluster.rests() {
		w.prefer(st, pl, now)
		return nil
	}
	if st.Transferring || st.Conf.Joint() || !st.Sealed {
		return nil
	}
	if st.Conf.Index != pl.ActualIndex {
		// No further step before the meta state here knows of the last one: what it says is
		// to be done may have been said before that.
		if st.Conf.Index < pl.ActualIndex || st.Conf.Index == s.reported {
			return nil
		}
		s.reported = st.Conf.Index
		w.n.cluster.steps[st.Group] = s
		return &meta.GroupReport{Group: uint64(st.Group), Index: st.Conf.Index, Replicas: actual(st.Conf)}
	}
	if st.Conf.Index == s.conf && now.Sub(s.at) < stepPatience || pl.Revision < st.Conf.Revision {
		return nil
	}
	change, wait := w.next(st, pl)
	change.Revision = pl.Revision
	switch {
	case len(change.Add) > 0 && w.tidies(st, pl) && !w.n.cluster.begins.take(now):
	case len(change.Add)+len(change.Promote)+len(change.Demote)+len(change.Remove) > 0:
		if err := w.host.Reconfigure(st.Group, change); err != nil {
			w.n.logger.Debug("configuration not changed", "group", st.Group, "err", err)
		}
		s.conf, s.at = st.Conf.Index, now
		w.n.cluster.steps[st.Group] = s
	case wait:
	default:
		w.prefer(st, pl, now)
	}
	return nil
}

// actual is a configuration as the meta state has it.
func actual(c *replica.Configuration) []meta.Replica {
	var all []meta.Replica
	for _, r := range c.Replicas() {
		role := meta.Voter
		if r.Role == replica.Learner {
			role = meta.Learner
		}
		all = append(all, meta.Replica{Node: r.Node, ID: r.ID, Role: role})
	}
	return all
}

// next is the step from a group's configuration towards its target. wait says that
// replicas have yet to catch up.
func (w *worker) next(st *replica.Status, pl *meta.Placement) (c replica.Change, wait bool) {
	have := st.Conf.Replicas()
	for _, t := range pl.Target {
		if !slices.ContainsFunc(have, func(r replica.Replica) bool { return r.ID == t.ID }) {
			c.Add = append(c.Add, replica.Replica{ID: t.ID, Node: t.Node})
		}
	}
	if len(c.Add) > 0 {
		return c, false
	}
	ready, live := make(map[uint64]bool), map[uint64]bool{st.Replica: true}
	w.host.Progress(st.Group, func(p replica.Progress) { ready[p.ID], live[p.ID] = p.CaughtUp, p.Active })
	if id := w.lostLearner(st, pl, live, time.Now()); id != 0 {
		return replica.Change{Remove: []uint64{id}}, false
	}
	voters, alive := 0, 0
	for _, t := range pl.Target {
		if t.Role == meta.Voter {
			voters++
			if live[t.ID] {
				alive++
			}
		}
	}
	if alive <= voters/2 { // the change could not be completed
		return replica.Change{}, true
	}
	for _, r := range have {
		t := find(pl.Target, r.ID)
		switch {
		case t == nil:
			if r.ID != st.Replica {
				c.Remove = append(c.Remove, r.ID)
			}
		case t.Role == meta.Voter && r.Role == replica.Learner:
			if !ready[r.ID] {
				return replica.Change{}, true
			}
			c.Promote = append(c.Promote, r.ID)
		case t.Role == meta.Learner && r.Role == replica.Voter && r.ID != st.Replica:
			c.Demote = append(c.Demote, r.ID)
		}
	}
	return c, false
}

// tidies reports whether a group loses nothing by waiting for its next move: it has as many
// voters as it is to have, and all of them are active.
func (w *worker) tidies(st *replica.Status, pl *meta.Placement) bool {
	active := map[uint64]bool{st.Replica: true}
	w.host.Progress(st.Group, func(p replica.Progress) { active[p.ID] = p.Active })
	voters := 0
	for _, r := range st.Conf.Replicas() {
		if r.Role == replica.Learner {
			continue
		}
		if !active[r.ID] {
			return false
		}
		voters++
	}
	for _, t := range pl.Target {
		if t.Role == meta.Voter {
			voters--
		}
	}
	return voters >= 0
}

// prefer hands leadership on: to the preferred replica, or away from one that is to
// go, or from a node that wants none.
func (w *worker) prefer(st *replica.Status, pl *meta.Placement, now time.Time) {
	c := w.n.cluster
	s := c.steps[st.Group]
	mine := slices.IndexFunc(pl.Target, func(r meta.Replica) bool { return r.ID == st.Replica && r.Role == meta.Voter })
	held := s.handed.After(now) && mine >= 0 // see hold; not by a replica that is to go
	if (held || !s.handed.After(now) && now.Sub(s.handed) < handPatience) && !c.rests() {
		return
	}
	if mine == 0 && !c.rests() || mine > 0 && st.Group == 0 && !c.rests() {
		return
	}
	ready := make(map[uint64]bool)
	w.host.Progress(st.Group, func(p replica.Progress) { ready[p.ID] = p.CaughtUp && !p.Learner })
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, t := range pl.Target {
		if i == mine && !c.rests() {
			return // those that are preferred to this one are not ready
		}
		if t.ID != st.Replica && ready[t.ID] && !c.resting[t.Node] {
			if !c.rests() && !c.hands.take(now) {
				return
			}
			s.handed = now
			c.steps[st.Group] = s
			w.transfer(st.Group, t.ID)
			return
		}
	}
}

// transfer hands a group to another replica.
func (w *worker) transfer(group uint32, to uint64) {
	if group > 0 {
		w.n.partitions[group-1].handing.Store(w.nowMs() + electionTicks*tickMs)
	}
	w.host.Transfer(group, to)
}

// rests reports whether the node wants no leadership: it is about to stop, or its disk
// does not answer or is full.
func (c *cluster) rests() bool { return c.stopping.Load() || c.stalled.Load() || c.full.Load() }

// stallPatience is how long records may wait for the disk until the node gives up its
// leaderships. A leader whose disk hangs would go on giving signs of life, and its groups
// would stand still.
const stallPatience = 2 * time.Second

// watchDisk notices that the disk hangs, and that it does not any more. On the worker.
func (w *worker) watchDisk() {
	c := w.n.cluster
	stalled := len(w.unsynced) > 0 && time.Since(w.unsynced[0].since) > stallPatience
	if stalled == c.stalled.Load() {
		return
	}
	if stalled {
		w.n.logger.Error("the disk does not answer: other nodes are to lead", "after", stallPatience)
	} else {
		w.n.logger.Info("the disk answers again")
	}
	c.stalled.Store(stalled)
	w.mindNow.Store(true)
	w.n.tellLeaders()
}

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
					s := n.cluster.steps[uint32(g.Group)]
					s.reported = 0
					n.cluster.steps[uint32(g.Group)] = s
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
	if err := w.record(rec, replica.StateRecord(rec.Group, hard)); err != nil {
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

// leave drops a replica that its group has removed. What says so is the meta state:
// the group itself may never tell. The state must be one of after this start: an older
// one may not know yet that the replica is wanted.
func (w *worker) leave(st *replica.Status, pl *meta.Placement) {
	mine := func(r meta.Replica) bool { return r.Node == w.n.cluster.self && r.ID == st.Replica }
	if slices.ContainsFunc(pl.Target, mine) || slices.ContainsFunc(pl.Actual, mine) || st.Installing {
		return
	}
	n := w.n
	err := w.record(replica.GoneRecord(st.Group, st.Replica))
	if errors.Is(err, wal.ErrNoSpace) {
		return // later
	}
	p := n.partitions[st.Group-1]
	n.logger.Info("a replica is no longer needed here and is dropped", "partition", p.Number, "replica", st.Replica)
	n.cluster.transfers.dropped.Add(1)
	p.readable.Store(false)
	p.installs.Add(1) // reads under way must not show what is about to be dropped
	p.leads.Store(false)
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

// dropReplica gives back what a removed replica held, once it is on disk that it is
// gone.
func (n *Node) dropReplica(p *Partition) {
	defer n.wg.Done()
	if err := n.log.Sync(n.cluster.ctx); err != nil {
		return // the start after this one finishes it
	}
	if err := n.dropPartition(p); err != nil {
		n.logger.Error("cannot drop a replica's data", "partition", p.Number, "err", err)
		return
	}
	p.mode.Store(modeAbsent)
	n.worker.poke()
}
