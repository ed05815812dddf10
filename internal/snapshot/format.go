package snapshot

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// The layout is drawn in doc.go.
const (
	formatVersion  = 2 // what is written
	versionNoState = 1 // still read: it has no state

	metaRaft = 1 << 0 // flag: Meta.Raft

	headerBytes      = 128
	headerCRCOff     = headerBytes - 4
	footerBytes      = 64
	footerCRCOff     = footerBytes - 4
	blockHeaderBytes = 20

	// blockTargetBytes is where a block is closed: large enough that its header
	// and its write(2) cost nothing per entry, small enough to stay in the
	// cache between being filled, compressed and written.
	blockTargetBytes = 128 << 10

	// MaxBlockBytes bounds a block's body, stored and decoded: the most a
	// reader allocates because a length said so.
	MaxBlockBytes = 1 << 20

	// MaxEntryBytes bounds one entry's encoding. Its buffer grows with the bytes
	// received, so this is a limit of sanity, not of memory.
	MaxEntryBytes = 2 << 30

	// MaxStateBytes bounds Meta.State.
	MaxStateBytes = 64 << 20
)

var (
	headerMagic = [8]byte{'V', 'E', 'G', 'A', 'S', 'N', 'A', 'P'}
	footerMagic = [8]byte{'V', 'E', 'G', 'A', 'S', 'E', 'N', 'D'}
)

// castagnoli is hardware-assisted on amd64 and arm64. Never written to.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Meta says of what, and as of when, a snapshot is.
type Meta struct {
	Group   uint32
	Term    uint64
	Index   uint64 // every log record of the group up to it has taken effect
	Stamp   int64  // the group's log time at Index, unix ms
	Entries uint64 // in the file; Write ignores it

	// Raft: the replica was one of a Raft group. A start must know before it reads the
	// log, whose first records on that may have been given up: entries of such a group
	// are not committed by being there.
	Raft bool

	Partitions uint32   // of the data directory; a slot's partition depends on it
	Cluster    [16]byte // whose data this is

	// State is what the group has replicated beside its entries, say who its
	// members are; opaque here, at most MaxStateBytes, and nil if there is none.
	// What reads no more than headers and footers ([List], the check of [Receive])
	// leaves it nil.
	State []byte
}

// header is Meta as the file begins with it, and the checksum that ties every
// block and the footer to this very file.
type header struct {
	Meta
	version    uint32
	created    int64  // wall clock, unix ms
	stateBytes uint32 // that State has or, while it is not read yet, will have
	crc        uint32
}

func (h *header) encode() []byte {
	b := make([]byte, headerBytes)
	copy(b, headerMagic[:])
	le := binary.LittleEndian
	le.PutUint32(b[8:], h.version)
	le.PutUint32(b[12:], h.Group)
	le.PutUint64(b[16:], h.Term)
	le.PutUint64(b[24:], h.Index)
	le.PutUint64(b[32:], uint64(h.Stamp))
	le.PutUint32(b[40:], h.Partitions)
	if h.Raft {
		le.PutUint32(b[44:], metaRaft)
	}
	copy(b[48:64], h.Cluster[:])
	le.PutUint64(b[64:], uint64(h.created))
	le.PutUint32(b[72:], h.stateBytes)
	h.crc = crc32.Checksum(b[:headerCRCOff], castagnoli)
	le.PutUint32(b[headerCRCOff:], h.crc)
	return b
}

