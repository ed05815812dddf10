package server

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// loopDriver serves plain TCP with epoll. All events of a connection are handled
// by one loop, so that its session needs no lock; each loop is one goroutine.
//
// One turn of a loop reads everything that is readable and executes it, then
// settles what was written with one write to the log, and only then sends the
// replies. So the cost of a turn is shared by all connections that were ready,
// which is what makes a busy server cheap per request.
type loopDriver struct {
	srv      *Server
	loops    []*loop
	listener int // descriptor
	next     atomic.Uint32
	wg       sync.WaitGroup
}

// loop is one event loop. What is not marked otherwise belongs to its goroutine.
type loop struct {
	driver *loopDriver
	srv    *Server
	epoll  int
	wakeup int // eventfd: something is in the mailbox

	conns   map[int32]*conn // by descriptor
	touched []*conn         // have output to send at the end of this turn
	in      []byte          // what a read fills
	spare   [][]byte        // output buffers that no connection has a use for

	mu        sync.Mutex
	delivered []*wait  // guarded by mu
	posted    []func() // guarded by mu
	awake     bool     // guarded by mu; the wakeup has been signalled
	stopping  bool     // guarded by mu
}

// conn is one connection and the link of its session.
type conn struct {
	loop   *loop
	fd     int32
	ses    *Session
	unsent []byte // output that the kernel did not take; sent[:0] when empty
	held   int    // len(unsent) as last counted in the server's total
	events uint32 // what epoll watches
	due    bool   // in loop.touched
	eof    bool   // the peer sends no more, but may still read
	ended  bool   // the descriptor is closed
}

// Sizes of the loops' buffers.
const (
	loopReadBytes  = 64 << 10 // read from a connection at once
	loopEvents     = 256      // events taken from the kernel at once
	loopSpareBytes = 64 << 10 // largest output buffer that is kept
	loopSpares     = 64       // output buffers that are kept
	// pauseOutput is the unsent output at which a connection is not read from
	// until its peer has taken some: it is slowed down before it is cut off.
	pauseOutput = 1 << 20
)

func newLoopDriver(s *Server, threads int) driver {
	if threads == 0 {
		threads = defaultIOThreads()
	}
	d := &loopDriver{srv: s}
	for range threads {
		d.loops = append(d.loops, &loop{driver: d, srv: s, conns: make(map[int32]*conn), in: make([]byte, loopReadBytes)})
	}
	return d
}

// defaultIOThreads leaves half of the cores to the log, snapshots, the garbage
// collector and the kernel's side of the network.
func defaultIOThreads() int { return max(1, runtime.GOMAXPROCS(0)/2) }

func (d *loopDriver) start(addr string) (netip.AddrPort, error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return netip.AddrPort{}, err
	}
	defer ln.Close()
	bound, err := addrPort(ln.Addr())
	if err != nil {
		return netip.AddrPort{}, err
	}
	if d.listener, err = duplicate(ln.(*net.TCPListener)); err != nil {
		return netip.AddrPort{}, err
	}
	for _, l := range d.loops {
		if err := l.open(); err != nil {
			return netip.AddrPort{}, err
		}
	}
	if err := d.loops[0].watch(unix.EPOLL_CTL_ADD, int32(d.listener), unix.EPOLLIN); err != nil {
		return netip.AddrPort{}, err
	}
	for _, l := range d.loops {
		d.wg.Add(1)
		go l.run()
	}
	return bound, nil
}

// duplicate returns a descriptor of the listener that is the caller's alone. Go's
// network poller has never heard of it, so it stays as it is: not blocking.
func duplicate(ln *net.TCPListener) (fd int, err error) {
	raw, err := ln.SyscallConn()
	if err != nil {
		return -1, err
	}
	controlErr := raw.Control(func(own uintptr) {
		fd, err = unix.FcntlInt(own, unix.F_DUPFD_CLOEXEC, 0)
	})
	return fd, errors.Join(err, controlErr)
}

func (l *loop) open() (err error) {
	if l.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	if l.wakeup, err = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC); err != nil {
		return os.NewSyscallError("eventfd", err)
	}
	return l.watch(unix.EPOLL_CTL_ADD, int32(l.wakeup), unix.EPOLLIN)
}

func (l *loop) watch(op int, fd int32, events uint32) error {
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(l.epoll, op, int(fd), &unix.EpollEvent{Events: events, Fd: fd}))
}

func (d *loopDriver) stop(ctx context.Context) error {
	for _, l := range d.loops {
		l.mu.Lock()
		l.stopping = true
		l.mu.Unlock()
		l.wake()
	}
	ended := make(chan struct{})
	go func() { d.wg.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-ctx.Done():
		return ctx.Err()
	}
	return os.NewSyscallError("close", unix.Close(d.listener))
}

