package router

import (
	"net"
	"net/netip"
	"time"

	"github.com/prakashpandey/vegadb/internal/front"
)

// accept takes connections until the listener is closed.
func (r *Router) accept() {
	defer r.loops.Done()
	front.Accept(r.ctx, r.ln, r.logger, r.serve)
}

func (r *Router) serve(raw net.Conn, remote, local netip.AddrPort) {
	c, refused := r.admit(raw, remote, local)
	if c == nil {
		r.refuse(raw, remote, refused)
		return
	}
	go c.read()
	go c.write()
}

// admit counts a new connection in, or says why not.
func (r *Router) admit(raw net.Conn, remote, local netip.AddrPort) (*conn, front.CloseReason) {
	return r.door.Admit(remote.Addr(), r.front.MaxConnections, r.front.MaxConnectionsPerAddress, func() *conn {
		r.conns.Add(2)
		r.stats.accepted.Add(1)
		r.stats.open[front.ProtocolUnknown].Add(1)
		return r.newConn(raw, remote, local)
	})
}

// refuse turns a connection away.
func (r *Router) refuse(raw net.Conn, remote netip.AddrPort, reason front.CloseReason) {
	if r.tls == nil && reason != front.ClosedShutdown {
		raw.SetWriteDeadline(time.Now().Add(time.Second)) // its buffer is empty: this does not wait
		raw.Write([]byte(front.TooMany))
	}
	raw.Close()
	count := r.stats.closed[reason].Add(1)
	if !r.door.WorthLogging(r.nowMs()) {
		return
	}
	r.logger.Warn("connections refused", "reason", reason.String(), "remote", remote, "refused_so_far", count)
}

// forget counts a connection out.
func (r *Router) forget(c *conn) {
	if r.door.Leave(c, c.remote.Addr()) {
		r.stats.open[c.proto.Load()].Add(-1)
	}
}
