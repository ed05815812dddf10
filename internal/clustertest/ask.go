//go:build unix

package clustertest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"

	"github.com/prakashpandey/vegadb/internal/wire"
)

// Ask sends one request to this very node, over a connection of its own, and returns its reply. Unlike a client it
// follows no leader and repeats nothing. An error means that no reply came.
func (n *Node) Ask(ctx context.Context, req wire.Request) (wire.Response, error) {
	r, err := n.ask(ctx, req)
	if err != nil {
		return r, fmt.Errorf("%s, asked for %s: %w", n, req.Op.Name(), err)
	}
	return r, nil
}

func (n *Node) ask(ctx context.Context, req wire.Request) (wire.Response, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", n.Addr)
	if err != nil {
		return wire.Response{}, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	hello := wire.ClientHello{MinVersion: wire.Version1, MaxVersion: wire.Version1, ClientName: "clustertest"}
	req.ID = 1
	if _, err := conn.Write(req.Append(hello.Append(nil))); err != nil {
		return wire.Response{}, err
	}
	in := reader{conn: conn}
	payload, err := in.next(wire.ParseHello)
	if err != nil {
		return wire.Response{}, err
	}
	var theirs wire.ServerHello
	if err := theirs.Decode(payload); err != nil {
		return wire.Response{}, err
	}
	if theirs.Status != wire.OK {
		return wire.Response{Status: theirs.Status}, nil
	}
	frame, err := in.next(func(b []byte) ([]byte, int, error) { return wire.ParseFrame(b, maxReply) })
	if err != nil {
		return wire.Response{}, err
	}
	var reply wire.Response
	return reply, reply.Decode(frame)
}

// maxReply bounds a reply, in bytes.
const maxReply = 64 << 20

// reader reads messages from a connection.
type reader struct {
	conn net.Conn
	buf  []byte
}

// next returns the next message as parse finds it.
func (r *reader) next(parse func([]byte) (message []byte, n int, err error)) ([]byte, error) {
	for {
		message, n, err := parse(r.buf)
		if err != nil {
			return nil, err
		}
		if n > 0 {
			r.buf = r.buf[n:]
			return message, nil
		}
		more := make([]byte, 64<<10)
		n, err = r.conn.Read(more)
		r.buf = append(r.buf, more[:n]...)
		if err != nil && n == 0 {
			return nil, err
		}
	}
}

// Get reads a key at this very node.
func (n *Node) Get(ctx context.Context, key string, level wire.Consistency) (wire.Response, error) {
	return n.Ask(ctx, wire.Request{Op: wire.OpGet, Flags: wire.FlagConsistency, Consistency: level, Body: []byte(key)})
}

// Put writes a key at this very node.
func (n *Node) Put(ctx context.Context, key, value string) (wire.Response, error) {
	return n.Ask(ctx, wire.Request{Op: wire.OpPut, Body: wire.AppendPut(nil, 0, key, value, 0, 0)})
}

// Command sends an administrative request to this very node and decodes the reply into reply, which may be nil.
func (n *Node) Command(ctx context.Context, req wire.AdminRequest, reply any) error {
	r, err := n.Ask(ctx, wire.Request{Op: wire.OpAdmin, Body: req.Append(nil)})
	if err != nil {
		return err
	}
	if r.Status != wire.OK {
		return fmt.Errorf("%s, asked for %s: %s: %s", n, req.Op, r.Status, r.Body)
	}
	if reply == nil {
		return nil
	}
	return json.Unmarshal(r.Body, reply)
}

// Status asks this very node what it knows of the cluster.
func (n *Node) Status(ctx context.Context) (wire.ClusterStatus, error) {
	var s wire.ClusterStatus
	return s, n.Command(ctx, wire.AdminRequest{Op: wire.AdminStatus}, &s)
}

// Leads returns the partitions that this node believes to lead.
func (n *Node) Leads(ctx context.Context) ([]int, error) {
	r, err := n.Ask(ctx, wire.Request{Op: wire.OpTopology})
	if err != nil {
		return nil, err
	}
	var t wire.Topology
	if r.Status != wire.OK {
		return nil, fmt.Errorf("%s, asked for its topology: %s: %s", n, r.Status, r.Body)
	}
	if err := t.Decode(r.Body); err != nil {
		return nil, err
	}
	id, err := n.ID()
	if err != nil {
		return nil, err
	}
	var leads []int
	for p := range t.Partitions {
		if leader := t.Partitions[p].Leader; leader != wire.NoLeader && t.Nodes[leader].ID == id {
			leads = append(leads, p)
		}
	}
	return leads, nil
}

// errNoLeader is what Leader says when nobody leads.
var errNoLeader = errors.New("no node says that it leads")
