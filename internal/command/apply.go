package command

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/prakashpandey/vegadb/internal/resp"
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

func (a *Applier) emit(i int) {
	if a.sink != nil {
		a.sink.Result(i, &a.result)
	}
}

// execute does the op in a.op to its key. The key's stripe s is locked. Each
// operation tells the sink its result first and changes the table after, while
// the old value that the result may refer to is still there; once the result is
// known, the change cannot fail.
func (a *Applier) execute(s *store.Stripe, h uint64, i int) {
	old := &a.old
	found := s.Find(h, a.op.key, old)
	live := found && !Expired(old.ExpireAt, a.h.stamp)
	r := &a.result
	*r = Result{}
	if live {
		r.Version, r.ExpireAt = old.Version, old.ExpireAt
	} else {
		// Nothing below looks at old unless live, but for the removal of what has
		// expired.
		old.Value, old.Version, old.ExpireAt = nil, 0, 0
	}
	switch a.op.code {
	case opPut:
		a.put(s, h, i, found, live)
	case opDelete:
		a.delete(s, h, i, found, live)
	case opIncr:
		a.incr(s, h, i, found, live)
	case opAppend:
		a.append(s, h, i, live)
	case opExpire:
		a.expire(s, h, i, found, live)
	case opPersist:
		a.persist(s, h, i, live)
	case opGet:
		a.returnOld(live)
		a.emit(i)
	}
}

// returnOld puts the old value into the result. false: it is of another kind,
// and the result says so.
func (a *Applier) returnOld(live bool) bool {
	r := &a.result
	switch {
	case !live:
		r.Kind = ResultNil
	case a.old.Kind != KindString:
		r.Status = wire.WrongType
		return false
	default:
		r.Kind, r.Bytes = ResultBytes, a.old.Value
	}
	return true
}

func (a *Applier) put(s *store.Stripe, h uint64, i int, found, live bool) {
	o, r := &a.op, &a.result
	if o.flags&ReturnOld != 0 && !a.returnOld(live) {
		a.emit(i)
		return
	}
	switch {
	case o.flags&IfVersion != 0 && a.old.Version != o.ifVersion:
		r.Status = wire.VersionMismatch
	case o.flags&IfAbsent != 0 && live:
		r.Status = wire.AlreadyExists
	case o.flags&IfPresent != 0 && !live:
		r.Status = wire.NotFound
	}
	if r.Status != wire.OK {
		a.emit(i)
		return
	}
	expireAt := o.expireAt
	if o.flags&KeepTTL != 0 {
		expireAt = a.old.ExpireAt
	}
	r.Version, r.ExpireAt = a.index, expireAt
	a.emit(i)
	if Expired(expireAt, a.h.stamp) { // born dead
		if found {
			s.Delete(h, o.key)
		}
		return
	}
	s.Put(h, o.key, o.value, a.meta(expireAt))
}

func (a *Applier) delete(s *store.Stripe, h uint64, i int, found, live bool) {
	o, r := &a.op, &a.result
	if o.flags&ReturnOld == 0 {
		r.Kind = ResultInt
	} else if !a.returnOld(live) {
		a.emit(i)
		return
	}
	switch {
	case o.flags&IfVersion != 0 && a.old.Version != o.ifVersion:
		r.Status = wire.VersionMismatch
	case !live:
		r.Status = wire.NotFound
	default:
		r.Version, r.ExpireAt = a.index, 0
		if r.Kind == ResultInt {
			r.Int = 1
		}
	}
	a.emit(i)
	if found && (r.Status == wire.OK || !live) {
		s.Delete(h, o.key)
	}
}

