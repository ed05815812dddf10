package router

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/prakashpandey/vegadb/internal/config"
	"github.com/prakashpandey/vegadb/internal/front"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait of these tests for something that must happen.
const patience = 20 * time.Second

// logBuffer keeps what a router logs.
type logBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// testRouter is a router in front of a fake cluster.
type testRouter struct {
	*Router
	t   testing.TB
	log *logBuffer
}

// startRouter starts a router on free ports of the loopback, and stops it when the
// test ends.
func startRouter(t testing.TB, b backend, change ...func(*config.Router)) *testRouter {
	t.Helper()
	s := config.DefaultRouter()
	s.Front.Addr, s.Front.AdminAddr = "127.0.0.1:0", ""
	s.Cluster = "fake:1"
	for _, f := range change {
		f(&s)
	}
	log := &logBuffer{}
	r, err := Start(Options{
		Settings: s, Version: "test", poll: 10 * time.Millisecond, Logger: slog.New(slog.NewTextHandler(log, nil)),
		open: func(context.Context) (backend, error) {
			if b == nil {
				return nil, errors.New("no cluster in this test")
			}
			return b, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := r.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
		if n := r.stats.inFlight.Load(); n != 0 {
			t.Errorf("%d requests are counted as in flight behind the end", n)
		}
		if n := r.held.Load(); n != 0 {
			t.Errorf("%d bytes of replies are counted as held behind the end", n)
		}
		for p := range front.Protocols {
			if n := r.stats.open[p].Load(); n != 0 {
				t.Errorf("%d connections of protocol %s are counted behind the end", n, p)
			}
		}
	})
	tr := &testRouter{Router: r, t: t, log: log}
	if b != nil {
		tr.eventually("the cluster is reached", func() bool { return r.State().Ready })
	}
	return tr
}

// eventually waits for a condition.
func (r *testRouter) eventually(what string, holds func() bool) {
	r.t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(100 * time.Microsecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			r.t.Fatalf("waited in vain: %s", what)
		}
	}
}

// raw is a RESP connection without a client library.
type raw struct {
	t testing.TB
	net.Conn
	in *bufio.Reader
}

func (r *testRouter) dial() *raw {
	r.t.Helper()
	c, err := net.Dial("tcp", r.Addr())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return &raw{t: r.t, Conn: c, in: bufio.NewReader(c)}
}

// send writes inline commands, one per line.
func (c *raw) send(lines ...string) {
	c.t.Helper()
	if _, err := io.WriteString(c, strings.Join(lines, "\r\n")+"\r\n"); err != nil {
		c.t.Fatal(err)
	}
}

// reply reads one reply and returns it on one line: aggregates in brackets, strings
// bare, null as (nil).
func (c *raw) reply() string {
	c.t.Helper()
	text, err := c.tryReply()
	if err != nil {
		c.t.Fatalf("reading a reply: %v", err)
	}
	return text
}

func (c *raw) tryReply() (string, error) {
	line, err := c.in.ReadString('\n')
	if err != nil {
		return "", err
	}
	line = strings.TrimSuffix(line, "\r\n")
	kind, rest := line[0], line[1:]
	switch kind {
	case '+', ':':
		return rest, nil
	case '-':
		return line, nil
	case '_':
		return "(nil)", nil
	}
	var n int
	if _, err := fmt.Sscan(rest, &n); err != nil {
		return "", fmt.Errorf("reply %q", line)
	}
	if n < 0 {
		return "(nil)", nil
	}
	switch kind {
	case '$', '=':
		buf := make([]byte, n+2)
		if _, err := io.ReadFull(c.in, buf); err != nil {
			return "", err
		}
		return string(buf[:n]), nil
	case '%':
		n *= 2
	case '*', '~':
	default:
		return "", fmt.Errorf("reply %q", line)
	}
	var parts []string
	for range n {
		part, err := c.tryReply()
		if err != nil {
			return "", err
		}
		parts = append(parts, part)
	}
	return "[" + strings.Join(parts, " ") + "]", nil
}

// ask sends an inline command and compares its reply.
func (c *raw) ask(line, want string) {
	c.t.Helper()
	c.send(line)
	if got := c.reply(); got != want {
		c.t.Errorf("%s: %q, want %q", line, got, want)
	}
}

// wantClosed waits for the peer to close the connection.
func (c *raw) wantClosed() {
	c.t.Helper()
	if rest, err := io.ReadAll(c.in); err != nil && !errors.Is(err, net.ErrClosed) && !isReset(err) {
		c.t.Errorf("after %d bytes: %v, want the end", len(rest), err)
	}
}

func isReset(err error) bool { return strings.Contains(err.Error(), "reset") }

func bufioReader(r io.Reader) *bufio.Reader { return bufio.NewReader(r) }
