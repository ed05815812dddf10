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

// tlsDriver serves TLS with two goroutines per connection: crypto/tls wants to
// block, which an event loop must not.
type tlsDriver struct {
	srv    *Server
	config *tls.Config
	ln     net.Listener
	wg     sync.WaitGroup

	mu    sync.Mutex
	conns map[*tlsLink]struct{} // guarded by mu
	done  bool                  // guarded by mu
}

// tlsLink is one TLS connection. The reader feeds the session; the writer brings
// finished waits to it and sends its output.
type tlsLink struct {
	driver *tlsDriver
	conn   *tls.Conn
	raw    net.Conn

	mu        sync.Mutex // guards ses and delivered
	ses       *Session
	delivered []*wait
	wake      chan struct{} // capacity 1: the writer has something to do
	gone      chan struct{} // closed when the reader has ended
	drained   *sync.Cond    // on mu: the output is below tlsOutputPause again
}

// tlsReadBytes is read from a connection at once, tlsOutputPause the unsent
// output at which no more is read from a peer until it has taken some.
const (
	tlsReadBytes   = 16 << 10
	tlsOutputPause = 1 << 20
)

func newTLSDriver(s *Server, config *tls.Config) *tlsDriver {
	return &tlsDriver{srv: s, config: config, conns: make(map[*tlsLink]struct{})}
}

func (d *tlsDriver) start(addr string) (netip.AddrPort, error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return netip.AddrPort{}, err
	}
	d.ln = ln
	d.wg.Add(1)
	go d.accept()
	return addrPort(ln.Addr())
}

func (d *tlsDriver) accept() {
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

func (d *tlsDriver) serve(raw net.Conn) {
	l := &tlsLink{driver: d, raw: raw, conn: tls.Server(raw, d.config), wake: make(chan struct{}, 1), gone: make(chan struct{})}
	l.drained = sync.NewCond(&l.mu)
	local, err := addrPort(raw.LocalAddr())
	if err != nil {
		raw.Close()
		return
	}
	ses, refused := d.srv.admit(raw.RemoteAddr(), local, l)
	if ses == nil {
		d.srv.noteRefusal(raw.RemoteAddr(), refused)
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

func (d *tlsDriver) stop(ctx context.Context) error {
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

func (l *tlsLink) deliver(w *wait) {
	l.mu.Lock()
	l.delivered = append(l.delivered, w)
	l.mu.Unlock()
	l.signal()
}

func (l *tlsLink) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (l *tlsLink) close() { l.raw.Close() }

func (l *tlsLink) refresh() {} // the writer's deadline watches a slow reader

// read feeds the session until the connection ends.
func (l *tlsLink) read() {
	defer l.driver.wg.Done()
	defer close(l.gone)
	srv := l.driver.srv
	timeout := srv.live.Current().HandshakeTimeout
	l.raw.SetDeadline(time.Now().Add(timeout))
	if err := l.conn.Handshake(); err != nil {
		srv.logger.Debug("TLS handshake failed", "remote", l.ses.remote, "err", err)
		srv.stats.closed[closedHandshakeTimeout].Add(1)
		l.mu.Lock()
		l.ses.closing = true
		l.mu.Unlock()
		return
	}
	l.raw.SetDeadline(time.Time{})
	buf := make([]byte, tlsReadBytes)
	for {
		n, err := l.conn.Read(buf)
		if err != nil {
			return
		}
		srv.stats.bytesIn.Add(uint64(n))
		l.mu.Lock()
		l.ses.Input(buf[:n])
		closing := l.ses.Closing()
		l.signal()
		for !closing && len(l.ses.Output()) > tlsOutputPause {
			l.drained.Wait()
			closing = l.ses.Closing()
		}
		l.mu.Unlock()
		if closing {
			return
		}
	}
}

// write sends what the session has ready, and closes the connection in the end.
func (l *tlsLink) write() {
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
func (l *tlsLink) collect() []byte {
	for i, w := range l.delivered {
		l.ses.Complete(w)
		l.delivered[i] = nil
	}
	l.delivered = l.delivered[:0]
	l.ses.Resume()
	return l.ses.Output()
}

func (l *tlsLink) send(out []byte) bool {
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
func (l *tlsLink) fail() {
	l.mu.Lock()
	l.ses.fail(closedWriteTimeout, errors.New("the peer did not take its replies in time, or went away"))
	l.drained.Broadcast()
	l.mu.Unlock()
}

// end closes the connection and counts it out once the reader is done with it.
func (l *tlsLink) end() {
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
