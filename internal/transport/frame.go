package transport

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"time"
)

const (
	frameHeader = 8 // u32 length, u32 CRC-32C of the payload

	readBuffer = 64 << 10 // what a reader starts with
	keepBuffer = 1 << 20  // what it keeps after a frame that needed more
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	le         = binary.LittleEndian
)

// errDamaged is what a frame is that does not match its checksum.
var errDamaged = errors.New("a frame does not match its checksum: damaged on the way, or not sent by a node")

// putHeader writes the header of a frame of size bytes with the checksum crc.
func putHeader(b []byte, size int, crc uint32) {
	le.PutUint32(b, uint32(size))
	le.PutUint32(b[4:], crc)
}

// appendFrame appends one frame made of parts.
func appendFrame(b []byte, parts ...[]byte) []byte {
	at := len(b)
	b = append(b, make([]byte, frameHeader)...)
	var crc uint32
	for _, part := range parts {
		crc = crc32.Update(crc, castagnoli, part)
		b = append(b, part...)
	}
	putHeader(b[at:], len(b)-at-frameHeader, crc)
	return b
}

// frameReader cuts a stream of bytes into frames. Its buffer grows with bytes that have arrived, never with a length
// that was only announced.
type frameReader struct {
	src io.Reader
	max int // largest payload

	// deadline, if not nil, is told before each read how long it may take.
	deadline func(time.Time) error
	idle     time.Duration // for the next byte
	whole    time.Duration // from the first byte of a frame to its last
	begun    time.Time     // when the first byte of an unfinished frame was there; zero: none

	buf  []byte
	r, w int // buf[r:w] has arrived and is not consumed
}

// next returns the next frame's payload, which is valid until the next call. A keepalive's is empty. At the end of
// the stream between two frames the error is io.EOF.
func (f *frameReader) next() ([]byte, error) {
	for {
		need := frameHeader
		if f.w-f.r >= frameHeader {
			size := le.Uint32(f.buf[f.r:])
			if uint64(size) > uint64(f.max) {
				return nil, fmt.Errorf("a frame of %d bytes is announced, the limit is %d", size, f.max)
			}
			need += int(size)
			if f.w-f.r >= need {
				payload := f.buf[f.r+frameHeader : f.r+need]
				if crc32.Checksum(payload, castagnoli) != le.Uint32(f.buf[f.r+4:]) {
					return nil, errDamaged
				}
				f.r += need
				f.begun = time.Time{}
				return payload, nil
			}
		}
		if err := f.fill(need); err != nil {
			return nil, err
		}
	}
}

// fill reads at least one byte more towards need bytes from r on.
func (f *frameReader) fill(need int) error {
	switch {
	case f.r == f.w && (f.buf == nil || len(f.buf) > keepBuffer):
		f.buf, f.r, f.w = make([]byte, min(readBuffer, f.max+frameHeader)), 0, 0
	case f.r == f.w:
		f.r, f.w = 0, 0
	case f.r > 0 && f.r+need > len(f.buf):
		f.w = copy(f.buf, f.buf[f.r:f.w])
		f.r = 0
	}
	if f.w == len(f.buf) { // full of one unfinished frame
		f.buf = append(f.buf, make([]byte, min(len(f.buf), need-len(f.buf)))...)
		f.buf = f.buf[:cap(f.buf)]
	}
	if f.deadline != nil {
		now := time.Now()
		limit := now.Add(f.idle)
		if f.w > f.r {
			if f.begun.IsZero() {
				f.begun = now
			}
			if end := f.begun.Add(f.whole); end.Before(limit) {
				limit = end
			}
		}
		if err := f.deadline(limit); err != nil {
			return err
		}
	}
	n, err := f.src.Read(f.buf[f.w:])
	f.w += n
	if n > 0 {
		return nil
	}
	if err == io.EOF && f.w > f.r {
		return io.ErrUnexpectedEOF
	}
	if err == nil {
		return io.ErrNoProgress
	}
	return err
}
