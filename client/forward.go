package client

import (
	"context"
	"time"

	"github.com/prakashpandey/vegadb/internal/attempt"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// AnyPartition is the partition of a request that every node can serve.
const AnyPartition = -1

// Forward carries one request of the native protocol to the node that serves a
// partition, and its reply back. It is for proxies of this module, such as
// vega-router: its types are internal, programs have Get, Put and their like.
//
// Of the header, id, deadline and epoch are the client's own (the deadline is
// that of ctx); everything else is sent as it is, a session in particular: what is
// repeated is repeated under the session and sequence of req. req and its body are not
// changed, and must not be until Forward returns.
//
// Every answer that a node gave, a refusal included, is left in reply with its own
// copy of the body; reply's id is of no use. The error is for when there was no answer
// (*Error): ErrUnknownOutcome when req may have been executed all the same.
func (c *Client) Forward(ctx context.Context, partition int, req *wire.Request, reply *wire.Response) error {
	cl := c.begin(req.Op, "")
	defer c.release(cl)
	cl.raw, cl.value, cl.partition = true, req.Body, partition
	cl.req = *req
	cl.req.Body = nil
	cl.req.Flags &^= wire.FlagDeadline | wire.FlagEpoch
	err := c.do(ctx, cl)
	if cl.try.Outcome != attempt.Replied || cl.uncertain() {
		return err
	}
	*reply = wire.Response{}
	if cl.extra {
		*reply = cl.reply
	} else if cl.version != 0 {
		reply.Flags = wire.ReplyVersion
	}
	reply.Flags &^= wire.ReplyLeader | wire.ReplyEpoch // spoken to this client, not to those behind it
	reply.Leader, reply.Epoch = nil, 0
	reply.Status, reply.Version = cl.try.Status, cl.version
	if reply.Body = cl.dst; cl.try.Status >= wire.InvalidArgument {
		reply.Body = []byte(cl.text)
	}
	return nil
}

// Offer is what a node has told in its handshake: what a proxy may pass on to it, and
// offer to its own clients.
type Offer struct {
	Limits   wire.Limits
	Sessions bool   // it keeps sessions
	ClockMs  uint64 // its clock now, unix ms; 0 if it did not tell
}

// Offer returns that of a node that the client is connected to; false while there is
// none.
func (c *Client) Offer() (Offer, bool) {
	for _, n := range *c.all.Load() {
		for _, l := range n.links {
			cn := l.conn.Load()
			if cn == nil {
				continue
			}
			return Offer{Limits: cn.limits, Sessions: cn.sessions, ClockMs: cn.clock.Read(time.Now())}, true
		}
	}
	return Offer{}, false
}
