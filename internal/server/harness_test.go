package server

import (
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/internal/config"
	"github.com/prakashpandey/vegadb/internal/node"
	"github.com/prakashpandey/vegadb/internal/store"
	"github.com/prakashpandey/vegadb/internal/vfs"
	"github.com/prakashpandey/vegadb/internal/wal"
)

// harness drives sessions without sockets: what a driver does, in the test's own
// goroutine.
type harness struct {
	t     testing.TB
	srv   *Server
	clock *testClock
	users string // the users file, if there is one
}

// testClock is a clock that tests move by hand.
type testClock struct {
	mu  sync.Mutex
	now time.Time
}

func newTestClock() *testClock { return &testClock{now: time.Unix(1_700_000_000, 0)} }

func (c *testClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *testClock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// harnessOptions change what a harness starts from.
type harnessOptions struct {
	dir      string // "": in memory
	fs       vfs.FS
	policy   wal.SyncPolicy
	settings func(*config.Server)
	server   func(*Options)
	peer     *peer // stands in for the node, which it is given
}

func newHarness(t testing.TB, o harnessOptions) *harness {
	t.Helper()
	settings := config.Default()
	settings.Partitions = 8
	if o.settings != nil {
		o.settings(&settings)
	}
	clock := newTestClock()
	n, err := node.Open(node.Options{
		FS: o.fs, Dir: o.dir, Partitions: settings.Partitions, Durability: o.policy, MemoryLimit: settings.MemoryLimit,
		LogSegmentBytes: 4 << 20, MaxRecordBytes: 1 << 20, LogQueueBytes: 4 << 20, Clock: clock.Now,
		OnFatal: func(err error) { t.Errorf("node: %v", err) },
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	options := Options{Node: n, Live: config.NewLive(settings), Clock: clock.Now, Logger: slog.New(slog.DiscardHandler), Version: "test", Facts: func() any { return n.Stats() }}
	if o.peer != nil {
		o.peer.Node = n
		options.Node = o.peer
	}
	if o.server != nil {
		o.server(&options)
	}
	h := &harness{t: t, srv: New(options), clock: clock}
	t.Cleanup(func() {
		h.srv.cancel()
		h.srv.background.Wait()
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

// testConn is one session with the test as its driver.
type testConn struct {
	h         *harness
	ses       *Session
	delivered chan *wait
	out       []byte // taken from the session already
	lastID    uint32 // of roundTrip
	largest   int    // reply that roundTrip has seen
}

func (c *testConn) deliver(w *wait) { c.delivered <- w }
func (c *testConn) close()          {}
func (c *testConn) trim()           { c.ses.trim() }

func (h *harness) connect() *testConn {
	h.t.Helper()
	c := &testConn{h: h, delivered: make(chan *wait, 1<<16)}
	addr := netip.MustParseAddrPort("127.0.0.1:4000")
	ses, refused := h.srv.admit(addr, addr, c)
	if ses == nil {
		h.t.Fatalf("connection refused: %s", refused.String())
	}
	c.ses = ses
	h.t.Cleanup(func() { h.srv.forget(ses) })
	return c
}

// preload puts an entry into the table, past sessions and the log.
func (h *harness) preload(key string, size int) {
	p := h.srv.partition([]byte(key))
	hash := p.Table.Hash([]byte(key))
	stripe := p.Table.Stripe(hash)
	stripe.Lock()
	defer stripe.Unlock()
	stripe.Put(hash, []byte(key), make([]byte, size), store.Meta{Version: 1})
}

// send gives the session bytes and returns its replies once nothing is in flight.
func (c *testConn) send(data string) string {
	c.ses.Input([]byte(data))
	c.settle()
	return c.take()
}

// settle brings every wait back.
func (c *testConn) settle() {
	c.h.t.Helper()
	timeout := time.After(20 * time.Second)
	c.settleLog()
	for c.ses.waits > 0 || c.ses.parked && !c.ses.closing {
		c.collect()
		if c.ses.canResume() {
			c.ses.Resume()
			c.settleLog()
			continue
		}
		select {
		case w := <-c.delivered:
			c.ses.Complete(w)
			if len(c.delivered) == 0 {
				c.ses.Resume()
				c.settleLog()
			}
		case <-timeout:
			c.h.t.Fatalf("%d requests still wait, parked=%v", c.ses.waits, c.ses.parked)
		}
	}
}

func (c *testConn) settleLog() {
	if pos, wrote := c.ses.takeWritten(); wrote {
		if err := c.h.srv.settle(pos); err != nil {
			c.h.t.Error(err)
		}
	}
}

// collect takes the session's output, as a driver does when it sends it.
func (c *testConn) collect() {
	c.out = append(c.out, c.ses.Output()...)
	c.ses.Sent()
}

func (c *testConn) take() string {
	c.collect()
	out := string(c.out)
	c.out = c.out[:0]
	return out
}

// sendSplit is send with the bytes cut at random places.
func (c *testConn) sendSplit(rng *rand.Rand, data string) string {
	var out string
	for len(data) > 0 {
		n := 1 + rng.IntN(len(data))
		out += c.send(data[:n])
		data = data[n:]
	}
	return out
}
