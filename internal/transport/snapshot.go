package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/prakashpandey/vegadb/internal/ring"
)

// A snapshot is a frame with i64 size (-1: unknown) and the header, then frames of the body, then an empty frame.
const (
	snapshotHeader = 8
	bodyPiece      = 256 << 10
)

// SendSnapshot takes a snapshot to a node over a connection of its own, so that frames are not held up, and returns
// when the receiver's Handler has accepted all of it, or with the error: a *RemoteError is the Handler's. size is
// -1 when it is not known in advance; otherwise body must have so many bytes. pace, if not nil, is called before each
// piece of n bytes is sent and may block for a while, but not longer than Limits.Body less Limits.Idle.
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
	local, err := c.sendBody(header, size, body, pace)
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
	buf := make([]byte, 0, bodyPiece+frameHeader)
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
			if err := c.send(appendFrame(buf[:0], piece[:n])); err != nil {
				return false, err
			}
		}
		if end {
			return false, c.send(keepalive[:])
		}
	}
}

// receiveSnapshot hands one snapshot to the Handler.
func (t *Transport) receiveSnapshot(c *conn, h hello) error {
	if err := c.welcome(); err != nil {
		return err
	}
	frames := c.frames(max(t.limits.CallBytes+snapshotHeader, bodyPiece), t.limits.Body)
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
		if b.err != nil {
			return 0, b.err
		}
		frame, err := b.frames.next()
		switch {
		case err != nil:
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			b.err, b.broken = fmt.Errorf("receiving a snapshot: %w", err), true
		case len(frame) > 0:
			b.got += int64(len(frame))
			b.rest = frame
			if b.size >= 0 && b.got > b.size {
				b.rest, b.err = nil, fmt.Errorf("a snapshot of %d bytes was announced, and more have come", b.size)
			}
		case b.size >= 0 && b.got < b.size:
			b.err = fmt.Errorf("a snapshot of %d bytes was announced, and %d have come", b.size, b.got)
		default:
			b.err = io.EOF
		}
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}
