package command

import (
	"strconv"

	"github.com/prakashpandey/vegadb/internal/resp"
	"github.com/prakashpandey/vegadb/internal/store"
	"github.com/prakashpandey/vegadb/internal/wire"
)

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
	if a.op.code == opPut && a.op.flags&^hasExpiry == 0 && !Expired(a.op.expireAt, a.h.stamp) {
		// The most frequent write of all does not depend on what is there, so it
		// is not looked up first.
		a.result = Result{Version: a.index, ExpireAt: a.op.expireAt}
		a.emit(i)
		s.Put(h, a.op.key, a.op.value, a.meta(a.op.expireAt))
		return
	}
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
