package router

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/internal/config"
	"github.com/prakashpandey/vegadb/internal/front"
	"github.com/prakashpandey/vegadb/internal/wire"
)

func (r *testRouter) wantClosedFor(reason front.CloseReason) {
	r.t.Helper()
	r.eventually("a connection is closed for "+reason.String(), func() bool { return r.stats.closed[reason].Load() == 1 })
}

func TestConnectionsAboveTheLimitsAreTurnedAway(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*config.Router)
		reason front.CloseReason
	}{
		"total":       {func(s *config.Router) { s.Front.MaxConnections = 2 }, front.ClosedTooMany},
		"per address": {func(s *config.Router) { s.Front.MaxConnectionsPerAddress = 2 }, front.ClosedTooManyFromAddress},
	} {
		t.Run(name, func(t *testing.T) {
			r := startRouter(t, newFakeCluster(t), tc.change)
			first, second := r.dial(), r.dial()
			first.ask("PING", "PONG")
			second.ask("PING", "PONG")
			third := r.dial()
			if got := third.reply(); got != "-ERR max number of clients reached" {
				t.Errorf("%q", got)
			}
			third.wantClosed()
			r.wantClosedFor(tc.reason)
			second.Close()
			r.eventually("there is room again", func() bool { return len(r.door.Open()) == 1 })
			r.dial().ask("PING", "PONG")
		})
	}
}

func TestAPeerThatTakesTooLongIsCutOff(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*config.Router)
		send   string
		reason front.CloseReason
	}{
		"idle":         {func(s *config.Router) { s.Front.IdleTimeout = time.Second }, "", front.ClosedIdle},
		"frame":        {func(s *config.Router) { s.Front.FrameTimeout = 100 * time.Millisecond }, "*2\r\n$3\r\nGET\r\n$5\r\nab", front.ClosedFrameTimeout},
		"frame behind": {func(s *config.Router) { s.Front.FrameTimeout = 100 * time.Millisecond }, "PING\r\nPI", front.ClosedFrameTimeout},
		"native frame": {func(s *config.Router) { s.Front.FrameTimeout = 100 * time.Millisecond }, "\xd6VDB", front.ClosedFrameTimeout},
		"authentication": {func(s *config.Router) {
			s.Front.HandshakeTimeout, s.Front.UsersFile = 100*time.Millisecond, usersFile(t)
		}, "PING\r\n", front.ClosedHandshakeTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := startRouter(t, newFakeCluster(t), tc.change)
			c := r.dial()
			io.WriteString(c, tc.send)
			c.wantClosed()
			r.wantClosedFor(tc.reason)
			r.eventually("the log names the limit", func() bool { return strings.Contains(r.log.String(), tc.reason.String()) })
		})
	}
}

func TestAClientThatWaitsForUsIsNotIdle(t *testing.T) {
	t.Parallel()
	f := newFakeCluster(t)
	b := newBlocker()
	b.on(f, func([]string) bool { return true })
	r := startRouter(t, f, func(s *config.Router) { s.Front.IdleTimeout = time.Second })
	c := r.dial()
	c.send("GET k")
	b.wait(t)
	select { // longer than the limit
	case <-time.After(1500 * time.Millisecond):
	case <-t.Context().Done():
	}
	close(b.release)
	if got := c.reply(); got != "(nil)" {
		t.Errorf("%q", got)
	}
	c.wantClosed()
}

func TestWhatIsNoCommandEndsTheConnection(t *testing.T) {
	for name, tc := range map[string]struct {
		send, reply string
		reason      front.CloseReason
	}{
		"HTTP":           {"POST / HTTP/1.1\r\nHost: x\r\n\r\nSET evil 1\r\n", "", front.ClosedHTTP},
		"protocol":       {"*1\r\n+PING\r\n", "-ERR Protocol error: expected '$', got '+'", front.ClosedProtocolError},
		"huge bulk":      {"*1\r\n$999999999\r\n", "-ERR Protocol error: invalid bulk length", front.ClosedProtocolError},
		"native garbage": {"\xd6XXXXXXXX", "", front.ClosedProtocolError},
		"native version": {string((&wire.ClientHello{MinVersion: 7, MaxVersion: 9}).Append(nil)), "", front.ClosedProtocolError},
	} {
		t.Run(name, func(t *testing.T) {
			r := startRouter(t, newFakeCluster(t))
			c := r.dial()
			io.WriteString(c, tc.send)
			if tc.reply != "" {
				if got := c.reply(); got != tc.reply {
					t.Errorf("%q, want %q", got, tc.reply)
				}
			}
			c.wantClosed()
			r.wantClosedFor(tc.reason)
		})
	}
}

