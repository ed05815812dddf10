package transport

import (
	"context"
	"io"
)

// receiveFrames hands a peer's frames to the Handler until the connection ends.
func (t *Transport) receiveFrames(c *conn, p *peer, h hello) error {
	in := &incoming{c: c, boot: h.boot, since: t.now(), done: make(chan struct{})}
	old := p.enter(in)
	defer close(in.done)
	defer p.leave(in)
	if old != nil {
		if old.boot != h.boot {
			t.log.Warn("a peer has connected while another process with its node id was: the earlier connection is closed. A peer that was started anew explains it; if it happens again, a copy of its data directory is running",
				"peer", p.node, "from", c.RemoteAddr(), "earlier", old.c.RemoteAddr())
		}
		old.c.abort()
		<-old.done
	}

	t.options.Handler.PeerUp(p.node, h.boot)
	defer t.options.Handler.PeerDown(p.node)
	if err := c.welcome(h); err != nil {
		return err
	}
	select {
	case p.kick <- struct{}{}:
	default:
	}
	var err error
	c.whileAlive(t.ctx, func(context.Context) { err = p.deliver(c, h.boot) })
	if err == io.EOF {
		return nil
	}
	return err
}

// deliver reads frames.
func (p *peer) deliver(c *conn, boot uint64) error {
	frames := c.frames(p.t.limits.FrameBytes, p.t.limits.Idle)
	for first := true; ; first = false {
		frame, err := frames.next()
		if err != nil {
			return err
		}
		if first {
			p.proved(boot)
		}
		p.receivedBytes.Add(uint64(len(frame)) + frameHeader)
		if len(frame) > 0 {
			p.receivedFrames.Add(1)
			p.t.options.Handler.Frame(p.node, frame)
		}
	}
}
