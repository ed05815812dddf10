package server

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/internal/config"
	"github.com/prakashpandey/vegadb/internal/vfs"
	"github.com/prakashpandey/vegadb/internal/wal"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// patience is how long the tests here wait for what should come at once.
const patience = time.Minute

// listen opens the harness's server with the driver of that name.
func (h *harness) listen(driver string) {
	h.t.Helper()
	if driver == "streams" {
		h.srv.driver = newStreamDriver(h.srv, nil)
	}
	if err := h.srv.Start("127.0.0.1:0"); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { h.stop(patience) })
}

// stop ends the server and says how long that took.
func (h *harness) stop(within time.Duration) time.Duration {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	began := time.Now()
	if err := h.srv.Stop(ctx); err != nil {
		h.t.Errorf("stop: %v", err)
	}
	return time.Since(began)
}

func (h *harness) dial() *net.TCPConn {
	h.t.Helper()
	conn, err := net.Dial("tcp", h.srv.Addr().String())
	if err != nil {
		h.t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(patience))
	h.t.Cleanup(func() { conn.Close() })
	return conn.(*net.TCPConn)
}

// await waits until a condition that nothing signals holds.
func (h *harness) await(what string, holds func() bool) {
	h.t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(100 * time.Microsecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			h.t.Fatalf("waited in vain: %s", what)
		}
	}
}

// onDrivers runs a test with sockets of both drivers.
func onDrivers(t *testing.T, test func(t *testing.T, driver string)) {
	for _, driver := range []string{"loops", "streams"} {
		t.Run(driver, func(t *testing.T) { test(t, driver) })
	}
}

// stallingDisk is a disk whose syncs wait for release, once stalled.
type stallingDisk struct {
	mem     *vfs.Mem
	mu      sync.Mutex
	stalled chan struct{} // nil: running
}

func newStallingDisk() *stallingDisk { return &stallingDisk{mem: vfs.NewMem()} }

func (d *stallingDisk) fs() vfs.FS {
	return vfs.Inject(d.mem, func(op vfs.Op) error {
		if op.Kind == vfs.OpSync {
			d.mu.Lock()
			stalled := d.stalled
			d.mu.Unlock()
			if stalled != nil {
				<-stalled
			}
		}
		return nil
	})
}

// stall holds every sync until release is called.
func (d *stallingDisk) stall() (release func()) {
	stalled := make(chan struct{})
	d.mu.Lock()
	d.stalled = stalled
	d.mu.Unlock()
	return sync.OnceFunc(func() {
		d.mu.Lock()
		d.stalled = nil
		d.mu.Unlock()
		close(stalled)
	})
}

func write(t testing.TB, conn net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
}

func TestAPeerThatHalfClosesGetsEveryReply(t *testing.T) {
	const n = 3000
	onDrivers(t, func(t *testing.T, driver string) {
		for name, o := range policies() {
			t.Run(name, func(t *testing.T) {
				h := newHarness(t, o)
				h.listen(driver)
				conn := h.dial()
				go func() {
					io.WriteString(conn, strings.Repeat("INCR n\r\n", n)+"GET n\r\nSET half a comm")
					conn.CloseWrite()
				}()
				out, err := io.ReadAll(conn)
				if err != nil {
					t.Fatal(err)
				}
				var want strings.Builder
				for i := range n {
					fmt.Fprintf(&want, ":%d\r\n", i+1)
				}
				want.WriteString("$4\r\n3000\r\n")
				if got := string(out); got != want.String() {
					t.Errorf("%d bytes, want %d; the last are %q", len(got), want.Len(), got[max(0, len(got)-60):])
				}
			})
		}
	})
}

