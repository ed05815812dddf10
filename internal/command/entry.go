package command

import (
	"encoding/binary"
	"fmt"
)

// EncodingVersion is the version of the entry encoding this package writes.
const EncodingVersion = 1

const (
	headerBytes  = 16
	sessionBytes = 24

	flagSession = 1

	offFlags = 1
	offLimit = 2
	offCount = 4
	offStamp = 8

	limitShift = 11 // bits of a value limit's mantissa
)

// MaxValueBytes is the largest value that appending may build when the entry
// sets no smaller limit (SetValueLimit). It is Redis's limit as well.
const MaxValueBytes = 512 << 20

// Session identifies a client's request for exactly-once application. The zero
// Session means none.
type Session struct {
	ID  [16]byte
	Seq uint64
}

// Begin appends the header of an entry to dst, which must be empty so that the
// functions below find the header at its front. It counts one op; see SetCount.
func Begin(dst []byte) []byte {
	return append(dst, EncodingVersion, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
}

// BeginSession is Begin for an entry that belongs to a session.
func BeginSession(dst []byte, s Session) []byte {
	dst = append(dst, EncodingVersion, flagSession, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	dst = append(dst, s.ID[:]...)
	return binary.LittleEndian.AppendUint64(dst, s.Seq)
}

// SetStamp sets the log time, in unix ms, that the entry's ops are judged by.
func SetStamp(entry []byte, stamp int64) {
	binary.LittleEndian.PutUint64(entry[offStamp:], uint64(stamp))
}

// Stamp returns the entry's log time. The entry must hold a header.
func Stamp(entry []byte) int64 { return int64(binary.LittleEndian.Uint64(entry[offStamp:])) }

// SetCount sets the number of ops that follow the header.
func SetCount(entry []byte, n int) {
	binary.LittleEndian.PutUint32(entry[offCount:], uint32(n))
}

// Count returns the number of ops. The entry must hold a header.
func Count(entry []byte) int { return int(binary.LittleEndian.Uint32(entry[offCount:])) }

// SetValueLimit sets the largest value that an op of this entry may build by
// appending: exactly when it has at most 11 significant bits, else rounded up by
// less than a thousandth. It travels in the entry because every replica must
// judge alike, whatever its own settings say.
func SetValueLimit(entry []byte, limit int64) {
	mantissa := uint64(min(max(limit, 1), MaxValueBytes))
	var exponent uint16
	for ; mantissa >= 1<<limitShift; exponent++ {
		mantissa = (mantissa + 1) / 2
	}
	binary.LittleEndian.PutUint16(entry[offLimit:], exponent<<limitShift|uint16(mantissa))
}

// valueLimit reads what SetValueLimit wrote; 0 is MaxValueBytes.
func valueLimit(entry []byte) int64 {
	packed := binary.LittleEndian.Uint16(entry[offLimit:])
	if packed == 0 {
		return MaxValueBytes
	}
	return int64(packed&(1<<limitShift-1)) << (packed >> limitShift)
}

// EntrySession returns the session the entry belongs to. The entry must be one
// that Validate accepts.
func EntrySession(entry []byte) (s Session, ok bool) {
	if entry[offFlags]&flagSession == 0 {
		return Session{}, false
	}
	copy(s.ID[:], entry[headerBytes:])
	s.Seq = binary.LittleEndian.Uint64(entry[headerBytes+len(s.ID):])
	return s, true
}

// header is what an entry says before its ops.
type header struct {
	count      uint32
	stamp      int64
	valueLimit int64 // bytes
}

func decodeHeader(entry []byte) (h header, ops []byte, err error) {
	if len(entry) < headerBytes {
		return h, nil, fmt.Errorf("entry of %d bytes is shorter than its header", len(entry))
	}
	if entry[0] != EncodingVersion {
		return h, nil, fmt.Errorf("entry has encoding version %d, this program knows %d: run the version that wrote it, or a newer one",
			entry[0], EncodingVersion)
	}
	flags := entry[offFlags]
	if flags&^flagSession != 0 {
		return h, nil, fmt.Errorf("entry has flags %#x unknown to this version: run the version that wrote it, or a newer one", flags)
	}
	ops = entry[headerBytes:]
	if flags&flagSession != 0 {
		if len(ops) < sessionBytes {
			return h, nil, fmt.Errorf("entry of %d bytes ends within its session", len(entry))
		}
		ops = ops[sessionBytes:]
	}
	h.count = binary.LittleEndian.Uint32(entry[offCount:])
	h.stamp = Stamp(entry)
	h.valueLimit = valueLimit(entry)
	return h, ops, nil
}
