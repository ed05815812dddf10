package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/prakashpandey/vegadb/internal/ring"
)

// A snapshot is a frame with i64 size (-1: unknown) and the header, then frames of the body and one that says that
// this was all, with keepalives in between.
const (
	snapshotHeader = 8

	bodyTag   = 1 // u8 tag of what a frame of the body starts with
	endTag    = 2 // then u64 bytes of the body
	bodyPiece = 256 << 10
)

// SendSnapshot takes a snapshot to a node over a connection of its own, so that frames are not held up, and returns
// when the receiver's Handler has accepted all of it, or with the error: a *RemoteError is the Handler's. size is
// -1 when it is not known in advance; otherwise body must have so many bytes. pace, if not nil, is called before each
// piece of n bytes is sent, and may block to slow the transfer down.
func (t *Transport) SendSnapshot(ctx context.Context, to ring.NodeID, header []byte, size int64, body io.Reader, pace func(n int)) error {
	addr, ok := t.options.Resolve(to)
	switch {
	case !ok:
		return fmt.Errorf("node %s: %w", to, ErrUnknownNode)
	case len(header) > t.limits.CallBytes:
		return fmt.Errorf("a snapshot's header of %d bytes, the limit is %d", len(header), t.limits.CallBytes)
	}
	c, peer, err := t.open(ctx, addr, to, purposeSnapshot)
	if err != nil {
		return err
	}
	defer c.release()
	defer context.AfterFunc(ctx, c.abort)()

	// The receiver may reply before the end, with an error. That ends the sending.
	var replyErr error
	var reader sync.WaitGroup
	reader.Go(func() {
		_, replyErr = c.awaitReply(peer)
		c.abort()
	})
	var local bool
	c.whileAlive(ctx, func(context.Context) { local, err = c.sendBody(header, size, body, pace) })
	if local {
		c.abort()
	}
	reader.Wait()
	switch {
	case errors.As(replyErr, new(*RemoteError)):
		return replyErr
	case local:
		return t.cause(ctx, err)
	case err != nil:
		return t.cause(ctx, fmt.Errorf("sending a snapshot to node %s: %w", to, err))
	case replyErr != nil:
		return t.cause(ctx, replyErr)
	}
	return nil
}

// sendBody writes the whole message. local: the error is not the connection's.
func (c *conn) sendBody(header []byte, size int64, body io.Reader, pace func(int)) (local bool, err error) {
	if err := c.send(appendFrame(nil, le.AppendUint64(nil, uint64(size)), header)); err != nil {
		return false, err
	}
	piece := make([]byte, bodyPiece)
	buf := make([]byte, 0, frameHeader+1+bodyPiece)
	for sent := int64(0); ; {
		n, err := io.ReadFull(body, piece)
		end := err == io.EOF || err == io.ErrUnexpectedEOF
		if err != nil && !end {
			return true, fmt.Errorf("reading the snapshot that is being sent: %w", err)
		}
		sent += int64(n)
		if size >= 0 && (sent > size || end && sent < size) {
			return true, fmt.Errorf("the snapshot that is being sent has not the %d bytes that were announced", size)
		}
		if n > 0 {
			if pace != nil {
				pace(n)
			}
			if err := c.send(appendFrame(buf[:0], []byte{bodyTag}, piece[:n])); err != nil {
				return false, err
			}
		}
		if end {
			return false, c.send(appendFrame(nil, []byte{endTag}, le.AppendUint64(nil, uint64(sent))))
		}
	}
}

// receiveSnapshot hands one snapshot to the Handler.
func (t *Transport) receiveSnapshot(c *conn, h hello) error {
	if err := c.welcome(h); err != nil {
		return err
	}
	frames := c.frames(max(t.limits.CallBytes+snapshotHeader, 1+bodyPiece), t.limits.Idle)
	first, err := frames.next()
	if err != nil {
		return err
	}
	if len(first) < snapshotHeader {
		return fmt.Errorf("a snapshot's first frame of %d bytes has no header", len(first))
	}
	size := int64(le.Uint64(first))
	header := append([]byte(nil), first[snapshotHeader:]...)
	body := &bodyReader{frames: frames, size: max(size, -1)}
	c.whileAlive(t.ctx, func(ctx context.Context) {
		if err = t.options.Handler.Snapshot(ctx, h.from, header, body.size, body); err == nil {
			_, err = io.Copy(io.Discard, body) // what was accepted must have arrived
		}
	})
	if body.broken {
		return err // nobody is there to be told
	}
	if replyErr := c.sendReply(nil, err); replyErr != nil {
		return replyErr
	}
	c.drain()
	return nil
}

// bodyReader gives a snapshot's body, and io.EOF only after its last frame.
type bodyReader struct {
	frames *frameReader
	size   int64 // -1: unknown
	got    int64
	rest   []byte // of the newest frame
	err    error  // io.EOF: complete
	broken bool   // the connection is
}

func (b *bodyReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(b.rest) == 0 {
		if b.err == nil {
			b.err = b.more()
		}
		if b.err != nil {
			return 0, b.err
		}
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

// more takes one frame.
func (b *bodyReader) more() error {
	frame, err := b.frames.next()
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	switch {
	case err != nil:
		b.broken = true
		return fmt.Errorf("receiving a snapshot: %w", err)
	case len(frame) == 0: // the sender is alive
		return nil
	case frame[0] == bodyTag:
		b.got += int64(len(frame) - 1)
		if b.size >= 0 && b.got > b.size {
			return fmt.Errorf("a snapshot of %d bytes was announced, and more have come", b.size)
		}
		b.rest = frame[1:]
		return nil
	case frame[0] == endTag && len(frame) == 1+8:
		if sent := le.Uint64(frame[1:]); sent != uint64(b.got) {
			return fmt.Errorf("of a snapshot's %d bytes %d have come", sent, b.got)
		}
		if b.size >= 0 && b.got != b.size {
			return fmt.Errorf("a snapshot of %d bytes was announced, and it ended after %d", b.size, b.got)
		}
		return io.EOF
	}
	return fmt.Errorf("receiving a snapshot: a frame with the unknown tag %d", frame[0])
}
