package sim

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/prakashpandey/vegadb/internal/meta"
	"github.com/prakashpandey/vegadb/internal/mover"
	"github.com/prakashpandey/vegadb/internal/replica"
	"github.com/prakashpandey/vegadb/internal/ring"
	"github.com/prakashpandey/vegadb/internal/snapshot"
	"github.com/prakashpandey/vegadb/internal/wal"
)

// What package node's cluster, membership, leaders and mover do, in steps.

// membership is what a process knows of its cluster beside the meta state.
type membership struct {
	mover   *mover.Mover
	heard   map[ring.NodeID]sign
	leaders map[uint32]leadership
	gone    map[uint32]uint64 // by group, the highest id of a replica that was dropped here
	drops   map[uint32]bool   // groups whose replica is being dropped
	waiting map[meta.RequestID]func(meta.Result, bool)
	resting map[ring.NodeID]bool // peers that want no leadership
	full    map[ring.NodeID]bool // peers whose disks are full

	minded  int64 // ms, when the mover looked last
	mindNow bool
	current bool // the meta state here is not older than this start

	planning   bool  // the last plan is being carried out
	since      int64 // ms, when this node began to lead the meta group; -1: it does not
	controls   bool  // a look of the controller is due
	announcing bool
	shunned    int // rounds to pass without a word, after having heard to be no member
}

// sign is the last sign of life of one run of a node.
type sign struct {
	boot uint64
	at   int64 // ms
}

type leadership struct {
	term uint64
	node int
}

const (
	mindApartMs        = 5
	controlEveryMs     = 250
	controlApartMs     = 10
	firstImpressionsMs = 5000
	silentMs           = 3000
	callPatienceMs     = 5000
	roundMs            = 200
	shunnedRounds      = 300
)

func newMembership(n *node) *membership {
	return &membership{
		mover: mover.New(n.s.cfg.Partitions), heard: make(map[ring.NodeID]sign), leaders: make(map[uint32]leadership),
		gone: make(map[uint32]uint64), drops: make(map[uint32]bool), waiting: make(map[meta.RequestID]func(meta.Result, bool)),
		resting: make(map[ring.NodeID]bool), full: make(map[ring.NodeID]bool),
		minded: -1000, since: -1,
	}
}

// away: nobody waits for the node to come back.
func (n *node) away() bool { return n.lost || n.unborn || n.gone }

// known are the nodes that clients have heard of.
func (s *Sim) known() (list []*node) {
	for _, n := range s.nodes {
		if !n.unborn && !n.gone {
			list = append(list, n)
		}
	}
	return list
}

// view is the meta state as the process knows it; nil before it has heard of any.
func (n *node) view() *meta.State {
	if n.meta == nil {
		return nil
	}
	return n.meta.meta
}

// beginMembership begins what goes on as long as the process lives.
func (n *node) beginMembership() {
	if n.m == nil {
		return
	}
	n.later(roundMs*milli, func() { n.round(1) })
	n.later(controlEveryMs*milli, n.controlEvery)
	n.join()
}

// describe is what the node says about itself.
func (n *node) describe() meta.Describe {
	host := fmt.Sprintf("10.0.%d.%d", n.moves, n.home)
	d := meta.Describe{
		ID: n.id, Addr: host + ":8343", PeerAddr: host + ":8344", Capacity: 1, Version: "1", Boot: uint64(max(n.lives, 1)),
	}
	if n.s.cfg.Features.Zones {
		d.Zone, d.Capacity = fmt.Sprintf("zone-%d", n.index%zoneCount), uint32(1+n.index%4)
	}
	return d
}

// zoneCount is how many there are in worlds with zones.
const zoneCount = 3

// hear takes note of a sign of life. It reports false when the sender is to be turned away.
func (n *node) hear(from ring.NodeID, boot uint64) bool {
	if n.m == nil {
		return true
	}
	if view := n.view(); view != nil && view.Tombstoned(from) {
		return false
	}
	if boot >= n.m.heard[from].boot { // a connection ends with the run that it is of
		n.m.heard[from] = sign{boot, n.nowMs()}
	}
	return true
}

// hears reports whether that run of a node has been heard of within a few seconds.
func (n *node) hears(id ring.NodeID, boot uint64) bool {
	s, ok := n.m.heard[id]
	return ok && s.boot == boot && n.nowMs()-s.at < silentMs
}

// noteLeader takes note of who leads a group, as its replica here knows.
func (n *node) noteLeader(st *replica.Status) {
	defer n.host.Redirect(st.Group)
	if n.m == nil {
		n.leaders[st.Group] = nodeIndex(st.LeaderNode)
		return
	}
	n.m.mindNow = true
	n.poke()
	switch {
	case st.Leads:
		n.setLeader(st.Group, leadership{st.Term, n.index})
		n.tellLeaders()
	case st.Leader != 0 && !st.LeaderNode.IsZero():
		n.setLeader(st.Group, leadership{st.Term, nodeIndex(st.LeaderNode)})
	default:
		n.setLeader(st.Group, leadership{st.Term, 0})
	}
}

