//go:build unix

package clustertest

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
)

// What a node sends on a connection for frames: a hello, then frames of an 8-byte header, which begins with the length of
// the rest, and that rest. See package transport.
const (
	helloPurpose = 7 // offset of what the connection is for
	forFrames    = 1
	helloBytes   = 68
	frameHeader  = 8
)

// shuffler doubles whole frames of a stream, and puts others behind the next one, while its link says so.
type shuffler struct {
	link   *link
	rng    *rand.Rand
	buf    []byte
	passed int    // bytes of the hello that have gone by
	kept   []byte // a frame that waits for the next
}

// newShuffler returns what shuffles the stream that begins with these bytes of a hello; nil if it carries no frames.
func newShuffler(l *link, hello []byte) *shuffler {
	if len(hello) <= helloPurpose || hello[helloPurpose] != forFrames {
		return nil
	}
	return &shuffler{link: l, rng: rand.New(rand.NewPCG(binary.LittleEndian.Uint64(hello[helloPeek-8:]), 0x5f)), passed: len(hello)}
}

// pass takes bytes as they come and returns those that are to go on.
func (s *shuffler) pass(b []byte) (out []byte) {
	if n := min(len(b), helloBytes-s.passed); n > 0 {
		out, b = append(out, b[:n]...), b[n:]
		s.passed += n
	}
	s.buf = append(s.buf, b...)
	for len(s.buf) >= frameHeader {
		size := frameHeader + int(binary.LittleEndian.Uint32(s.buf))
		if len(s.buf) < size {
			break
		}
		out = s.frame(out, s.buf[:size])
		s.buf = s.buf[size:]
	}
	return out
}

// frame appends what comes of one frame.
func (s *shuffler) frame(out, frame []byte) []byte {
	draw := 10
	if s.link.shuffles() {
		draw = s.rng.IntN(10)
	}
	switch {
	case draw == 0:
		s.link.shuffled()
		out = append(out, frame...)
	case draw == 1 && s.kept == nil:
		s.link.shuffled()
		s.kept = append([]byte(nil), frame...)
		return out
	}
	out = append(out, frame...)
	out = append(out, s.kept...)
	s.kept = nil
	return out
}

func (l *link) shuffle(on bool) (soFar int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.shuffling = on
	return l.frames
}

func (l *link) shuffles() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.shuffling
}

func (l *link) shuffled() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.frames++
}

// ShuffleFrames doubles a tenth of the frames that nodes send each other, and lets another tenth arrive behind the next one, until
// it is called again without on. It returns how many frames that were so far. It needs proxies.
func (c *Cluster) ShuffleFrames(on bool) (frames int, err error) {
	nodes := c.Nodes()
	for _, n := range nodes {
		for _, d := range between(n, c.except(n), true, false) {
			count, failed := c.Network.Shuffle(d.from.Number, d.to.Number, on)
			frames += count
			err = errors.Join(err, failed)
		}
	}
	return frames, err
}

// Shuffled is ShuffleFrames as a fault that lasts for the whole of a Torment.
func Shuffled() Fault {
	return Fault{Name: "shuffled frames", Strike: func(_ context.Context, c *Cluster, _ *rand.Rand) (func(context.Context) error, error) {
		_, err := c.ShuffleFrames(true)
		return nil, err
	}}
}
