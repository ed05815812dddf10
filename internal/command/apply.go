package command

import (
	"errors"
	"fmt"

	"github.com/prakashpandey/vegadb/internal/mutant"
	"github.com/prakashpandey/vegadb/internal/store"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// KindString is the Kind of entries that hold plain bytes, so far the only one.
const KindString = 0

// Expired reports whether an entry with this expiry (unix ms, 0 for none) is gone
// at time now. At its very millisecond it is.
func Expired(expireAt, now int64) bool { return expireAt != 0 && expireAt <= now }

// Apply changes t as entry, which is at index in its group's log, says. sink may
// be nil. See the package comment for what may be relied upon; an error means
// that nothing was changed and the node must halt.
//
// Apply allocates the Applier it uses. Who applies often keeps one.
func Apply(t *store.Table, index uint64, entry []byte, sink Sink) error {
	return new(Applier).Apply(t, index, entry, sink)
}

// Validate reports whether this version can apply entry.
func Validate(entry []byte) error {
	h, ops, err := decodeHeader(entry)
	if err != nil {
		return fmt.Errorf("command: %w", err)
	}
	var o op
	if err := o.check(h, ops, nil); err != nil {
		return fmt.Errorf("command: %w", err)
	}
	return nil
}

// Applier applies entries, one at a time. It exists so that what is handed to a
// Sink need not be allocated for each entry. The zero value is ready.
type Applier struct {
	h      header
	index  uint64
	sink   Sink
	op     op
	old    store.Entry
	result Result
	digits [20]byte
}

// Apply is the function Apply without its allocation.
func (a *Applier) Apply(t *store.Table, index uint64, entry []byte, sink Sink) error {
	h, ops, err := decodeHeader(entry)
	if err != nil {
		return fmt.Errorf("command: entry %d: %w", index, err)
	}
	a.h, a.index, a.sink = h, index, sink
	if h.count != 1 {
		err = a.several(t, ops)
	} else {
		err = a.single(t, ops)
	}
	a.sink = nil
	if err != nil {
		return fmt.Errorf("command: entry %d: %w", index, err)
	}
	return nil
}

var errTrailing = errors.New("bytes follow the last operation")

func (a *Applier) single(t *store.Table, ops []byte) error {
	rest, err := a.op.decode(ops)
	if err != nil {
		return err
	}
	if len(rest) != 0 {
		return errTrailing
	}
	switch a.op.code {
	case opFlush:
		a.result = Result{Status: wire.OK, Version: a.index}
		a.emit(0)
		t.Clear()
	case opClock:
		a.result = Result{Status: wire.OK}
		a.emit(0)
	default:
		h := t.Hash(a.op.key)
		s := t.Stripe(h)
		s.Lock()
		a.execute(s, h, 0)
		s.Unlock()
	}
	return nil
}

// several applies the ops of a batch with all their stripes locked. Ops are
// decoded twice, first to see that all are sound and which stripes they need,
// because a batch may be of any length and nothing is to be kept for each op.
func (a *Applier) several(t *store.Table, ops []byte) error {
	var stripes uint64
	err := a.op.check(a.h, ops, func(o *op) {
		if o.code < opFlush {
			stripes |= 1 << t.StripeIndex(t.Hash(o.key))
		}
	})
	if err != nil {
		return err
	}
	t.LockMask(stripes)
	for i := range int(a.h.count) {
		ops, _ = a.op.decode(ops) // checked above
		if a.op.code == opClock {
			a.result = Result{Status: wire.OK}
			a.emit(i)
			continue
		}
		h := t.Hash(a.op.key)
		a.execute(t.Stripe(h), h, i)
		if mutant.On(mutant.HalvedBatch) { // the first write is shown before the others are done
			t.UnlockMask(stripes)
			stripes = 0
		}
	}
	t.UnlockMask(stripes)
	return nil
}

// check decodes all ops of an entry into o, one after the other, and calls each
// (which may be nil) after every one.
func (o *op) check(h header, ops []byte, each func(*op)) error {
	for i := range h.count {
		rest, err := o.decode(ops)
		if err != nil {
			return fmt.Errorf("operation %d of %d: %w", i+1, h.count, err)
		}
		if o.code == opFlush && h.count != 1 {
			return errors.New("flush must be the only operation of its entry")
		}
		if each != nil {
			each(o)
		}
		ops = rest
	}
	if len(ops) != 0 {
		return errTrailing
	}
	return nil
}