func (n *node) setLeader(group uint32, l leadership) {
	if l.term < n.m.leaders[group].term {
		return
	}
	n.m.leaders[group] = l
	n.leaders[group] = l.node
}

// tellLeaders tells every other member what this node leads.
func (n *node) tellLeaders() {
	view := n.view()
	if view == nil {
		return
	}
	type led struct {
		group uint32
		term  uint64
	}
	var list []led
	n.host.Groups(func(group uint32) {
		if st, ok := n.host.Status(group); ok && st.Leads {
			list = append(list, led{group, st.Term})
		}
	})
	boot, rests, full := uint64(n.lives), n.rests(), n.full
	for i := range view.Members {
		if view.Members[i].ID == n.id {
			continue
		}
		peer := n.s.nodes[nodeIndex(view.Members[i].ID)-1]
		n.s.net.send("send", n.index, peer.index, 12*len(list), func() {
			if peer.proc == nil || !peer.hear(n.id, boot) {
				return
			}
			peer.m.resting[n.id] = rests
			if delete(peer.m.full, n.id); full {
				peer.m.full[n.id] = true
			}
			for _, l := range list {
				peer.setLeader(l.group, leadership{l.term, n.index})
			}
		})
	}
}

// round tells the others that the node is there and whom it leads, and the cluster where it is.
func (n *node) round(number int) {
	n.later(roundMs*milli, func() { n.round(number + 1) })
	m := n.m
	if number%5 == 0 {
		n.do(n.tellLeaders)
		if !m.current {
			n.do(func() { n.host.Read(0, currency{n}, false) })
		}
	}
	if m.shunned > 0 {
		m.shunned--
		return
	}
	view, d := n.view(), n.describe()
	if view == nil || m.announcing {
		return
	}
	if self := view.Member(n.id); self != nil && self.Boot == d.Boot {
		return
	}
	m.announcing = true
	n.proposeMeta(&meta.UpdateMember{Node: d}, 2000, func(r meta.Result, ok bool) {
		m.announcing = false
		if ok && (r.Code == meta.RemovedNode || r.Code == meta.UnknownNode) {
			m.shunned = shunnedRounds
		}
	})
}

// currency is the ReadWaiter that learns that the meta state is current.
type currency struct{ n *node }

func (w currency) Done()        { w.n.m.current = true }
func (w currency) Failed(error) {}

// metaChanged is called when the meta state here has changed.
func (n *node) metaChanged() {
	if n.m == nil {
		return
	}
	n.m.mindNow = true
	if n.host == nil {
		return
	}
	n.poke()
	n.controlSoon()
}

// join asks a member, again and again, to be made one, until the cluster's state is here.
func (n *node) join() {
	if n.view() != nil {
		return
	}
	n.later((1000+int64(n.s.lifeRand.IntN(1000)))*milli, n.join)
	var running []*node
	for _, o := range n.s.nodes {
		if o != n && o.proc != nil {
			running = append(running, o)
		}
	}
	if len(running) == 0 {
		return
	}
	peer, life, d := running[n.s.lifeRand.IntN(len(running))], n.lives, n.describe()
	n.s.net.send("send", n.index, peer.index, 200, func() {
		if peer.proc == nil || !peer.hear(n.id, d.Boot) || peer.view() == nil {
			return
		}
		peer.later(0, func() {
			peer.answerJoin(&d, func(id uint64) {
				n.s.net.send("send", peer.index, n.index, 200, func() {
					if n.proc != nil && n.lives == life {
						n.later(0, func() { n.taken(id) })
					}
				})
			})
		})
	})
}

// answerJoin makes a node a member and tells it the id of its replica of the meta group.
func (n *node) answerJoin(d *meta.Describe, answer func(id uint64)) {
	if m := n.view().Member(d.ID); m != nil && m.Boot != d.Boot && n.hears(m.ID, m.Boot) {
		return
	}
	for g := range uint64(n.s.cfg.Partitions + 1) {
		for _, r := range n.view().Group(g).Actual {
			if r.Node == d.ID && r.Role == meta.Voter {
				return // it has asked before, and this question comes late
			}
		}
	}
	n.proposeMeta(&meta.Join{Cluster: ring.NodeID(n.s.cluster), Partitions: n.s.cfg.Partitions, Node: *d}, callPatienceMs, func(r meta.Result, ok bool) {
		if !ok || r.Code != meta.OK {
			return
		}
		for _, r := range n.view().Meta.Target {
			if r.Node == d.ID {
				answer(r.ID)
			}
		}
	})
}

// taken begins the replica of the meta group of a node that has become a member.
func (n *node) taken(id uint64) {
	n.do(func() {
		if _, here := n.host.Has(0); here {
			return
		}
		if err := n.addGroup(n.meta, replica.HardState{Replica: id}, nil, false); err != nil {
			panic(processEnd{err})
		}
	})
}

