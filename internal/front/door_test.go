package front

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"
)

var here, there = netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")

func TestTheDoorKeepsToItsLimits(t *testing.T) {
	var d Door[int]
	enter := func(from netip.Addr, id int, want CloseReason) {
		t.Helper()
		entered := false
		c, refused := d.Admit(from, 3, 2, func() int { entered = true; return id })
		if refused != want || entered != (want == ClosedNot) || (entered && c != id) {
			t.Fatalf("connection %d from %s: %d, refused %q (made: %v), want %q", id, from, c, refused, entered, want)
		}
	}
	enter(here, 1, ClosedNot)
	enter(here, 2, ClosedNot)
	enter(here, 3, ClosedTooManyFromAddress)
	enter(there, 4, ClosedNot)
	enter(there, 5, ClosedTooMany)
	if n := len(d.Open()); n != 3 {
		t.Fatalf("%d connections are in, want 3", n)
	}
	if !d.Leave(1, here) || d.Leave(1, here) || d.Leave(3, here) {
		t.Fatal("who leaves is not counted once")
	}
	enter(here, 6, ClosedNot)
	if d.Closed() {
		t.Fatal("the door is closed")
	}
	d.Close()
	enter(there, 7, ClosedShutdown)
	if !d.Closed() {
		t.Fatal("the door is open")
	}
	for _, left := range []struct {
		c    int
		from netip.Addr
	}{{2, here}, {4, there}, {6, here}} {
		if !d.Leave(left.c, left.from) {
			t.Errorf("%d was not in", left.c)
		}
	}
	if len(d.perAddress) != 0 || len(d.Open()) != 0 {
		t.Errorf("what is left: %v", d.perAddress)
	}
}

func TestADoorWithoutLimitsAdmitsEverybody(t *testing.T) {
	var d Door[int]
	for i := range 1000 {
		if _, refused := d.Admit(here, 0, 0, func() int { return i }); refused != ClosedNot {
			t.Fatalf("connection %d: %s", i, refused)
		}
	}
}

func TestRefusalsAreLoggedOncePerSecond(t *testing.T) {
	var d Door[int]
	logged := 0
	for now := int64(5000); now < 7500; now += 10 {
		if d.WorthLogging(now) {
			logged++
		}
	}
	if logged != 3 {
		t.Errorf("logged %d times in 2.5 s, want 3", logged)
	}
}

// listener fails as often as it says, then gives one connection, then is closed.
type listener struct {
	net.Listener
	failures int
	conn     net.Conn
}

func (l *listener) Accept() (net.Conn, error) {
	switch {
	case l.failures > 0:
		l.failures--
		return nil, errors.New("too many open files")
	case l.conn != nil:
		c := l.conn
		l.conn = nil
		return c, nil
	}
	return nil, net.ErrClosed
}

type addressed struct {
	net.Conn
	local, remote net.Addr
	closed        bool
}

func (a *addressed) LocalAddr() net.Addr  { return a.local }
func (a *addressed) RemoteAddr() net.Addr { return a.remote }
func (a *addressed) Close() error         { a.closed = true; return nil }

func TestAcceptGoesOnAfterAFailure(t *testing.T) {
	conn := &addressed{local: &net.TCPAddr{IP: net.ParseIP("::ffff:10.0.0.1"), Port: 1}, remote: &net.TCPAddr{IP: net.ParseIP("10.0.0.2"), Port: 2}}
	served := 0
	Accept(context.Background(), &listener{failures: 2, conn: conn}, slog.New(slog.DiscardHandler), func(raw net.Conn, remote, local netip.AddrPort) {
		served++
		if raw != conn || remote != netip.AddrPortFrom(there, 2) || local != netip.AddrPortFrom(here, 1) {
			t.Errorf("served %v from %s to %s", raw, remote, local)
		}
	})
	if served != 1 {
		t.Errorf("served %d connections, want 1", served)
	}
	odd := &addressed{local: &net.UnixAddr{}, remote: &net.UnixAddr{}}
	Accept(context.Background(), &listener{conn: odd}, slog.New(slog.DiscardHandler), func(net.Conn, netip.AddrPort, netip.AddrPort) { served++ })
	if served != 1 || !odd.closed {
		t.Errorf("a connection that is none of TCP's: served %v, closed %v", served != 1, odd.closed)
	}
}

func TestWhatStopsIsHurriedThenCutOff(t *testing.T) {
	var none sync.WaitGroup
	fail := func() { t.Error("nobody was there to hurry or to cut off") }
	if err := WaitEnded(context.Background(), &none, fail, fail); err != nil {
		t.Errorf("nothing to wait for: %v", err)
	}

	var running sync.WaitGroup
	running.Add(1)
	began := time.Now()
	if err := WaitEnded(context.Background(), &running, running.Done, fail); err != nil || time.Since(began) < StopPatience {
		t.Errorf("hurried after %v: %v", time.Since(began), err)
	}

	running.Add(1)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := WaitEnded(ctx, &running, func() {}, running.Done); !errors.Is(err, context.Canceled) {
		t.Errorf("cut off: %v", err)
	}
}
