package sim

import (
	"sort"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/history"
	"github.com/prakashpandey/vegadb/internal/store"
)

// ack is a moment at which a client was told that a write of a group is done.
type ack struct {
	at    int64
	index uint64 // that had been applied by then
}

// acknowledges notes that a client learns of a write.
func (w *witness) acknowledges(group uint32, index uint64) {
	list := w.acks[group]
	if n := len(list); n == 0 || list[n-1].index < index {
		w.acks[group] = append(list, ack{w.s.now, index})
	}
}

// acked is the highest index of a write that had been acknowledged by a moment.
func (w *witness) acked(group uint32, at int64) uint64 {
	list := w.acks[group]
	i := sort.Search(len(list), func(i int) bool { return list[i].at > at })
	if i == 0 {
		return 0
	}
	return list[i-1].index
}

// gone: an entry may be missing where the log's time is stamp.
func (c *change) gone(stamp int64) bool { return !c.there || command.Expired(c.expireAt, stamp) }

// shows judges what a read of one key has brought, against the log: it is what the log says at the index that the reply
// names, and that index is one that the read's level promises.
func (w *witness) shows(o *operation) {
	op, a, group := &o.req.op, &o.got, o.req.group
	if !w.reaches(o) {
		return
	}
	m := w.models[group]
	want := m.at(op.Key, a.index)
	r := &a.result
	switch {
	case r.Found && (!want.there || want.value != r.Got || want.version != r.Version || want.expireAt != a.expireAt):
		w.s.fail("%v at index %d of group %d; by the log it is %+v", o.asked(*r), a.index, group, want)
	case r.Found && command.Expired(a.expireAt, m.stamp(a.index)):
		w.s.fail("%v at index %d of group %d, whose time is %d; it has expired at %d", o.asked(*r), a.index, group, m.stamp(a.index), a.expireAt)
	case !r.Found && !want.gone(a.nowMs):
		w.s.fail("%v at index %d of group %d, where it is %d; by the log it is %+v", o.asked(*r), a.index, group, a.nowMs, want)
	}
}

// reaches judges the index at which a read was executed.
func (w *witness) reaches(o *operation) bool {
	op, a, group := &o.req.op, &o.got, o.req.group
	least := uint64(0)
	switch op.Level {
	case history.Session:
		least = o.req.token
	case history.Bounded:
		least = w.acked(group, o.began-op.MaxAge.Microseconds()-boundedSlack.Microseconds())
	case history.Local:
	default:
		least = w.acked(group, o.began)
	}
	switch last := w.models[group].last(); {
	case a.index > last:
		w.s.fail("%v at index %d of group %d; nobody has applied more than %d", o.asked(a.result), a.index, group, last)
	case a.index < least:
		w.s.fail("%v at index %d of group %d; it must show at least %d", o.asked(a.result), a.index, group, least)
	default:
		return true
	}
	return false
}

// batches is called between two operations of an entry. If they are being executed (and not only repeated to a session), nobody
// may get at the table now.
func (w *witness) batches(p *partition, index uint64, batch []byte) {
	s := p.table.Stripe(0) // there is only this one
	if !s.TryLock() {
		return
	}
	defer s.Unlock()
	_ = command.EachKey(batch, func(key []byte) {
		var e store.Entry
		if s.Find(p.table.Hash(key), key, &e) && e.Version == index {
			w.s.fail("node %d: whoever reads group %d now sees some of the writes of the batch at index %d without the others", p.n.index, p.id, index)
		}
	})
}
