package server

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"sync"

	"github.com/prakashpandey/vegadb/internal/front"
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

// streamReadBytes is read from a connection at once.
const streamReadBytes = 16 << 10

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
	return front.AddrPort(ln.Addr())
}

func (d *streamDriver) accept() {
	defer d.wg.Done()
	front.Accept(d.srv.ctx, d.ln, d.srv.logger, d.serve)
}

func (d *streamDriver) serve(raw net.Conn, remote, local netip.AddrPort) {
	l := &streamLink{driver: d, raw: raw, conn: raw, wake: make(chan struct{}, 1), gone: make(chan struct{})}
	if d.config != nil {
		l.conn = tls.Server(raw, d.config)
	}
	l.room = sync.NewCond(&l.mu)
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

// stop lets every connection answer what it was asked. Peers that do not take
// their replies are left behind after a second, all others when ctx ends.
func (d *streamDriver) stop(ctx context.Context) error {
	err := d.ln.Close()
	d.mu.Lock()
	d.done = true
	d.mu.Unlock()
	d.each((*streamLink).drain)
	return errors.Join(err, front.WaitEnded(ctx, &d.wg, func() { d.each((*streamLink).hurry) }, func() { d.each((*streamLink).close) }))
}

// each calls f with every connection.
func (d *streamDriver) each(f func(*streamLink)) {
	d.mu.Lock()
	all := make([]*streamLink, 0, len(d.conns))
	for l := range d.conns {
		all = append(all, l)
	}
	d.mu.Unlock()
	for _, l := range all {
		f(l)
	}
}
