package command

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Op codes are part of the log's format: a number is never given another
// meaning.
const (
	opPut     = 1
	opDelete  = 2
	opIncr    = 3
	opAppend  = 4
	opExpire  = 5
	opPersist = 6
	opGet     = 7
	opFlush   = 8
	opClock   = 9
)

// OpFlags are the options of an op. They are part of the log's format.
type OpFlags uint8

// Options of put and delete.
const (
	IfAbsent  OpFlags = 1 << iota // put: only when the key is absent
	IfPresent                     // put: only when the key is present
	IfVersion                     // only when the entry has PutOp.IfVersion; 0 means absent
	KeepTTL                       // put: keep the expiry of the entry that is replaced
	ReturnOld                     // the Result holds the value as it was before
	hasExpiry                     // put, increment: an expiry follows; set by the builders
)

// Options of expire, beside ReturnOld.
const (
	ExpireNX OpFlags = 1 << iota // only when the entry has no expiry
	ExpireXX                     // only when the entry has an expiry
	ExpireGT                     // only when later than the present expiry; none counts as endless
	ExpireLT                     // only when earlier than the present expiry; none counts as endless
)

// knownFlags are the flags each op may carry. A flag that this version does not
// know would be ignored here and obeyed elsewhere.
var knownFlags = [...]OpFlags{
	opPut:     IfAbsent | IfPresent | IfVersion | KeepTTL | ReturnOld | hasExpiry,
	opDelete:  IfVersion | ReturnOld,
	opIncr:    hasExpiry,
	opAppend:  0,
	opExpire:  ExpireNX | ExpireXX | ExpireGT | ExpireLT | ReturnOld,
	opPersist: ReturnOld,
	opGet:     0,
	opFlush:   0,
	opClock:   0,
}

// PutOp are the options of AppendPut.
type PutOp struct {
	Flags     OpFlags
	ExpireAt  int64  // unix ms; 0: none, or the old one with KeepTTL
	IfVersion uint64 // with the flag IfVersion
}

// DeleteOp are the options of AppendDelete.
type DeleteOp struct {
	Flags     OpFlags
	IfVersion uint64 // with the flag IfVersion
}

// IncrOp are the options of AppendIncr.
type IncrOp struct {
	ExpireAt int64 // unix ms, of the entry if this op creates it; 0: none
}

// AppendPut appends the op that gives key a value.
func AppendPut(dst, key, value []byte, o PutOp) []byte {
	flags := o.Flags &^ hasExpiry
	if o.ExpireAt != 0 {
		flags |= hasExpiry
	}
	dst = appendKey(dst, opPut, flags, key)
	dst = appendExpiry(dst, o.ExpireAt)
	if flags&IfVersion != 0 {
		dst = binary.LittleEndian.AppendUint64(dst, o.IfVersion)
	}
	return appendBytes(dst, value)
}

// AppendDelete appends the op that removes key.
func AppendDelete(dst, key []byte, o DeleteOp) []byte {
	dst = appendKey(dst, opDelete, o.Flags, key)
	if o.Flags&IfVersion != 0 {
		dst = binary.LittleEndian.AppendUint64(dst, o.IfVersion)
	}
	return dst
}

// AppendIncr appends the op that adds delta to the integer at key; an absent one
// counts as 0.
func AppendIncr(dst, key []byte, delta int64, o IncrOp) []byte {
	var flags OpFlags
	if o.ExpireAt != 0 {
		flags = hasExpiry
	}
	dst = appendKey(dst, opIncr, flags, key)
	dst = appendExpiry(dst, o.ExpireAt)
	return binary.LittleEndian.AppendUint64(dst, uint64(delta))
}

// AppendAppend appends the op that extends the value at key by tail.
func AppendAppend(dst, key, tail []byte) []byte {
	dst = appendKey(dst, opAppend, 0, key)
	return appendBytes(dst, tail)
}

// AppendExpire appends the op that sets the expiry of key, in unix ms. A time
// that is not after the entry's stamp removes the key.
func AppendExpire(dst, key []byte, at int64, flags OpFlags) []byte {
	dst = appendKey(dst, opExpire, flags, key)
	return binary.LittleEndian.AppendUint64(dst, uint64(at))
}