// run is the loop's goroutine.
func (l *loop) run() {
	defer l.driver.wg.Done()
	listener := int32(l.driver.listener)
	events := make([]unix.EpollEvent, loopEvents)
	for {
		n, err := unix.EpollWait(l.epoll, events, -1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			l.srv.logger.Error("event loop ended", "err", os.NewSyscallError("epoll_wait", err))
			break
		}
		mail := false
		for i := range max(n, 0) {
			switch ev := &events[i]; ev.Fd {
			case int32(l.wakeup):
				mail = true
			case listener:
				l.accept(int(listener))
			default:
				if c := l.conns[ev.Fd]; c != nil {
					c.handle(ev.Events)
				}
			}
		}
		if mail && l.readMail() {
			break
		}
		l.finishTurn()
	}
	l.shut()
}

// accept takes every connection that waits and spreads them over the loops.
func (l *loop) accept(listener int) {
	for {
		fd, _, err := unix.Accept4(listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.ECONNABORTED):
			continue
		case err != nil:
			l.pauseAccepting(listener, err)
			return
		}
		d := l.driver
		if other := d.loops[int(d.next.Add(1))%len(d.loops)]; other != l {
			other.post(func() { other.adopt(int32(fd)) })
		} else {
			l.adopt(int32(fd))
		}
	}
}

// acceptAgain is how long no connection is accepted after accepting has failed.
const acceptAgain = 100 * time.Millisecond

// pauseAccepting leaves new connections in the kernel's queue for a moment: out of
// descriptors, most likely, and trying at once would only burn time.
func (l *loop) pauseAccepting(listener int, err error) {
	l.srv.logger.Warn("cannot accept connections", "err", os.NewSyscallError("accept4", err))
	listen := func(events uint32) {
		if err := l.watch(unix.EPOLL_CTL_MOD, int32(listener), events); err != nil {
			l.srv.logger.Error("listener", "err", err)
		}
	}
	listen(0)
	time.AfterFunc(acceptAgain, func() { l.post(func() { listen(unix.EPOLLIN) }) })
}

// adopt makes a new connection this loop's.
func (l *loop) adopt(fd int32) {
	c := &conn{loop: l, fd: fd, events: unix.EPOLLIN}
	remote, err1 := endpoint(unix.Getpeername(int(fd)))
	local, err2 := endpoint(unix.Getsockname(int(fd)))
	if err1 != nil || err2 != nil {
		unix.Close(int(fd)) // it went away at once
		return
	}
	unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
	ses, refused := l.srv.admit(remote, local, c)
	if ses == nil {
		l.srv.noteRefusal(remote, refused)
		unix.Write(int(fd), l.srv.refusal(refused))
		unix.Close(int(fd))
		return
	}
	c.ses = ses
	if err := l.watch(unix.EPOLL_CTL_ADD, fd, c.events); err != nil {
		l.srv.logger.Warn("connection dropped", "err", err)
		l.srv.forget(ses)
		unix.Close(int(fd))
		return
	}
	l.conns[fd] = c
}

func endpoint(sa unix.Sockaddr, err error) (netip.AddrPort, error) {
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

// handle reacts to what epoll says of a connection.
func (c *conn) handle(events uint32) {
	if events&unix.EPOLLOUT != 0 {
		c.touch()
	}
	if events&(unix.EPOLLIN|unix.EPOLLHUP|unix.EPOLLERR|unix.EPOLLRDHUP) != 0 && c.events&unix.EPOLLIN != 0 {
		c.read()
	} else if events&(unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		c.end() // not being read from, and the peer is gone
	}
}

// read takes what has arrived, once: a peer that sends without end must not keep
// the loop from the others.
func (c *conn) read() {
	if c.ended || c.ses.closing || c.eof {
		return
	}
	n, err := rawRead(c.fd, c.loop.in)
	switch {
	case err == unix.EAGAIN || err == unix.EINTR:
		return
	case err != 0:
		c.end()
		return
	case n == 0: // what it has asked for is still answered
		c.eof = true
		c.touch()
		return
	}
	c.loop.srv.stats.bytesIn.Add(uint64(n))
	c.lend()
	c.ses.Input(c.loop.in[:n])
	c.touch()
}

// lend gives the session a buffer for its output, if it has none.
func (c *conn) lend() {
	if c.ses.w.Buf == nil {
		if n := len(c.loop.spare); n > 0 {
			c.ses.w.Buf = c.loop.spare[n-1]
			c.loop.spare = c.loop.spare[:n-1]
		}
	}
}

// touch has the connection's output sent at the end of the turn.
func (c *conn) touch() {
	if !c.due {
		c.due = true
		c.loop.touched = append(c.loop.touched, c)
	}
}

// finishTurn makes what the turn has written safe and sends the replies.
func (l *loop) finishTurn() {
	var pos uint64
	wrote := false
	for _, c := range l.touched {
		p, w := c.ses.takeWritten()
		pos, wrote = max(pos, p), wrote || w
	}
	if wrote {
		l.srv.settle(pos)
	}
	for i, c := range l.touched {
		c.due = false
		l.touched[i] = nil
		c.send()
	}
	l.touched = l.touched[:0]
}

// send sends what the session has ready, after what is left over from before.
func (c *conn) send() {
	if c.ended {
		return
	}
	out := c.ses.Output()
	total := len(out)
	c.loop.srv.stats.bytesOut.Add(uint64(total))
	if len(c.unsent) > 0 {
		c.unsent = append(c.unsent, out...)
		n, ok := c.write(c.unsent)
		if !ok {
			return
		}
		c.unsent = c.unsent[:copy(c.unsent, c.unsent[n:])]
	} else if total > 0 {
		n, ok := c.write(out)
		if !ok {
			return
		}
		c.unsent = append(c.unsent, out[n:]...)
	}
	if len(c.unsent) == 0 && cap(c.unsent) > 0 {
		c.unsent = nil
	}
	c.takeBack(out)
	c.account(total)
	if c.finished() {
		c.end()
		return
	}
	c.updateEvents()
}

// finished reports whether there is nothing left to do for the peer.
func (c *conn) finished() bool {
	switch {
	case c.ended, c.ses.closing && c.ses.abrupt:
		return true
	case len(c.unsent) > 0:
		return false
	}
	return c.ses.closing || c.eof && c.ses.idle()
}

// write gives the kernel as much as it takes. ok is false when the connection
// has ended.
func (c *conn) write(p []byte) (n int, ok bool) {
	for n < len(p) {
		took, err := rawWrite(c.fd, p[n:])
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			return n, true
		case err != 0:
			c.end()
			return n, false
		}
		n += took
	}
	return n, true
}

