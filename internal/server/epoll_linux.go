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

	"github.com/prakashpandey/vegadb/internal/front"
)

// loopDriver serves plain TCP with epoll. All events of a connection are handled
// by one loop, so that its session needs no lock; each loop is one goroutine.
//
// One turn of a loop reads everything that is readable and executes it, then
// settles what was written with one write to the log, and only then sends the
// replies. So the cost of a turn is shared by all connections that were ready,
// which is what makes a busy server cheap per request.
//
// Invariants:
//
//   - A descriptor is in loop.conns exactly as long as it is open and belongs to
//     that loop. Whoever is told of a connection by other means (a posted function,
//     a delivered wait) holds the conn itself and looks at conn.ended: the number of
//     a closed descriptor may be another connection's by now.
//   - An output buffer is either in loop.spare, or lent to one session, or dropped.
//   - After loop.ended is set nobody writes to loop.wakeup: its number may be anything's.
type loopDriver struct {
	srv   *Server
	loops []*loop
	next  atomic.Uint32 // the loop that gets the next connection
	wg    sync.WaitGroup
}

// loop is one event loop. What is not marked otherwise belongs to its goroutine.
type loop struct {
	driver   *loopDriver
	srv      *Server
	epoll    int
	wakeup   int // eventfd: something is in the mailbox
	listener int // the first loop's; -1 for the others

	conns   map[int32]*conn // by descriptor
	touched []*conn         // to be looked after at the end of this turn
	looked  []*conn         // scratch: the touched ones of the turn that ends
	in      []byte          // what a read fills
	spare   [][]byte        // output buffers that no connection has a use for
	// draining: no input is taken any more, and connections are closed once what
	// they asked for is answered; hurried: without waiting until they have read it.
	draining, hurried bool

	mu        sync.Mutex
	delivered []*wait  // guarded by mu
	posted    []func() // guarded by mu
	awake     bool     // guarded by mu; the wakeup has been signalled
	stopping  bool     // guarded by mu
	ended     bool     // guarded by mu; nobody reads the mailbox any more
	empty     []*wait  // scratch: a mailbox to swap in
}

// Sizes of the loops' buffers, and bounds on what one event may cost the others.
const (
	loopReadBytes  = 64 << 10 // read from a connection at once
	loopWriteBytes = 4 << 20  // written to a connection at once
	loopAccepts    = 256      // connections accepted at once
	loopEvents     = 256      // events taken from the kernel at once
	loopSpareBytes = 64 << 10 // largest output buffer that is kept
	loopSpares     = 64       // output buffers that are kept
)

func newLoopDriver(s *Server, threads int) driver {
	if threads == 0 {
		threads = defaultIOThreads()
	}
	d := &loopDriver{srv: s}
	for range threads {
		d.loops = append(d.loops, &loop{driver: d, srv: s, epoll: -1, wakeup: -1, listener: -1, conns: make(map[int32]*conn), in: make([]byte, loopReadBytes)})
	}
	return d
}

// defaultIOThreads leaves half of the cores to the log, snapshots, the garbage
// collector and the kernel's side of the network.
func defaultIOThreads() int { return max(1, runtime.GOMAXPROCS(0)/2) }

func (d *loopDriver) start(addr string) (bound netip.AddrPort, err error) {
	defer func() {
		if err != nil {
			for _, l := range d.loops {
				l.closeDescriptors()
			}
		}
	}()
	first := d.loops[0]
	if bound, err = first.listen(addr); err != nil {
		return bound, err
	}
	for _, l := range d.loops {
		if err := l.open(); err != nil {
			return bound, err
		}
	}
	if err := first.watch(unix.EPOLL_CTL_ADD, int32(first.listener), unix.EPOLLIN); err != nil {
		return bound, err
	}
	for _, l := range d.loops {
		d.wg.Add(1)
		go l.run()
	}
	return bound, nil
}

// Keepalive of connections, so that peers that vanished do not count for ever.
const (
	keepaliveIdleSeconds     = 300
	keepaliveIntervalSeconds = 60
	keepaliveProbes          = 3
)