// AppendPersist appends the op that takes the expiry off key. flags may hold
// ReturnOld.
func AppendPersist(dst, key []byte, flags OpFlags) []byte {
	return appendKey(dst, opPersist, flags, key)
}

// AppendGet appends the op that changes nothing and returns the value at key as
// of the entry's place in the log.
func AppendGet(dst, key []byte) []byte { return appendKey(dst, opGet, 0, key) }

// AppendFlush appends the op that empties the partition. It must be the only op
// of its entry.
func AppendFlush(dst []byte) []byte { return append(dst, opFlush, 0) }

// AppendClock appends the op that only carries the entry's stamp, which lets the
// sweeper reclaim what has expired by then.
func AppendClock(dst []byte) []byte { return append(dst, opClock, 0) }

func appendKey(dst []byte, code byte, flags OpFlags, key []byte) []byte {
	dst = append(dst, code, byte(flags))
	return appendBytes(dst, key)
}

func appendExpiry(dst []byte, at int64) []byte {
	if at == 0 {
		return dst
	}
	return binary.LittleEndian.AppendUint64(dst, uint64(at))
}

func appendBytes(dst, b []byte) []byte {
	if len(b) < 0x80 {
		dst = append(dst, byte(len(b)))
	} else {
		dst = binary.AppendUvarint(dst, uint64(len(b)))
	}
	return append(dst, b...)
}

// op is a decoded op. Its slices are views into the entry.
type op struct {
	key, value []byte
	expireAt   int64 // put, expire
	ifVersion  uint64
	delta      int64
	code       uint8
	flags      OpFlags
}

// decode reads the op at the front of b and returns what follows it.
func (o *op) decode(b []byte) (rest []byte, err error) {
	if len(b) < 2 {
		return nil, errShortOp
	}
	o.code, o.flags = b[0], OpFlags(b[1])
	b = b[2:]
	if o.code == 0 || int(o.code) >= len(knownFlags) {
		return nil, fmt.Errorf("operation %d is unknown to this version: run the version that wrote it, or a newer one", o.code)
	}
	if unknown := o.flags &^ knownFlags[o.code]; unknown != 0 {
		return nil, fmt.Errorf("operation %d has flags %#x unknown to this version: run the version that wrote it, or a newer one", o.code, uint8(unknown))
	}
	ok := true
	if o.code < opFlush {
		o.key, b, ok = cutBytes(b)
	}
	if o.expireAt = 0; o.flags&hasExpiry != 0 && o.code <= opIncr && ok {
		o.expireAt, b, ok = cutInt(b)
	}
	if o.flags&IfVersion != 0 && o.code <= opDelete && ok {
		o.ifVersion, b, ok = cutUint(b)
	}
	if ok {
		switch o.code {
		case opPut, opAppend:
			o.value, b, ok = cutBytes(b)
		case opIncr:
			o.delta, b, ok = cutInt(b)
		case opExpire:
			o.expireAt, b, ok = cutInt(b)
		}
	}
	if !ok {
		return nil, errShortOp
	}
	return b, nil
}

var errShortOp = errors.New("an operation is cut short")

// cutBytes takes a length and that many bytes off b. The length is compared as
// an unsigned 64-bit number before it is used as anything else.
func cutBytes(b []byte) (v, rest []byte, ok bool) {
	if len(b) > 0 && b[0] < 0x80 {
		n := int(b[0])
		if len(b)-1 < n {
			return nil, nil, false
		}
		return b[1 : 1+n : 1+n], b[1+n:], true
	}
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)-size) {
		return nil, nil, false
	}
	end := size + int(n)
	return b[size:end:end], b[end:], true
}

func cutUint(b []byte) (v uint64, rest []byte, ok bool) {
	if len(b) < 8 {
		return 0, nil, false
	}
	return binary.LittleEndian.Uint64(b), b[8:], true
}

func cutInt(b []byte) (v int64, rest []byte, ok bool) {
	u, rest, ok := cutUint(b)
	return int64(u), rest, ok
}
