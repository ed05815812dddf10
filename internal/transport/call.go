package transport

import (
	"context"
	"fmt"
	"time"

	"github.com/prakashpandey/vegadb/internal/ring"
)

// A call's request is one frame: u8 kind, u32 milliseconds until the caller gives up (0: it does not say), body.
const callHeader = 5

// Call asks the node at an address, whoever it is, such as a seed. The error is a *RemoteError when its Handler has
// answered with one, a *RefusedError when it did not take the connection.
func (t *Transport) Call(ctx context.Context, addr string, kind uint8, body []byte) ([]byte, error) {
	return t.call(ctx, addr, ring.NodeID{}, kind, body)
}

// CallNode asks a node that Resolve knows.
func (t *Transport) CallNode(ctx context.Context, to ring.NodeID, kind uint8, body []byte) ([]byte, error) {
	addr, ok := t.options.Resolve(to)
	if !ok {
		return nil, fmt.Errorf("node %s: %w", to, ErrUnknownNode)
	}
	return t.call(ctx, addr, to, kind, body)
}

func (t *Transport) call(ctx context.Context, addr string, to ring.NodeID, kind uint8, body []byte) ([]byte, error) {
	if len(body) > t.limits.CallBytes {
		return nil, fmt.Errorf("a call of %d bytes, the limit is %d", len(body), t.limits.CallBytes)
	}
	c, peer, err := t.open(ctx, addr, to, purposeCall)
	if err != nil {
		return nil, err
	}
	defer c.release()
	defer context.AfterFunc(ctx, c.abort)()
	var header [callHeader]byte
	header[0] = kind
	if end, ok := ctx.Deadline(); ok {
		le.PutUint32(header[1:], uint32(min(max(time.Until(end).Milliseconds(), 1), 1<<31)))
	}
	if err := c.send(appendFrame(nil, header[:], body)); err != nil {
		return nil, t.cause(ctx, err)
	}
	reply, err := c.awaitReply(peer)
	if err != nil {
		return nil, t.cause(ctx, err)
	}
	return reply, nil
}

// receiveCall answers one call.
func (t *Transport) receiveCall(c *conn, h hello) error {
	if err := c.welcome(h); err != nil {
		return err
	}
	from, largest := h.from, t.limits.CallBytes
	if h.cluster.IsZero() {
		from, largest = ring.NodeID{}, t.limits.StrangerBytes
	}
	frames := c.frames(largest+callHeader, t.limits.Handshake)
	frames.whole = t.limits.Handshake
	request, err := frames.next()
	if err != nil {
		return err
	}
	if len(request) < callHeader {
		return fmt.Errorf("a call of %d bytes has no header", len(request))
	}
	limit := t.limits.Call
	if ms := le.Uint32(request[1:]); ms > 0 {
		limit = min(limit, time.Duration(ms)*time.Millisecond)
	}
	ctx, cancel := context.WithTimeout(t.ctx, limit)
	defer cancel()
	var reply []byte
	c.whileAlive(ctx, func(ctx context.Context) {
		reply, err = t.options.Handler.Call(ctx, from, request[0], request[callHeader:])
	})
	if err == nil && len(reply) > t.limits.CallBytes {
		err = fmt.Errorf("the reply has %d bytes, the limit is %d", len(reply), t.limits.CallBytes)
	}
	return c.sendReply(reply, err)
}
