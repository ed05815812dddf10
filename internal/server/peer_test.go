package server

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/prakashpandey/vegadb/internal/node"
	"github.com/prakashpandey/vegadb/internal/wal"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// peer stands in for one node of a cluster. The data is that of a lone node, but who
// leads what, when writes are committed and when reads have leave is up to the test.
type peer struct {
	*node.Node

	name      string // its identity; "": the inner node's
	mu        sync.Mutex
	lone      bool          // it has no company yet
	deferred  bool          // its writes wait, company or not
	leaders   map[int]error // by partition: what Leader says; missing: this node leads
	missing   map[int]bool  // partitions of which it has no replica
	recheck   error         // what EndRead says
	quiet     bool          // asked is not kept
	atOnce    bool          // reads that must wait have leave before BeginRead returns
	asked     []askedRead
	reads     []node.ReadWaiter // that wait for leave
	writes    []pendingWrite    // that wait to be committed
	entries   [][]byte          // of all writes
	topology  wire.Topology
	version   uint64
	onChange  func()
	admin     func(request []byte) ([]byte, error)
	something chan struct{} // capacity 1: reads or writes have come
}

type askedRead struct {
	partition int
	level     wire.Consistency
	arg       uint64
}

type pendingWrite struct {
	parts []node.Part
	now   int64
}

func newPeer() *peer {
	return &peer{leaders: map[int]error{}, missing: map[int]bool{}, something: make(chan struct{}, 1)}
}

// at has another node lead partitions.
func (p *peer) elsewhere(addr string, partitions ...int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, n := range partitions {
		p.leaders[n] = &node.NotLeaderError{Partition: n, Addr: addr}
	}
}

// leaderless has nobody lead a partition.
func (p *peer) leaderless(partition int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.leaders[partition] = node.ErrNoLeader
}

func (p *peer) Identity() (nodeID, clusterID string) {
	nodeID, clusterID = p.Node.Identity()
	if p.name != "" {
		nodeID = p.name
	}
	return nodeID, clusterID
}

func (p *peer) Clustered() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.lone
}

func (p *peer) Deferred() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.deferred || !p.lone
}

func (p *peer) Leader(q *node.Partition) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.leaders[q.Number]
}

func (p *peer) Leads(q *node.Partition) bool { return p.Leader(q) == nil }

func (p *peer) Holds(q *node.Partition) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.missing[q.Number]
}

func (p *peer) BeginRead(q *node.Partition, level wire.Consistency, arg uint64, w node.ReadWaiter) (node.ReadGrant, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.quiet && w != nil {
		p.asked = append(p.asked, askedRead{q.Number, level, arg})
	}
	err := p.leaders[q.Number]
	switch {
	case level >= wire.SessionReads && !p.missing[q.Number]:
		return node.ReadGrant{Level: level, Recheck: true}, nil
	case level >= wire.SessionReads && err == nil:
		return node.ReadGrant{}, node.ErrNotHere
	case err != nil:
		return node.ReadGrant{}, err
	case level == wire.Lease:
		return node.ReadGrant{Level: wire.Lease, Recheck: true}, nil
	}
	if p.atOnce {
		w.Done()
	} else {
		p.reads = append(p.reads, w)
		p.signal()
	}
	return node.ReadGrant{Level: wire.Linearizable, Wait: true}, nil
}

func (p *peer) EndRead(*node.Partition, node.ReadGrant) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.recheck
}

func (p *peer) signal() {
	select {
	case p.something <- struct{}{}:
	default:
	}
}

func (p *peer) Submit(q *node.Partition, now int64, entry []byte, sink node.Waiter) (uint64, error) {
	if p.Deferred() {
		return p.SubmitAll(now, []node.Part{{Partition: q, Entry: entry, Sink: sink}})
	}
	return p.Node.Submit(q, now, entry, sink)
}

func (p *peer) SubmitAll(now int64, parts []node.Part) (uint64, error) {
	p.mu.Lock()
	if p.lone && !p.deferred {
		p.mu.Unlock()
		return p.Node.SubmitAll(now, parts)
	}
	defer p.mu.Unlock()
	own := make([]node.Part, len(parts))
	for i, part := range parts {
		if err := p.leaders[part.Partition.Number]; err != nil {
			return 0, err
		}
		if !part.Sink.Later() {
			return 0, wal.ErrBusy
		}
		own[i] = node.Part{Partition: part.Partition, Entry: bytes.Clone(part.Entry), Sink: part.Sink}
		p.entries = append(p.entries, own[i].Entry)
	}
	p.writes = append(p.writes, pendingWrite{own, now})
	p.signal()
	return 1, nil
}

