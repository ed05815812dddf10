package node

import (
	"sync/atomic"

	"github.com/prakashpandey/vegadb/internal/meta"
	"github.com/prakashpandey/vegadb/internal/ring"
	"github.com/prakashpandey/vegadb/internal/transport"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// ClusterStats are what a node knows of its cluster and does for it. All of it is at
// hand: nobody is asked, and nothing waits.
type ClusterStats struct {
	Member    bool   // this node belongs to the cluster
	Clustered bool   // and has, or has had, company
	Detached  string // see Node.Detached
	Contact   int64  // unix ms at which the leader of the meta group was last heard; 0: not since the start

	Epoch      uint64
	Replicas   int // wanted of each partition
	Paused     bool
	MetaLeader ring.NodeID
	MetaTerm   uint64
	Members    []MemberStats
	Moves      []MoveStats

	Damaged int // replicas here that damage has put out of action

	// Partitions by what this node knows of them.
	Leaderless int // nobody is known to lead
	Degraded   int // fewer replicas on nodes that are up than are wanted
	Endangered int // no more than half of the voters on nodes that are up

	Worker    WorkerStats
	HeldBytes int64 // of entries in memory, those not yet taken by Raft included
	Busy      uint64
	Sessions  int
	Reads     ReadStats
	Snapshots TransferStats
	Transport transport.Stats
}

// MemberStats is a member as this node knows it.
type MemberStats struct {
	ID                        ring.NodeID
	Addr, PeerAddr, AdminAddr string
	Zone, Version             string
	State                     string // wire.NodeActive …
	Meta                      string // its role in the meta group
	Leads, Replicas           int    // partitions, the latter as last reported
	LastHeard                 int64  // unix ms; 0: never, or this node itself
}

// MoveStats is a partition on its way.
type MoveStats struct {
	Partition int
	From, To  ring.NodeID // zero: nobody
	Step      meta.Step
	// Of the snapshot that this node sends for it; 0 when it sends none.
	SentBytes, TotalBytes int64
}

// ReadStats count reads that have asked for leave: those on a lone node do not.
type ReadStats struct {
	ByLevel   [wire.Local + 1]uint64 // by what was asked for
	LeaseHits uint64                 // under level Lease, without a round
	Waited    uint64                 // for a round or for an entry to arrive
	Withdrawn uint64                 // the leave had ended before the value could be shown
}

// readCounters are a partition's share of ReadStats.
type readCounters struct {
	_                          [64]byte // what is written often stays away from what is read often
	byLevel                    [wire.Local + 1]atomic.Uint64
	leaseHits, waited, revoked atomic.Uint64
}

// TransferStats count the snapshots that nodes send each other.
type TransferStats struct {
	Sent, SendFailed, SentBytes             uint64
	Received, ReceiveFailed, ReceivedBytes  uint64
	Installed, Dropped                      uint64 // replicas brought up to date by one; replicas given up
	Replaced                                uint64 // of those given up, the damaged ones
	Sending                                 int    // at this moment
	SendingSentBytes, SendingRemainingBytes int64
}

// transferCounters see TransferStats.
type transferCounters struct {
	sent, sendFailed, sentBytes, received, receiveFailed, receivedBytes, installed, dropped, replaced atomic.Uint64
}

// ClusterStats gathers the figures; nil when the node was started without a peer
// address.
func (n *Node) ClusterStats() *ClusterStats {
	c := n.cluster
	if c == nil {
		return nil
	}
	s := &ClusterStats{
		Clustered: n.clustered.Load(), Detached: n.Detached(), Worker: n.worker.meter.get(),
		HeldBytes: n.worker.held.Load(), Busy: c.busy.Load(), Transport: c.transport.Stats(),
	}
	s.Contact = n.feel()
	s.Damaged = len(c.damagedGroups())
	s.MetaLeader, s.MetaTerm = c.leaders.get(0)
	n.addTransfers(&s.Snapshots)
	for _, p := range n.partitions {
		for level := range p.reads.byLevel {
			s.Reads.ByLevel[level] += p.reads.byLevel[level].Load()
		}
		s.Reads.LeaseHits += p.reads.leaseHits.Load()
		s.Reads.Waited += p.reads.waited.Load()
		s.Reads.Withdrawn += p.reads.revoked.Load()
		if n.ready.Load() {
			s.Sessions += p.sessions()
		}
	}
	if view := n.meta.view.Load(); view != nil {
		n.addView(s, view)
	}
	return s
}

// sessions is how many of its clients' sessions the partition's group remembers.
func (p *Partition) sessions() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.group.Sessions()
}

