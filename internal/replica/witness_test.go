package replica

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/prakashpandey/vegadb/internal/command"
)

func asksForVote(m *Message) bool {
	return m.Raft.GetType() == raftpb.MsgVote || m.Raft.GetType() == raftpb.MsgPreVote
}

// A witness sees all nodes at once, and notices what must never happen:
//
//   - two leaders in one term, or one in two lives;
//   - two nodes with different entries at one index, or different states after it;
//   - an acknowledged write that is not what was committed;
//   - a write that was refused as surely not executed, and was;
//   - a read, linearizable or under a lease, that does not show what was acknowledged or
//     read before it began;
//   - a waiter that is told twice, or never.
type witness struct {
	t       *testing.T
	seed    uint64
	leaders map[uint64]reign // by term
	entries map[uint64]committed
	digests map[uint64]uint64
	// known is the highest index of which a client knows: it was acknowledged, or read.
	known uint64
	from  string // how
	ops   []*op

	reads, leaseReads, acknowledged, unknown int
}

type reign struct {
	replica uint64
	life    int // of its node
}

type committed struct {
	term    uint64
	payload string
	by      int // the node that applied it first
}

func newWitness(t *testing.T, seed uint64) *witness {
	return &witness{t: t, seed: seed, leaders: map[uint64]reign{}, entries: map[uint64]committed{}, digests: map[uint64]uint64{}}
}

func (v *witness) fatalf(format string, args ...any) {
	v.t.Helper()
	v.t.Fatalf("seed %d: %s", v.seed, fmt.Sprintf(format, args...))
}

// look looks at all nodes after a step.
func (v *witness) look(w *world) {
	for _, n := range w.nodes {
		s, ok := n.status()
		if !ok || !s.Leads {
			continue
		}
		now := reign{s.Replica, n.life}
		if other, led := v.leaders[s.Term]; led && other != now {
			v.fatalf("replicas %d and %d both lead in term %d, in lives %d and %d of their nodes", other.replica, s.Replica, s.Term, other.life, n.life)
		}
		v.leaders[s.Term] = now
	}
	w.admin.look()
}

// applied sees a node apply an entry.
func (v *witness) applied(n *node, index, term uint64, payload []byte) {
	e, seen := v.entries[index]
	if !seen {
		v.entries[index] = committed{term, string(payload), n.index}
		return
	}
	if e.term != term || e.payload != string(payload) {
		v.fatalf("index %d is %q of term %d on node %d, and %q of term %d on node %d", index, e.payload, e.term, e.by, payload, term, n.index)
	}
}

// reached sees a node's state after an entry or a snapshot.
func (v *witness) reached(m *machine) {
	index, digest := m.group.State().Index, m.digest()
	if other, seen := v.digests[index]; seen && other != digest {
		v.fatalf("at index %d node %d has another state than others had", index, m.n.index)
	}
	v.digests[index] = digest
}

// An op is a client's request.
type op struct {
	v     *witness
	n     *node
	tag   string // in the entry of a write, and in no other
	read  bool
	floor uint64 // of a read: what it must show
	since int64
	over  bool
	err   error
	index uint64
	value int64
}

func (o *op) Result(_ int, r *command.Result) { o.value = r.Int }

// Done is told of a write that is applied, or a read that may be executed.
func (o *op) Done() {
	o.end(nil)
	if o.read && o.n.machine.installing {
		return // it would be refused: see node.EndRead
	}
	o.index = o.n.machine.group.State().Index
	if o.read {
		o.v.reads++
		o.v.saw(o.n, o.index, o.floor, "a linearizable read")
		return
	}
	o.v.acknowledged++
	o.v.know(o.index, o.n, "an acknowledged write")
}

// know notes what a client knows of.
func (v *witness) know(index uint64, n *node, from string) {
	if index > v.known {
		v.known = index
		v.from = fmt.Sprintf("%s on node %d at %d", from, n.index, n.w.now)
	}
}