func (p *peer) Settle(uint64) error { return nil }
func (p *peer) Kick()               {}

// atOnce is a Waiter that the inner node, which is alone, takes.
type atOnce struct{ node.Waiter }

func (atOnce) Later() bool { return false }

// commit commits the first n writes that wait.
func (p *peer) commit(n int) {
	for range n {
		p.mu.Lock()
		w := p.writes[0]
		p.writes = p.writes[1:]
		p.mu.Unlock()
		for _, part := range w.parts {
			if _, err := p.Node.Submit(part.Partition, w.now, part.Entry, atOnce{part.Sink}); err != nil {
				part.Sink.Failed(err)
			} else {
				part.Sink.Done()
			}
		}
	}
}

// fail has parts of the first write that waits fail, and commits the others.
func (p *peer) fail(err error, partitions ...int) {
	p.mu.Lock()
	w := p.writes[0]
	p.writes = p.writes[1:]
	p.mu.Unlock()
	for _, part := range w.parts {
		failed := len(partitions) == 0
		for _, n := range partitions {
			failed = failed || n == part.Partition.Number
		}
		if failed {
			part.Sink.Failed(err)
			continue
		}
		if _, err := p.Node.Submit(part.Partition, w.now, part.Entry, atOnce{part.Sink}); err != nil {
			panic(err)
		}
		part.Sink.Done()
	}
}

// grant gives a read that waits leave, or refuses it.
func (p *peer) grant(i int, err error) {
	p.mu.Lock()
	w := p.reads[i]
	p.reads = append(p.reads[:i:i], p.reads[i+1:]...)
	p.mu.Unlock()
	if err != nil {
		w.Failed(err)
		return
	}
	w.Done()
}

// waiting is how many reads and writes wait.
func (p *peer) waiting() (reads, writes int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.reads), len(p.writes)
}

// work commits writes in order and grants reads in any order as they come, until the
// test ends.
func (p *peer) work(t testing.TB, rng *rand.Rand) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	t.Cleanup(func() { cancel(); <-ended })
	go func() {
		defer close(ended)
		for {
			select {
			case <-ctx.Done():
				return
			case <-p.something:
			}
			for reads, writes := p.waiting(); reads+writes > 0; reads, writes = p.waiting() {
				if writes > 0 && (reads == 0 || rng.IntN(2) == 0) {
					p.commit(1)
				} else {
					p.grant(rng.IntN(reads), nil)
				}
			}
		}
	}()
}

func (p *peer) Topology() (*wire.Topology, uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.topology.Nodes) == 0 {
		return p.Node.Topology()
	}
	t := p.topology
	return &t, p.version
}

func (p *peer) OnTopology(f func()) { p.onChange = f }

// change replaces the topology.
func (p *peer) change(t wire.Topology) {
	p.mu.Lock()
	p.topology = t
	p.version++
	p.mu.Unlock()
	if p.onChange != nil {
		p.onChange()
	}
}

func (p *peer) Admin(_ context.Context, request []byte) ([]byte, error) {
	if p.admin == nil {
		return nil, node.ErrNotClustered
	}
	return p.admin(request)
}

// levels returns the levels that reads have asked for since it was last called.
func (p *peer) levels() (asked []askedRead) {
	p.mu.Lock()
	defer p.mu.Unlock()
	asked, p.asked = p.asked, nil
	return asked
}

// clustered is a harness whose node has peers.
func clustered(t testing.TB, o harnessOptions) (*harness, *peer) {
	o.peer = newPeer()
	return newHarness(t, o), o.peer
}

// input gives the session input and returns what is ready, without waiting.
func (c *testConn) input(data string) string {
	c.ses.Input([]byte(data))
	c.bring()
	return c.take()
}

// bring takes delivered waits to the session and lets it go on.
func (c *testConn) bring() {
	for {
		select {
		case w := <-c.delivered:
			c.ses.Complete(w)
			continue
		default:
		}
		if !c.ses.canResume() {
			return
		}
		c.ses.Resume()
	}
}

// ready returns what has become ready by what the test has done to the node.
func (c *testConn) ready() string {
	c.bring()
	return c.take()
}

// keyIn returns a key of a partition of the harness.
func (h *harness) keyIn(partition int) string {
	for i := range 1 << 16 {
		if key := fmt.Sprint("k", i); h.srv.partition([]byte(key)).Number == partition {
			return key
		}
	}
	h.t.Fatalf("no key of partition %d", partition)
	return ""
}
