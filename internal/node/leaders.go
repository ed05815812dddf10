package node

import (
	"encoding/binary"
	"slices"
	"sync"
	"time"

	"github.com/prakashpandey/vegadb/internal/meta"
	"github.com/prakashpandey/vegadb/internal/ring"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// leaders is who leads which group, as far as this node has heard: nodes tell each
// other what they lead, and the highest term wins. It is soft state: a wrong entry
// costs a redirect.
type leaders struct {
	mu   sync.RWMutex
	by   []leadership // by group. Guarded by mu
	told time.Time    // when this node last told the others; the worker's own
}

type leadership struct {
	term uint64
	node ring.NodeID // zero: nobody
}

func (l *leaders) init(groups int) { l.by = make([]leadership, groups) }

// set notes that node leads group in term, and reports whether that is news.
func (l *leaders) set(group uint32, term uint64, node ring.NodeID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if int(group) >= len(l.by) {
		return false
	}
	at := &l.by[group]
	if term < at.term || *at == (leadership{term, node}) {
		return false
	}
	*at = leadership{term, node}
	return true
}

// clear notes that whoever led group up to term does not any more.
func (l *leaders) clear(group uint32, term uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := &l.by[group]
	if term < at.term || at.node.IsZero() {
		return false
	}
	*at = leadership{at.term, ring.NodeID{}}
	return true
}

func (l *leaders) get(group uint32) (ring.NodeID, uint64) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.by[group].node, l.by[group].term
}

// A frame of leaders: flags u8 (1: the sender wants no leadership; 2: its disk is full), the sender's peer
// address (length u8, bytes), then for each group that it leads: group u32, term u64.
const (
	leadersResting = 1
	leadersFull    = 2
	leaderBytes    = 12
)

// tellLeaders tells every other member what this node leads. On the worker.
func (n *Node) tellLeaders() {
	c := n.cluster
	view := n.meta.view.Load()
	if view == nil {
		return
	}
	c.leaders.told = time.Now()
	frame := []byte{kindLeaders, 0}
	if c.rests() {
		frame[1] = leadersResting
	}
	if c.full.Load() {
		frame[1] |= leadersFull
	}
	addr := c.o.AdvertisePeer[:min(len(c.o.AdvertisePeer), 255)]
	frame = append(append(frame, byte(len(addr))), addr...)
	n.worker.host.Groups(func(group uint32) {
		if st, ok := n.worker.host.Status(group); ok && st.Leads {
			frame = binary.LittleEndian.AppendUint32(frame, group)
			frame = binary.LittleEndian.AppendUint64(frame, st.Term)
		}
	})
	for i := range view.Members {
		if id := view.Members[i].ID; id != c.self {
			c.transport.Send(id, frame)
		}
	}
}

// hearLeaders takes a frame of leaders.
func (n *Node) hearLeaders(from ring.NodeID, b []byte) {
	c := n.cluster
	if len(b) < 2 || len(b) < 2+int(b[1]) || (len(b)-2-int(b[1]))%leaderBytes != 0 {
		return
	}
	groups := 2 + int(b[1]) // where they begin
	if s, ok := c.heard.Load(from); ok {
		if addr := string(b[2:groups]); s.(*sign).addr.Load() == nil || *s.(*sign).addr.Load() != addr {
			s.(*sign).addr.Store(&addr)
		}
	}
	c.mu.Lock()
	resting := b[0]&leadersResting != 0
	if c.resting[from] != resting {
		if resting {
			c.resting[from] = true
		} else {
			delete(c.resting, from)
		}
	}
	c.mu.Unlock()
	c.noteFullPeer(from, b[0]&leadersFull != 0)
	changed := false
	for b = b[groups:]; len(b) > 0; b = b[leaderBytes:] {
		group, term := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint64(b[4:])
		changed = c.leaders.set(group, term, from) || changed
	}
	if changed {
		n.topologyChanged()
	}
}

// topologyChanged has the topology made anew when it is asked for next, and tells
// who wants to know.
func (n *Node) topologyChanged() {
	n.topologyNumber.Add(1)
	if c := n.cluster; c != nil {
		for _, f := range c.listeners {
			f()
		}
	}
}

