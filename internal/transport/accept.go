package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"time"

	"github.com/prakashpandey/vegadb/internal/ring"
)

// accept takes connections until the listener is closed.
func (t *Transport) accept() {
	for {
		raw, err := t.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // such as too many open files
			if t.quiet.allow("accept") {
				t.log.Error("cannot accept a peer's connection", "error", err)
			}
			select {
			case <-t.ctx.Done():
				return
			case <-time.After(t.limits.PauseMin):
			}
			continue
		}
		c := t.track(raw)
		if c == nil {
			return
		}
		t.enqueue(c)
		t.tasks.Go(func() {
			defer c.release()
			t.serve(c)
		})
	}
}

// enqueue counts a connection among those that have not said who they are. When there are too many, the one that has
// had the most time goes: a node needs milliseconds, so that those who dawdle cannot keep nodes out.
func (t *Transport) enqueue(c *conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.waiting) >= t.limits.Handshakes {
		t.waiting[0].abort()
		t.waiting = slices.Delete(t.waiting, 0, 1)
	}
	t.waiting = append(t.waiting, c)
}

// dequeue is enqueue's opposite.
func (t *Transport) dequeue(c *conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if i := slices.Index(t.waiting, c); i >= 0 {
		t.waiting = slices.Delete(t.waiting, i, i+1)
	}
}

// serve is an incoming connection's life.
func (t *Transport) serve(c *conn) {
	h, err := c.greet()
	t.dequeue(c)
	if err != nil {
		// A connection that ends without a word is a port scanner's or a load balancer's.
		if err != io.EOF && t.ctx.Err() == nil && t.quiet.allow("handshake "+host(c)) {
			t.log.Warn("a connection to the peer port was closed before it was established", "from", c.RemoteAddr(), "error", err)
		}
		return
	}
	p, refusal := t.judge(h)
	if refusal == nil {
		refusal = t.establish(c, h)
	}
	if refusal != nil {
		if t.quiet.allow(refusal.Code.String() + h.from.String()) {
			level := slog.LevelWarn
			if refusal.Code == CopyRunning || refusal.Code == DuplicateID {
				level = slog.LevelError
			}
			t.log.Log(t.ctx, level, "refused a peer", "peer", h.from, "from", c.RemoteAddr(), "purpose", h.purpose, "reason", refusal.Code, "text", refusal.Text)
		}
		c.Write((&answer{version: highestVersion, code: refusal.Code, text: refusal.Text}).append(nil))
		return
	}
	defer t.disestablish(h)
	switch h.purpose {
	case purposeFrames:
		err = t.receiveFrames(c, p, h)
	case purposeSnapshot:
		err = t.receiveSnapshot(c, h)
	case purposeCall:
		err = t.receiveCall(c, h)
	}
	if err != nil && t.ctx.Err() == nil && t.quiet.allow(h.purpose.String()+host(c)) {
		t.log.Warn("closed a peer's connection", "peer", h.from, "from", c.RemoteAddr(), "purpose", h.purpose, "error", err)
	}
}

// host is where a connection comes from, without the port.
func host(c *conn) string {
	host, _, _ := net.SplitHostPort(c.RemoteAddr().String())
	return host
}

// greet is the first half of the handshake on the accepting side.
func (c *conn) greet() (hello, error) {
	ctx, cancel := context.WithTimeout(c.t.ctx, c.t.limits.Handshake)
	defer cancel()
	if err := c.SetDeadline(time.Now().Add(c.t.limits.Handshake)); err != nil {
		return hello{}, err
	}
	if err := c.upgrade(ctx, false); errors.As(err, new(tls.RecordHeaderError)) {
		return hello{}, fmt.Errorf("the other side does not speak TLS, and this node's peer port does: give both the same peer TLS settings: %w", err)
	} else if err != nil {
		return hello{}, err
	}
	return readHello(c)
}

