package server

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/prakashpandey/vegadb/internal/front"
)

// conn is one connection and the link of its session. It belongs to its loop's
// goroutine, but for the methods of link.
type conn struct {
	loop   *loop
	fd     int32
	ses    *Session
	unsent backlog // output that the kernel did not take
	held   int     // unsent.len() as last counted in the server's total
	events uint32  // what epoll watches
	due    bool    // in loop.touched
	eof    bool    // the peer sends no more, but may still read
	ended  bool    // the descriptor is closed
}

// pauseOutput is the unsent output at which a connection is not read from, nor its
// session resumed, until its peer has taken some: it is slowed down before it is
// cut off.
const pauseOutput = 1 << 20

// backlog is output that waits for a peer to take it. The front moves on as it is
// taken; the bytes behind it move seldom.
type backlog struct {
	buf []byte
	off int
}

func (b *backlog) len() int     { return len(b.buf) - b.off }
func (b *backlog) next() []byte { return b.buf[b.off:] }

func (b *backlog) add(p []byte) {
	if b.off > len(b.buf)-b.off {
		b.buf = b.buf[:copy(b.buf, b.buf[b.off:])]
		b.off = 0
	}
	b.buf = append(b.buf, p...)
}

func (b *backlog) took(n int) {
	if b.off += n; b.off == len(b.buf) {
		*b = backlog{}
	}
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
		c.ended = true
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
	return netip.AddrPort{}, front.ErrNotTCP
}

// handle reacts to what epoll says of a connection.
func (c *conn) handle(events uint32) {
	if events&unix.EPOLLOUT != 0 {
		c.touch()
	}
	if events&(unix.EPOLLIN|unix.EPOLLHUP|unix.EPOLLERR) != 0 && c.events&unix.EPOLLIN != 0 {
		c.read()
	} else if events&(unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		c.end() // not being read from, and the peer is gone
	}
}

// read takes what has arrived, once: a peer that sends without end must not keep
// the loop from the others.
func (c *conn) read() {
	if c.ended || c.ses.closing || c.eof || c.loop.draining {
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

// resume lets the session go on with input that was held back, unless its peer has
// enough to read already.
func (c *conn) resume() {
	if c.ses.parked && !c.ended && c.unsent.len() < pauseOutput && c.ses.canResume() {
		c.lend()
		c.ses.Resume()
	}
}

// lend gives the session a buffer for its output, if it has none.
func (c *conn) lend() {
	if c.ses.w.Buf == nil {
		if n := len(c.loop.spare); n > 0 {
			c.ses.w.Buf = c.loop.spare[n-1]
			c.loop.spare[n-1] = nil
			c.loop.spare = c.loop.spare[:n-1]
		}
	}
}

// touch has the loop look after the connection at the end of the turn.
func (c *conn) touch() {
	if !c.due {
		c.due = true
		c.loop.touched = append(c.loop.touched, c)
	}
}

// send sends what the session has ready, after what is left over from before.
func (c *conn) send() {
	if c.ended {
		return
	}
	out := c.ses.Output()
	c.ses.w.Buf = nil
	c.loop.srv.stats.bytesOut.Add(uint64(len(out)))
	if !c.transmit(out) {
		c.end()
		return
	}
	c.account(len(out))
	if c.finished() {
		c.end()
		return
	}
	c.updateEvents()
	if c.ses.parked && c.unsent.len() < pauseOutput && c.ses.canResume() {
		c.touch() // its output was all that held it back: go on in the next turn
	}
}

// transmit gives the kernel as much as it takes and keeps the rest. It reports
// whether the connection is sound.
func (c *conn) transmit(out []byte) bool {
	if c.unsent.len() > 0 {
		c.unsent.add(out)
		c.takeBack(out)
		n, ok := c.write(c.unsent.next())
		c.unsent.took(n)
		return ok
	}
	n, ok := c.write(out)
	switch {
	case n == len(out):
		c.takeBack(out)
	case cap(out) > loopSpareBytes: // large: the buffer itself is what is left
		c.unsent = backlog{buf: out, off: n}
	default:
		c.unsent.add(out[n:])
		c.takeBack(out)
	}
	return ok
}

// write gives the kernel as much as it takes, within loopWriteBytes. ok is false
// when the connection is broken.
func (c *conn) write(p []byte) (n int, ok bool) {
	for n < len(p) && n < loopWriteBytes {
		took, err := rawWrite(c.fd, p[n:min(len(p), n+loopWriteBytes)])
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			return n, true
		case err != 0:
			return n, false
		}
		n += took
	}
	return n, true
}

// takeBack returns a lent buffer whose content has been sent or copied.
func (c *conn) takeBack(out []byte) {
	if cap(out) > 0 && cap(out) <= loopSpareBytes && len(c.loop.spare) < loopSpares {
		c.loop.spare = append(c.loop.spare, out[:0])
	}
}

// finished reports whether there is nothing left to do for the peer.
func (c *conn) finished() bool {
	switch {
	case c.ses.over() && (c.ses.abrupt || c.unsent.len() == 0):
		return true
	case c.loop.hurried && c.ses.waits == 0 && (c.unsent.len() > 0 || !c.ses.parked):
		return true
	}
	return c.ses.idle() && c.unsent.len() == 0 && (c.eof || c.loop.draining)
}

// account notes how much output the peer has not taken after another wrote bytes.
func (c *conn) account(wrote int) {
	held := c.unsent.len()
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
	if c.unsent.len() < pauseOutput && !c.ses.closing && !c.eof && !c.loop.draining && !c.ses.full() {
		want |= unix.EPOLLIN
	}
	if c.unsent.len() > 0 {
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
	c.unsent = backlog{}
	c.loop.srv.noteEnd(c.ses)
	c.loop.srv.forget(c.ses)
	c.ses.drain()
	delete(c.loop.conns, c.fd)
	unix.Close(int(c.fd)) // takes it out of epoll too
}

// deliver queues a finished wait for the session's loop.
func (c *conn) deliver(w *wait) {
	l := c.loop
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return
	}
	l.delivered = append(l.delivered, w)
	l.wake()
}

// close ends the connection soon, from any goroutine.
func (c *conn) close() { c.loop.post(c.end) }

// trim is link's.
func (c *conn) trim() {
	c.loop.post(func() {
		if !c.ended {
			c.ses.trim()
		}
	})
}
