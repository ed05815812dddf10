package replica

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/prakashpandey/vegadb/internal/wal"
)

var (
	seeds     = flag.Int("seeds", 60, "how many random histories of a group to run")
	firstSeed = flag.Uint64("seed", 0, "the first of them")
)

// TestRandomHistoriesOfAGroup: faults 1 to 3, 9, 11 to 16, 18 to 20, 22 to 24, 26 to 28.
// Whatever the network, the disks, the clocks and the operators do, a witness of all nodes
// sees nothing that it must not, and when the trouble is over the group goes on. A failure
// names its seed; -seed S -seeds 1 runs it alone.
func TestRandomHistoriesOfAGroup(t *testing.T) {
	var sum witness
	changes, snapshots := 0, 0
	for i := range *seeds {
		if testing.Verbose() {
			println("seed", *firstSeed+uint64(i))
		}
		seed := *firstSeed + uint64(i)
		h := newHistory(t, seed)
		h.run()
		if t.Failed() {
			return
		}
		v := h.w.witness
		sum.acknowledged, sum.unknown = sum.acknowledged+v.acknowledged, sum.unknown+v.unknown
		sum.reads, sum.leaseReads = sum.reads+v.reads, sum.leaseReads+v.leaseReads
		changes, snapshots = changes+int(h.w.admin.reported.Index), snapshots+h.installed()
	}
	t.Logf("%d writes acknowledged, %d of unknown outcome, %d reads, %d under leases, %d snapshots installed",
		sum.acknowledged, sum.unknown, sum.reads, sum.leaseReads, snapshots)
	if sum.acknowledged == 0 || sum.unknown == 0 || sum.reads == 0 || sum.leaseReads == 0 || snapshots == 0 || changes == 0 {
		t.Error("the histories do not reach what they are to test")
	}
}

// A history is one random one.
type history struct {
	w       *world
	clients []*incrementer
	weights []int // of the events
	pace    int   // steps between two events, on average
}

// events are what may happen, other than that clients read and write.
var events = []func(w *world, n *node){
	func(w *world, n *node) { w.blink(n, w.rng.IntN(1500)) },
	func(w *world, n *node) { w.blink(n, 0) },
	func(w *world, n *node) { // all crash at once
		if w.rng.IntN(4) == 0 {
			for _, n := range w.nodes {
				w.blink(n, 0)
			}
		}
	},
	func(w *world, n *node) { w.isolate(n, true) },
	func(w *world, n *node) { // for a while
		w.isolate(n, true)
		w.after(w.rng.IntN(1500), func() { w.isolate(n, false) })
	},
	func(w *world, n *node) { w.cut[[2]int{n.index, w.anyNode().index}] = true },
	func(w *world, n *node) { // in two parts
		for _, o := range w.nodes {
			for _, p := range w.nodes {
				w.cut[[2]int{o.index, p.index}] = (o.index-n.index+5)%5 < 2 != ((p.index-n.index+5)%5 < 2)
			}
		}
	},
	func(w *world, _ *node) { clear(w.cut) },
	func(w *world, n *node) { w.held[[2]int{n.index, w.anyNode().index}] = w.now + int64(w.rng.IntN(2000)) },
	func(w *world, _ *node) {
		w.loss, w.twice, w.late = w.rng.Float64()*0.2, w.rng.Float64()*0.2, w.rng.Float64()*0.1
	},
	func(w *world, _ *node) { w.loss, w.twice, w.late = 0, 0, 0 },
	func(w *world, n *node) { n.disk.stalledUntil = w.now + int64(w.rng.IntN(4000)) },
	func(w *world, n *node) { n.disk.slowMs = w.rng.IntN(100) },
	func(w *world, n *node) { n.pausedUntil = w.now + int64(w.rng.IntN(2500)) },
	func(w *world, n *node) { n.pausedUntil = w.now + int64(w.rng.IntN(200)) },
	func(w *world, n *node) { w.transfer(n) },
	func(w *world, n *node) { // what tells it to stand for election is late, and nobody tells the leader that it does
		if l := w.leader(); l != nil && l != n {
			until := w.now + 500 + int64(w.rng.IntN(1500))
			w.transfer(n)
			w.held[[2]int{l.index, n.index}], w.held[[2]int{n.index, l.index}] = until, until+500
		}
	},
	func(w *world, n *node) { // the leader is cut off, and a voter forgets that it has heard of it
		if l := w.leader(); l != nil && l != n {
			w.isolate(l, true)
			w.after(w.rng.IntN(200), func() { w.blink(n, 0) })
		}
	},
	func(w *world, n *node) { n.writeSnapshot() },
	func(w *world, n *node) {
		if n.host != nil {
			n.writeSnapshot()
			n.shorten()
		}
	},
	func(w *world, n *node) { w.admin.addLearner(n) },
	func(w *world, n *node) { w.admin.promoteOne() },
	func(w *world, _ *node) {
		_, s := w.admin.leads()
		if all := s.Conf; all != nil && len(all.Replicas()) > 1 {
			r := all.Replicas()[w.rng.IntN(len(all.Replicas()))]
			if r.Role == Learner || len(all.Voters) > 2 {
				w.admin.remove(r.ID)
			}
		}
	},
	func(w *world, _ *node) { // a voter becomes a learner
		l, s := w.admin.leads()
		if l != nil && len(s.Conf.Voters) > 2 {
			if id := s.Conf.Voters[w.rng.IntN(len(s.Conf.Voters))]; id != l.replica() {
				w.admin.change(l, Change{Demote: []uint64{id}})
			}
		}
	},
}

