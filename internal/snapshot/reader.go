package snapshot

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/klauspost/compress/s2"

	"github.com/prakashpandey/vegadb/internal/store"
	"github.com/prakashpandey/vegadb/internal/vfs"
)

// readChunkBytes is how much is asked of the file at a time.
const readChunkBytes = 256 << 10

// readError is a file that could not be read, as opposed to one that was read
// and is wrong: it may read well next time, and is not set aside.
type readError struct {
	path string
	off  int64
	err  error
}

func (e *readError) Error() string {
	return fmt.Sprintf("snapshot: read %s at offset %d: %v", e.path, e.off, e.err)
}

func (e *readError) Unwrap() error { return e.err }

// fileReader reads one file from front to back, once. What it hands out are
// views into its buffers, valid until the next call.
type fileReader struct {
	f    vfs.File
	path string
	size int64
	h    header
	foot footer
	sums sums
	got  footer // of what has been read: blocks, entries, bodyBytes

	buf    []byte // a window of the file; bytes lo to hi are not consumed yet
	lo, hi int
	off    int64 // file offset of buf[lo]

	plain []byte // a decompressed body
	large []byte // an entry put together from its pieces
}

// openReader reads and verifies header and footer, and that the file carries
// its own name.
func openReader(fs vfs.FS, path string) (*fileReader, error) {
	f, err := fs.Open(path)
	if err != nil {
		return nil, &readError{path, 0, err}
	}
	r := &fileReader{f: f, path: path}
	if err := r.readEnds(); err != nil {
		f.Close()
		return nil, err
	}
	return r, nil
}

func (r *fileReader) readEnds() error {
	size, err := r.f.Size()
	if err != nil {
		return &readError{r.path, 0, err}
	}
	r.size = size
	if size < headerBytes+footerBytes {
		return corrupt(r.path, size, "the file has %d bytes; header and footer alone take %d", size, headerBytes+footerBytes)
	}
	var b [headerBytes]byte
	if err := r.readAt(b[:], 0); err != nil {
		return err
	}
	if r.h, err = decodeHeader(r.path, b[:]); err != nil {
		return err
	}
	if g, i, ok := parseName(filepath.Base(r.path)); ok && (g != r.h.Group || i != r.h.Index) {
		return corrupt(r.path, 12, "the file holds group %d at index %d: it has another snapshot's name", r.h.Group, r.h.Index)
	}
	if err := r.readAt(b[:footerBytes], size-footerBytes); err != nil {
		return err
	}
	if r.foot, err = decodeFooter(r.path, b[:footerBytes], size, &r.h); err != nil {
		return err
	}
	r.h.Entries = r.foot.entries
	r.off, r.sums.seed = headerBytes, r.h.crc
	return nil
}

func (r *fileReader) Close() error { return r.f.Close() }

func (r *fileReader) info() Info {
	return Info{Meta: r.h.Meta, Path: r.path, Bytes: r.size, Created: r.h.created, Expired: r.foot.expired}
}

// readAt fills b or fails.
func (r *fileReader) readAt(b []byte, off int64) error {
	n, err := r.f.ReadAt(b, off)
	switch {
	case n == len(b):
		return nil
	case err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return corrupt(r.path, off+int64(n), "the file ends here; it had %d bytes when it was opened", r.size)
	}
	return &readError{r.path, off, err}
}

// peek returns the next n bytes without consuming them, or nil if fewer are
// left before the footer. n is at most a block's header and body.
func (r *fileReader) peek(n int) ([]byte, error) {
	if r.hi-r.lo >= n {
		return r.buf[r.lo : r.lo+n], nil
	}
	left := r.size - footerBytes - r.off
	if int64(n) > left {
		return nil, nil
	}
	want := int(min(int64(max(n, readChunkBytes)), left))
	if cap(r.buf) < want {
		grown := make([]byte, want)
		r.hi = copy(grown, r.buf[r.lo:r.hi])
		r.buf = grown
	} else {
		r.buf = r.buf[:cap(r.buf)]
		r.hi = copy(r.buf, r.buf[r.lo:r.hi])
	}
	r.lo = 0
	have := r.hi
	if err := r.readAt(r.buf[have:want], r.off+int64(have)); err != nil {
		return nil, err
	}
	r.hi = want
	return r.buf[:n], nil
}

func (r *fileReader) consume(n int) {
	r.lo += n
	r.off += int64(n)
}

// readState reads the blocks of state, which come before all others, into h.State.
// It grows as they arrive: what the header says is only what it must come to.
func (r *fileReader) readState(ctx context.Context) error {
	for want := int(r.h.stateBytes); len(r.h.State) < want; {
		if err := ctx.Err(); err != nil {
			return err
		}
		at := r.off
		bh, body, err := r.block()
		switch {
		case err != nil:
			return err
		case bh.kind != kindState || bh.entries != 0:
			return corrupt(r.path, at, "%d of the %d bytes of state are missing before this block", want-len(r.h.State), want)
		case len(r.h.State)+len(body) > want:
			return corrupt(r.path, at, "there is more state than the %d bytes that the header says", want)
		}
		r.h.State = append(r.h.State, body...)
	}
	return nil
}

