package router

import (
	"crypto/tls"
	"errors"
	"io"
	"os"
	"time"

	"github.com/prakashpandey/vegadb/internal/front"
)

// read is the reader's goroutine.
func (c *conn) read() {
	defer c.r.conns.Done()
	defer func() {
		c.mu.Lock()
		c.readDone = true
		c.mu.Unlock()
		c.work.Broadcast()
	}()
	if !c.handshake() {
		return
	}
	for !c.over() {
		if !c.more() {
			return
		}
		if c.off == len(c.in) {
			continue
		}
		if front.Protocol(c.proto.Load()) == front.ProtocolUnknown {
			c.recognise(c.in[c.off])
		}
		if front.Protocol(c.proto.Load()) == front.ProtocolNative {
			c.takeNative()
		} else {
			c.takeRESP()
		}
	}
}

// over reports whether no further input is taken.
func (c *conn) over() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closing || c.stopping || c.broken
}

func (c *conn) recognise(first byte) {
	p := front.ProtocolOf(first)
	c.proto.Store(uint32(p))
	c.r.stats.open[p].Add(1)
	c.r.stats.open[front.ProtocolUnknown].Add(-1)
}

// handshake is that of TLS.
func (c *conn) handshake() bool {
	secure, ok := c.nc.(*tls.Conn)
	if !ok {
		return true
	}
	if !c.allowUntil(c.openedAt.Add(c.r.front.HandshakeTimeout)) {
		return false
	}
	c.raw.SetWriteDeadline(time.Now().Add(c.r.front.HandshakeTimeout))
	if err := secure.HandshakeContext(c.ctx); err != nil {
		c.fail(front.ClosedHandshakeTimeout, err)
		c.breakOff()
		return false
	}
	return true
}

// allowUntil sets the time until which the next read may take; zero: no limit. It
// reports whether anything is to be read at all.
func (c *conn) allowUntil(t time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopping || c.broken {
		return false
	}
	c.raw.SetReadDeadline(t)
	return true
}

// more reads once. What has been consumed makes room; a full buffer doubles, so that
// memory follows the bytes received and never a length that was announced.
func (c *conn) more() bool {
	c.work.Signal() // what was answered by now goes out while we wait
	c.makeRoom()
	reason, until := c.patience()
	if !c.allowUntil(until) {
		return false
	}
	n, err := c.nc.Read(c.in[len(c.in):cap(c.in)])
	if n > 0 {
		if c.off == len(c.in) {
			c.frameAt = c.r.opts.Clock()
		}
		c.in = c.in[:len(c.in)+n]
		c.r.stats.bytesIn.Add(uint64(n))
		c.touch()
		return true
	}
	return c.ended(err, reason) // or once more, from the start
}

// patience is how long the peer may take for what comes next, and what it exceeds
// otherwise.
func (c *conn) patience() (reason front.CloseReason, until time.Time) {
	f := c.r.front
	soonest := func(why front.CloseReason, since time.Time, limit time.Duration) {
		if t := since.Add(limit); limit > 0 && (until.IsZero() || t.Before(until)) {
			reason, until = why, t
		}
	}
	if !c.greeted {
		soonest(front.ClosedHandshakeTimeout, c.openedAt, f.HandshakeTimeout)
	}
	if c.off < len(c.in) {
		soonest(front.ClosedFrameTimeout, c.frameAt, f.FrameTimeout)
	} else {
		soonest(front.ClosedIdle, c.r.opts.Clock(), f.IdleTimeout)
	}
	return reason, until
}

// ended deals with a read that brought nothing. It reports whether to read on.
func (c *conn) ended(err error, reason front.CloseReason) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.stopping:
	case errors.Is(err, os.ErrDeadlineExceeded):
		if reason == front.ClosedIdle && c.inFlight > 0 {
			return true // it waits for us
		}
		c.failLocked(reason, timeoutErrors[reason])
		c.breakLocked()
	case !errors.Is(err, io.EOF):
		c.breakLocked()
	}
	return false
}

// timeoutErrors tell which setting a connection has met. Never changed.
var timeoutErrors = map[front.CloseReason]error{
	front.ClosedHandshakeTimeout: errors.New("not authenticated in time (handshake-timeout)"),
	front.ClosedFrameTimeout:     errors.New("a command was not complete in time (frame-timeout)"),
	front.ClosedIdle:             errors.New("idle (idle-timeout)"),
}

func (c *conn) makeRoom() {
	switch {
	case c.off == len(c.in):
		c.in, c.off = c.in[:0], 0
		if cap(c.in) > keepBuffer {
			c.in = nil
		}
	case len(c.in) == cap(c.in) && c.off > 0:
		c.in = c.in[:copy(c.in, c.in[c.off:])]
		c.off = 0
	}
	if len(c.in) == cap(c.in) {
		grown := make([]byte, len(c.in), max(firstBuffer, 2*cap(c.in)))
		copy(grown, c.in)
		c.in = grown
	}
}

// leftOver notes that requests have been taken and that an incomplete one may be
// left: it began to arrive no earlier than now.
func (c *conn) leftOver(progress bool) {
	if progress && c.off < len(c.in) {
		c.frameAt = c.r.opts.Clock()
	}
}
