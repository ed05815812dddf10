package command

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"time"
)

// EncodingVersion is the version of the entry encoding this package writes.
const EncodingVersion = 1

const (
	headerBytes  = 16
	sessionBytes = 32

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

// Session says which client asked for an entry's write, and which of its writes it
// is, so that a group can tell a retry from a new request and answer it with what
// the first one brought.
type Session struct {
	// ID is chosen by the client: its first 8 bytes are the session's creation in
	// unix ms, big-endian, by the server's clock as the client knows it; the others
	// are random.
	ID [16]byte
	// Seq numbers the session's writes, ascending from 1.
	Seq uint64
	// Acked: the client has, or has given up on, the outcome of every write up to
	// this one. They need not be remembered any longer.
	Acked uint64
}

// SessionLifetime is how long after a session's creation, in log time, its writes'
// outcomes are remembered. From then on a write of the session is refused, since
// nobody can tell whether it is a retry.
const SessionLifetime = 10 * time.Minute

// CreatedAt is when the session was created, in unix ms, as its ID says.
func (s *Session) CreatedAt() int64 {
	return int64(min(binary.BigEndian.Uint64(s.ID[:8]), math.MaxInt64))
}

func (s *Session) append(dst []byte) []byte {
	dst = append(dst, s.ID[:]...)
	dst = binary.LittleEndian.AppendUint64(dst, s.Seq)
	return binary.LittleEndian.AppendUint64(dst, s.Acked)
}

// Begin appends the header of an entry to dst, which must be empty so that the
// functions below find the header at its front. It counts one op; see SetCount.
func Begin(dst []byte) []byte {
	return append(dst, EncodingVersion, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
}

// BeginSession is Begin for an entry that belongs to a session.
func BeginSession(dst []byte, s Session) []byte {
	dst = append(dst, EncodingVersion, flagSession, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	return s.append(dst)
}

// SetSession makes an entry, which must hold a header, that of a session, whether or
// not it has been one's before. The result may share memory with entry.
func SetSession(entry []byte, s Session) []byte {
	if entry[offFlags]&flagSession == 0 {
		entry = slices.Insert(entry, headerBytes, make([]byte, sessionBytes)...)
		entry[offFlags] |= flagSession
	}
	s.append(entry[:headerBytes])
	return entry
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

// EntrySession returns the session the entry belongs to. Of bytes that Validate does
// not accept it says anything.
func EntrySession(entry []byte) (s Session, ok bool) {
	if len(entry) < headerBytes+sessionBytes || entry[offFlags]&flagSession == 0 {
		return Session{}, false
	}
	copy(s.ID[:], entry[headerBytes:])
	s.Seq = binary.LittleEndian.Uint64(entry[headerBytes+16:])
	s.Acked = binary.LittleEndian.Uint64(entry[headerBytes+24:])
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