// welcome makes an empty replica for a group that writes to this node for the first time, if the node is to have one.
func (n *node) welcome(m *replica.Message) {
	if n.m == nil || m.Round != nil || m.Group == 0 || n.view() == nil || n.m.drops[m.Group] {
		return
	}
	if _, here := n.host.Has(m.Group); here || m.Raft.GetType() == raftpb.MsgVote || m.Raft.GetType() == raftpb.MsgPreVote {
		return
	}
	if pl := n.view().Group(uint64(m.Group)); pl == nil || !mover.Welcome(pl, n.id, m.Raft.GetTo(), n.m.gone[m.Group]) {
		return
	}
	if err := n.addGroup(n.part(m.Group), replica.HardState{Replica: m.Raft.GetTo()}, nil, false); err != nil {
		panic(processEnd{err})
	}
}

// drive takes the groups that this node leads a step further, and drops replicas that are not wanted any more.
func (n *node) drive() {
	if n.m == nil || n.view() == nil {
		return
	}
	m, nowMs := n.m, n.nowMs()
	if passed := nowMs - m.minded; passed < mover.Every.Milliseconds() && (passed < mindApartMs || !m.mindNow) {
		return
	}
	m.mindNow, m.minded = false, nowMs
	now := time.UnixMilli(nowMs)
	others := &mover.View{
		Progress: n.host.Progress, Rests: n.rests(), Resting: func(id ring.NodeID) bool { return m.resting[id] },
		Heard: func(id ring.NodeID) bool {
			s, ok := m.heard[id]
			return ok && nowMs-s.at < silentMs
		},
	}
	var reports []meta.GroupReport
	for _, p := range n.all() {
		pl := n.view().Group(uint64(p.id))
		st, here := n.host.Status(p.id)
		switch {
		case !here:
		case st.Leads:
			a := m.mover.Drive(&st, pl, others, now)
			if a.Change != nil {
				n.s.tell(Event{Kind: "move", Node: n.index, Group: p.id, A: a.Change.Revision, Text: fmt.Sprintf("%+v", *a.Change)})
				_ = n.host.Reconfigure(p.id, *a.Change)
			}
			if a.Transfer != 0 {
				n.transfer(p.id, a.Transfer)
			}
			if a.Report != nil {
				reports = append(reports, *a.Report)
			}
		case p.id > 0 && m.current && mover.Unwanted(&st, pl, n.id):
			n.leave(p, &st)
		}
	}
	if len(reports) > 0 {
		n.proposeMeta(&meta.Report{Groups: reports}, callPatienceMs, func(_ meta.Result, ok bool) {
			for _, g := range reports {
				if !ok {
					m.mover.NotReported(uint32(g.Group))
				}
			}
		})
	}
}

// leave drops a replica that its group has removed.
func (n *node) leave(p *partition, st *replica.Status) {
	err := n.driver.Record(replica.GoneRecord(p.id, st.Replica))
	if errors.Is(err, wal.ErrNoSpace) {
		return // later
	}
	if err != nil {
		panic(processEnd{err})
	}
	n.s.tell(Event{Kind: "move", Node: n.index, Group: p.id, A: st.Replica, Text: "drops its replica"})
	n.writeLog()
	p.view.Dropped()
	n.host.Remove(p.id)
	n.m.gone[p.id] = max(n.m.gone[p.id], st.Replica)
	n.m.drops[p.id] = true
	n.later(int64(n.s.lifeRand.IntN(int(100*milli))), func() { n.dropReplica(p) })
}

// dropReplica gives back what a removed replica held, once it is on disk that it is gone.
func (n *node) dropReplica(p *partition) {
	if n.waits || n.disk.stall > n.s.now || p.snapshotting || n.shortening {
		n.later(100*milli, func() { n.dropReplica(p) })
		return
	}
	if err := n.log.Sync(context.Background()); err != nil {
		panic(processEnd{err})
	}
	if err := n.wipe(p); err != nil {
		n.excuse("drop a replica", err)
		n.later(1000*milli, func() { n.dropReplica(p) })
		return
	}
	delete(n.m.drops, p.id)
}

// wipe empties a replica and removes all there is of it on disk.
func (n *node) wipe(p *partition) error {
	p.void()
	if err := snapshot.Drop(n.disk.fs(), n.dir.SnapshotDir(), p.id); err != nil {
		return err
	}
	if err := n.dir.DropFloor(p.id); err != nil {
		return err
	}
	n.log.Forget(p.id)
	return nil
}

// absent deals, at the start, with a group of which the node has no replica.
func (n *node) absent(p *partition) error {
	if p.id == 0 {
		return nil // join will make it
	}
	return n.wipe(p)
}

// receiveOptions: the first hard state of a replica is durable before a snapshot of it is published.
func (n *node) receiveOptions() (o snapshot.ReceiveOptions) {
	if n.m != nil {
		o.BeforePublish = func(ctx context.Context, _ snapshot.Info) error { return n.log.Sync(ctx) }
	}
	return o
}