// The error and the replies before it must arrive although the session is over.
func TestRepliesBeforeAProtocolErrorArrive(t *testing.T) {
	onDrivers(t, func(t *testing.T, driver string) {
		for name, o := range policies() {
			t.Run(name, func(t *testing.T) {
				h := newHarness(t, o)
				h.listen(driver)
				conn := h.dial()
				write(t, conn, "SET a 1\r\nSET b 2\r\n*1\r\nnonsense\r\n")
				out, err := io.ReadAll(conn)
				if want := "+OK\r\n+OK\r\n-ERR Protocol error: expected '$', got 'n'\r\n"; err != nil || string(out) != want {
					t.Errorf("%q, %v; want %q", out, err, want)
				}
			})
		}
	})
}

func TestASlowReaderGetsAllBytesInOrderAndIsSlowedDown(t *testing.T) {
	const values, size, rounds = 16, 256 << 10, 4
	onDrivers(t, func(t *testing.T, driver string) {
		h := newHarness(t, harnessOptions{})
		h.listen(driver)
		writer := h.connect()
		var asked, want strings.Builder
		for i := range values {
			value := strings.Repeat(string(rune('a'+i)), size)
			writer.send(fmt.Sprintf("*3\r\n$3\r\nSET\r\n$2\r\nk%c\r\n$%d\r\n%s\r\n", 'a'+i, size, value))
			fmt.Fprintf(&asked, "GET k%c\r\nPING\r\n", 'a'+i)
			fmt.Fprintf(&want, "$%d\r\n%s\r\n+PONG\r\n", size, value)
		}
		conn := h.dial()
		conn.SetReadBuffer(64 << 10)
		write(t, conn, strings.Repeat(asked.String(), rounds))
		h.await("output piles up", func() bool { return h.srv.Stats().OutputHeld > 0 })
		in := bufio.NewReaderSize(conn, 4<<10)
		got := make([]byte, want.Len())
		for round := range rounds {
			if held := h.srv.Stats().OutputHeld; held > 4<<20 {
				t.Errorf("%d bytes are held for one slow reader", held)
			}
			if _, err := io.ReadFull(in, got); err != nil {
				t.Fatal(err)
			}
			if string(got) != want.String() {
				t.Fatalf("round %d: wrong bytes", round)
			}
		}
		h.await("nothing is held", func() bool { return h.srv.Stats().OutputHeld == 0 })
	})
}

