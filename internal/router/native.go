package router

import (
	"errors"

	"github.com/prakashpandey/vegadb/internal/auth"
	"github.com/prakashpandey/vegadb/internal/front"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// maxNativeInFlight is how many unanswered requests a native client may have on one
// connection.
const maxNativeInFlight = 4096

// takeNative executes the frames at the front of the input.
func (c *conn) takeNative() {
	progress := false
	for c.off < len(c.in) && !c.over() {
		var n int
		if !c.nativeUp {
			n = c.greet(c.in[c.off:])
		} else {
			frame, took, err := wire.ParseFrame(c.in[c.off:], c.r.limits().MaxFrame)
			if err != nil {
				status, text := statusOf(err)
				c.sendNow(wire.AppendErrorReply(nil, 0, status, 0, text))
				c.fail(front.ClosedProtocolError, err)
				return
			}
			if n = took; n > 0 {
				c.executeFrame(frame)
			}
		}
		if n == 0 {
			break
		}
		c.off += n
		progress = true
	}
	c.leftOver(progress)
}

// limits are what the native handshake promises: the cluster's, and what is narrower
// here.
func (r *Router) limits() wire.Limits {
	l := wire.DefaultLimits()
	if v := r.view.Load(); v != nil {
		l = v.Limits
	}
	l.MaxValue = uint32(min(int64(l.MaxValue), r.front.MaxValueBytes))
	l.MaxInFlight = min(l.MaxInFlight, maxNativeInFlight)
	return l
}

// sendNow sends bytes that were not waited for.
func (c *conn) sendNow(buf []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.broken {
		c.hold(len(buf))
		c.send(buf)
	}
	c.work.Signal()
}

// greet takes the client's hello off the front of data. A wrong one ends the
// connection.
func (c *conn) greet(data []byte) int {
	payload, took, err := wire.ParseHello(data)
	var hello wire.ClientHello
	if err == nil && took > 0 {
		err = hello.Decode(payload)
	}
	if err != nil {
		c.refuseHello(err, front.ClosedProtocolError)
		return 0
	}
	if took == 0 {
		return 0
	}
	version := hello.Negotiate()
	if version == 0 {
		c.refuseHello(&wire.Error{Status: wire.UnsupportedVersion, Text: "this router speaks protocol version 1"}, front.ClosedProtocolError)
		return took
	}
	c.names.Name = hello.ClientName
	c.publishInfo()
	if c.r.users != nil && !c.checkPassword(&hello) {
		return took
	}
	v := c.r.view.Load()
	if v == nil {
		c.refuseHello(errNotConnected, front.ClosedRefused)
		return took
	}
	c.nativeUp = true
	reply := wire.ServerHello{
		Status: wire.OK, Version: version, Limits: c.r.limits(), Epoch: epoch, Features: hello.Features & v.Features & wire.FeatureSessions,
		NodeID: c.r.nodeID, ClusterID: v.ClusterID, ServerVersion: c.r.opts.Version,
		TimeMs: uint64(c.r.opts.Clock().UnixMilli() + v.ClockAheadMs), // sessions are born by the cluster's clock
	}
	c.sendNow(reply.Append(nil))
	return took
}

// connectRetryMs is the hint for a client that came before the cluster was reached.
const connectRetryMs = 500

func (c *conn) refuseHello(err error, reason front.CloseReason) {
	status, text := statusOf(err)
	reply := wire.ServerHello{Status: status, Message: text}
	var limited *auth.LimitedError
	switch {
	case errors.As(err, &limited):
		reply.Status, reply.Message = wire.Busy, "too many failed logins from this address; try again later"
		reply.RetryAfterMs = uint32(limited.RetryAfter.Milliseconds())
	case errors.Is(err, auth.ErrWrong):
		reply.Status, reply.Message = wire.Unauthenticated, "wrong user name or password"
	case status == wire.Unavailable:
		reply.RetryAfterMs = connectRetryMs
	}
	c.sendNow(reply.Append(nil))
	c.fail(reason, err)
}

func (c *conn) checkPassword(hello *wire.ClientHello) bool {
	if hello.Auth != wire.AuthPassword {
		c.refuseHello(&wire.Error{Status: wire.Unauthenticated, Text: "this router wants a user name and a password"}, front.ClosedRefused)
		return false
	}
	name := hello.Username
	if name == "" {
		name = auth.DefaultName
	}
	user, err := c.r.users.Login(c.r.failures, c.remote.Addr(), name, hello.Password)
	if err != nil {
		c.r.stats.authFailures.Add(1)
		c.refuseHello(err, front.ClosedRefused)
		return false
	}
	c.logIn(user)
	return true
}