// listen lets package net do the binding, and keeps a descriptor of the listener
// that Go's network poller has never heard of. Accepted sockets inherit its options.
func (l *loop) listen(addr string) (netip.AddrPort, error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return netip.AddrPort{}, err
	}
	defer ln.Close()
	bound, err := front.AddrPort(ln.Addr())
	if err != nil {
		return netip.AddrPort{}, err
	}
	raw, err := ln.(*net.TCPListener).SyscallConn()
	if err != nil {
		return netip.AddrPort{}, err
	}
	controlErr := raw.Control(func(own uintptr) {
		l.listener, err = unix.FcntlInt(own, unix.F_DUPFD_CLOEXEC, 0)
	})
	if err := errors.Join(err, controlErr); err != nil {
		return netip.AddrPort{}, err
	}
	for _, o := range [...]struct{ level, name, value int }{
		{unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
		{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
		{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, keepaliveIdleSeconds},
		{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, keepaliveIntervalSeconds},
		{unix.IPPROTO_TCP, unix.TCP_KEEPCNT, keepaliveProbes},
	} {
		if err := unix.SetsockoptInt(l.listener, o.level, o.name, o.value); err != nil {
			return netip.AddrPort{}, os.NewSyscallError("setsockopt", err)
		}
	}
	return bound, nil
}

func (l *loop) closeDescriptors() {
	closeDescriptor(&l.epoll)
	closeDescriptor(&l.wakeup)
	closeDescriptor(&l.listener)
}

func closeDescriptor(fd *int) {
	if *fd >= 0 {
		unix.Close(*fd)
		*fd = -1
	}
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

// stop ends the loops when every connection has been answered. Peers that do not
// take their replies are left behind after a second, all others when ctx ends.
func (d *loopDriver) stop(ctx context.Context) error {
	for _, l := range d.loops {
		l.post(func() { l.drain(false) })
	}
	hurry := func() {
		for _, l := range d.loops {
			l.post(func() { l.drain(true) })
		}
	}
	cut := func() { // a turn takes no longer than a write to the log
		for _, l := range d.loops {
			l.end()
		}
	}
	return front.WaitEnded(ctx, &d.wg, hurry, cut)
}

// drain begins the loop's end.
func (l *loop) drain(hurry bool) {
	closeDescriptor(&l.listener)
	l.draining, l.hurried = true, hurry
	for _, c := range l.conns {
		c.touch()
	}
}

// end has the loop shut without waiting for anybody.
func (l *loop) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopping = true
	l.wake()
}

// run is the loop's goroutine.
func (l *loop) run() {
	defer l.driver.wg.Done()
	defer l.shut()
	events := make([]unix.EpollEvent, loopEvents)
	for !l.draining || len(l.conns) > 0 {
		wait := -1
		if len(l.touched) > 0 {
			wait = 0
		}
		n, err := unix.EpollWait(l.epoll, events, wait)
		if err != nil && !errors.Is(err, unix.EINTR) {
			l.srv.logger.Error("event loop ended", "err", os.NewSyscallError("epoll_wait", err))
			return
		}
		mail := false
		for i := range max(n, 0) {
			switch ev := &events[i]; ev.Fd {
			case int32(l.wakeup):
				mail = true
			case int32(l.listener):
				l.accept()
			default:
				if c := l.conns[ev.Fd]; c != nil {
					c.handle(ev.Events)
				}
			}
		}
		if mail && l.readMail() {
			return
		}
		l.finishTurn()
	}
}

// accept takes connections that wait and spreads them over the loops.
func (l *loop) accept() {
	d := l.driver
	for range loopAccepts {
		fd, _, err := unix.Accept4(l.listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.ECONNABORTED):
			continue
		case err != nil:
			l.pauseAccepting(err)
			return
		}
		other := d.loops[int(d.next.Add(1))%len(d.loops)]
		if other == l {
			l.adopt(int32(fd))
		} else if !other.post(func() { other.adopt(int32(fd)) }) {
			unix.Close(fd)
		}
	}
}

// acceptAgain is how long no connection is accepted after accepting has failed.
const acceptAgain = 100 * time.Millisecond

// pauseAccepting leaves new connections in the kernel's queue for a moment: out of
// descriptors, most likely, and trying at once would only burn time.
func (l *loop) pauseAccepting(err error) {
	l.srv.logger.Warn("cannot accept connections", "err", os.NewSyscallError("accept4", err))
	listen := func(events uint32) {
		if l.draining {
			return
		}
		if err := l.watch(unix.EPOLL_CTL_MOD, int32(l.listener), events); err != nil {
			l.srv.logger.Error("listener", "err", err)
		}
	}
	listen(0)
	time.AfterFunc(acceptAgain, func() { l.post(func() { listen(unix.EPOLLIN) }) })
}

// finishTurn lets sessions go on that can, makes what the turn has written safe,
// and sends the replies.
func (l *loop) finishTurn() {
	var pos uint64
	wrote := false
	touched := l.touched
	l.touched = l.looked[:0] // sending may touch a connection for the next turn
	for _, c := range touched {
		c.due = false
		c.resume()
		p, w := c.ses.takeWritten()
		pos, wrote = max(pos, p), wrote || w
	}
	failed := wrote && l.srv.settle(pos) != nil
	for i, c := range touched {
		touched[i] = nil
		if failed {
			c.end()
			continue
		}
		c.send()
	}
	l.looked = touched[:0]
}

// post has f run on the loop. It reports whether the loop will: not after its end.
func (l *loop) post(f func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return false
	}
	l.posted = append(l.posted, f)
	l.wake()
	return true
}

// wake makes the loop look into its mailbox; one signal does for all that come
// before it has looked. l.mu is held.
func (l *loop) wake() {
	if l.awake || l.ended {
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
	l.delivered, l.posted, l.awake, stop = l.empty[:0], nil, false, l.stopping
	l.mu.Unlock()
	for i, w := range delivered {
		delivered[i] = nil
		c := w.s.link.(*conn)
		c.lend()
		c.ses.Complete(w)
		c.touch()
	}
	l.empty = delivered[:0]
	for _, f := range posted {
		f()
	}
	return stop
}

// shut sends what is ready and closes everything.
func (l *loop) shut() {
	l.draining, l.hurried = true, true
	l.readMail()
	l.mu.Lock()
	l.ended = true
	posted := l.posted
	l.mu.Unlock()
	for _, f := range posted { // connections to adopt: they are refused
		f()
	}
	l.finishTurn()
	for _, c := range l.conns {
		c.end()
	}
	l.closeDescriptors()
}
