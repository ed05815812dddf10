package snapshot

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

const (
	kindEntries = 1
	kindFirst   = 2 // first piece of an entry larger than a block
	kindFurther = 3
	kindState   = 4 // a piece of Meta.State

	codecStored = 0
	codecS2     = 1
)

// blockHeader is the front of a block, without its checksum.
type blockHeader struct {
	kind    uint8
	codec   uint8
	stored  uint32 // body in the file
	decoded uint32
	entries uint32 // that begin in it
}

// sums computes the checksums of one file's blocks. It is a type for the sake of
// its scratch space: a local array would escape, once a block.
type sums struct {
	seed    uint32 // the header's CRC
	chain   uint32 // over the CRCs of the blocks so far
	scratch [12]byte
}

// seal fills in the header of a block whose body stands at
// b[blockHeaderBytes:] and adds it to the chain.
func (s *sums) seal(b []byte, h blockHeader, number uint64) {
	le := binary.LittleEndian
	b[4], b[5] = h.kind, h.codec
	b[6], b[7] = 0, 0
	le.PutUint32(b[8:], h.stored)
	le.PutUint32(b[12:], h.decoded)
	le.PutUint32(b[16:], h.entries)
	le.PutUint32(b, s.block(b, number))
}

// block adds a block to the chain and returns its CRC: over where it belongs, its
// header after the CRC, and its body.
func (s *sums) block(b []byte, number uint64) uint32 {
	binary.LittleEndian.PutUint32(s.scratch[:], s.seed)
	binary.LittleEndian.PutUint64(s.scratch[4:], number)
	crc := crc32.Update(crc32.Update(0, castagnoli, s.scratch[:]), castagnoli, b[4:])
	binary.LittleEndian.PutUint32(s.scratch[:], crc)
	s.chain = crc32.Update(s.chain, castagnoli, s.scratch[:4])
	return crc
}

// decodeBlockHeader reads a block's header; its lengths are within
// MaxBlockBytes if it returns nil, though not yet verified.
func decodeBlockHeader(b []byte) (blockHeader, error) {
	le := binary.LittleEndian
	h := blockHeader{kind: b[4], codec: b[5], stored: le.Uint32(b[8:]), decoded: le.Uint32(b[12:]), entries: le.Uint32(b[16:])}
	switch {
	case h.kind < kindEntries || h.kind > kindState:
		return h, fmt.Errorf("unknown block kind %d", h.kind)
	case h.codec > codecS2:
		return h, fmt.Errorf("unknown codec %d", h.codec)
	case b[6] != 0 || b[7] != 0:
		return h, fmt.Errorf("reserved bytes of the block header are % x", b[6:8])
	case h.stored == 0 || h.stored > MaxBlockBytes || h.decoded == 0 || h.decoded > MaxBlockBytes:
		return h, fmt.Errorf("block lengths %d and %d are outside 1 to %d", h.stored, h.decoded, MaxBlockBytes)
	case h.codec == codecStored && h.stored != h.decoded:
		return h, fmt.Errorf("a stored block has lengths %d and %d", h.stored, h.decoded)
	}
	return h, nil
}
