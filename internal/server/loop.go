package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"time"

	"github.com/panjf2000/gnet/v2"
	"golang.org/x/sys/unix"
)

// loopDriver serves plain TCP with gnet's event loops. All of a connection's
// events run on one loop, so that its session needs no lock.
type loopDriver struct {
	gnet.BuiltinEventEngine
	srv     *Server
	threads int
	engine  gnet.Engine
	booted  chan struct{}
	ended   chan error

	mu    sync.Mutex
	loops map[gnet.EventLoop]*loop // guarded by mu
}

// loop is what the sessions of one event loop share.
type loop struct {
	el  gnet.EventLoop
	srv *Server

	// out is lent to a session while it works, so that idle connections hold no
	// output buffer. Only the loop touches it.
	out []byte

	mu        sync.Mutex
	delivered []*wait // guarded by mu
	scheduled bool    // guarded by mu; Run is on its way
	spare     []*wait // the slice that Run emptied last; only Run touches it
	touched   []*loopLink
}

// loopLink ties a gnet connection to its session. It is the connection's context.
type loopLink struct {
	conn gnet.Conn
	loop *loop
	ses  *Session
	held int  // bytes in gnet's outbound buffer as last seen; only the loop touches it
	due  bool // in loop.touched
}

func (l *loopLink) deliver(w *wait) { l.loop.deliver(w) }

func (l *loopLink) close() {
	if err := l.conn.Close(); err != nil {
		l.loop.srv.logger.Debug("close", "err", err)
	}
}

func newLoopDriver(s *Server, threads int) *loopDriver {
	if threads == 0 {
		threads = defaultIOThreads()
	}
	return &loopDriver{srv: s, threads: threads, booted: make(chan struct{}), ended: make(chan error, 1), loops: make(map[gnet.EventLoop]*loop)}
}

// defaultIOThreads leaves half of the cores to the log, snapshots, the garbage
// collector and the kernel's side of the network.
func defaultIOThreads() int { return max(1, runtime.GOMAXPROCS(0)/2) }

func (d *loopDriver) start(addr string) (netip.AddrPort, error) {
	if err := probe(addr); err != nil {
		return netip.AddrPort{}, err
	}
	go func() {
		d.ended <- gnet.Run(d, "tcp://"+addr,
			gnet.WithNumEventLoop(d.threads),
			gnet.WithLoadBalancing(gnet.LeastConnections),
			gnet.WithReuseAddr(true),
			gnet.WithTCPNoDelay(gnet.TCPNoDelay),
			gnet.WithTCPKeepAlive(5*time.Minute),
			gnet.WithLogger(gnetLogger{d.srv.logger}))
	}()
	select {
	case err := <-d.ended:
		return netip.AddrPort{}, err
	case <-d.booted:
	}
	fd, err := d.engine.Dup()
	if err != nil {
		return netip.AddrPort{}, err
	}
	defer unix.Close(fd)
	return boundAddr(fd)
}

// probe binds and releases addr: a name that does not resolve or a port in use
// gives the standard library's error, which says more than gnet's.
func probe(addr string) error {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	return ln.Close()
}

func boundAddr(fd int) (netip.AddrPort, error) {
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return netip.AddrPort{}, err
	}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port)), nil
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), uint16(sa.Port)), nil
	}
	return netip.AddrPort{}, errNotTCP
}

func (d *loopDriver) stop(ctx context.Context) error {
	err := d.engine.Stop(ctx)
	select {
	case runErr := <-d.ended:
		return errors.Join(err, runErr)
	case <-ctx.Done():
		return errors.Join(err, ctx.Err())
	}
}

// OnBoot is called by gnet when the listener is bound.
func (d *loopDriver) OnBoot(eng gnet.Engine) gnet.Action {
	d.engine = eng
	close(d.booted)
	return gnet.None
}

func (d *loopDriver) loopOf(c gnet.Conn) *loop {
	d.mu.Lock()
	defer d.mu.Unlock()
	el := c.EventLoop()
	l := d.loops[el]
	if l == nil {
		l = &loop{el: el, srv: d.srv}
		d.loops[el] = l
	}
	return l
}

// OnOpen is called by gnet on the connection's loop.
func (d *loopDriver) OnOpen(c gnet.Conn) ([]byte, gnet.Action) {
	link := &loopLink{conn: c, loop: d.loopOf(c)}
	// gnet's LocalAddr is the listener's, which may say "any address, any port".
	local, err := boundAddr(c.Fd())
	if err != nil {
		return nil, gnet.Close
	}
	ses, refused := d.srv.admit(c.RemoteAddr(), local, link)
	if ses == nil {
		d.srv.noteRefusal(c.RemoteAddr(), refused)
		return d.srv.refusal(refused), gnet.Close
	}
	link.ses = ses
	c.SetContext(link)
	return nil, gnet.None
}

