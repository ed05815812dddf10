package wal

import (
	"bytes"
	"errors"
	"io"

	"github.com/prakashpandey/vegadb/internal/vfs"
)

// reader reads a segment from front to back through a window that is as large as its largest batch, and no larger
// than the file: what a damaged length claims is never allocated beyond that.
type reader struct {
	f    vfs.File
	size int64  // of the file
	buf  []byte // window; kept across segments
	base int64  // offset of buf[0]
	n    int    // bytes in the window
}

const readerWindow = 1 << 20

// reset points the reader at another file.
func (r *reader) reset(f vfs.File, size int64) {
	r.f, r.size, r.base, r.n = f, size, 0, 0
	if r.buf == nil {
		r.buf = make([]byte, min(readerWindow, max(size, headerBytes)))
	}
}

// view returns the bytes from off to off+n, fewer if the file ends before. Bytes from keep on stay in the window:
// a view of them taken afterwards overlaps this one. keep is at most off, and never goes back.
func (r *reader) view(keep, off, n int64) ([]byte, error) {
	end := min(off+n, r.size)
	if end <= off {
		return nil, nil
	}
	if off < r.base || end > r.base+int64(r.n) {
		if err := r.fill(keep, end); err != nil {
			return nil, err
		}
	}
	return r.buf[off-r.base : end-r.base], nil
}

// fill moves the window so that it begins at keep and reaches at least to end.
func (r *reader) fill(keep, end int64) error {
	held := 0
	if keep >= r.base && keep < r.base+int64(r.n) {
		held = copy(r.buf, r.buf[keep-r.base:r.n])
	}
	if need := end - keep; need > int64(len(r.buf)) {
		grown := make([]byte, min(max(need, 2*int64(len(r.buf))), max(need, r.size-keep)))
		copy(grown, r.buf[:held])
		r.buf = grown
	}
	r.base = keep
	want := min(int64(len(r.buf)), r.size-keep)
	m, err := r.f.ReadAt(r.buf[held:want], keep+int64(held))
	r.n = held + m
	if err != nil && !(errors.Is(err, io.EOF) && r.base+int64(r.n) >= end) {
		return err
	}
	return nil
}

// batchAt reads the batch that begins at off. If there is none, b is nil: whatever lies there does not verify. The
// result is valid until the next call.
func (r *reader) batchAt(id identity, off int64) (b []byte, c commit, err error) {
	at := off
	for {
		h, err := r.view(off, at, commitBytes)
		if err != nil {
			return nil, commit{}, err
		}
		if len(h) < recordHeaderBytes {
			return nil, commit{}, nil
		}
		if c, ok := decodeCommit(h, id, at); ok {
			if int64(c.bytes) != at-off {
				return nil, commit{}, nil
			}
			b, err := r.view(off, off, at+commitBytes-off)
			if err != nil || !verifyBatch(b, id, off) {
				return nil, commit{}, err
			}
			return b, c, nil
		}
		n := le.Uint32(h)
		if n > limitRecordBytes || h[8] == 0 { // neither a record nor a commit; zeros, most of the time
			return nil, commit{}, nil
		}
		at += recordSize(int(n))
	}
}

// rest is what lies after the last usable batch.
type rest struct {
	dirtyFrom, dirtyTo int64  // the bytes that are not zero lie in between; equal if there are none
	batches            int    // that verify there
	synced             uint64 // the newest batch that any of those says had been durable
	highest            uint64 // number of the newest of those
}

// restFrom looks through everything from off to the end of the file, for anything but zeros and for commit
// records that verify. They lie at multiples of recordAlign.
func (r *reader) restFrom(id identity, off int64) (rest, error) {
	out := rest{dirtyFrom: off, dirtyTo: off}
	zeros := make([]byte, headerBytes)
	for at := off; at < r.size; {
		b, err := r.view(at, at, headerBytes)
		if err != nil {
			return out, err
		}
		if !bytes.Equal(b, zeros[:len(b)]) {
			first, last := nonZero(b)
			if out.dirtyTo == off {
				out.dirtyFrom = at + first
			}
			out.dirtyTo = at + last + 1
			if err := r.commitsIn(id, off, at, &out); err != nil {
				return out, err
			}
		}
		at += int64(len(b))
	}
	return out, nil
}

// nonZero returns the places of the first and the last byte of b that is not zero. There is one.
func nonZero(b []byte) (first, last int64) {
	last = int64(len(b)) - 1
	for b[first] == 0 {
		first++
	}
	for b[last] == 0 {
		last--
	}
	return first, last
}

// commitsIn verifies what looks like a commit record within the block at off.
func (r *reader) commitsIn(id identity, floor, off int64, out *rest) error {
	for at := off; at < min(off+headerBytes, r.size); at += recordAlign {
		h, err := r.view(at, at, commitBytes)
		if err != nil {
			return err
		}
		c, ok := decodeCommit(h, id, at)
		if !ok || int64(c.bytes) > at-floor {
			continue
		}
		whole := make([]byte, int64(c.bytes)+commitBytes)
		if _, err := r.f.ReadAt(whole, at-int64(c.bytes)); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if verifyBatch(whole, id, at-int64(c.bytes)) {
			out.batches++
			out.synced, out.highest = max(out.synced, c.synced), max(out.highest, c.seq)
		}
	}
	return nil
}
