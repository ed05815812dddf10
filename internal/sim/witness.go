package sim

import (
	"maps"
	"slices"
	"strings"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/history"
	"github.com/prakashpandey/vegadb/internal/meta"
	"github.com/prakashpandey/vegadb/internal/replica"
	"github.com/prakashpandey/vegadb/internal/ring"
)

// witness sees everything at once, as nobody in the product can, and says at once when something is not as it must be.
type witness struct {
	s       *Sim
	groups  []seen
	writes  map[sent]*fate
	leaders map[term]reign
	clock   int64    // the latest that any node's clock has said
	stamps  []int64  // by group: the latest log time of an entry that is committed
	models  []*model // by group: what its log says; nil of the meta group
	acks    [][]ack  // by group: what clients have been told
	// What the run reached, for whoever asks whether it tests anything.
	applied, installed, elections int
	joined, removed, changes      int

	// Of worlds with membership.
	confs  []*replica.Configuration // by group: the newest
	ids    []map[uint64]ring.NodeID // by group: where each replica is or was
	newest *meta.State              // that anybody has come to
	buried map[ring.NodeID]bool     // nodes that were removed
}

// seen is what is known of a group's log: by index, from 1 on.
type seen struct{ entries []seenEntry }

type seenEntry struct {
	term, entry uint64 // hash of the entry; 0: not applied by anybody yet
	results     uint64 // hash of the results
}

// sent names a client's write.
type sent struct {
	session [16]byte
	seq     uint64
}

// fate is what became of a write, as the log has it: an answer for whoever got none.
type fate struct {
	kind   history.Kind
	index  uint64 // of its first entry, once somebody has applied that; 0: nobody has
	at     int64  // when who led in its term did, on the recorder's clock; 0: nobody in such a position
	result history.Reply
}

type term struct {
	group uint32
	term  uint64
}

func newWitness(s *Sim) *witness {
	groups := s.cfg.Partitions + 1
	w := &witness{
		s: s, groups: make([]seen, groups), writes: make(map[sent]*fate), leaders: make(map[term]reign), stamps: make([]int64, groups),
		models: make([]*model, groups), acks: make([][]ack, groups),
	}
	for g := 1; g < groups; g++ {
		w.models[g] = newModel(uint32(g))
	}
	return w
}

// reign is a node's in one of its lives.
type reign struct{ node, life int }

// leads notes that a node leads a group: nobody else may have in that term, nor this node before it crashed.
func (w *witness) leads(n *node, group uint32, at uint64) {
	key, now := term{group, at}, reign{n.index, n.lives}
	other, led := w.leaders[key]
	switch {
	case !led:
		w.elections++
	case other != now:
		w.s.fail("group %d has two leaders in term %d: node %d in its life %d and node %d in its life %d", group, at, other.node, other.life, n.index, n.lives)
	}
	w.leaders[key] = now
}

// note compares an entry with what others have applied at its index.
func (w *witness) note(p *partition, index, term, hash uint64) *seenEntry {
	if at := p.group.State().Index; index != at+1 {
		w.s.fail("node %d, group %d: index %d is applied after %d", p.n.index, p.id, index, at)
	}
	w.s.tell(Event{Kind: "apply", Node: p.n.index, Group: p.id, A: index, B: hash})
	g := &w.groups[p.id]
	for uint64(len(g.entries)) <= index {
		g.entries = append(g.entries, seenEntry{})
	}
	e := &g.entries[index]
	if e.entry == 0 {
		e.term, e.entry = term, hash
		w.applied++
	} else if e.entry != hash || e.term != term {
		w.s.fail("node %d applies another entry at index %d of group %d than others have: term %d, not %d", p.n.index, index, p.id, term, e.term)
	}
	return e
}

func (w *witness) advances(p *partition, index, term uint64, conf *replica.Configuration) {
	if m := w.models[p.id]; m != nil && m.last() < index {
		m.advance(index, term)
	}
	if conf == nil {
		w.note(p, index, term, 1)
		return
	}
	w.note(p, index, term, hashOf(conf))
	w.reconfigures(p, conf)
}

// applies notes an entry and returns the sink that sees its results.
func (w *witness) applies(p *partition, index, term uint64, entry []byte, sink command.Sink) *watched {
	e := w.note(p, index, term, fnvBytes(fnvOffset, entry)|1)
	w.stamps[p.id] = max(w.stamps[p.id], command.Stamp(entry))
	if m := w.models[p.id]; m.last() < index {
		if err := m.apply(index, term, entry); err != nil {
			w.s.fail("group %d, index %d: %v", p.id, index, err)
		}
	}
	v := &watched{w: w, p: p, e: e, index: index, term: term, entry: entry, inner: sink, hash: fnvOffset}
	if session, ok := command.EntrySession(entry); ok {
		key := sent{session.ID, session.Seq}
		if v.fate = w.writes[key]; v.fate != nil && (v.fate.at != 0 || v.fate.index != 0 && v.fate.index != index) {
			v.fate = nil // this is a repetition
		}
	}
	return v
}

// watched is a sink in front of another.
type watched struct {
	w     *witness
	p     *partition
	e     *seenEntry
	index uint64
	term  uint64
	entry []byte
	fate  *fate
	inner command.Sink
	hash  uint64
}

// Result is command.Sink's.
func (v *watched) Result(i int, r *command.Result) {
	if i > 0 {
		v.w.batches(v.p, v.index, v.entry)
	}
	h := fnvNumber(v.hash, uint64(r.Status)<<8|uint64(r.Kind))
	v.hash = fnvBytes(fnvNumber(fnvNumber(h, uint64(r.Int)), r.Version), r.Bytes)
	if v.fate != nil {
		v.fate.result = resultOf(v.fate.kind, r)
	}
	if v.inner != nil {
		v.inner.Result(i, r)
	}
}

// end compares the results with those of others.
func (v *watched) end() {
	if v.fate != nil {
		v.fate.index = v.index
		// Followers may be the first, because the leader's own disk takes longer. It shows under its lease what it has
		// applied itself, and so the write may take effect later than that, for all that anybody was promised.
		if v.p.view.Leads() && v.p.view.Term() == v.term {
			v.fate.at = int64(v.w.s.recorderTime())
		}
	}
	if v.e.results == 0 {
		v.e.results = v.hash
	} else if v.e.results != v.hash {
		v.w.s.fail("node %d: the entry at index %d of group %d brings other results than elsewhere", v.p.n.index, v.index, v.p.id)
	}
}

// expects remembers that a write is about to be asked for.
func (w *witness) expects(session command.Session, kind history.Kind) sent {
	key := sent{session.ID, session.Seq}
	w.writes[key] = &fate{kind: kind}
	return key
}

// compare checks that all replicas hold the same.
func (w *witness) compare() {
	for _, g := range w.s.groups() {
		var first *partition
		for _, n := range w.s.nodes {
			if n.proc == nil {
				continue
			}
			p := n.part(g)
			if _, here := n.host.Has(g); !here {
				continue
			}
			if first == nil {
				first = p
				continue
			}
			if a, b := first.hash(), p.hash(); a != b || first.view.Applied() != p.view.Applied() {
				w.s.fail("group %d: node %d at index %d and node %d at index %d do not hold the same (%016x, %016x)",
					p.id, first.n.index, first.view.Applied(), n.index, p.view.Applied(), a, b)
			}
		}
	}
}

// keys are all that clients have used.
func (w *witness) keys() []string {
	keys := make(map[string]bool)
	for _, op := range w.s.rec.History() {
		keys[op.Key] = true
	}
	return slices.SortedFunc(maps.Keys(keys), strings.Compare)
}
