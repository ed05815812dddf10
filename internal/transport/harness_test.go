package transport

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/internal/ring"
)

// patience is for what must happen in the end; nothing waits so long unless it fails.
const patience = 30 * time.Second

var testCluster = ring.NodeID{0xc1}

func nodeID(n byte) ring.NodeID { return ring.NodeID{n} }

// book is the addresses that all nodes of a test know.
type book struct {
	mu    sync.Mutex
	addrs map[ring.NodeID]string
}

func (b *book) set(node ring.NodeID, addr string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.addrs[node] = addr
}

func (b *book) resolve(node ring.NodeID) (string, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	addr, ok := b.addrs[node]
	return addr, ok && addr != ""
}

func newBook() *book { return &book{addrs: map[ring.NodeID]string{}} }

type (
	frameFunc    func(from ring.NodeID, frame []byte)
	snapshotFunc func(ctx context.Context, from ring.NodeID, header []byte, size int64, body io.Reader) error
	callFunc     func(ctx context.Context, from ring.NodeID, kind uint8, body []byte) ([]byte, error)
)

// recorder is a Handler that tells a test what it has heard, or does what the test says.
type recorder struct {
	mu         sync.Mutex
	events     []string // up, down and frames in order, of all peers
	onFrame    frameFunc
	onSnapshot snapshotFunc
	onCall     callFunc
}

// handler is a recorder as a Handler.
type handler struct{ *recorder }

func (r *recorder) frames(f frameFunc)       { r.mu.Lock(); defer r.mu.Unlock(); r.onFrame = f }
func (r *recorder) snapshots(f snapshotFunc) { r.mu.Lock(); defer r.mu.Unlock(); r.onSnapshot = f }
func (r *recorder) calls(f callFunc)         { r.mu.Lock(); defer r.mu.Unlock(); r.onCall = f }

func (r *recorder) add(event string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, event)
}

func (r handler) Frame(from ring.NodeID, frame []byte) {
	r.mu.Lock()
	f := r.onFrame
	r.mu.Unlock()
	if f != nil {
		f(from, frame)
		return
	}
	r.add(fmt.Sprintf("%x: %s", from[0], frame))
}

func (r handler) PeerUp(node ring.NodeID, boot uint64) {
	r.add(fmt.Sprintf("%x up %d", node[0], boot))
}
func (r handler) PeerDown(node ring.NodeID) { r.add(fmt.Sprintf("%x down", node[0])) }

func (r handler) Snapshot(ctx context.Context, from ring.NodeID, header []byte, size int64, body io.Reader) error {
	r.mu.Lock()
	f := r.onSnapshot
	r.mu.Unlock()
	return f(ctx, from, header, size, body)
}

func (r handler) Call(ctx context.Context, from ring.NodeID, kind uint8, body []byte) ([]byte, error) {
	r.mu.Lock()
	f := r.onCall
	r.mu.Unlock()
	return f(ctx, from, kind, body)
}

func (r *recorder) count(event string) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		if e == event {
			n++
		}
	}
	return n
}

func (r *recorder) all() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.events, "\n")
}

// waitFor waits until an event has come n times.
func (r *recorder) waitFor(t *testing.T, event string, n int) {
	t.Helper()
	until(t, fmt.Sprintf("%d × %q", n, event), func() bool { return r.count(event) >= n })
}

// until waits for a condition that other goroutines bring about.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	end := time.NewTimer(patience)
	defer end.Stop()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-end.C:
			t.Fatalf("waited %v for %s", patience, what)
		}
	}
}

// logs keeps what a transport has logged.
type logs struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logs) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *logs) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// testNode is one node of a test.
type testNode struct {
	*Transport
	*recorder
	id   ring.NodeID
	logs *logs
}

// startNode starts node n of the test's cluster and enters its address in the book.
func startNode(t testing.TB, b *book, n byte, change ...func(*Options)) *testNode {
	t.Helper()
	node := &testNode{recorder: &recorder{}, id: nodeID(n), logs: &logs{}}
	options := Options{
		Cluster: testCluster, Node: node.id, Boot: 1, Listen: "127.0.0.1:0",
		Resolve: b.resolve, Handler: handler{node.recorder}, Logger: node.logs.logger(),
		Limits: Limits{PauseMin: time.Millisecond, PauseMax: 20 * time.Millisecond},
	}
	for _, f := range change {
		f(&options)
	}
	var err error
	if node.Transport, err = New(options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { node.Close() })
	b.set(node.id, node.Addr())
	return node
}

func withBoot(boot uint64) func(*Options) { return func(o *Options) { o.Boot = boot } }

func withLimits(change func(*Limits)) func(*Options) { return func(o *Options) { change(&o.Limits) } }

// stats returns what one node knows of another.
func (n *testNode) peerStats(id ring.NodeID) PeerStats {
	for _, p := range n.Stats().Peers {
		if p.Node == id {
			return p
		}
	}
	return PeerStats{}
}

// sendUntilHeard repeats a frame until the other side has it: Send promises nothing.
func sendUntilHeard(t *testing.T, from, to *testNode, text string) {
	t.Helper()
	event := fmt.Sprintf("%x: %s", from.id[0], text)
	until(t, event, func() bool {
		if to.count(event) > 0 {
			return true
		}
		from.Send(to.id, []byte(text))
		return false
	})
}

// dialRaw opens a TCP connection for a test that speaks for itself.
func dialRaw(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return c
}

// validHello is one that the node takes.
func validHello(to *testNode, what purpose) hello {
	return hello{lowest: 1, highest: 1, purpose: what, cluster: testCluster, from: nodeID(0xee), to: to.id, boot: 9}
}

// shake says hello and returns the answer.
func shake(t *testing.T, c net.Conn, h hello) answer {
	t.Helper()
	if _, err := c.Write(h.append(nil)); err != nil {
		t.Fatal(err)
	}
	a, err := readAnswer(c)
	if err != nil {
		t.Fatal(err)
	}
	return a
}
