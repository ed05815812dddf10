package replica

import (
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/cryptotest"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/tracker"

	"github.com/prakashpandey/vegadb/internal/ring"
	"github.com/prakashpandey/vegadb/internal/store"
)

// A world is one group on several nodes in one goroutine: networks, disks and clocks are
// the test's. One seed makes one history.
//
// Time goes on in steps of 10 ms. In each, every node that runs takes what has arrived,
// works, and has what it wants carried out: see (*node).turn. What may go wrong is set by
// the test: see the fields of world and node. What must never go wrong is watched by a
// witness.
type world struct {
	t       *testing.T
	rng     *rand.Rand
	now     int64 // true time, ms
	nodes   []*node
	witness *witness
	admin   admin

	mail []packet // under way
	// What the network does, as probabilities per packet.
	loss, twice, late float64
	cut               map[[2]int]bool  // from node, to node: nothing passes
	held              map[[2]int]int64 // nor until then, but it is not lost
	errands           []errand         // what happens later than at once

	electionTicks, heartbeatTicks int
}

type packet struct {
	from, to int
	due      int64
	frame    []byte
}

type errand struct {
	due int64
	run func()
}

const (
	testGroup = 1
	stepMs    = 10
)

func nodeID(i int) ring.NodeID { return ring.NodeID{byte(i)} }

func nodeIndex(id ring.NodeID) int { return int(id[0]) }

func quiet() raft.Logger { return &raft.DefaultLogger{Logger: log.New(io.Discard, "", 0)} }

// newWorld makes a group of voters on the first nodes, and further nodes without a
// replica.
func newWorld(t *testing.T, voters, spare int, seed uint64) *world {
	return newWorldOf(t, voters, spare, seed, 12, 2)
}

func newWorldOf(t *testing.T, voters, spare int, seed uint64, electionTicks, heartbeatTicks int) *world {
	cryptotest.SetGlobalRandom(t, seed) // Raft's election time-outs
	w := &world{
		t: t, rng: rand.New(rand.NewPCG(seed, 1)), now: 1_000_000, cut: map[[2]int]bool{}, held: map[[2]int]int64{},
		witness: newWitness(t, seed), electionTicks: electionTicks, heartbeatTicks: heartbeatTicks,
	}
	conf := &Configuration{}
	for i := 1; i <= voters; i++ {
		conf.Voters = append(conf.Voters, uint64(i))
		conf.nodes = append(conf.nodes, place{uint64(i), nodeID(i)})
	}
	w.admin = admin{w: w, next: uint64(voters), wanted: map[uint64]int{}}
	for i := 1; i <= voters+spare; i++ {
		n := &node{w: w, index: i, rate: 1}
		n.machine = &machine{n: n, table: table(t)}
		w.nodes = append(w.nodes, n)
		if i > voters {
			n.start()
			continue
		}
		w.admin.wanted[uint64(i)] = i
		// The group begins with what it was on a lone node: one entry, as a snapshot.
		n.machine.group = NewGroup(testGroup, State{Term: 1, Index: 1, Stamp: w.now})
		n.machine.group.SetConfiguration(conf)
		n.disk.files = []image{n.machine.image()}
		n.disk.records = append(n.disk.records, StateRecord(testGroup, HardState{Replica: uint64(i), Term: 1, Commit: 1}))
		n.disk.synced = 1
		n.start()
	}
	return w
}

// run lets ms pass.
func (w *world) run(ms int) {
	for range ms / stepMs {
		w.step()
	}
}

// until lets time pass, but not for ever, until something is true.
func (w *world) until(what string, ok func() bool) {
	w.t.Helper()
	for range 60_000 / stepMs {
		if ok() {
			return
		}
		w.step()
	}
	w.witness.fatalf("not within a minute: %s\n%s", what, w.describe())
}

// describe is for whoever looks for the cause of a failure.
func (w *world) describe() string {
	var b strings.Builder
	fmt.Fprintf(&b, "wanted %v, waiting %d\n", w.admin.wanted, w.witness.waiting())
	for _, o := range w.witness.ops {
		if !o.over {
			fmt.Fprintf(&b, "waiting on node %d since %d: %q, read %v\n", o.n.index, o.since, o.tag, o.read)
		}
	}
	for _, n := range w.nodes {
		s, ok := n.status()
		if !ok {
			fmt.Fprintf(&b, "node %d: runs %v, no replica, gone %d\n", n.index, n.host != nil, n.gone)
			continue
		}
		r := n.host.rafts[testGroup]
		fmt.Fprintf(&b, "node %d: replica %d %v term %d leader %d commit %d applied %d last %d installing %v conf %d voters %v learners %v outgoing %v\n",
			n.index, s.Replica, r.role, s.Term, s.Leader, s.Commit, s.Applied, s.Last, s.Installing, s.Conf.Index, s.Conf.Voters, s.Conf.Learners, s.Conf.Outgoing)
		fmt.Fprintf(&b, "    queue %d stepped %d pending %v transferring %d\n", len(r.queue), len(r.stepped), r.pending, r.transferring)
		r.rn.WithProgress(func(id uint64, _ raft.ProgressType, pr tracker.Progress) {
			if s.Leads {
				fmt.Fprintf(&b, "    %d: %v match %d next %d paused %v active %v\n", id, pr.State, pr.Match, pr.Next, pr.IsPaused(), pr.RecentActive)
			}
		})
	}
	return b.String()
}