// largeValues makes n keys with a value of 1 MiB each, and the pipeline that gets them.
func largeValues(f *fakeCluster, n int) []byte {
	var sent bytes.Buffer
	for i := range n {
		key := fmt.Sprintf("big%d", i)
		f.data[key] = strings.Repeat("x", 1<<20)
		fmt.Fprintf(&sent, "GET %s\r\n", key)
	}
	return sent.Bytes()
}

func narrowOutput(s *config.Router) {
	s.Front.MaxValueBytes, s.Front.OutputLimit, s.Front.OutputLimitTotal = 1<<20, 16<<20, 128<<20
}

func TestManyLargeReadsAtOnceSlowDownAndAreNotCutOff(t *testing.T) {
	f := newFakeCluster(t)
	sent := largeValues(f, 100)
	r := startRouter(t, f, narrowOutput)
	c := r.dial()
	go c.Write(sent)
	for i := range 100 {
		if got := c.reply(); len(got) != 1<<20 {
			t.Fatalf("reply %d has %d bytes", i, len(got))
		}
		if held := r.held.Load(); held > 16<<20 {
			t.Fatalf("%d bytes are held", held)
		}
	}
}

func TestLargeRepliesThatNobodyReadsAreBounded(t *testing.T) {
	f := newFakeCluster(t)
	sent := largeValues(f, 100)
	r := startRouter(t, f, narrowOutput)
	c := r.dial()
	go c.Write(sent)
	r.eventually("the router waits for the peer", func() bool { return r.stats.inFlight.Load() == 0 && r.held.Load() > 1<<20 })
	if held := r.held.Load(); held > 16<<20 {
		t.Errorf("%d bytes are held", held)
	}
	r.dial().ask("PING", "PONG")
}

// Small replies have opened the window wide when large ones come.
func TestOutputAboveTheLimitEndsTheConnection(t *testing.T) {
	f := newFakeCluster(t)
	sent := largeValues(f, 200)
	b := newBlocker()
	b.on(f, func(args []string) bool { return strings.HasPrefix(args[1], "big") })
	r := startRouter(t, f, narrowOutput)
	c := r.dial()
	go c.send(slices.Repeat([]string{"GET small"}, 2000)...)
	for range 2000 {
		c.reply()
	}
	go c.Write(sent)
	for range 200 {
		b.wait(t)
	}
	close(b.release)
	r.wantClosedFor(front.ClosedOutputLimit)
	r.eventually("the log says why", func() bool { return strings.Contains(r.log.String(), "output-limit is 16777216") })
}

func TestRepliesBehindASlowOneAreBounded(t *testing.T) {
	f := newFakeCluster(t)
	b := newBlocker()
	b.on(f, func([]string) bool { return true })
	r := startRouter(t, f)
	c := r.dial()
	const n = 100_000
	go io.WriteString(c, "GET slow\r\n"+strings.Repeat("PING\r\n", n))
	b.wait(t)
	r.eventually("replies gather", func() bool { return r.held.Load() == (maxReplies-1)*int64(len("+PONG\r\n")) })
	close(b.release)
	if got := c.reply(); got != "(nil)" {
		t.Errorf("%q", got)
	}
	for range n {
		if got := c.reply(); got != "PONG" {
			t.Fatalf("%q", got)
		}
	}
}

func TestAPeerThatDoesNotReadIsGivenUp(t *testing.T) {
	f := newFakeCluster(t)
	f.data["big"] = strings.Repeat("x", 1<<20)
	r := startRouter(t, f, func(s *config.Router) { s.Front.WriteTimeout = 200 * time.Millisecond })
	c := r.dial()
	for range 64 {
		c.send("GET big")
	}
	r.wantClosedFor(front.ClosedWriteTimeout)
}

func TestAReaderThatIsSlowGetsEverything(t *testing.T) {
	f := newFakeCluster(t)
	f.data["big"] = strings.Repeat("x", 1<<20)
	r := startRouter(t, f)
	c := r.dial()
	const n = 50
	go func() {
		for range n {
			io.WriteString(c, "GET big\r\n")
		}
	}()
	for i := range n {
		if got := c.reply(); len(got) != 1<<20 {
			t.Fatalf("reply %d has %d bytes", i, len(got))
		}
	}
}