// saw sees a read shown to a client.
func (v *witness) saw(n *node, index, floor uint64, what string) {
	if index < floor {
		v.fatalf("at %d %s on node %d shows index %d, %d was known when it began, and now is %d by %s\n%s", n.w.now, what, n.index, index, floor, v.known, v.from, n.w.describe())
	}
	// A follower may have applied what the leader, whose disk is slower, has not. Only leaders
	// are asked for linearizable reads by package node.
	if n.leads {
		v.know(index, n, what)
	}
}

func (o *op) Failed(err error) {
	if errors.Is(err, ErrUnknown) || errors.Is(err, errEnded) {
		o.v.unknown++
	}
	o.end(err)
}

func (o *op) end(err error) {
	if o.over {
		o.v.fatalf("%q on node %d is answered twice: %v, then %v", o.tag, o.n.index, o.err, err)
	}
	o.over, o.err = true, err
}

// forget ends the requests to a node that has crashed: their clients know nothing.
func (v *witness) forget(n *node) {
	for _, o := range v.ops {
		if o.n == n && !o.over {
			o.Failed(errEnded)
		}
	}
}

func (v *witness) waiting() (count int) {
	for _, o := range v.ops {
		if !o.over {
			count++
		}
	}
	return count
}

// verdict compares what clients were told with what was committed.
func (v *witness) verdict() {
	v.t.Helper()
	at := map[string]uint64{}
	for index, e := range v.entries {
		if tag := tagOf(e.payload); tag != "" {
			if other, twice := at[tag]; twice {
				v.fatalf("%q is at index %d and at %d", tag, other, index)
			}
			at[tag] = index
		}
	}
	for _, o := range v.ops {
		index, is := at[o.tag]
		switch {
		case o.read || o.tag == "":
		case o.err == nil && index != o.index:
			v.fatalf("%q was acknowledged at index %d, and is at %d", o.tag, o.index, index)
		case (errors.Is(o.err, ErrNotLeader) || errors.Is(o.err, ErrTimeout)) && is:
			v.fatalf("%q was refused for good (%v), and is at index %d", o.tag, o.err, index)
		}
	}
}

// tagOf returns the tag of a write in an entry.
func tagOf(payload string) string {
	_, rest, found := strings.Cut(payload, "<write ")
	number, _, ends := strings.Cut(rest, ">")
	if !found || !ends {
		return ""
	}
	return "<write " + number + ">"
}

// put writes a value that no other write writes.
func (v *witness) put(n *node, key string, size int) *op {
	o := &op{v: v, n: n, tag: fmt.Sprintf("<write %d>", len(v.ops))}
	e := command.AppendPut(command.Begin(nil), []byte(key), append([]byte(o.tag), make([]byte, size)...), command.PutOp{})
	return v.propose(o, e)
}

// propose has a node write an entry.
func (v *witness) propose(o *op, e []byte) *op {
	n := o.n
	o.since = n.w.now
	v.ops = append(v.ops, o)
	command.SetStamp(e, n.clock())
	n.calls = append(n.calls, func() {
		if !n.host.Propose(testGroup, e, o, false) {
			o.Failed(ErrNotLeader)
		}
	})
	return o
}

// read reads linearizably.
func (v *witness) read(n *node) *op {
	o := &op{v: v, n: n, read: true, floor: v.known}
	o.since = n.w.now
	v.ops = append(v.ops, o)
	lease := n.w.rng.IntN(2) == 0
	n.calls = append(n.calls, func() {
		if !n.host.Read(testGroup, o, lease) {
			o.Failed(ErrNotLeader)
		}
	})
	return o
}

// readUnderLease reads as package node does: the value first, and the lease after it.
func (v *witness) readUnderLease(n *node, wait int64) {
	m := n.machine
	if n.replica() == 0 || !n.leads || m.lease <= n.clock()+20 {
		return
	}
	floor, index, term := v.known, m.group.State().Index, n.term
	n.w.later(n, wait, func() {
		if m.lease > n.clock() && n.term == term && n.leads {
			v.leaseReads++
			v.saw(n, index, floor, "a read under a lease")
		}
	})
}