func TestAThousandConnectionsComeAndGo(t *testing.T) {
	onDrivers(t, func(t *testing.T, driver string) {
		h := newHarness(t, harnessOptions{})
		h.listen(driver)
		for range 10 {
			var conns []net.Conn
			for range 100 {
				conn, err := net.Dial("tcp", h.srv.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				conns = append(conns, conn)
				write(t, conn, "PING\r\n")
			}
			for i, conn := range conns {
				conn.SetDeadline(time.Now().Add(patience))
				if line, err := bufio.NewReader(conn).ReadString('\n'); line != "+PONG\r\n" || err != nil {
					t.Fatalf("%q, %v", line, err)
				}
				if i%3 == 0 {
					conn.(*net.TCPConn).SetLinger(0) // ends with a reset
				}
				conn.Close()
			}
		}
		h.await("all are forgotten", func() bool { return len(h.srv.door.Open()) == 0 })
		st := h.srv.Stats()
		if st.Accepted != 1000 || st.Closed["peer"] != 1000 || st.Connections["resp"]+st.Connections["unknown"] != 0 {
			t.Errorf("accepted %d, closed by the peer %d, open %v", st.Accepted, st.Closed["peer"], st.Connections)
		}
	})
}

func TestConnectionsPastTheLimitAreToldSoAndPlacesAreGivenBack(t *testing.T) {
	h := newHarness(t, harnessOptions{settings: func(c *config.Server) { c.MaxConnections = 3 }})
	h.listen("loops")
	var open []*net.TCPConn
	for range 3 {
		open = append(open, h.dial())
	}
	h.await("three are open", func() bool { return len(h.srv.door.Open()) == 3 })
	out, err := io.ReadAll(h.dial())
	if string(out) != "-ERR max number of clients reached\r\n" || err != nil {
		t.Errorf("the fourth: %q, %v", out, err)
	}
	open[0].Close()
	h.await("one has gone", func() bool { return len(h.srv.door.Open()) == 2 })
	conn := h.dial()
	write(t, conn, "PING\r\nQUIT\r\n")
	if out, err := io.ReadAll(conn); string(out) != "+PONG\r\n+OK\r\n" || err != nil {
		t.Errorf("in the place that became free: %q, %v", out, err)
	}
}

func TestBothProtocolsShareOnePort(t *testing.T) {
	onDrivers(t, func(t *testing.T, driver string) {
		h := newHarness(t, harnessOptions{dir: "data", fs: vfs.NewMem(), policy: wal.Always})
		h.listen(driver)
		text, binary := h.dial(), h.dial()
		hello := wire.ClientHello{MinVersion: 1, MaxVersion: 1}
		put := request(1, wire.OpPut, 0, wire.AppendPut(nil, 0, "k", "from native", 0, 0))
		write(t, binary, string(hello.Append(nil))+string(put))
		replies := bufio.NewReader(binary)
		readServerHello(t, replies)
		if r := readReply(t, replies); r.ID != 1 || r.Status != wire.OK {
			t.Fatalf("PUT: %+v", r)
		}
		write(t, text, "GET k\r\nSET k from-resp\r\n")
		in := bufio.NewReader(text)
		for _, want := range []string{"$11\r\n", "from native\r\n", "+OK\r\n"} {
			if line, err := in.ReadString('\n'); line != want {
				t.Fatalf("%q, %v; want %q", line, err, want)
			}
		}
		write(t, binary, string(request(2, wire.OpGet, 0, []byte("k"))))
		if r := readReply(t, replies); r.ID != 2 || string(r.Body) != "from-resp" {
			t.Errorf("GET: %+v", r)
		}
		if st := h.srv.Stats(); st.Connections["resp"] != 1 || st.Connections["native"] != 1 {
			t.Errorf("open connections: %v", st.Connections)
		}
	})
}

func readServerHello(t *testing.T, in *bufio.Reader) (reply wire.ServerHello) {
	t.Helper()
	for n := wire.HelloPreamble; ; n++ {
		buf, err := in.Peek(n)
		if err != nil {
			t.Fatalf("no hello: %v", err)
		}
		if _, took, err := wire.ParseHello(buf); err != nil || took > 0 {
			reply = parseServerHello(t, string(buf))
			in.Discard(took)
			return reply
		}
	}
}

// readReply reads one frame; its body is a copy.
func readReply(t *testing.T, in *bufio.Reader) (reply wire.Response) {
	t.Helper()
	head, err := in.Peek(4)
	if err != nil {
		t.Fatalf("no reply: %v", err)
	}
	frame := make([]byte, wire.FrameSize(head))
	if _, err := io.ReadFull(in, frame); err != nil {
		t.Fatal(err)
	}
	if err := reply.Decode(frame[4:]); err != nil {
		t.Fatal(err)
	}
	return reply
}

// What comes behind a hello waits for the outcome of the login, whatever else
// goes on at the server meanwhile.
func TestRequestsMayFollowAHelloWithAPassword(t *testing.T) {
	onDrivers(t, func(t *testing.T, driver string) {
		h := guarded(t, harnessOptions{dir: "data", fs: vfs.NewMem(), policy: wal.Always})
		h.listen(driver)
		conn := h.dial()
		hello := wire.ClientHello{MinVersion: 1, MaxVersion: 1, Auth: wire.AuthPassword, Username: "root", Password: "root"}
		write(t, conn, string(hello.Append(nil))+string(request(7, wire.OpPing, 0, []byte("behind"))))
		in := bufio.NewReader(conn)
		if reply := readServerHello(t, in); reply.Status != wire.OK {
			t.Fatalf("hello: %+v", reply)
		}
		if r := readReply(t, in); r.ID != 7 || string(r.Body) != "behind" {
			t.Errorf("PING: %+v", r)
		}
	})
}