// welcome is the second half: from now on the connection is used for its purpose.
func (c *conn) welcome(h hello) error {
	a := answer{version: min(highestVersion, h.highest), node: c.t.options.Node, cluster: c.t.clusterID(), boot: c.t.options.Boot}
	if err := c.SetDeadline(time.Time{}); err != nil {
		return err
	}
	return c.send(a.append(nil))
}

// judge decides whether the sender of a hello is let in. The peer is nil for strangers.
func (t *Transport) judge(h hello) (*peer, *RefusedError) {
	refuse := func(code RefusalCode, format string, args ...any) (*peer, *RefusedError) {
		return nil, &RefusedError{Code: code, Text: fmt.Sprintf(format, args...)}
	}
	self, cluster := t.options.Node, t.clusterID()
	stranger := h.cluster.IsZero()
	switch {
	case h.lowest > highestVersion || h.highest < lowestVersion:
		return refuse(WrongVersion, "you speak versions %d to %d of the peer protocol, this node %d to %d", h.lowest, h.highest, lowestVersion, highestVersion)
	case h.from.IsZero() || h.purpose < purposeFrames || h.purpose > purposeCall:
		return refuse(BadRequest, "the hello lacks a node id or a known purpose")
	case h.from == self && h.boot == t.options.Boot:
		return refuse(OwnAddress, "this is your own address")
	case h.from == self:
		return refuse(CopyRunning, "this node has the same id, %s: a copy of its data directory is running; stop one of them, and start each node on a data directory of its own", self)
	case stranger && h.purpose != purposeCall:
		return refuse(BadRequest, "only calls are taken without the id of the cluster")
	case !stranger && cluster.IsZero():
		return refuse(WrongCluster, "this node does not belong to a cluster yet")
	case !stranger && h.cluster != cluster:
		return refuse(WrongCluster, "this node belongs to cluster %.8s…, you to %.8s…: check the addresses of the peers", cluster, h.cluster)
	case h.to.IsZero() && h.purpose != purposeCall:
		return refuse(BadRequest, "the hello does not say who is expected here")
	case !h.to.IsZero() && h.to != self:
		return refuse(WrongNode, "node %s lives at this address, not %s", self, h.to)
	case stranger:
		return nil, nil
	}
	if t.options.Admit != nil {
		if err := t.options.Admit(h.from, h.boot); err != nil {
			return refuse(NotAdmitted, "%v", err)
		}
	}
	p := t.peer(h.from)
	if p == nil {
		return refuse(Busy, "this node knows %d nodes already, its limit", t.limits.Peers)
	}
	if p.stalePeer(h.boot) {
		return refuse(DuplicateID, "a newer process has connected with your node id %s: a copy of the data directory is running; stop one of them", h.from)
	}
	return p, nil
}

func (t *Transport) peer(node ring.NodeID) *peer {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.peerLocked(node)
}

// establish counts a connection among the established ones.
func (t *Transport) establish(c *conn, h hello) *RefusedError {
	t.mu.Lock()
	defer t.mu.Unlock()
	stranger := h.cluster.IsZero()
	switch {
	case t.established >= t.limits.Connections:
		return &RefusedError{Code: Busy, Text: fmt.Sprintf("this node has %d connections, its limit", t.established)}
	case h.purpose == purposeSnapshot && t.receiving >= t.limits.Snapshots:
		return &RefusedError{Code: Busy, Text: fmt.Sprintf("this node receives %d snapshots, its limit; try again", t.receiving)}
	case stranger && t.strangers >= t.limits.Strangers:
		return &RefusedError{Code: Busy, Text: fmt.Sprintf("this node answers %d nodes that are not of the cluster, its limit; try again", t.strangers)}
	}
	t.established++
	if stranger {
		t.strangers++
	} else {
		c.node = h.from
	}
	if h.purpose == purposeSnapshot {
		t.receiving++
	}
	c.purpose = h.purpose
	return nil
}

func (t *Transport) disestablish(h hello) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.established--
	if h.purpose == purposeSnapshot {
		t.receiving--
	}
	if h.cluster.IsZero() {
		t.strangers--
	}
}
