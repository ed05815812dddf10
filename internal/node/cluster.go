package node

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/prakashpandey/vegadb/internal/driver"
	"github.com/prakashpandey/vegadb/internal/meta"
	"github.com/prakashpandey/vegadb/internal/mover"
	"github.com/prakashpandey/vegadb/internal/recovery"
	"github.com/prakashpandey/vegadb/internal/replica"
	"github.com/prakashpandey/vegadb/internal/ring"
	"github.com/prakashpandey/vegadb/internal/transport"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// ClusterOptions let a node have peers. A node with them is a cluster of one until
// others join it.
type ClusterOptions struct {
	PeerAddr      string   // to listen on for other nodes, host:port
	AdvertisePeer string   // where other nodes reach it; default: where it listens
	Join          []string // peer addresses of members; used by a node that belongs to no cluster yet
	Zone          string   // what fails together
	Capacity      uint32   // relative to other nodes; 0 counts as 1
	Replicas      int      // wanted of each partition, when this node creates the cluster
	Version       string   // of the program
	TLS           *tls.Config
	Users         *UserHooks // nil: users are no business of the cluster's
}

// UserHooks connect the users that the cluster keeps with who knows what users are.
type UserHooks struct {
	// Check reads a document of users.
	Check func(document string) ([]wire.AdminUser, error)
	// Changed is called with the cluster's document when it has changed. It must not block.
	Changed func(document string)
}

// cluster is what a node has to do with its peers.
type cluster struct {
	o         ClusterOptions
	transport *transport.Transport
	boot      uint64
	began     time.Time // see steadyMs
	self      ring.NodeID
	// peers are addresses known from elsewhere than the meta state, by node.
	peers sync.Map
	// hints are addresses at which silent peers are looked for: see seek.go.
	hints  sync.Map
	sought time.Time // when the seeds were last asked; runMembership's
	// Addresses of this node, as others are told. Set before Load.
	addr, adminAddr string

	leaders  leaders
	users    atomic.Value // string: the document of users that Changed was told last
	heard    sync.Map     // ring.NodeID → unix ms of the last frame
	stopping atomic.Bool
	stalled  atomic.Bool // the disk does not answer; the worker's to set
	current  atomic.Bool // the meta state here is not older than this start

	// See space.go, and that of package driver.
	full      atomic.Bool   // this node's disk is full; the worker's to set
	anyFull   atomic.Bool   // full, or any of fullPeers
	fullSince atomic.Int64  // on the worker's clock
	noSpace   atomic.Uint64 // writes refused because of full disks

	contact   contact
	busy      atomic.Uint64 // writes refused because too much waits
	transfers transferCounters

	mu      sync.Mutex
	resting map[ring.NodeID]bool // peers that want no leadership, see rests. Guarded by mu
	// fullPeers are those that say that their disks are full. Guarded by mu
	fullPeers map[ring.NodeID]bool
	damaged   map[uint32]*apartReplica // by group, replicas here that were set apart. Guarded by mu
	// damagedPeers are replicas whose nodes say that they are, by node and group. Guarded by mu
	damagedPeers map[ring.NodeID]map[uint32]damagedPeer
	gone         map[uint32]uint64 // by group, the highest id of a replica that was removed here. Guarded by mu

	sends     sync.Map // by group: *sent
	pace      pace
	sending   chan struct{} // slots for snapshots on their way out
	listeners []func()
	control   chan struct{}   // wakes the controller
	ctx       context.Context // ends with Close
	cancel    context.CancelFunc
	mover     *mover.Mover // the worker's own
	// arrived are snapshots that a group has accepted and that are about to be installed. The
	// worker's own.
	arrived map[uint32]arrival
}

// sign is the last sign of life of one run of a node.
type sign struct {
	boot uint64
	at   atomic.Int64           // ms, as steadyMs counts
	addr atomic.Pointer[string] // its peer address, as it says itself; nil: not heard yet
}

// Kinds of frames between nodes: the first byte.
var frameMessages = []byte{1}

const (
	kindMessages = 1
	kindLeaders  = 2
	kindDamaged  = 3
)

// Kinds of calls between nodes.
const (
	callInfo     = 1 // of a stranger: what cluster is this?
	callJoin     = 2
	callAnnounce = 3 // a member says its addresses
	callStatus   = 4
	callTransfer = 5
	callHold     = 6
)

// maxSending bounds the snapshots that a node sends at a time.
const maxSending = 2

