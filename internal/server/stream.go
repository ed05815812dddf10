package server

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"
)

// streamDriver serves with two goroutines per connection. It carries TLS, since
// crypto/tls wants to block, which an event loop must not, and plain TCP where
// there is no event loop.
type streamDriver struct {
	srv    *Server
	config *tls.Config // nil: plain TCP
	ln     net.Listener
	wg     sync.WaitGroup

	mu    sync.Mutex
	conns map[*streamLink]struct{} // guarded by mu
	done  bool                     // guarded by mu
}

// streamLink is one connection. The reader feeds the session; the writer brings
// finished waits to it and sends its output.
type streamLink struct {
	driver *streamDriver
	conn   net.Conn // what the session's bytes go through
	raw    net.Conn // the socket

	mu        sync.Mutex // guards ses and delivered
	ses       *Session
	delivered []*wait
	wake      chan struct{} // capacity 1: the writer has something to do
	gone      chan struct{} // closed when the reader has ended
	drained   *sync.Cond    // on mu: the output is below streamOutputPause again
}

// streamReadBytes is read from a connection at once, streamOutputPause the unsent
// output at which no more is read from a peer until it has taken some.
const (
	streamReadBytes   = 16 << 10
	streamOutputPause = 1 << 20
)

func newStreamDriver(s *Server, config *tls.Config) *streamDriver {
	return &streamDriver{srv: s, config: config, conns: make(map[*streamLink]struct{})}
}

func (d *streamDriver) start(addr string) (netip.AddrPort, error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return netip.AddrPort{}, err
	}
	d.ln = ln
	d.wg.Add(1)
	go d.accept()
	return addrPort(ln.Addr())
}

func (d *streamDriver) accept() {
	defer d.wg.Done()
	for {
		raw, err := d.ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			d.srv.logger.Warn("accept", "err", err)
			time.Sleep(10 * time.Millisecond) // out of descriptors, most likely: do not spin
			continue
		}
		d.serve(raw)
	}
}

func (d *streamDriver) serve(raw net.Conn) {
	l := &streamLink{driver: d, raw: raw, conn: raw, wake: make(chan struct{}, 1), gone: make(chan struct{})}
	if d.config != nil {
		l.conn = tls.Server(raw, d.config)
	}
	l.drained = sync.NewCond(&l.mu)
	local, err1 := addrPort(raw.LocalAddr())
	remote, err2 := addrPort(raw.RemoteAddr())
	if err1 != nil || err2 != nil {
		raw.Close()
		return
	}
	ses, refused := d.srv.admit(remote, local, l)
	if ses == nil {
		d.srv.noteRefusal(remote, refused)
		raw.Close()
		return
	}
	l.ses = ses
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.done {
		d.srv.forget(ses)
		raw.Close()
		return
	}
	d.conns[l] = struct{}{}
	d.wg.Add(2)
	go l.read()
	go l.write()
}

func (d *streamDriver) stop(ctx context.Context) error {
	d.mu.Lock()
	d.done = true
	for l := range d.conns {
		l.close()
	}
	d.mu.Unlock()
	err := d.ln.Close()
	ended := make(chan struct{})
	go func() { d.wg.Wait(); close(ended) }()
	select {
	case <-ended:
		return err
	case <-ctx.Done():
		return errors.Join(err, ctx.Err())
	}
}

func (l *streamLink) deliver(w *wait) {
	l.mu.Lock()
	l.delivered = append(l.delivered, w)
	l.mu.Unlock()
	l.signal()
}

func (l *streamLink) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (l *streamLink) close() { l.raw.Close() }

// read feeds the session until the connection ends.
func (l *streamLink) read() {
	defer l.driver.wg.Done()
	defer close(l.gone)
	srv := l.driver.srv
	if !l.handshake() {
		return
	}
	buf := make([]byte, streamReadBytes)
	for {
		n, err := l.conn.Read(buf)
		if err != nil {
			return
		}
		srv.stats.bytesIn.Add(uint64(n))
		l.mu.Lock()
		l.ses.Input(buf[:n])
		l.settle()
		closing := l.ses.Closing()
		l.signal()
		for !closing && len(l.ses.Output()) > streamOutputPause {
			l.drained.Wait()
			closing = l.ses.Closing()
		}
		l.mu.Unlock()
		if closing {
			return
		}
	}
}

// handshake is that of TLS.
func (l *streamLink) handshake() bool {
	secure, ok := l.conn.(*tls.Conn)
	if !ok {
		return true
	}
	srv := l.driver.srv
	l.raw.SetDeadline(time.Now().Add(srv.live.Current().HandshakeTimeout))
	if err := secure.Handshake(); err != nil {
		l.mu.Lock()
		l.ses.fail(closedHandshakeTimeout, err)
		l.mu.Unlock()
		return false
	}
	l.raw.SetDeadline(time.Time{})
	return true
}

// write sends what the session has ready, and closes the connection in the end.
func (l *streamLink) write() {
	defer l.driver.wg.Done()
	defer l.end()
	var spare []byte
	for {
		readerGone := false
		select {
		case <-l.wake:
		case <-l.gone:
			readerGone = true
		}
		l.mu.Lock()
		out := l.collect()
		l.ses.w.Buf = spare[:0]
		closing := l.ses.Closing()
		l.drained.Broadcast()
		l.mu.Unlock()
		if len(out) > 0 && !l.send(out) {
			l.fail()
			return
		}
		if closing || readerGone {
			return
		}
		if spare = out; cap(spare) > keepBufferBytes {
			spare = nil
		}
	}
}

// collect brings delivered waits to the session and returns its output. l.mu is held.
func (l *streamLink) collect() []byte {
	for i, w := range l.delivered {
		l.ses.Complete(w)
		l.delivered[i] = nil
	}
	l.delivered = l.delivered[:0]
	l.ses.Resume()
	l.settle()
	return l.ses.Output()
}

// settle makes what the session has written safe before its replies go out.
// l.mu is held.
func (l *streamLink) settle() {
	if pos, wrote := l.ses.takeWritten(); wrote {
		l.driver.srv.settle(pos)
	}
}

func (l *streamLink) send(out []byte) bool {
	srv := l.driver.srv
	held := 0
	srv.holdOutput(&held, len(out))
	defer srv.holdOutput(&held, 0)
	if timeout := srv.live.Current().WriteTimeout; timeout > 0 {
		l.raw.SetWriteDeadline(time.Now().Add(timeout))
	}
	srv.stats.bytesOut.Add(uint64(len(out)))
	_, err := l.conn.Write(out)
	return err == nil
}

// fail wakes a reader that waits for room: there will be none.
func (l *streamLink) fail() {
	l.mu.Lock()
	l.ses.fail(closedWriteTimeout, errors.New("the peer did not take its replies in time, or went away"))
	l.drained.Broadcast()
	l.mu.Unlock()
}

// end closes the connection and counts it out once the reader is done with it.
func (l *streamLink) end() {
	l.conn.Close()
	<-l.gone
	d := l.driver
	l.mu.Lock()
	if !l.ses.closing {
		d.srv.stats.closed[closedByPeer].Add(1)
	}
	l.mu.Unlock()
	d.mu.Lock()
	delete(d.conns, l)
	d.mu.Unlock()
	d.srv.forget(l.ses)
}
