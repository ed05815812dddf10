package snapshot

import (
	"context"
	"fmt"

	"github.com/klauspost/compress/s2"

	"github.com/prakashpandey/vegadb/internal/mutant"
	"github.com/prakashpandey/vegadb/internal/store"
	"github.com/prakashpandey/vegadb/internal/vfs"
)

// fileWriter turns entries into a file: header, blocks, footer. It neither
// names nor publishes it.
type fileWriter struct {
	ctx   context.Context
	f     vfs.File
	h     header
	foot  footer
	sums  sums
	pacer *Pacer
	duty  *Duty

	// raw and packed begin with room for a block's header, so that a block goes
	// out in one write and the body is not moved.
	raw    []byte
	packed []byte
	starts uint32 // entries that begin in raw

	// Bodies that do not shrink are stored. Trying costs time, so after a body
	// that did not shrink the next ones are stored untried, more of them each
	// time: skip counts down, backoff is where it starts next.
	skip, backoff int

	syncEvery int64 // bytes; 0: never
	unsynced  int64
}

const maxBackoff = 16

func newFileWriter(ctx context.Context, f vfs.File, h header, o *WriteOptions, syncEvery int64) (*fileWriter, error) {
	w := &fileWriter{ctx: ctx, f: f, pacer: o.Pacer, duty: o.Duty, syncEvery: syncEvery}
	front := h.encode() // fills in h.crc
	w.h = h
	w.foot.headerCRC, w.sums.seed = h.crc, h.crc
	w.raw = make([]byte, blockHeaderBytes, blockHeaderBytes+blockTargetBytes)
	return w, w.write(front)
}

// addState writes the group's state, before the first entry.
func (w *fileWriter) addState(state []byte) error {
	for len(state) > 0 {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		n := min(len(state), blockTargetBytes)
		w.raw = append(w.raw, state[:n]...)
		if err := w.flush(kindState); err != nil {
			return err
		}
		state = state[n:]
	}
	return nil
}

// add writes one entry.
func (w *fileWriter) add(e *store.Entry) error {
	if e.Version > w.h.Index {
		return fmt.Errorf("an entry has version %d, beyond the snapshot's index %d", e.Version, w.h.Index)
	}
	n := entryLen(w.h.Index, e)
	if n > MaxEntryBytes {
		return fmt.Errorf("an entry takes %d bytes, the limit is %d", n, uint64(MaxEntryBytes))
	}
	if have := uint64(len(w.raw) - blockHeaderBytes); have > 0 && have+n > blockTargetBytes {
		if err := w.flush(kindEntries); err != nil {
			return err
		}
	}
	w.foot.entries++
	w.starts++
	w.raw = appendPrefix(w.raw, w.h.Index, e)
	if n > MaxBlockBytes {
		return w.addLarge(e)
	}
	w.raw = append(w.raw, e.Key...)
	w.raw = append(w.raw, e.Value...)
	return nil
}

// addLarge cuts an entry, whose prefix stands in raw, into pieces.
func (w *fileWriter) addLarge(e *store.Entry) error {
	kind := uint8(kindFirst)
	for _, part := range [2][]byte{e.Key, e.Value} {
		for len(part) > 0 {
			room := blockHeaderBytes + MaxBlockBytes - len(w.raw)
			if room == 0 {
				if err := w.flush(kind); err != nil {
					return err
				}
				kind = kindFurther
				continue
			}
			n := min(room, len(part))
			w.raw = append(w.raw, part[:n]...)
			part = part[n:]
		}
	}
	return w.flush(kind)
}

// flush writes what raw holds as one block.
func (w *fileWriter) flush(kind uint8) error {
	n := len(w.raw) - blockHeaderBytes
	if n == 0 {
		return nil
	}
	h := blockHeader{kind: kind, codec: codecStored, stored: uint32(n), decoded: uint32(n), entries: w.starts}
	out := w.raw
	if packed := w.pack(w.raw[blockHeaderBytes:]); packed != nil {
		h.codec, h.stored = codecS2, uint32(len(packed)-blockHeaderBytes)
		out = packed
	}
	w.sums.seal(out, h, w.foot.blocks)
	w.foot.blocks++
	w.foot.bodyBytes += uint64(n)
	w.raw, w.starts = w.raw[:blockHeaderBytes], 0
	return w.write(out)
}

// pack compresses body, with room for a block's header before it. It returns
// nil if that was not worth it: less than an eighth saved.
func (w *fileWriter) pack(body []byte) []byte {
	if w.skip > 0 {
		w.skip--
		return nil
	}
	if need := blockHeaderBytes + s2.MaxEncodedLen(len(body)); cap(w.packed) < need {
		w.packed = make([]byte, need)
	}
	dst := w.packed[:cap(w.packed)]
	packed := s2.Encode(dst[blockHeaderBytes:], body)
	if len(packed) > len(body)-len(body)/8 {
		w.backoff = min(2*w.backoff+1, maxBackoff)
		w.skip = w.backoff
		return nil
	}
	w.backoff = 0
	return dst[:blockHeaderBytes+len(packed)]
}

// write writes b at the end of the file, at the pace allowed. Data is synced as
// it goes, so that the last sync, and the log's syncs meanwhile, do not wait for
// all of it.
func (w *fileWriter) write(b []byte) error {
	if err := w.pacer.Wait(w.ctx, len(b)); err != nil {
		return err
	}
	if _, err := w.f.Write(b); err != nil {
		return err
	}
	w.foot.fileBytes += uint64(len(b))
	if w.unsynced += int64(len(b)); w.syncEvery > 0 && w.unsynced >= w.syncEvery {
		w.unsynced = 0
		return w.f.Sync()
	}
	return nil
}

// finish writes what is left and the footer, and syncs unless nothing is to be.
func (w *fileWriter) finish() error {
	if err := w.flush(kindEntries); err != nil {
		return err
	}
	w.foot.chain = w.sums.chain
	w.foot.fileBytes += footerBytes
	b := w.foot.encode()
	w.foot.fileBytes -= footerBytes // write counts it
	if err := w.write(b); err != nil || w.syncEvery == 0 || mutant.On(mutant.UnsyncedSnapshot) {
		return err
	}
	return w.f.Sync()
}