// openCluster listens for peers.
func (n *Node) openCluster() error {
	o := n.opts.Cluster
	if o == nil {
		return nil
	}
	var boot [8]byte
	if _, err := io.ReadFull(n.opts.Rand, boot[:]); err != nil {
		return fmt.Errorf("draw a number for this start: %w", err)
	}
	c := &cluster{
		began: time.Now(),
		o:     *o, boot: binary.LittleEndian.Uint64(boot[:]) | 1, self: ring.NodeID(n.dir.Node),
		resting: make(map[ring.NodeID]bool), fullPeers: make(map[ring.NodeID]bool), arrived: make(map[uint32]arrival), gone: make(map[uint32]uint64),
		damaged: make(map[uint32]*apartReplica), damagedPeers: make(map[ring.NodeID]map[uint32]damagedPeer),
		sending: make(chan struct{}, maxSending), control: make(chan struct{}, 1),
		mover: mover.New(len(n.partitions)),
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.leaders.init(len(n.partitions) + 1)
	n.cluster = c
	n.workerDone = make(chan struct{})
	n.worker = newWorker(n, c.boot>>8)
	t, err := transport.New(transport.Options{
		Cluster: ring.NodeID(n.dir.Cluster), Node: c.self, Boot: c.boot, Listen: o.PeerAddr, TLS: o.TLS,
		Resolve: n.resolve, Handler: (*peerHandler)(n), Admit: n.admitPeer, Refused: n.refusedByPeer, Lost: n.framesLost,
		Limits: transport.Limits{FrameBytes: int(max(n.opts.MaxRecordBytes, 16<<20)) + driver.SendBytes + 1<<20},
		Logger: n.logger,
	})
	if err != nil {
		c.cancel()
		return err
	}
	c.transport = t
	if c.o.AdvertisePeer == "" {
		host, _, err := net.SplitHostPort(t.Addr())
		if ip := net.ParseIP(host); err == nil && ip != nil && ip.IsUnspecified() {
			t.Close()
			return fmt.Errorf("peer address %s is every address of this machine: say with --advertise-peer-addr which one others reach it by", t.Addr())
		}
		c.o.AdvertisePeer = t.Addr()
	}
	return nil
}

// Advertise says where clients and people reach the node. To be called before Load.
func (n *Node) Advertise(addr, adminAddr string) {
	if n.cluster != nil {
		n.cluster.addr, n.cluster.adminAddr = addr, adminAddr
	}
}

// PeerAddr is where other nodes reach this one, "" without peers.
func (n *Node) PeerAddr() string {
	if n.cluster == nil {
		return ""
	}
	return n.cluster.o.AdvertisePeer
}

// describe is what the node says about itself.
func (c *cluster) describe() meta.Describe {
	return meta.Describe{
		ID: c.self, Addr: c.addr, PeerAddr: c.o.AdvertisePeer, AdminAddr: c.adminAddr, Zone: c.o.Zone,
		Capacity: max(c.o.Capacity, 1), Version: c.o.Version, Boot: c.boot,
	}
}

// resolve tells where a node listens for peers.
func (n *Node) resolve(node ring.NodeID) (string, bool) {
	if view := n.meta.view.Load(); view != nil {
		if m := view.Member(node); m != nil {
			// A run that the meta state does not know yet says itself where it is: should too
			// many nodes have moved, the state could never be told. But one that has fallen silent
			// may also be the run before that which the state knows: both addresses get their turn.
			if s, ok := n.cluster.heard.Load(node); ok && s.(*sign).boot != m.Boot {
				now := n.cluster.steadyMs()
				if addr := s.(*sign).addr.Load(); addr != nil && (now-s.(*sign).at.Load() < silentMs || now/1000%2 == 0) {
					return *addr, true
				}
			}
			if addr, ok := n.hint(node); ok {
				return addr, true
			}
			return m.PeerAddr, true
		}
	}
	if addr, ok := n.cluster.peers.Load(node); ok {
		return addr.(string), true
	}
	return "", false
}

// admitPeer turns removed members away.
func (n *Node) admitPeer(node ring.NodeID, _ uint64) error {
	if view := n.meta.view.Load(); view != nil && view.Tombstoned(node) {
		return fmt.Errorf("the node %v was removed from the cluster: it can come back with a new data directory and --join", node)
	}
	return nil
}

// framesLost has the leaders here find out what a node has, in place of going on from what
// was sent to it.
func (n *Node) framesLost(node ring.NodeID) {
	n.worker.do(func() { n.worker.host.Unreachable(node) })
}

func (n *Node) refusedByPeer(err *transport.RefusedError) {
	c := n.cluster
	c.noteRemoved(err)
	level := slog.LevelWarn
	// Its own address is what a node finds that has taken the place of one that died. The
	// rest comes again with every attempt.
	if err.Code == transport.OwnAddress || !c.contact.news(err.Addr, err.Text, time.Now()) {
		level = slog.LevelDebug
	}
	n.logger.Log(c.ctx, level, "a peer refuses this node", "err", err)
}

// setUpGroups brings the groups to life after recovery, and starts the worker.
func (n *Node) setUpGroups(ctx context.Context) error {
	groups := n.recovered
	n.recovered = nil
	if n.cluster == nil {
		return n.refusePeers(groups)
	}
	what := &recovery.Node{
		ID: ring.NodeID(n.dir.Node), Joined: !n.dir.Joined.IsZero(), Clustered: n.dir.Clustered(), View: n.meta.view.Load(),
		Damaged:       func(group uint32) bool { return n.cluster.damagedHere(group) != nil },
		Configuration: func(group uint32) *replica.Configuration { return n.partitions[group-1].group.Configuration() },
	}
	if err := what.CheckWhole(groups); err != nil {
		return err
	}
	for _, g := range groups[1:] {
		if err := n.setUpPartition(g, what.FateOf(g)); err != nil {
			return err
		}
	}
	if err := n.setUpMeta(ctx, groups[0], what.Joined); err != nil {
		return err
	}
	n.meta.changed = n.metaChanged
	n.worker.begin()
	n.wg.Add(1)
	go n.runWorker()
	if n.meta.view.Load() == nil {
		if err := n.join(ctx); err != nil {
			return err
		}
	}
	n.wg.Add(2)
	go n.runMembership()
	go n.runController()
	return nil
}

// refusePeers makes sure that a node without a peer address has no groups that need
// others.
func (n *Node) refusePeers(groups []*recovery.Group) error {
	const why = "the data directory belongs to a cluster of several nodes: start it with --peer-addr"
	if n.dir.Clustered() {
		return errors.New(why)
	}
	for _, g := range groups[1:] {
		if _, ok := g.Raft(); ok || g.Gone() > 0 {
			return errors.New(why)
		}
	}
	return nil
}

// setUpPartition makes the recovered partition what it is.
func (n *Node) setUpPartition(g *recovery.Group, fate recovery.Fate) error {
	p := n.partitions[g.Group()-1]
	hard, _ := g.Raft()
	n.cluster.gone[g.Group()] = g.Gone()
	switch fate {
	case recovery.Damaged:
		p.mode.Store(modeAbsent)
		n.clustered.Store(true)
	case recovery.Peers:
		return n.addRaft(p, hard, g.Tail(), g.Apart())
	case recovery.Absent:
		if err := n.dropPartition(p); err != nil {
			return err
		}
		p.mode.Store(modeAbsent)
		n.clustered.Store(true) // others have it: this node's empty table says nothing
	}
	return nil
}

// addRaft makes p a replica of a group with peers. The worker does not run yet, or it
// is the worker that calls.
func (n *Node) addRaft(p *Partition, hard replica.HardState, tail []replica.Entry, apart bool) error {
	p.mu.Lock()
	st, conf, stamp := p.group.State(), p.group.Configuration(), p.group.Stamp()
	p.mu.Unlock()
	p.view.Begun(st.Index, len(conf.Voters))
	p.mode.Store(modeRaft)
	n.clustered.Store(true)
	return n.worker.host.Add(replica.RaftConfig{
		Group: p.group.ID(), Hard: hard, Conf: conf, Machine: &partitionMachine{n, p},
		Applied: st.Index, AppliedTerm: st.Term, Entries: tail, Apart: apart, Stamp: stamp, StampAt: entryStampAt,
		Campaign: slices.Equal(conf.Voters, []uint64{hard.Replica}) && len(conf.Outgoing) == 0,
	})
}

// entryStampAt is where package command has an entry's log time.
const entryStampAt = 8

// setUpMeta brings the meta group back, or begins it.
func (n *Node) setUpMeta(ctx context.Context, g *recovery.Group, joined bool) error {
	hard, raft := g.Raft()
	if !raft {
		if joined {
			return nil // join will make it
		}
		hard = replica.HardState{Replica: replica.FirstReplica}
		if n.meta.state == nil {
			if err := n.beginCluster(ctx); err != nil {
				return err
			}
		}
	}
	return n.addMeta(hard, g.Tail(), g.Apart())
}

// addMeta adds the meta group's replica to the host.
func (n *Node) addMeta(hard replica.HardState, tail []replica.Entry, apart bool) error {
	m := n.meta
	st, conf := m.group.State(), m.group.Configuration()
	return n.worker.host.Add(replica.RaftConfig{
		Group: 0, Hard: hard, Conf: conf, Machine: m,
		Applied: st.Index, AppliedTerm: st.Term, Entries: tail, Apart: apart, Stamp: m.stamp, StampAt: 0, Forward: true,
		Campaign: slices.Equal(conf.Voters, []uint64{hard.Replica}) && len(conf.Outgoing) == 0,
	})
}

// beginCluster writes the state of a cluster of one, so that it is found again.
func (n *Node) beginCluster(ctx context.Context) error {
	c := n.cluster
	d := c.describe()
	self := meta.Member{
		ID: d.ID, Addr: d.Addr, PeerAddr: d.PeerAddr, AdminAddr: d.AdminAddr, Zone: d.Zone, Capacity: d.Capacity,
		Version: d.Version, Boot: d.Boot, JoinedMs: n.Now(),
	}
	n.meta.bootstrap(meta.Bootstrap(ring.NodeID(n.dir.Cluster), self, len(n.partitions), c.o.Replicas), replica.Alone(c.self), n.Now())
	if err := n.snapshotMeta(ctx); err != nil {
		return fmt.Errorf("begin the cluster's state: %w", err)
	}
	return nil
}

// metaChanged is called when the meta state has changed.
func (n *Node) metaChanged() {
	if view := n.meta.view.Load(); view != nil && len(view.Members) > 1 {
		n.clustered.Store(true)
	}
	if c := n.cluster; c.o.Users != nil {
		doc := n.meta.view.Load().UsersDoc
		if old, _ := c.users.Swap(doc).(string); old != doc {
			c.o.Users.Changed(doc)
		}
	}
	n.topologyChanged()
	n.worker.mindNow.Store(true)
	n.worker.poke()
	select {
	case n.cluster.control <- struct{}{}:
	default: // the controller will look anyway
	}
}

// welcome makes an empty replica for a group that writes to this node for the first
// time, if the node is to have one. On the worker.
func (n *Node) welcome(m *replica.Message) {
	view := n.meta.view.Load()
	to := m.Raft.GetTo()
	if m.Group == 0 || int(m.Group) > len(n.partitions) || view == nil || m.Raft.GetType() == raftpb.MsgVote || m.Raft.GetType() == raftpb.MsgPreVote {
		return
	}
	p := n.partitions[m.Group-1]
	pl := view.Group(uint64(m.Group))
	n.cluster.mu.Lock()
	gone := n.cluster.gone[m.Group]
	n.cluster.mu.Unlock()
	if p.mode.Load() != modeAbsent || n.cluster.damagedHere(m.Group) != nil || !mover.Welcome(pl, n.cluster.self, to, gone) {
		return
	}
	if err := n.addRaft(p, replica.HardState{Replica: to}, nil, false); err != nil {
		n.fatal("create a replica", err)
	}
}

// groupChanged takes note of a new role, leader or configuration. On the worker.
func (n *Node) groupChanged(group uint32) {
	st, ok := n.worker.host.Status(group)
	if !ok {
		return
	}
	c := n.cluster
	if group > 0 {
		n.partitions[group-1].view.Changed(&st)
	}
	n.worker.mindNow.Store(true)
	n.worker.poke()
	changed := false
	switch {
	case st.Leads:
		changed = c.leaders.set(group, st.Term, c.self)
		n.tellLeaders()
	case st.Leader != 0 && !st.LeaderNode.IsZero():
		changed = c.leaders.set(group, st.Term, st.LeaderNode)
	default:
		changed = c.leaders.clear(group, st.Term)
	}
	n.worker.host.Redirect(group)
	if changed {
		n.topologyChanged()
	}
}

// peerHandler is the node as its peers' messages meet it.
type peerHandler Node

// Frame takes what a peer sends.
func (h *peerHandler) Frame(from ring.NodeID, frame []byte) {
	n := (*Node)(h)
	if s, ok := n.cluster.heard.Load(from); ok {
		s.(*sign).at.Store(n.cluster.steadyMs())
	}
	if !n.ready.Load() && !n.joining.Load() || len(frame) == 0 {
		return
	}
	switch frame[0] {
	case kindMessages:
		n.worker.frame(from, slices.Clone(frame[1:]))
	case kindLeaders:
		n.hearLeaders(from, frame[1:])
	case kindDamaged:
		n.hearDamaged(from, frame[1:])
	}
}

// PeerUp notes that a peer has come.
func (h *peerHandler) PeerUp(node ring.NodeID, boot uint64) {
	n := (*Node)(h)
	s := &sign{boot: boot}
	s.at.Store(n.cluster.steadyMs())
	n.cluster.heard.Store(node, s)
	n.cluster.mu.Lock()
	delete(n.cluster.resting, node)
	delete(n.cluster.damagedPeers, node) // should it still have some, it says so
	n.cluster.mu.Unlock()
	n.cluster.noteFullPeer(node, false) // should it be, it says so
	if n.ready.Load() {
		n.worker.do(n.tellLeaders)
	}
}

// PeerDown notes that a peer has gone.
func (h *peerHandler) PeerDown(node ring.NodeID) {
	(*Node)(h).logger.Debug("peer disconnected", "node", node)
}
