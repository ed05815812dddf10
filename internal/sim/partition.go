package sim

import (
	"slices"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/grant"
	"github.com/prakashpandey/vegadb/internal/meta"
	"github.com/prakashpandey/vegadb/internal/recovery"
	"github.com/prakashpandey/vegadb/internal/replica"
	"github.com/prakashpandey/vegadb/internal/store"
)

// partition is a replica as far as it is applied, and the replica.Machine of its group: what package node's Partition
// is, without locks.
type partition struct {
	n     *node
	id    uint32 // of the group
	group *replica.Group
	table *store.Table

	view          grant.Replica // what reads depend on
	replacing     bool          // a received snapshot is being loaded
	snapshotting  bool          // a snapshot of it is being written
	snapshotIndex uint64

	// Of the meta group's replica: what it has agreed on, nil before anything has been heard, and its log time.
	meta  *meta.State
	stamp int64
}

func newPartition(n *node, id uint32) *partition {
	p := &partition{n: n, id: id, group: replica.NewGroup(id, replica.State{}), table: newTable()}
	p.view.Init(n.nowMs, func() bool { return n.leaders[id] == 0 })
	return p
}

// newTable returns a table whose order depends on its keys alone.
func newTable() *store.Table {
	return store.New(store.Options{Stripes: 1, Hash: func(key []byte) uint64 { return fnvBytes(fnvOffset, key) * fnvPrime }})
}

// void empties the replica.
func (p *partition) void() {
	p.table.Clear()
	p.group, p.meta = replica.NewGroup(p.id, replica.State{}), nil
	p.snapshotIndex = 0
	p.view.Reached(0)
}

// replay applies an entry at the start.
func (p *partition) replay(e replica.Entry) error {
	return recovery.Replay(p.group.Configuration(), e, func() error { return p.Apply(e.Index, e.Term, e.Payload, nil) }, p.Advance)
}

// Apply is replica.Machine's. The witness sees every result, whoever waits for it.
func (p *partition) Apply(index, term uint64, entry []byte, sink command.Sink) error {
	if p.id == 0 {
		return p.applyMeta(index, term, entry)
	}
	watch := p.n.s.witness.applies(p, index, term, entry, sink)
	if err := p.group.Apply(p.table, index, term, entry, watch); err != nil {
		return err
	}
	watch.end()
	p.view.Reached(index)
	p.n.clock.Reached(p.group.Stamp())
	return nil
}

// Advance is replica.Machine's.
func (p *partition) Advance(index, term uint64, conf *replica.Configuration) {
	p.n.s.witness.advances(p, index, term, conf)
	p.group.Advance(index, term, conf)
	p.view.Reached(index)
	if m := p.n.m; m != nil && conf != nil {
		m.mindNow = true
	}
}

// Fetch is replica.Machine's.
func (p *partition) Fetch(entries [][]byte) {
	if p.id > 0 {
		command.Fetch(p.table, entries)
	}
}

// Lease, Fresh and Refusal are replica.Machine's.
func (p *partition) Lease(until int64) { p.view.Leased(until) }
func (p *partition) Fresh(at int64)    { p.view.Complete(at) }

func (p *partition) Refusal(err error) error { return err }

// hash stands for all that is replicated.
func (p *partition) hash() uint64 {
	_, state := p.image()
	h := fnvBytes(fnvOffset, state)
	type entry struct {
		key, value        string
		version, expireAt uint64
	}
	var all []entry
	for cursor := uint64(0); ; {
		cursor = p.table.Scan(cursor, 256, func(e *store.Entry) {
			if !command.Expired(e.ExpireAt, p.group.State().Stamp) { // what has expired is reclaimed at any time
				all = append(all, entry{string(e.Key), string(e.Value), e.Version, uint64(e.ExpireAt)})
			}
		})
		if cursor == 0 {
			break
		}
	}
	slices.SortFunc(all, func(a, b entry) int { return slices.Compare([]byte(a.key), []byte(b.key)) })
	for _, e := range all {
		h = fnvNumber(fnvNumber(fnvBytes(fnvBytes(h, e.key), e.value), e.version), e.expireAt)
	}
	return h
}

// value returns a key's value, "" without one.
func (p *partition) value(key string) string {
	h := p.table.Hash([]byte(key))
	s := p.table.Stripe(h)
	s.Lock()
	defer s.Unlock()
	var e store.Entry
	if !s.Find(h, []byte(key), &e) {
		return ""
	}
	return string(e.Value)
}
