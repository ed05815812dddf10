package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/prakashpandey/vegadb/internal/ring"
)

// open dials addr and introduces this node. to is who is expected there; zero: anybody. It returns who answered.
func (t *Transport) open(ctx context.Context, addr string, to ring.NodeID, what purpose) (*conn, answer, error) {
	dialer := net.Dialer{Timeout: t.limits.Dial, KeepAliveConfig: t.keepAlive()}
	dialing, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(t.ctx, cancel)()
	raw, err := dialer.DialContext(dialing, "tcp", addr)
	if err != nil {
		return nil, answer{}, t.cause(ctx, err)
	}
	c := t.track(raw)
	if c == nil {
		return nil, answer{}, ErrClosed
	}
	stop := context.AfterFunc(ctx, c.abort)
	a, err := c.introduce(ctx, addr, to, what)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		c.release()
		return nil, answer{}, t.cause(ctx, err)
	}
	return c, a, nil
}

// cause puts what ended everything before what broke in consequence.
func (t *Transport) cause(ctx context.Context, err error) error {
	switch {
	case t.ctx.Err() != nil:
		return ErrClosed
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return err
}

// introduce is the dialling side of the handshake.
func (c *conn) introduce(ctx context.Context, addr string, to ring.NodeID, what purpose) (answer, error) {
	t := c.t
	if err := c.SetDeadline(time.Now().Add(t.limits.Handshake)); err != nil {
		return answer{}, err
	}
	if err := c.upgrade(ctx, true); err != nil {
		return answer{}, tlsAdvice(addr, err)
	}
	h := hello{
		lowest: lowestVersion, highest: highestVersion, purpose: what,
		cluster: t.clusterID(), from: t.options.Node, to: to, boot: t.options.Boot,
	}
	if _, err := c.Write(h.append(nil)); err != nil {
		return answer{}, fmt.Errorf("%s: hello: %w", addr, err)
	}
	a, err := readAnswer(c)
	if errors.Is(err, os.ErrDeadlineExceeded) && t.options.TLS == nil {
		err = c.nudge(err)
	}
	if stranger := (*notAnAnswerError)(nil); errors.As(err, &stranger) {
		return answer{}, &StrangerError{Addr: addr, Text: stranger.guess(t.options.TLS != nil)}
	}
	if err != nil {
		hint := ""
		if t.options.TLS == nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			hint = " (if its peer port uses TLS, so must this node)"
		}
		return answer{}, fmt.Errorf("%s: no answer to the hello%s: %w", addr, hint, err)
	}
	switch {
	case a.code != 0:
		refused := &RefusedError{Addr: addr, Code: a.code, Text: a.text}
		if t.options.Refused != nil {
			t.options.Refused(refused)
		}
		return answer{}, refused
	case a.version < lowestVersion || a.version > highestVersion:
		return answer{}, fmt.Errorf("%s: chose version %d of the protocol, which was not offered", addr, a.version)
	case !to.IsZero() && a.node != to:
		return answer{}, fmt.Errorf("%s: node %s answered, not %s", addr, a.node, to)
	case !h.cluster.IsZero() && a.cluster != h.cluster:
		return answer{}, fmt.Errorf("%s: a node of another cluster answered", addr)
	}
	t.mu.Lock()
	c.node, c.purpose = a.node, what
	t.mu.Unlock()
	return a, c.SetDeadline(time.Time{})
}

// nudge finds out what has not answered the hello in time, which is err: servers of lines of text, such as HTTP, wait for
// the end of one. The connection is of no use afterwards. It returns what is known then.
func (c *conn) nudge(err error) error {
	const farewell, within = "\r\n\r\n", 300 * time.Millisecond
	if c.SetDeadline(time.Now().Add(within)) != nil {
		return err
	}
	if _, writeErr := io.WriteString(c, farewell); writeErr != nil {
		return err
	}
	var b [len(magic)]byte
	if _, readErr := io.ReadFull(c, b[:]); readErr != nil || string(b[:]) == magic { // a node that was busy
		return err
	}
	return &notAnAnswerError{first: b}
}

// tlsAdvice adds to a TLS error what is to be done about it.
func tlsAdvice(addr string, err error) error {
	if errors.As(err, new(tls.RecordHeaderError)) {
		return fmt.Errorf("%s does not speak TLS on its peer port, and this node does: give both the same peer TLS settings: %w", addr, err)
	}
	if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
		return fmt.Errorf("%s: no answer to the TLS handshake: %w", addr, err)
	}
	return fmt.Errorf("%s: TLS: %w (the certificates of all nodes must be signed by the CA that all nodes have)", addr, err)
}
