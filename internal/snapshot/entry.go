package snapshot

import (
	"encoding/binary"
	"errors"
	"math/bits"

	"github.com/prakashpandey/vegadb/internal/store"
)

const (
	flagExpiry = 1 << 0
	flagKind   = 1 << 1
	flagsKnown = flagExpiry | flagKind

	// minEntryBytes is the shortest encoding: flags and three varints.
	minEntryBytes = 4
)

// uvarintLen is how many bytes v takes as a varint.
func uvarintLen(v uint64) int { return (bits.Len64(v|1) + 6) / 7 }

// entryLen is the length of e's encoding in a snapshot as of index.
func entryLen(index uint64, e *store.Entry) uint64 {
	n := uint64(1+uvarintLen(uint64(len(e.Key)))+uvarintLen(uint64(len(e.Value)))+uvarintLen(index-e.Version)) +
		uint64(len(e.Key)) + uint64(len(e.Value))
	if e.ExpireAt != 0 {
		n += 8
	}
	if e.Kind != 0 {
		n++
	}
	return n
}

// appendPrefix appends all of e's encoding but the key and the value.
func appendPrefix(dst []byte, index uint64, e *store.Entry) []byte {
	var flags byte
	if e.ExpireAt != 0 {
		flags |= flagExpiry
	}
	if e.Kind != 0 {
		flags |= flagKind
	}
	dst = append(dst, flags)
	dst = binary.AppendUvarint(dst, uint64(len(e.Key)))
	dst = binary.AppendUvarint(dst, uint64(len(e.Value)))
	dst = binary.AppendUvarint(dst, index-e.Version)
	if flags&flagExpiry != 0 {
		dst = binary.LittleEndian.AppendUint64(dst, uint64(e.ExpireAt))
	}
	if flags&flagKind != 0 {
		dst = append(dst, e.Kind)
	}
	return dst
}

// prefix is the decoded front of an entry.
type prefix struct {
	flags      byte
	kind       uint8
	klen, vlen uint64
	version    uint64
	expireAt   int64
	size       int // bytes the prefix itself took
}

func (p *prefix) entryLen() uint64 { return uint64(p.size) + p.klen + p.vlen }

var (
	errEntryShort  = errors.New("an entry reaches past the end of its block")
	errEntryFlags  = errors.New("an entry has unknown flags")
	errEntryAge    = errors.New("an entry's version lies outside the snapshot")
	errEntryLength = errors.New("an entry's length is beyond the limit")
	errEntryExpiry = errors.New("an entry is flagged as expiring and has no expiry")
)

// decodePrefix reads the front of the entry that b begins with. Lengths are
// checked against MaxEntryBytes only: what b holds of them is for the caller.
func decodePrefix(b []byte, index uint64, p *prefix) error {
	if len(b) < minEntryBytes {
		return errEntryShort
	}
	p.flags = b[0]
	if p.flags&^flagsKnown != 0 {
		return errEntryFlags
	}
	pos := 1
	var age uint64
	for _, v := range [3]*uint64{&p.klen, &p.vlen, &age} {
		x, n := binary.Uvarint(b[pos:])
		if n <= 0 {
			return errEntryShort
		}
		*v = x
		pos += n
	}
	if age > index {
		return errEntryAge
	}
	p.version = index - age
	p.expireAt, p.kind = 0, 0
	if p.flags&flagExpiry != 0 {
		if len(b)-pos < 8 {
			return errEntryShort
		}
		if p.expireAt = int64(binary.LittleEndian.Uint64(b[pos:])); p.expireAt == 0 {
			return errEntryExpiry
		}
		pos += 8
	}
	if p.flags&flagKind != 0 {
		if len(b)-pos < 1 {
			return errEntryShort
		}
		p.kind = b[pos]
		pos++
	}
	p.size = pos
	if p.klen > MaxEntryBytes || p.vlen > MaxEntryBytes || p.entryLen() > MaxEntryBytes {
		return errEntryLength
	}
	return nil
}

// decodeEntry reads the entry b begins with and returns its length. e's key and
// value are views into b.
func decodeEntry(b []byte, index uint64, e *store.Entry) (int, error) {
	var p prefix
	if err := decodePrefix(b, index, &p); err != nil {
		return 0, err
	}
	n := p.entryLen()
	if n > uint64(len(b)) {
		return 0, errEntryShort
	}
	k, v := p.size+int(p.klen), int(n)
	e.Key, e.Value = b[p.size:k:k], b[k:v:v]
	e.Version, e.ExpireAt, e.Kind = p.version, p.expireAt, p.kind
	return v, nil
}
