package wal

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/prakashpandey/vegadb/internal/mutant"
)

// The layout is drawn in doc.go.
const (
	formatVersion = 1

	headerBytes       = 4096
	headerMagic       = "VegaLog\x00"
	headerOffVersion  = 8
	headerOffSegment  = 16
	headerOffCreated  = 24
	headerOffSalt     = 32
	headerOffChecksum = headerBytes - 4

	recordHeaderBytes = 24
	recordAlign       = 8

	commitBytes      = 32
	commitMarker     = 0xC0441770 // above limitRecordBytes: no record begins with it
	commitOffBytes   = 4
	commitOffSeq     = 8
	commitOffSynced  = 16
	commitOffHeadCRC = 24
	commitOffCRC     = 28
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var le = binary.LittleEndian

// recordSize returns the bytes a record with such a payload takes in a segment.
func recordSize(payload int) int64 {
	return recordHeaderBytes + alignUp(int64(payload), recordAlign)
}

// appendRecord adds a record in its disk form.
func appendRecord(dst []byte, r *Record) []byte {
	dst = le.AppendUint32(dst, uint32(len(r.Payload)))
	dst = le.AppendUint32(dst, r.Group)
	dst = le.AppendUint64(dst, uint64(r.Type)|r.Term<<8)
	dst = le.AppendUint64(dst, r.Index)
	dst = append(dst, r.Payload...)
	for len(dst)%recordAlign != 0 {
		dst = append(dst, 0)
	}
	return dst
}

// decodeRecord reads the record at the start of b, which the caller has verified. The payload is a view into b.
func decodeRecord(b []byte) (r Record, size int64) {
	n := int(le.Uint32(b))
	kind := le.Uint64(b[8:])
	r = Record{
		Group:   le.Uint32(b[4:]),
		Type:    uint8(kind),
		Term:    kind >> 8,
		Index:   le.Uint64(b[16:]),
		Payload: b[recordHeaderBytes : recordHeaderBytes+n : recordHeaderBytes+n],
	}
	return r, recordSize(n)
}

// identity is what makes a segment's checksums its own: the same bytes at another offset, in another segment, or
// left over from an earlier life of the file do not verify.
type identity struct {
	number uint64
	salt   uint64
	base   uint32 // checksum of both: where every checksum of the segment starts
}

func newIdentity(number, salt uint64) identity {
	var b [16]byte
	le.PutUint64(b[0:], number)
	le.PutUint64(b[8:], salt)
	return identity{number: number, salt: salt, base: crc32.Checksum(b[:], castagnoli)}
}

// seed starts a checksum for the bytes that begin at off. For given bytes a CRC is a bijection of its
// start value, so within a segment no two offsets share a checksum.
func (id identity) seed(off int64) uint32 { return id.base ^ uint32(off/recordAlign) }

// commit is what a commit record says.
type commit struct {
	bytes  uint32 // of the records it closes
	seq    uint64 // number of the batch, one more than the one before it
	synced uint64 // number of the newest batch known to be durable when this one was written
}

// appendCommit closes the batch whose records are in batch and which begins at off.
func appendCommit(batch []byte, id identity, off int64, seq, synced uint64) []byte {
	n := len(batch)
	batch = le.AppendUint32(batch, commitMarker)
	batch = le.AppendUint32(batch, uint32(n))
	batch = le.AppendUint64(batch, seq)
	batch = le.AppendUint64(batch, synced)
	batch = le.AppendUint32(batch, crc32.Update(id.seed(off+int64(n)), castagnoli, batch[n:]))
	return le.AppendUint32(batch, crc32.Update(id.seed(off), castagnoli, batch))
}

// decodeCommit reads a commit record that lies at off. It looks only at the record itself: the batch it
// closes is verified by verifyBatch.
func decodeCommit(b []byte, id identity, off int64) (commit, bool) {
	if len(b) < commitBytes || le.Uint32(b) != commitMarker {
		return commit{}, false
	}
	if le.Uint32(b[commitOffHeadCRC:]) != crc32.Update(id.seed(off), castagnoli, b[:commitOffHeadCRC]) {
		return commit{}, false
	}
	c := commit{bytes: le.Uint32(b[commitOffBytes:]), seq: le.Uint64(b[commitOffSeq:]), synced: le.Uint64(b[commitOffSynced:])}
	return c, c.seq > 0 && c.synced < c.seq
}

// verifyBatch checks a batch, its commit record included, that begins at off.
func verifyBatch(b []byte, id identity, off int64) bool {
	if mutant.On(mutant.NoChecksum) {
		return true // its commit record is there, after all
	}
	end := len(b) - 4
	return le.Uint32(b[end:]) == crc32.Update(id.seed(off), castagnoli, b[:end])
}

// header is what a segment's first block says.
type header struct {
	identity
	created int64 // unix ms
}

func (h header) encode() []byte {
	b := make([]byte, headerBytes)
	copy(b, headerMagic)
	le.PutUint32(b[headerOffVersion:], formatVersion)
	le.PutUint64(b[headerOffSegment:], h.number)
	le.PutUint64(b[headerOffCreated:], uint64(h.created))
	le.PutUint64(b[headerOffSalt:], h.salt)
	le.PutUint32(b[headerOffChecksum:], crc32.Checksum(b[:headerOffChecksum], castagnoli))
	return b
}

// decodeHeader reads the first block of the segment file that by its name has the given number.
func decodeHeader(b []byte, file string, number uint64) (header, error) {
	bad := func(reason string) (header, error) {
		return header{}, &CorruptError{File: file, Reason: reason}
	}
	if len(b) < headerBytes {
		return bad(fmt.Sprintf("the file ends after %d bytes, inside its header", len(b)))
	}
	if string(b[:len(headerMagic)]) != headerMagic {
		return bad("this is not a log segment, or its header is damaged")
	}
	if le.Uint32(b[headerOffChecksum:]) != crc32.Checksum(b[:headerOffChecksum], castagnoli) {
		return bad("the header's checksum does not match")
	}
	if v := le.Uint32(b[headerOffVersion:]); v != formatVersion {
		return header{}, fmt.Errorf("%s: %w %d, this program knows version %d: use the program that wrote it or a newer one",
			file, ErrVersion, v, formatVersion)
	}
	h := header{
		identity: newIdentity(le.Uint64(b[headerOffSegment:]), le.Uint64(b[headerOffSalt:])),
		created:  int64(le.Uint64(b[headerOffCreated:])),
	}
	if h.number != number {
		return bad(fmt.Sprintf("the header says segment %d: the file was renamed or copied over another", h.number))
	}
	return h, nil
}
