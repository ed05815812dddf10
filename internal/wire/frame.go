package wire

import "encoding/binary"

// le is the byte order of every number in the protocol.
var le = binary.LittleEndian

const (
	lengthSize = 4
	// HeaderSize is the length of a request's or a reply's fixed header
	// without the length field in front of it.
	HeaderSize = 8
	// FrameOverhead is what a frame without optional fields and body takes.
	FrameOverhead = lengthSize + HeaderSize
)

// Limits are the sizes a server accepts. It sends them in its hello, so that a
// client can refuse by itself what the server would refuse.
type Limits struct {
	MaxFrame    uint32 `json:"max_frame"`     // bytes after the length field, requests and replies
	MaxKey      uint32 `json:"max_key"`       // bytes
	MaxValue    uint32 `json:"max_value"`     // bytes
	MaxBatch    uint32 `json:"max_batch"`     // items of one GETBATCH or WRITEBATCH
	MaxScan     uint32 `json:"max_scan"`      // entries of one SCAN page
	MaxInFlight uint32 `json:"max_in_flight"` // requests sent and not yet answered on one connection
}

// DefaultLimits returns what a server offers unless it is told otherwise.
func DefaultLimits() Limits {
	return Limits{
		MaxFrame:    128 << 20,
		MaxKey:      64 << 10,
		MaxValue:    64 << 20,
		MaxBatch:    100_000,
		MaxScan:     10_000,
		MaxInFlight: 65_536,
	}
}

// ParseFrame returns the first frame in buf without its length field, as a view
// into buf, and n, the bytes it took. n == 0 with a nil error means that buf
// ends before the frame does; FrameSize tells how many bytes are wanted then.
// An error cannot be recovered from: close the connection.
func ParseFrame(buf []byte, maxFrame uint32) (frame []byte, n int, err error) {
	if len(buf) < lengthSize {
		return nil, 0, nil
	}
	length := le.Uint32(buf)
	if length > maxFrame {
		return nil, 0, ErrFrameTooLarge
	}
	if length < HeaderSize {
		return nil, 0, ErrFrameTooShort
	}
	// uint64: on a 32-bit machine the sum could pass the range of int.
	if uint64(len(buf)) < lengthSize+uint64(length) {
		return nil, 0, nil
	}
	n = lengthSize + int(length)
	return buf[lengthSize:n:n], n, nil
}

// FrameSize returns the whole size of the frame at the start of buf, length
// field included, or 0 if buf is too short to tell. It checks nothing: call it
// after ParseFrame has returned n == 0.
func FrameSize(buf []byte) uint64 {
	if len(buf) < lengthSize {
		return 0
	}
	return lengthSize + uint64(le.Uint32(buf))
}

// FinishFrame writes the length of the frame that starts at dst[start:] and
// ends with dst. Every Append…Header leaves the length open for it.
func FinishFrame(dst []byte, start int) {
	le.PutUint32(dst[start:], uint32(len(dst)-start-lengthSize))
}