func (w *world) anyNode() *node { return w.nodes[w.rng.IntN(len(w.nodes))] }

// blink crashes a node and brings it back.
func (w *world) blink(n *node, afterMs int) {
	n.crash()
	life := n.life
	up := func() {
		if n.life == life && n.host == nil {
			n.start()
		}
	}
	if afterMs == 0 {
		up()
		return
	}
	w.after(afterMs, up)
}

// transfer has leadership handed to a node.
func (w *world) transfer(n *node) {
	if l := w.leader(); l != nil && n.replica() != 0 {
		to := n.replica()
		l.calls = append(l.calls, func() { l.host.Transfer(testGroup, to) })
	}
}

func newHistory(t *testing.T, seed uint64) *history {
	draw := rand.New(rand.NewPCG(seed, 2))
	one := func(of ...int) int { return of[draw.IntN(len(of))] }
	voters, ticks := one(3, 3, 3, 5, 5, 1, 2), one(5, 6, 8, 12, 12, 12)
	w := newWorldOf(t, voters, 5-voters+draw.IntN(2), seed, ticks, one(1, 2))
	h := &history{w: w, weights: make([]int, len(events)), pace: one(4, 8, 15, 30)}
	for i := range h.weights { // some histories are full of one thing
		h.weights[i] = one(0, 1, 1, 1, 3, 10)
	}
	for i := range 2 {
		h.clients = append(h.clients, newIncrementer(w, i))
	}
	recording, slowMs := float64(one(0, 0, 1, 10))/100, one(0, 10, 30)
	for _, n := range w.nodes { // clocks go at different speeds
		n.crash()
		n.rate, n.recording, n.disk.slowMs = 0.95+w.rng.Float64()*0.1, recording, slowMs
		n.start()
	}
	w.admin.dropping = draw.IntN(4) > 0
	return h
}

// event makes something happen, drawn by weight.
func (h *history) event() {
	w, sum := h.w, 0
	for _, weight := range h.weights {
		sum += weight
	}
	at := w.rng.IntN(sum + 1)
	for i, weight := range h.weights {
		if at -= weight; at < 0 {
			n := w.anyNode()
			if l := w.leader(); l != nil && w.rng.IntN(3) == 0 {
				n = l
			}
			events[i](w, n)
			return
		}
	}
}

func (h *history) run() {
	w := h.w
	w.mustLead()
	for range 1000 {
		if w.rng.IntN(h.pace) == 0 {
			h.event()
		}
		h.load()
		w.step()
	}
	w.admin.dropping = true
	w.quiesce()
	for _, c := range h.clients { // and it goes on
		seq := c.seq
		w.until("a client is answered", func() bool { c.work(); return c.seq > seq })
	}
}

// load has clients write and read.
func (h *history) load() {
	w := h.w
	for _, c := range h.clients {
		c.work()
	}
	if w.witness.waiting() > 300 {
		return
	}
	for range w.rng.IntN(3) {
		n := w.nodes[w.rng.IntN(len(w.nodes))]
		if l := w.leader(); l != nil && w.rng.IntN(8) > 0 {
			n = l
		}
		if n.host == nil {
			continue
		}
		switch w.rng.IntN(4) {
		case 0:
			w.witness.read(n)
		case 1:
			w.witness.readUnderLease(n, int64(w.rng.IntN(4))*stepMs)
		default:
			w.witness.put(n, fmt.Sprint("key", w.rng.IntN(5)), w.rng.IntN(40))
		}
	}
}

// installed counts the snapshots that were installed.
func (h *history) installed() (count int) {
	for _, n := range h.w.nodes {
		count += len(slices.DeleteFunc(slices.Clone(n.disk.records), func(r wal.Record) bool { return r.Type != RecordReset }))
	}
	return count
}