func TestBeforeALoginLittleIsAllowed(t *testing.T) {
	r := startRouter(t, newFakeCluster(t), func(s *config.Router) { s.Front.UsersFile = usersFile(t) })
	for name, tc := range map[string]struct{ send, want string }{
		"a command":  {"GET k\r\n", "-NOAUTH Authentication required."},
		"long bulk":  {"*1\r\n$20000\r\n", "-ERR Protocol error: unauthenticated bulk length"},
		"many words": {"*11\r\n", "-ERR Protocol error: unauthenticated multibulk length"},
	} {
		c := r.dial()
		io.WriteString(c, tc.send)
		if got := c.reply(); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
	c := r.dial()
	io.WriteString(c, strings.Repeat("PING\r\n", 100))
	rest, _ := io.ReadAll(c)
	if len(rest) > preAuthOutput {
		t.Errorf("%d bytes were told", len(rest))
	}
	r.wantClosedFor(front.ClosedOutputLimit)
}

// Requests of all connections share one bound, and a connection that waits for it does
// not keep others from what they have.
func TestRequestsUnderWayAreBounded(t *testing.T) {
	f := newFakeCluster(t)
	b := newBlocker()
	b.on(f, func(args []string) bool { return args[0] == "SET" })
	r := startRouter(t, f, func(s *config.Router) { s.MaxRequests = 3 })
	greedy := r.dial()
	for i := range 10 {
		greedy.send(fmt.Sprintf("SET k%d v", i))
	}
	for range 3 {
		b.wait(t)
	}
	other := r.dial()
	other.send("PING", "GET k")
	if got := other.reply(); got != "PONG" {
		t.Errorf("%q", got)
	}
	if n := f.most.Load(); n > 3 {
		t.Errorf("%d requests were under way", n)
	}
	close(b.release)
	for range 10 {
		greedy.reply()
	}
	other.reply()
	if n := f.most.Load(); n > 3 {
		t.Errorf("%d requests were under way", n)
	}
}

func TestAPeerThatHalfClosesGetsEveryReply(t *testing.T) {
	f := newFakeCluster(t)
	b := newBlocker()
	b.on(f, func([]string) bool { return true })
	c := startRouter(t, f).dial()
	c.send("SET k v", "GET k", "PING")
	c.Conn.(*net.TCPConn).CloseWrite()
	b.wait(t)
	close(b.release)
	for _, want := range []string{"OK", "v", "PONG"} {
		if got := c.reply(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	c.wantClosed()
}

func TestAPeerThatGoesAwayTakesItsRequestsWithIt(t *testing.T) {
	f := newFakeCluster(t)
	b := newBlocker()
	b.on(f, func([]string) bool { return true })
	r := startRouter(t, f)
	c := r.dial()
	c.send("SET k v", "GET k")
	b.wait(t)
	c.Conn.(*net.TCPConn).SetLinger(0)
	c.Close()
	r.eventually("nothing is under way", func() bool { return r.stats.inFlight.Load() == 0 && len(r.door.Open()) == 0 })
}

func TestCloseAnswersWhatIsUnderWayAndTakesNothingMore(t *testing.T) {
	f := newFakeCluster(t)
	b := newBlocker()
	b.on(f, func(args []string) bool { return args[0] == "SET" })
	r := startRouter(t, f)
	c, idle := r.dial(), r.dial()
	idle.ask("PING", "PONG")
	c.send("SET k v", "GET k")
	b.wait(t)
	closed := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		closed <- r.Close(ctx)
	}()
	idle.wantClosed()
	r.eventually("new connections are refused", func() bool {
		conn, err := net.Dial("tcp", r.Addr())
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
	if s := r.State(); !s.Stopping {
		t.Errorf("%+v", s)
	}
	close(b.release)
	for _, want := range []string{"OK", "v"} {
		if got := c.reply(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	c.wantClosed()
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

func TestCloseDoesNotWaitForEver(t *testing.T) {
	f := newFakeCluster(t)
	b := newBlocker()
	b.on(f, func([]string) bool { return true })
	r := startRouter(t, f)
	c := r.dial()
	c.send("SET k v")
	b.wait(t)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := r.Close(ctx); err == nil {
		t.Error("closed without an error though a request was under way")
	}
	c.wantClosed()
	r.closeErr = nil // seen: not for the cleanup to complain about
}