func (n *Node) addTransfers(s *TransferStats) {
	t := &n.cluster.transfers
	*s = TransferStats{
		Sent: t.sent.Load(), SendFailed: t.sendFailed.Load(), SentBytes: t.sentBytes.Load(),
		Received: t.received.Load(), ReceiveFailed: t.receiveFailed.Load(), ReceivedBytes: t.receivedBytes.Load(),
		Installed: t.installed.Load(), Dropped: t.dropped.Load(), Replaced: t.replaced.Load(),
	}
	n.cluster.sends.Range(func(_, v any) bool {
		if at := v.(*sent); !at.over.Load() {
			s.Sending++
			s.SendingSentBytes += at.bytes.Load()
			s.SendingRemainingBytes += max(0, at.total-at.bytes.Load())
		}
		return true
	})
}

// addView adds what the meta state says.
func (n *Node) addView(s *ClusterStats, view *meta.State) {
	c := n.cluster
	s.Member = view.Member(c.self) != nil && !c.contact.removed.Load()
	s.Epoch, s.Replicas, s.Paused = view.Epoch, view.Replicas, view.Paused
	at := make(map[ring.NodeID]int, len(view.Members))
	s.Members = make([]MemberStats, len(view.Members))
	for i := range view.Members {
		m := &view.Members[i]
		at[m.ID] = i
		s.Members[i] = MemberStats{
			ID: m.ID, Addr: m.Addr, PeerAddr: m.PeerAddr, AdminAddr: m.AdminAddr, Zone: m.Zone, Version: m.Version, LastHeard: n.lastHeardUnix(m.ID),
		}
	}
	for _, r := range view.Meta.Actual {
		if i, ok := at[r.Node]; ok {
			s.Members[i].Meta = r.Role.String()
		}
	}
	t, _ := n.Topology()
	for p := range view.Placements {
		for _, r := range view.Placements[p].Actual {
			if i, ok := at[r.Node]; ok {
				s.Members[i].Replicas++
			}
		}
		leader := t.Partitions[p].Leader
		if leader == wire.NoLeader {
			s.Leaderless++
		} else if i := int(leader); i < len(s.Members) { // of a lone node's topology the only one
			s.Members[i].Leads++
		}
	}
	for i := range view.Members {
		m := &view.Members[i]
		s.Members[i].State = memberState(m, s.Members[i].Replicas, m.ID == c.self || n.hears(m.ID, m.Boot))
	}
	n.addPlacements(s, view)
	for _, m := range meta.Moves(view) {
		move := MoveStats{Partition: m.Partition, From: m.From, To: m.To, Step: m.Step}
		if v, ok := c.sends.Load(groupID(m.Partition)); ok && m.Step == meta.Copying {
			if at := v.(*sent); at.to == m.To {
				move.SentBytes, move.TotalBytes = at.bytes.Load(), at.total
			}
		}
		s.Moves = append(s.Moves, move)
	}
}

// addPlacements counts the partitions that lack replicas on nodes that are up.
func (n *Node) addPlacements(s *ClusterStats, view *meta.State) {
	up := make(map[ring.NodeID]bool, len(s.Members))
	active := 0
	for i := range view.Members {
		m := &s.Members[i]
		up[m.ID] = m.State != wire.NodeDown && m.State != wire.NodeRemoved
		if view.Members[i].State == meta.Active {
			active++
		}
	}
	for p := range view.Placements {
		voters, alive := 0, 0
		for _, r := range view.Placements[p].Actual {
			if r.Role != meta.Voter {
				continue
			}
			voters++
			if up[r.Node] {
				alive++
			}
		}
		if alive < min(view.Replicas, max(active, 1)) {
			s.Degraded++
		}
		if 2*alive <= voters {
			s.Endangered++
		}
	}
}