func (a *Applier) incr(s *store.Stripe, h uint64, i int, found, live bool) {
	o, r := &a.op, &a.result
	var value int64
	if live {
		var ok bool
		if a.old.Kind != KindString {
			r.Status = wire.WrongType
		} else if value, ok = resp.ParseInt(a.old.Value); !ok {
			r.Status = wire.NotInteger
		}
	}
	sum := value + o.delta
	if r.Status == wire.OK && (sum > value) != (o.delta > 0) && o.delta != 0 {
		r.Status = wire.Overflow
	}
	if r.Status != wire.OK {
		a.emit(i)
		return
	}
	expireAt := a.old.ExpireAt
	if !live {
		expireAt = o.expireAt
	}
	r.Kind, r.Int, r.Version, r.ExpireAt = ResultInt, sum, a.index, expireAt
	a.emit(i)
	if Expired(expireAt, a.h.stamp) {
		if found {
			s.Delete(h, o.key)
		}
		return
	}
	s.Put(h, o.key, strconv.AppendInt(a.digits[:0], sum, 10), a.meta(expireAt))
}

func (a *Applier) append(s *store.Stripe, h uint64, i int, live bool) {
	o, r := &a.op, &a.result
	size := int64(len(a.old.Value)) + int64(len(o.value))
	switch {
	case live && a.old.Kind != KindString:
		r.Status = wire.WrongType
	// What is there may be larger than a limit that was lowered since.
	case size > a.h.valueLimit && len(o.value) > 0:
		r.Status = wire.TooLarge
	}
	if r.Status != wire.OK {
		a.emit(i)
		return
	}
	r.Kind, r.Int, r.Version = ResultInt, size, a.index // its expiry stays
	a.emit(i)
	if live {
		s.Append(h, o.key, o.value, a.meta(a.old.ExpireAt))
	} else {
		s.Put(h, o.key, o.value, a.meta(0))
	}
}

func (a *Applier) expire(s *store.Stripe, h uint64, i int, found, live bool) {
	o, r := &a.op, &a.result
	if o.flags&ReturnOld == 0 {
		r.Kind = ResultInt
	} else if !a.returnOld(live) {
		a.emit(i)
		return
	}
	dead := o.expireAt <= a.h.stamp // 0 and negative times included
	switch {
	case !live:
		r.Status = wire.NotFound
	case !expireWanted(o.flags, o.expireAt, a.old.ExpireAt):
		r.Status = wire.ConditionFailed
	default:
		if r.Kind == ResultInt {
			r.Int = 1
		}
		r.Version, r.ExpireAt = a.index, o.expireAt
		if dead {
			r.ExpireAt = 0
		}
	}
	a.emit(i)
	switch {
	case found && (!live || r.Status == wire.OK && dead):
		s.Delete(h, o.key)
	case r.Status == wire.OK:
		s.SetMeta(h, o.key, a.meta(o.expireAt))
	}
}

// expireWanted judges the conditions of expire as Redis does: no expiry is
// endless, so nothing is later and everything is earlier.
func expireWanted(flags OpFlags, at, present int64) bool {
	switch {
	case flags&ExpireNX != 0 && present != 0,
		flags&ExpireXX != 0 && present == 0,
		flags&ExpireGT != 0 && (present == 0 || at <= present),
		flags&ExpireLT != 0 && present != 0 && at >= present:
		return false
	}
	return true
}

func (a *Applier) persist(s *store.Stripe, h uint64, i int, live bool) {
	o, r := &a.op, &a.result
	if o.flags&ReturnOld == 0 {
		r.Kind = ResultInt
	} else if !a.returnOld(live) {
		a.emit(i)
		return
	}
	switch {
	case !live:
		r.Status = wire.NotFound
	case a.old.ExpireAt == 0:
		r.Status = wire.ConditionFailed
	default:
		if r.Kind == ResultInt {
			r.Int = 1
		}
		r.Version, r.ExpireAt = a.index, 0
	}
	a.emit(i)
	if r.Status == wire.OK {
		s.SetMeta(h, o.key, a.meta(0))
	}
}

// meta is what an entry changed by this op is given. Its kind is the old one's
// where only its expiry changes.
func (a *Applier) meta(expireAt int64) store.Meta {
	kind := uint8(KindString)
	if a.op.code == opExpire || a.op.code == opPersist {
		kind = a.old.Kind
	}
	return store.Meta{Version: a.index, ExpireAt: expireAt, Kind: kind}
}