// OnTopology has f called, on a goroutine of the node's, after each change that
// Topology's number counts. f must not block. To be called before Load.
func (n *Node) OnTopology(f func()) {
	if n.cluster != nil {
		n.cluster.listeners = append(n.cluster.listeners, f)
	}
}

// topologyCache is the topology as it was last asked for.
type topologyCache struct {
	mu     sync.Mutex
	number uint64         // guarded by mu
	t      *wire.Topology // guarded by mu
}

// Topology returns the topology as this node knows it, and a number that grows
// with every change of it, changes of leaders included. Not to be changed. Addresses
// of a lone node's topology are empty: it is where the client has found it.
func (n *Node) Topology() (*wire.Topology, uint64) {
	number := n.topologyNumber.Load()
	n.topology.mu.Lock()
	defer n.topology.mu.Unlock()
	if n.topology.t == nil || n.topology.number != number {
		n.topology.t, n.topology.number = n.makeTopology(), number
	}
	return n.topology.t, n.topology.number
}

// nodeState is a member's state as clients are told.
func nodeState(m *meta.Member) wire.NodeState {
	switch {
	case !m.Up():
		return wire.StateDown
	case m.State != meta.Active:
		return wire.StateDraining
	}
	return wire.StateActive
}

func (n *Node) makeTopology() *wire.Topology {
	view := n.meta.view.Load()
	if n.cluster == nil || view == nil || !n.clustered.Load() {
		return n.loneTopology()
	}
	t := &wire.Topology{Epoch: view.Epoch, ClusterID: n.clusterID, Partitions: make([]wire.TopologyPartition, len(n.partitions))}
	at := make(map[ring.NodeID]uint16, len(view.Members))
	for i := range view.Members {
		m := &view.Members[i]
		at[m.ID] = uint16(len(t.Nodes))
		t.Nodes = append(t.Nodes, wire.TopologyNode{ID: m.ID.String(), Address: m.Addr, Zone: m.Zone, State: nodeState(m)})
	}
	for p := range t.Partitions {
		group := uint32(p + 1)
		part := &t.Partitions[p]
		part.Leader = wire.NoLeader
		if leader, term := n.cluster.leaders.get(group); !leader.IsZero() {
			if i, ok := at[leader]; ok {
				part.Leader, part.Term = i, term
			}
		} else if n.partitions[p].mode.Load() <= modeConverting {
			part.Leader = at[n.cluster.self]
		}
		pl := view.Group(uint64(group))
		for _, r := range pl.Actual {
			if i, ok := at[r.Node]; ok && !slices.Contains(part.Replicas, i) {
				part.Replicas = append(part.Replicas, i)
			}
		}
	}
	return t
}

func (n *Node) loneTopology() *wire.Topology {
	t := &wire.Topology{
		Epoch: 1, ClusterID: n.clusterID,
		Nodes:      []wire.TopologyNode{{ID: n.nodeID}},
		Partitions: make([]wire.TopologyPartition, len(n.partitions)),
	}
	if view := n.meta.view.Load(); view != nil {
		t.Epoch = view.Epoch
	}
	for p := range t.Partitions {
		t.Partitions[p].Replicas = []uint16{0}
	}
	return t
}

// Settled reports whether, as this node knows it, every partition has the replicas
// that it should have, as many as are wanted and there are nodes for, and a leader.
func (n *Node) Settled() bool {
	if n.cluster == nil {
		return true
	}
	view := n.meta.view.Load()
	if view == nil || !n.Ready() {
		return false
	}
	d := n.cluster.describe()
	if m := view.Member(d.ID); m == nil || !sameMember(m, &d) {
		return false // the others may not know yet where this node is
	}
	active := 0
	for i := range view.Members {
		if view.Members[i].State == meta.Active {
			active++
		}
	}
	t, _ := n.Topology()
	for i := range view.Placements {
		pl := &view.Placements[i]
		if !pl.Settled() || len(pl.Actual) != min(view.Replicas, max(active, 1)) || t.Partitions[i].Leader == wire.NoLeader {
			return false
		}
	}
	return true
}
