package front

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Door counts connections in and out, and keeps to the limits on them. C is a connection.
// Safe for concurrent use.
type Door[C comparable] struct {
	mu         sync.Mutex
	closed     bool               // guarded by mu
	open       map[C]struct{}     // guarded by mu
	perAddress map[netip.Addr]int // guarded by mu

	// refusalLogged is when a refused connection was last logged, in unix ms.
	refusalLogged atomic.Int64
}

// Admit counts a new connection in, or says why not. enter makes it, with the door
// locked: nothing that concerns the connections as a whole happens in between.
func (d *Door[C]) Admit(from netip.Addr, most, mostPerAddress int, enter func() C) (c C, refused CloseReason) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.closed:
		return c, ClosedShutdown
	case most > 0 && len(d.open) >= most:
		return c, ClosedTooMany
	case mostPerAddress > 0 && d.perAddress[from] >= mostPerAddress:
		return c, ClosedTooManyFromAddress
	}
	if d.open == nil {
		d.open, d.perAddress = make(map[C]struct{}), make(map[netip.Addr]int)
	}
	c = enter()
	d.open[c] = struct{}{}
	d.perAddress[from]++
	return c, ClosedNot
}

// Leave counts a connection out. It reports whether it was in.
func (d *Door[C]) Leave(c C, from netip.Addr) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, known := d.open[c]; !known {
		return false
	}
	delete(d.open, c)
	if d.perAddress[from]--; d.perAddress[from] == 0 {
		delete(d.perAddress, from)
	}
	return true
}

// Close has the door admit nobody any more.
func (d *Door[C]) Close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
}

// Closed reports whether Close was called.
func (d *Door[C]) Closed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.closed
}

// Open returns the connections that are in now.
func (d *Door[C]) Open() []C {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make([]C, 0, len(d.open))
	for c := range d.open {
		all = append(all, c)
	}
	return all
}

// WorthLogging reports whether a connection that is refused now, in unix ms, shall be
// logged: one a second. Whoever keeps knocking must not fill the disk.
func (d *Door[C]) WorthLogging(now int64) bool {
	last := d.refusalLogged.Load()
	return now-last >= time.Second.Milliseconds() && d.refusalLogged.CompareAndSwap(last, now)
}

// TooMany is what a peer is told that a limit on connections turned away. It has not said
// which protocol it speaks, so it gets RESP's words, which a person can read.
const TooMany = "-ERR max number of clients reached\r\n"

// ErrNotTCP: an address that a Door does not know how to count.
var ErrNotTCP = errors.New("not a TCP address")

// AddrPort is a TCP address without the form of IPv4 in IPv6.
func AddrPort(a net.Addr) (netip.AddrPort, error) {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}, ErrNotTCP
	}
	ap := tcp.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()), nil
}
