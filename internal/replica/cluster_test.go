package replica

import (
	"errors"
	"fmt"
	"testing"

	"github.com/prakashpandey/vegadb/internal/command"
)

func TestAProposalIsAnsweredWhenItIsAppliedEverywhereItCounts(t *testing.T) {
	w := newWorld(t, 3, 0, 1)
	o := w.witness.put(w.mustLead(), "k", 10)
	w.run(300)
	if !o.over || o.err != nil {
		t.Fatalf("%+v", o)
	}
	w.quiesce()
	for _, n := range w.nodes {
		if got := contents(n.machine.table)["k"]; tagOf(got) != o.tag {
			t.Errorf("node %d holds %q", n.index, got)
		}
	}
}

// Faults 1 and 14: nothing is acknowledged before a majority has it on disk.
func TestNothingIsAcknowledgedWhileAMajorityOfDisksStalls(t *testing.T) {
	w := newWorld(t, 3, 0, 2)
	l := w.mustLead()
	for _, n := range w.nodes {
		if n != l {
			n.disk.stalledUntil = w.now + 300
		}
	}
	o := w.witness.put(l, "k", 10)
	w.run(280)
	if o.over {
		t.Fatalf("answered with one disk: %v", o.err)
	}
	w.run(300)
	if !o.over || o.err != nil {
		t.Fatalf("not acknowledged by then: %+v", o)
	}
}

// Fault 15: a leader that is cut off commits nothing and confirms no read.
func TestACutOffLeaderNeitherCommitsNorConfirmsReads(t *testing.T) {
	w := newWorld(t, 3, 0, 3)
	l := w.mustLead()
	w.run(500)
	w.isolate(l, true)
	o, read := w.witness.put(l, "k", 10), w.witness.read(l)
	w.run(5000)
	if !errors.Is(o.err, ErrUnknown) || read.err == nil {
		t.Fatalf("the write fails with %v, the read with %v", o.err, read.err)
	}
	o = w.witness.put(w.mustLead(), "k", 10)
	w.run(500)
	if !o.over || o.err != nil {
		t.Fatal("the majority does not go on")
	}
	w.quiesce()
	if got := contents(l.machine.table)["k"]; tagOf(got) != o.tag {
		t.Errorf("the old leader holds %q", got)
	}
}

// A replica that lacks more than the others keep gets a snapshot.
func TestALaggardBehindTheKeptLogIsCaughtUpByASnapshot(t *testing.T) {
	w := newWorld(t, 3, 0, 4)
	lag := w.follower()
	w.isolate(lag, true)
	w.run(1500)
	for range 300 {
		w.witness.put(w.mustLead(), "key", 500)
		w.run(20)
	}
	w.quiesce()
	if last := len(lag.disk.files) - 1; lag.disk.files[last].state.Index == 1 {
		t.Error("no snapshot was sent")
	}
}

// Fault 28: increments under a session, retried until they are answered, through crashes,
// cuts and losses, count once each.
func TestIncrementsRetriedThroughFaultsCountOnce(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint("seed", seed), func(t *testing.T) {
			w := newWorld(t, 3, 0, seed)
			c := newIncrementer(w, 0)
			for c.seq <= 40 {
				w.trouble()
				c.work()
				w.run(50 + w.rng.IntN(100))
			}
			w.quiesce()
		})
	}
}

// An incrementer is a client that increments its counter, each time until it is answered.
type incrementer struct {
	w       *world
	session command.Session
	key     string
	seq     uint64 // being tried
	op      *op
	since   int64
}

func newIncrementer(w *world, number int) *incrementer {
	c := &incrementer{w: w, key: fmt.Sprint("counter", number), seq: 1}
	for i := range 8 {
		c.session.ID[i] = byte(uint64(w.now) >> (56 - 8*i))
	}
	c.session.ID[15] = byte(number)
	return c
}

// work looks what has become of the increment, and tries it again if need be.
func (c *incrementer) work() {
	if c.op != nil && c.op.over && c.op.err == nil {
		if c.op.value != int64(c.seq) {
			c.w.witness.fatalf("increment %d of %s gives %d", c.seq, c.key, c.op.value)
		}
		c.seq++
		c.op = nil
	}
	if c.op != nil && !c.op.over && c.w.now-c.since < 300 {
		return
	}
	n := c.w.leader()
	if n == nil {
		return
	}
	c.session.Seq, c.session.Acked, c.since = c.seq, c.seq-1, c.w.now
	e := command.AppendIncr(command.BeginSession(nil, c.session), []byte(c.key), 1, command.IncrOp{})
	c.op = c.w.witness.propose(&op{v: c.w.witness, n: n}, e)
}

// trouble does something to one node now and then.
func (w *world) trouble() {
	n := w.nodes[w.rng.IntN(len(w.nodes))]
	switch w.rng.IntN(12) {
	case 0:
		n.crash()
		n.start()
	case 1:
		w.isolate(n, true)
	case 2:
		n.disk.stalledUntil = w.now + int64(w.rng.IntN(3000))
	case 3:
		w.loss = w.rng.Float64() * 0.3
	case 4, 5, 6:
		w.heal()
	}
}
