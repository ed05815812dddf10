package router

import (
	"errors"
	"net"
	"net/netip"
	"time"
)

// accept takes connections until the listener is closed.
func (r *Router) accept() {
	defer r.loops.Done()
	for {
		raw, err := r.ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			r.logger.Warn("cannot accept connections", "err", err)
			r.sleep(10 * time.Millisecond) // out of descriptors, most likely: do not spin
			continue
		}
		r.serve(raw)
	}
}

func (r *Router) serve(raw net.Conn) {
	local, err1 := addrPort(raw.LocalAddr())
	remote, err2 := addrPort(raw.RemoteAddr())
	if err1 != nil || err2 != nil {
		raw.Close()
		return
	}
	c, refused := r.admit(raw, remote, local)
	if c == nil {
		r.refuse(raw, remote, refused)
		return
	}
	go c.read()
	go c.write()
}

// admit counts a new connection in, or says why not.
func (r *Router) admit(raw net.Conn, remote, local netip.AddrPort) (*conn, closeReason) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.draining:
		return nil, closedShutdown
	case r.front.MaxConnections > 0 && len(r.sessions) >= r.front.MaxConnections:
		return nil, closedTooMany
	case r.front.MaxConnectionsPerAddress > 0 && r.perAddress[remote.Addr()] >= r.front.MaxConnectionsPerAddress:
		return nil, closedTooManyFromAddress
	}
	c := r.newConn(raw, remote, local)
	r.sessions[c] = struct{}{}
	r.perAddress[remote.Addr()]++
	r.conns.Add(2)
	r.stats.accepted.Add(1)
	r.stats.open[protocolUnknown].Add(1)
	return c, closedNot
}

// refusal is what a peer is told that is turned away. It has not said which protocol
// it speaks, so it gets RESP's words, which a person can read.
const refusal = "-ERR max number of clients reached\r\n"

// refuse turns a connection away. It logs one line per second: whoever keeps knocking
// must not fill the disk.
func (r *Router) refuse(raw net.Conn, remote netip.AddrPort, reason closeReason) {
	if r.tls == nil && reason != closedShutdown {
		raw.SetWriteDeadline(time.Now().Add(time.Second)) // its buffer is empty: this does not wait
		raw.Write([]byte(refusal))
	}
	raw.Close()
	count := r.stats.closed[reason].Add(1)
	now := r.opts.Clock().UnixMilli()
	last := r.refusedAt.Load()
	if now-last < time.Second.Milliseconds() || !r.refusedAt.CompareAndSwap(last, now) {
		return
	}
	r.logger.Warn("connections refused", "reason", closeNames[reason], "remote", remote, "refused_so_far", count)
}

// forget counts a connection out.
func (r *Router) forget(c *conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.sessions, c)
	from := c.remote.Addr()
	if r.perAddress[from]--; r.perAddress[from] == 0 {
		delete(r.perAddress, from)
	}
	r.stats.open[c.proto.Load()].Add(-1)
}

// list returns the connections that are open now.
func (r *Router) list() []*conn {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]*conn, 0, len(r.sessions))
	for c := range r.sessions {
		all = append(all, c)
	}
	return all
}

var errNotTCP = errors.New("not a TCP address")

func addrPort(a net.Addr) (netip.AddrPort, error) {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}, errNotTCP
	}
	ap := tcp.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()), nil
}