func (w *world) step() {
	w.now += stepMs
	due := w.errands
	w.errands = nil
	for _, e := range due {
		if e.due <= w.now {
			e.run()
		} else {
			w.errands = append(w.errands, e)
		}
	}
	for _, n := range w.nodes {
		n.takeMail()
		n.turn()
	}
	w.witness.look(w)
}

// after has f run after some time, whatever happens.
func (w *world) after(ms int, f func()) {
	w.errands = append(w.errands, errand{w.now + int64(ms), f})
}

// later has f run after some time, if the node has not ended by then.
func (w *world) later(n *node, ms int64, f func()) {
	life := n.life
	var run func()
	run = func() {
		switch {
		case n.life != life:
		case n.paused():
			w.after(stepMs, run)
		default:
			f()
		}
	}
	w.after(int(ms), run)
}

// post puts a frame on its way.
func (w *world) post(from, to int, frame []byte) {
	if w.cut[[2]int{from, to}] || w.rng.Float64() < w.loss {
		return
	}
	times := 1
	if w.rng.Float64() < w.twice {
		times = 2
	}
	for range times {
		delay := int64(w.rng.IntN(5))
		if w.rng.Float64() < w.late {
			delay = int64(w.rng.IntN(5000))
		}
		due := max(w.now+delay, w.held[[2]int{from, to}])
		w.mail = append(w.mail, packet{from, to, due, slices.Clone(frame)})
	}
}

// takeMail queues what has arrived for a node.
func (n *node) takeMail() {
	if n.host == nil {
		n.inbox = nil
	}
	w := n.w
	w.mail = slices.DeleteFunc(w.mail, func(p packet) bool {
		if p.to != n.index || p.due > w.now {
			return false
		}
		if n.host != nil {
			n.inbox = append(n.inbox, p)
		}
		return true
	})
}

// at returns the node of an index.
func (w *world) at(index int) *node { return w.nodes[index-1] }

// isolate cuts a node off, or joins it again.
func (w *world) isolate(n *node, off bool) {
	for _, o := range w.nodes {
		if o != n {
			w.cut[[2]int{n.index, o.index}], w.cut[[2]int{o.index, n.index}] = off, off
		}
	}
}

// leader returns the node whose replica leads in the highest term; nil if none does.
func (w *world) leader() (best *node) {
	term := uint64(0)
	for _, n := range w.nodes {
		if s, ok := n.status(); ok && s.Leads && s.Term > term {
			best, term = n, s.Term
		}
	}
	return best
}

// mustLead waits for a leader.
func (w *world) mustLead() *node {
	w.t.Helper()
	w.until("a leader", func() bool { return w.leader() != nil })
	return w.leader()
}

// follower returns a node with a voter that does not lead.
func (w *world) follower() *node {
	l := w.mustLead()
	s, _ := l.status()
	for _, n := range w.nodes {
		if n != l && slices.Contains(s.Conf.Voters, n.replica()) {
			return n
		}
	}
	w.t.Fatal("no follower")
	return nil
}

// heal ends all trouble.
func (w *world) heal() {
	w.loss, w.twice, w.late = 0, 0, 0
	clear(w.cut)
	clear(w.held)
	for _, n := range w.nodes {
		n.pausedUntil, n.disk.stalledUntil = 0, 0
		if n.host == nil {
			n.start()
		}
	}
}

// quiesce heals, and waits until all replicas of the group have applied all there is, and
// all who wait have been answered.
func (w *world) quiesce() {
	w.t.Helper()
	w.heal()
	w.until("all replicas are equal and everybody is answered", func() bool {
		l := w.leader()
		if l == nil {
			return false
		}
		s, _ := l.status()
		if s.Conf.Joint() || s.Applied != s.Last || w.witness.waiting() > 0 {
			return false
		}
		for _, r := range s.Conf.Replicas() {
			n := w.at(nodeIndex(r.Node))
			if o, ok := n.status(); !ok || o.Replica != r.ID || o.Applied != s.Applied || o.Installing {
				return false
			}
		}
		return true
	})
	w.witness.verdict()
}

func contents(t *store.Table) map[string]string {
	all := map[string]string{}
	for cursor := uint64(0); ; {
		cursor = t.Scan(cursor, 100, func(e *store.Entry) { all[string(e.Key)] = string(e.Value) })
		if cursor == 0 {
			return all
		}
	}
}