// each verifies every block after those of the state, which have been read, and
// hands each entry to fn. progress, if not nil, is told the bytes of the file done
// since its last call.
func (r *fileReader) each(ctx context.Context, fn func(*store.Entry) error, progress func(bytes int64)) error {
	var e store.Entry
	for r.got.blocks < r.foot.blocks {
		if err := ctx.Err(); err != nil {
			return err
		}
		at := r.off
		bh, body, err := r.block()
		if err != nil {
			return err
		}
		switch bh.kind {
		case kindEntries:
			err = r.entries(at, bh, body, &e, fn)
		case kindState:
			err = corrupt(r.path, at, "a block of state is out of place")
		default:
			err = r.piece(at, bh, body, &e, fn)
		}
		if err != nil {
			return err
		}
		if progress != nil {
			progress(r.off - at)
		}
	}
	end := r.size - footerBytes
	switch {
	case r.off != end:
		return corrupt(r.path, r.off, "%d bytes between the last block and the footer", end-r.off)
	case r.large != nil:
		return corrupt(r.path, end, "the last entry has %d bytes and is not complete", len(r.large))
	case r.got.entries != r.foot.entries || r.got.bodyBytes != r.foot.bodyBytes:
		return corrupt(r.path, end, "the footer counts %d entries in %d bytes, the blocks hold %d in %d",
			r.foot.entries, r.foot.bodyBytes, r.got.entries, r.got.bodyBytes)
	case r.sums.chain != r.foot.chain:
		return corrupt(r.path, end+52, "checksum of the file is %08x, computed %08x", r.foot.chain, r.sums.chain)
	}
	return nil
}

// block reads, verifies, counts and decompresses the next block.
func (r *fileReader) block() (bh blockHeader, body []byte, err error) {
	at, number := r.off, r.got.blocks
	b, err := r.peek(blockHeaderBytes)
	if err != nil {
		return bh, nil, err
	}
	if b == nil || number >= r.foot.blocks {
		return bh, nil, corrupt(r.path, at, "block %d of %d is missing", number, r.foot.blocks)
	}
	if bh, err = decodeBlockHeader(b); err != nil {
		return bh, nil, corrupt(r.path, at, "block %d: %v", number, err)
	}
	total := blockHeaderBytes + int(bh.stored)
	if b, err = r.peek(total); err != nil {
		return bh, nil, err
	}
	if b == nil {
		return bh, nil, corrupt(r.path, at, "block %d of %d bytes reaches past the end of the file", number, total)
	}
	if got, crc := binary.LittleEndian.Uint32(b), r.sums.block(b, number); got != crc {
		return bh, nil, corrupt(r.path, at, "checksum of block %d is %08x, computed %08x", number, got, crc)
	}
	body = b[blockHeaderBytes:]
	if bh.codec == codecS2 {
		if body, err = r.unpack(bh, body); err != nil {
			return bh, nil, corrupt(r.path, at, "block %d does not decompress: %v", number, err)
		}
	}
	r.consume(total)
	r.got.blocks++
	r.got.entries += uint64(bh.entries)
	r.got.bodyBytes += uint64(len(body))
	return bh, body, nil
}

func (r *fileReader) unpack(bh blockHeader, packed []byte) ([]byte, error) {
	n, err := s2.DecodedLen(packed)
	if err != nil {
		return nil, err
	}
	if n != int(bh.decoded) {
		return nil, fmt.Errorf("it says %d bytes, the block header %d", n, bh.decoded)
	}
	if cap(r.plain) < n {
		r.plain = make([]byte, max(n, blockTargetBytes))
	}
	return s2.Decode(r.plain[:n], packed)
}

// entries hands out the entries of a block at file offset at.
func (r *fileReader) entries(at int64, bh blockHeader, body []byte, e *store.Entry, fn func(*store.Entry) error) error {
	if r.large != nil {
		return corrupt(r.path, at, "a piece of a large entry is missing before this block")
	}
	count, rest := uint32(0), body
	for len(rest) > 0 {
		n, err := decodeEntry(rest, r.h.Index, e)
		if err != nil {
			return corrupt(r.path, at, "%v (byte %d of the decoded block)", err, len(body)-len(rest))
		}
		if err := fn(e); err != nil {
			return err
		}
		rest = rest[n:]
		count++
	}
	if count != bh.entries {
		return corrupt(r.path, at, "the block says %d entries and holds %d", bh.entries, count)
	}
	return nil
}

// piece adds a block to the large entry that is being put together, and hands
// it out when it is complete. The buffer grows as pieces arrive.
func (r *fileReader) piece(at int64, bh blockHeader, body []byte, e *store.Entry, fn func(*store.Entry) error) error {
	first := bh.kind == kindFirst
	if first != (r.large == nil) || first != (bh.entries == 1) || bh.entries > 1 {
		return corrupt(r.path, at, "a piece of a large entry is out of place")
	}
	r.large = append(r.large, body...)
	var p prefix
	if err := decodePrefix(r.large, r.h.Index, &p); err != nil {
		return corrupt(r.path, at, "%v", err)
	}
	total, have := p.entryLen(), uint64(len(r.large))
	switch {
	case total <= MaxBlockBytes || have > total:
		return corrupt(r.path, at, "a large entry of %d bytes does not fit its pieces of %d", total, have)
	case have < total && len(body) != MaxBlockBytes:
		return corrupt(r.path, at, "a piece of a large entry has %d bytes in place of %d", len(body), MaxBlockBytes)
	case have < total:
		return nil
	}
	if _, err := decodeEntry(r.large, r.h.Index, e); err != nil {
		return corrupt(r.path, at, "%v", err)
	}
	// Not kept for the next one: it may be as large as the largest value.
	r.large = nil
	return fn(e)
}