// decodeHeader takes the first headerBytes of a file. The checksum is judged
// before the version: a flipped bit in the version field is damage, not news
// from the future.
func decodeHeader(path string, b []byte) (header, error) {
	var h header
	le := binary.LittleEndian
	if [8]byte(b[:8]) != headerMagic {
		return h, corrupt(path, 0, "not a VegaDB snapshot: it begins with % x", b[:8])
	}
	h.crc = crc32.Checksum(b[:headerCRCOff], castagnoli)
	if got := le.Uint32(b[headerCRCOff:]); got != h.crc {
		return h, corrupt(path, headerCRCOff, "header checksum is %08x, computed %08x", got, h.crc)
	}
	if h.version = le.Uint32(b[8:]); h.version < versionNoState || h.version > formatVersion {
		return h, &FileError{Path: path, Offset: 8, Kind: ErrVersion,
			Reason: fmt.Sprintf("version %d; this program reads versions %d to %d: use the version of VegaDB that wrote the file, or a later one",
				h.version, versionNoState, formatVersion)}
	}
	h.Group = le.Uint32(b[12:])
	h.Term = le.Uint64(b[16:])
	h.Index = le.Uint64(b[24:])
	h.Stamp = int64(le.Uint64(b[32:]))
	h.Partitions = le.Uint32(b[40:])
	h.Cluster = [16]byte(b[48:64])
	h.created = int64(le.Uint64(b[64:]))
	if h.version == versionNoState {
		return h, nil
	}
	flags := le.Uint32(b[44:])
	if h.Raft = flags&metaRaft != 0; flags&^metaRaft != 0 {
		return h, corrupt(path, 44, "the header has unknown flags %#x", flags)
	}
	if h.stateBytes = le.Uint32(b[72:]); h.stateBytes > MaxStateBytes {
		return h, corrupt(path, 72, "the header says %d bytes of state, the limit is %d", h.stateBytes, MaxStateBytes)
	}
	return h, nil
}

// footer is what the file must hold; each count is checked while loading.
type footer struct {
	blocks    uint64
	entries   uint64
	expired   uint64 // left out
	fileBytes uint64
	bodyBytes uint64 // decoded
	headerCRC uint32
	chain     uint32 // over all blocks' CRCs
}

func (f *footer) encode() []byte {
	b := make([]byte, footerBytes)
	copy(b, footerMagic[:])
	le := binary.LittleEndian
	le.PutUint64(b[8:], f.blocks)
	le.PutUint64(b[16:], f.entries)
	le.PutUint64(b[24:], f.expired)
	le.PutUint64(b[32:], f.fileBytes)
	le.PutUint64(b[40:], f.bodyBytes)
	le.PutUint32(b[48:], f.headerCRC)
	le.PutUint32(b[52:], f.chain)
	le.PutUint32(b[footerCRCOff:], crc32.Checksum(b[:footerCRCOff], castagnoli))
	return b
}

// decodeFooter takes the last footerBytes of a file of size bytes that begins
// with h.
func decodeFooter(path string, b []byte, size int64, h *header) (footer, error) {
	var f footer
	off := size - footerBytes
	le := binary.LittleEndian
	if [8]byte(b[:8]) != footerMagic {
		return f, corrupt(path, off, "no footer at the end of %d bytes: the file is cut short or overwritten", size)
	}
	if got, want := le.Uint32(b[footerCRCOff:]), crc32.Checksum(b[:footerCRCOff], castagnoli); got != want {
		return f, corrupt(path, off+footerCRCOff, "footer checksum is %08x, computed %08x", got, want)
	}
	f.blocks = le.Uint64(b[8:])
	f.entries = le.Uint64(b[16:])
	f.expired = le.Uint64(b[24:])
	f.fileBytes = le.Uint64(b[32:])
	f.bodyBytes = le.Uint64(b[40:])
	f.headerCRC = le.Uint32(b[48:])
	f.chain = le.Uint32(b[52:])
	switch {
	case f.fileBytes != uint64(size):
		return f, corrupt(path, off+32, "footer says %d bytes, the file has %d", f.fileBytes, size)
	case f.headerCRC != h.crc:
		return f, corrupt(path, off+48, "footer belongs to another file's header")
	// What follows bounds the entries, and with them what a caller allocates
	// for them, by the size of the file.
	case f.blocks > uint64(off-headerBytes)/blockHeaderBytes:
		return f, corrupt(path, off+8, "%d blocks cannot fit in %d bytes", f.blocks, size)
	case f.bodyBytes > f.blocks*MaxBlockBytes:
		return f, corrupt(path, off+40, "%d bytes cannot fit in %d blocks", f.bodyBytes, f.blocks)
	case f.bodyBytes < uint64(h.stateBytes):
		return f, corrupt(path, off+40, "%d bytes of state cannot fit in %d bytes", h.stateBytes, f.bodyBytes)
	case f.entries > (f.bodyBytes-uint64(h.stateBytes))/minEntryBytes:
		return f, corrupt(path, off+16, "%d entries cannot fit in %d bytes, %d of them state", f.entries, f.bodyBytes, h.stateBytes)
	}
	return f, nil
}