// takeBack returns the lent buffer.
func (c *conn) takeBack(out []byte) {
	c.ses.w.Buf = nil
	if cap(out) > 0 && cap(out) <= loopSpareBytes && len(c.loop.spare) < loopSpares {
		c.loop.spare = append(c.loop.spare, out[:0])
	}
}

// account notes how much output the peer has not taken after another wrote bytes.
func (c *conn) account(wrote int) {
	held := len(c.unsent)
	if held == 0 && c.held == 0 {
		return
	}
	taken := c.held + wrote - held
	c.loop.srv.holdOutput(&c.held, held)
	c.ses.checkOutput(held, taken > 0)
}

// updateEvents tells epoll what to watch: no input while too much output waits, or
// too much input.
func (c *conn) updateEvents() {
	var want uint32
	if len(c.unsent) < pauseOutput && !c.ses.closing && !c.eof && !c.ses.full() {
		want |= unix.EPOLLIN
	}
	if len(c.unsent) > 0 {
		want |= unix.EPOLLOUT
	}
	if want == c.events {
		return
	}
	if err := c.loop.watch(unix.EPOLL_CTL_MOD, c.fd, want); err != nil {
		c.end()
		return
	}
	c.events = want
}

// end closes the connection.
func (c *conn) end() {
	if c.ended {
		return
	}
	c.ended = true
	c.loop.srv.holdOutput(&c.held, 0)
	if !c.ses.closing {
		c.loop.srv.stats.closed[closedByPeer].Add(1)
	}
	c.loop.srv.forget(c.ses)
	delete(c.loop.conns, c.fd)
	unix.Close(int(c.fd)) // takes it out of epoll too
}

// deliver queues a finished wait for the session's loop.
func (c *conn) deliver(w *wait) {
	l := c.loop
	l.mu.Lock()
	l.delivered = append(l.delivered, w)
	l.mu.Unlock()
	l.wake()
}

// close ends the connection soon, from any goroutine.
func (c *conn) close() { c.loop.post(c.end) }

// post has f run on the loop.
func (l *loop) post(f func()) {
	l.mu.Lock()
	l.posted = append(l.posted, f)
	l.mu.Unlock()
	l.wake()
}

// wake makes the loop look into its mailbox; one signal does for all that come
// before it has looked.
func (l *loop) wake() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.awake {
		return
	}
	l.awake = true
	one := [8]byte{1}
	if _, err := unix.Write(l.wakeup, one[:]); err != nil {
		l.srv.logger.Error("wake an event loop", "err", err)
	}
}

// readMail brings finished waits to their sessions and runs what was posted. It
// reports whether the loop is to end.
func (l *loop) readMail() (stop bool) {
	var counter [8]byte
	unix.Read(l.wakeup, counter[:])
	l.mu.Lock()
	delivered, posted := l.delivered, l.posted
	l.delivered, l.posted, l.awake, stop = nil, nil, false, l.stopping
	l.mu.Unlock()
	for _, w := range delivered {
		c := w.s.link.(*conn)
		c.lend()
		w.s.Complete(w)
		c.touch()
	}
	for _, c := range l.touched {
		if !c.ended {
			c.ses.Resume()
		}
	}
	for _, f := range posted {
		f()
	}
	return stop
}

// shut sends what is ready and closes everything.
func (l *loop) shut() {
	l.finishTurn()
	for _, c := range l.conns {
		c.end()
	}
	unix.Close(l.epoll)
	unix.Close(l.wakeup)
}
