package sim

import (
	"fmt"
	"slices"

	"github.com/prakashpandey/vegadb/internal/meta"
	"github.com/prakashpandey/vegadb/internal/replica"
	"github.com/prakashpandey/vegadb/internal/ring"
)

// begins notes the configuration that a group is created with.
func (w *witness) begins(group uint32, conf *replica.Configuration) {
	ids := make(map[uint64]ring.NodeID)
	for _, r := range conf.Replicas() {
		ids[r.ID] = r.Node
	}
	w.confs, w.ids = append(w.confs, conf), append(w.ids, ids)
}

// hashOf stands for who belongs to a group.
func hashOf(c *replica.Configuration) uint64 {
	h := fnvNumber(fnvOffset, c.Revision)
	for _, ids := range [][]uint64{c.Voters, c.Learners, c.Outgoing, c.LearnersNext} {
		for _, id := range slices.Sorted(slices.Values(ids)) {
			h = fnvNumber(h, id)
		}
		h = fnvNumber(h, 0)
	}
	for _, r := range c.Replicas() {
		h = fnvBytes(fnvNumber(h, r.ID), string(r.Node[:]))
	}
	return h | 1
}

// reconfigures judges a configuration when it is applied for the first time: any majority of it, and any of the one before
// it, must have a replica in common; nobody votes who has not been a learner; a replica's id is used once.
func (w *witness) reconfigures(p *partition, next *replica.Configuration) {
	if w.confs == nil || next.Index <= w.confs[p.id].Index {
		return
	}
	prev := w.confs[p.id]
	w.confs[p.id] = next
	w.changes++
	w.s.tell(Event{Kind: "conf", Node: p.n.index, Group: p.id, A: next.Index, Text: confText(next)})
	more := slices.DeleteFunc(slices.Clone(next.Voters), func(id uint64) bool { return slices.Contains(prev.Voters, id) })
	fewer := slices.DeleteFunc(slices.Clone(prev.Voters), func(id uint64) bool { return slices.Contains(next.Voters, id) })
	overlaps := false
	switch {
	case prev.Joint():
		overlaps = !next.Joint() && len(more)+len(fewer) == 0
	case next.Joint():
		overlaps = sameIDs(next.Outgoing, prev.Voters)
	default:
		overlaps = len(more)+len(fewer) <= 1
	}
	if !overlaps || len(next.Voters) == 0 {
		w.s.fail("group %d, index %d: majorities of %s and of %s before it need not have a replica in common", p.id, next.Index, confText(next), confText(prev))
	}
	for _, id := range more {
		if !slices.Contains(prev.Learners, id) && !slices.Contains(prev.Outgoing, id) {
			w.s.fail("group %d, index %d: replica %d gets a vote and was no learner: %s", p.id, next.Index, id, confText(next))
		}
	}
	for _, r := range next.Replicas() {
		node, known := w.ids[p.id][r.ID]
		if known && (node != r.Node || !prev.Has(r.ID)) {
			w.s.fail("group %d, index %d: the id of replica %d was used before, on node %d: %s", p.id, next.Index, r.ID, nodeIndex(node), confText(next))
		}
		w.ids[p.id][r.ID] = r.Node
	}
}

func sameIDs(a, b []uint64) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

func confText(c *replica.Configuration) string {
	text := "voters"
	for _, id := range c.Voters {
		node, _ := c.Node(id)
		text += fmt.Sprintf(" %d@%d", id, nodeIndex(node))
	}
	return fmt.Sprintf("%s, learners %v, before %v", text, c.Learners, c.Outgoing)
}

// commanded notes a command of the meta group, which has the same result everywhere.
func (w *witness) commanded(p *partition, e *seenEntry, index uint64, op meta.Op, r meta.Result) {
	hash := fnvNumber(fnvBytes(fnvOffset, r.Text), uint64(r.Code))
	if e.results == 0 {
		e.results = hash
		w.s.tell(Event{Kind: "meta", Node: p.n.index, A: index, Text: fmt.Sprintf("%s: %v", op.Type(), r.Code)})
	} else if e.results != hash {
		w.s.fail("node %d: the meta group's command at index %d, %s, brings another result than elsewhere: %v", p.n.index, index, op.Type(), r.Code)
	}
	if index <= w.newest.Index {
		return
	}
	before := w.newest
	w.newest = p.meta.Clone()
	for i := range w.newest.Members {
		if before.Member(w.newest.Members[i].ID) == nil {
			w.joined++
		}
	}
	for _, id := range w.newest.Tombstones {
		if !w.buried[id] {
			w.bury(id)
		}
	}
}

// bury notes that a node has been removed: some time later it is switched off.
func (w *witness) bury(id ring.NodeID) {
	if w.buried == nil {
		w.buried = make(map[ring.NodeID]bool)
	}
	w.buried[id] = true
	w.removed++
	n, s := w.s.nodes[nodeIndex(id)-1], w.s
	s.after(s.operator.rng.Int64N(2000*milli), func() { s.retire(n) })
}
