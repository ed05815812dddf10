package sim

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/prakashpandey/vegadb/internal/meta"
	"github.com/prakashpandey/vegadb/internal/replica"
)

// The meta group's replica is a partition without entries in its table, whose state is package meta's: what package
// node's metaReplica is, without locks. An entry of its log is the log time, 8 bytes, and a command.

const metaStampBytes = 8

// part returns the replica of a group.
func (n *node) part(group uint32) *partition {
	if group == 0 {
		return n.meta
	}
	return n.parts[group-1]
}

// all returns the replicas of all groups, whether or not the node has one.
func (n *node) all() []*partition {
	if n.meta == nil {
		return n.parts
	}
	return append([]*partition{n.meta}, n.parts...)
}

// groups are the numbers of all groups.
func (s *Sim) groups() (all []uint32) {
	for g := range uint32(s.cfg.Partitions + 1) {
		if g > 0 || s.cfg.Membership {
			all = append(all, g)
		}
	}
	return all
}

func (p *partition) stampAt() int {
	if p.id == 0 {
		return 0
	}
	return entryStampAt
}

// logTime is the log time of what is applied.
func (p *partition) logTime() int64 {
	if p.id == 0 {
		return p.stamp
	}
	return p.group.Stamp()
}

// image is what a snapshot of the replica says beside its entries; nil: there is nothing to make one of.
func (p *partition) image() (replica.State, []byte) {
	if p.id > 0 {
		return p.group.State(), p.group.AppendState(nil)
	}
	if p.meta == nil {
		return replica.State{Index: p.snapshotIndex}, nil
	}
	st := p.group.State()
	st.Stamp = p.stamp
	return st, metaImage(p.group, p.meta)
}

func metaImage(g *replica.Group, state *meta.State) []byte {
	group := g.AppendState(nil)
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(group)))
	return append(append(b, group...), state.Encode()...)
}

// restored is what image gave.
func restored(group uint32, at replica.State, b []byte) (g *replica.Group, state *meta.State, err error) {
	if group > 0 {
		g, err = replica.RestoreGroup(group, at, b)
		return g, nil, err
	}
	if len(b) < 4 || uint64(binary.LittleEndian.Uint32(b)) > uint64(len(b)-4) {
		return nil, nil, errors.New("the meta group's state is cut off")
	}
	size := binary.LittleEndian.Uint32(b)
	if g, err = replica.RestoreGroup(0, at, b[4:4+size]); err != nil {
		return nil, nil, err
	}
	state, err = meta.Decode(b[4+size:])
	return g, state, err
}

// restore takes over a snapshot's state.
func (p *partition) restore(at replica.State, b []byte) error {
	if p.id == 0 && at.Index == 0 {
		return nil
	}
	g, state, err := restored(p.id, at, b)
	if err != nil {
		return err
	}
	p.group = g
	if p.id == 0 {
		p.meta, p.stamp = state, at.Stamp
		p.n.metaChanged()
	}
	return nil
}

// applyMeta applies a command and tells whoever proposed it here.
func (p *partition) applyMeta(index, term uint64, entry []byte) error {
	w := p.n.s.witness
	if len(entry) < metaStampBytes || p.meta == nil {
		return fmt.Errorf("an entry of %d bytes, before any state: %v", len(entry), p.meta == nil)
	}
	e := w.note(p, index, term, fnvBytes(fnvOffset, entry)|1)
	p.stamp = max(p.stamp, int64(binary.LittleEndian.Uint64(entry)))
	result, err := p.meta.Apply(index, p.stamp, entry[metaStampBytes:])
	if err != nil {
		return err
	}
	id, op, err := meta.DecodeCommand(entry[metaStampBytes:])
	if err != nil {
		return err
	}
	w.commanded(p, e, index, op, result)
	p.group.Advance(index, term, nil)
	p.view.Reached(index)
	if told := p.n.m.waiting[id]; told != nil {
		delete(p.n.m.waiting, id)
		p.n.do(func() { told(result, true) })
	}
	p.n.metaChanged()
	return nil
}

// proposeMeta has the meta group carry out op, and tells what became of it; ok is false when that is not known in time.
func (n *node) proposeMeta(op meta.Op, patienceMs int64, told func(r meta.Result, ok bool)) {
	var id meta.RequestID
	binary.LittleEndian.PutUint64(id[:], n.s.lifeRand.Uint64()|1)
	binary.LittleEndian.PutUint64(id[8:], n.s.lifeRand.Uint64())
	b, err := meta.EncodeCommand(id, op)
	if err != nil {
		n.s.fail("node %d: %v", n.index, err)
		return
	}
	n.m.waiting[id] = told
	var again func()
	again = func() {
		if n.m.waiting[id] == nil {
			return
		}
		entry := binary.LittleEndian.AppendUint64(nil, uint64(n.clockMs()))
		entry = append(entry, b...)
		n.do(func() { n.driver.ProposeMeta(entry) })
		n.later(1000*milli, again) // what was forwarded may have been lost. The id makes it count once
	}
	again()
	n.later(patienceMs*milli, func() {
		if n.m.waiting[id] != nil {
			delete(n.m.waiting, id)
			told(meta.Result{}, false)
		}
	})
}