// OnClose is called by gnet on the connection's loop.
func (d *loopDriver) OnClose(c gnet.Conn, _ error) gnet.Action {
	link, ok := c.Context().(*loopLink)
	if !ok {
		return gnet.None
	}
	d.srv.holdOutput(&link.held, 0)
	if !link.ses.closing {
		d.srv.stats.closed[closedByPeer].Add(1)
	}
	d.srv.forget(link.ses)
	return gnet.None
}

// OnTraffic is called by gnet on the connection's loop when bytes have come.
func (d *loopDriver) OnTraffic(c gnet.Conn) gnet.Action {
	link := c.Context().(*loopLink)
	data, err := c.Next(-1)
	if err != nil {
		return gnet.Close
	}
	d.srv.stats.bytesIn.Add(uint64(len(data)))
	link.ses.w.Buf = link.loop.out[:0]
	link.ses.Input(data)
	if !link.flush() {
		return gnet.Close
	}
	return gnet.None
}

// flush sends what the session has ready and reports whether the connection
// lives on. It takes the lent buffer back.
func (l *loopLink) flush() bool {
	out := l.ses.Output()
	if len(out) > 0 {
		l.loop.srv.stats.bytesOut.Add(uint64(len(out)))
		if _, err := l.conn.Write(out); err != nil {
			return true // gnet has closed it already
		}
	}
	if cap(out) <= loopBufferBytes {
		l.loop.out = out[:0]
	}
	l.ses.w.Buf = nil
	l.watch(len(out))
	return !l.ses.closing
}

// watch notes how much output the peer has not taken after another wrote bytes,
// and ends a connection that leaves too much.
func (l *loopLink) watch(wrote int) {
	held := l.conn.OutboundBuffered()
	if held == 0 && l.held == 0 {
		return
	}
	taken := l.held + wrote - held
	l.loop.srv.holdOutput(&l.held, held)
	l.ses.checkOutput(held, taken > 0)
}

// loopBufferBytes is the largest output buffer that a loop keeps.
const loopBufferBytes = 1 << 20

// deliver queues a finished wait for the loop and wakes it once for all that
// come meanwhile.
func (l *loop) deliver(w *wait) {
	l.mu.Lock()
	l.delivered = append(l.delivered, w)
	wake := !l.scheduled
	l.scheduled = true
	l.mu.Unlock()
	if wake {
		if err := l.el.Execute(context.Background(), l); err != nil {
			l.srv.logger.Debug("event loop is gone", "err", err)
		}
	}
}

// Run is called by gnet on the loop: it brings finished waits to their sessions.
func (l *loop) Run(context.Context) error {
	l.mu.Lock()
	delivered := l.delivered
	l.delivered, l.scheduled = l.spare[:0], false
	l.mu.Unlock()
	for i, w := range delivered {
		link := w.s.link.(*loopLink)
		w.s.Complete(w)
		delivered[i] = nil
		if !link.due {
			link.due = true
			l.touched = append(l.touched, link)
		}
	}
	l.spare = delivered[:0]
	for i, link := range l.touched {
		link.due = false
		l.touched[i] = nil
		if link.ses.closed.Load() {
			continue
		}
		link.ses.Resume()
		if !link.flush() {
			if err := l.el.Close(link.conn); err != nil {
				l.srv.logger.Debug("close", "err", err)
			}
		}
	}
	l.touched = l.touched[:0]
	return nil
}

// refresh looks again at how much output a slow reader has left. Called by the
// reaper, carried out on the loop.
func (l *loopLink) refresh() {
	err := l.loop.el.Execute(context.Background(), gnet.RunnableFunc(func(context.Context) error {
		if !l.ses.closed.Load() {
			l.watch(0)
			if l.ses.closing {
				return l.loop.el.Close(l.conn)
			}
		}
		return nil
	}))
	if err != nil {
		l.loop.srv.logger.Debug("event loop is gone", "err", err)
	}
}

// gnetLogger passes gnet's messages to ours. What gnet calls an error is mostly a
// peer that went away, so nothing is louder than a warning.
type gnetLogger struct{ l *slog.Logger }

func (g gnetLogger) Debugf(format string, args ...any) { g.log(slog.LevelDebug, format, args) }
func (g gnetLogger) Infof(format string, args ...any)  { g.log(slog.LevelDebug, format, args) }
func (g gnetLogger) Warnf(format string, args ...any)  { g.log(slog.LevelDebug, format, args) }
func (g gnetLogger) Errorf(format string, args ...any) { g.log(slog.LevelWarn, format, args) }
func (g gnetLogger) Fatalf(format string, args ...any) { g.log(slog.LevelError, format, args) }

func (g gnetLogger) log(level slog.Level, format string, args []any) {
	if g.l.Enabled(context.Background(), level) {
		g.l.Log(context.Background(), level, "network: "+fmt.Sprintf(format, args...))
	}
}
