package transport

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"sync"
	"time"

	"github.com/prakashpandey/vegadb/internal/ring"
)

// writePiece is how much a write deadline is for.
const writePiece = 512 << 10

// conn is one connection, with or without TLS, from when it is open until release.
type conn struct {
	net.Conn          // what is read and written
	raw      net.Conn // the TCP connection below
	t        *Transport
	node     ring.NodeID // the other side; zero: not known (yet), or a stranger. guarded by t.mu
	purpose  purpose     // guarded by t.mu
	writing  sync.Mutex
}

// track registers a connection, so that Close ends it. nil: the transport is closed, and so is raw.
func (t *Transport) track(raw net.Conn) *conn {
	c := &conn{Conn: raw, raw: raw, t: t}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		raw.Close()
		return nil
	}
	t.conns[c] = struct{}{}
	return c
}

// release closes the connection for good.
func (c *conn) release() {
	c.abort()
	c.t.mu.Lock()
	defer c.t.mu.Unlock()
	delete(c.t.conns, c)
}

// abort closes the connection at once, whatever reads or writes are under way. TLS's farewell is left out: it could
// block, and every message here says itself where it ends.
func (c *conn) abort() { c.raw.Close() }

// send writes b, a piece at a time, so that the deadline speaks of progress and not of size.
func (c *conn) send(b []byte) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	for len(b) > 0 {
		piece := b[:min(len(b), writePiece)]
		if err := c.SetWriteDeadline(time.Now().Add(c.t.limits.Write)); err != nil {
			return err
		}
		if _, err := c.Write(piece); err != nil {
			return err
		}
		b = b[len(piece):]
	}
	return nil
}

// frames returns a reader of the connection's frames.
func (c *conn) frames(largest int, idle time.Duration) *frameReader {
	return &frameReader{src: c, max: largest, deadline: c.SetReadDeadline, idle: idle, whole: c.t.limits.Frame}
}

// keepalive is a frame without payload.
var keepalive [frameHeader]byte

// whileAlive sends keepalives while f runs, and ends f's context when one cannot be sent: the other side is gone.
func (c *conn) whileAlive(ctx context.Context, f func(ctx context.Context)) {
	ctx, cancel := context.WithCancel(ctx)
	var beat sync.WaitGroup
	beat.Go(func() {
		ticker := time.NewTicker(c.t.limits.Keepalive)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			if err := c.send(keepalive[:]); err != nil {
				cancel()
				c.abort()
				return
			}
		}
	})
	f(ctx)
	cancel()
	beat.Wait()
}

// drain reads what the other side still sends, until it closes: closing earlier could destroy what was written to it
// last.
func (c *conn) drain() {
	if w, ok := c.raw.(interface{ CloseWrite() error }); ok {
		w.CloseWrite()
	}
	c.SetReadDeadline(time.Now().Add(c.t.limits.Idle))
	io.Copy(io.Discard, c.raw)
}

// upgrade puts TLS on the connection, as the side that dialled or the other.
func (c *conn) upgrade(ctx context.Context, dialled bool) error {
	config := c.t.options.TLS
	if config == nil {
		return nil
	}
	var secure *tls.Conn
	if dialled {
		secure = tls.Client(c.raw, config)
	} else {
		secure = tls.Server(c.raw, config)
	}
	if err := secure.HandshakeContext(ctx); err != nil {
		return err
	}
	c.Conn = secure
	return nil
}
