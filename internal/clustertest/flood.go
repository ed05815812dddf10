//go:build unix

package clustertest

import (
	"context"
	"fmt"
	"net"

	"github.com/prakashpandey/vegadb/internal/wire"
)

// Flood sends requests to this very node over one connection, none of which waits for the reply to another, and passes
// each reply on as it comes. What request makes of a number from 0 on carries it as its ID.
func (n *Node) Flood(ctx context.Context, count int, request func(i int) wire.Request, reply func(i int, r wire.Response)) error {
	if err := n.flood(ctx, count, request, reply); err != nil {
		return fmt.Errorf("%s, flooded: %w", n, err)
	}
	return nil
}

func (n *Node) flood(ctx context.Context, count int, request func(i int) wire.Request, reply func(i int, r wire.Response)) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", n.Addr)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	sent := make(chan error, 1)
	go func() { sent <- send(conn, count, request) }()
	err = receive(conn, count, reply)
	conn.Close() // who sends still does so in vain
	if failed := <-sent; err == nil {
		err = failed
	}
	return err
}

func send(conn net.Conn, count int, request func(i int) wire.Request) error {
	hello := wire.ClientHello{MinVersion: wire.Version1, MaxVersion: wire.Version1, ClientName: "clustertest"}
	out := hello.Append(nil)
	for i := range count {
		r := request(i)
		r.ID = uint32(i)
		if _, err := conn.Write(r.Append(out)); err != nil {
			return err
		}
		out = out[:0]
	}
	return nil
}

func receive(conn net.Conn, count int, reply func(i int, r wire.Response)) error {
	in := reader{conn: conn}
	if _, err := in.next(wire.ParseHello); err != nil {
		return err
	}
	for range count {
		frame, err := in.next(func(b []byte) ([]byte, int, error) { return wire.ParseFrame(b, maxReply) })
		if err != nil {
			return err
		}
		var r wire.Response
		if err := r.Decode(frame); err != nil {
			return err
		}
		reply(int(r.ID), r)
	}
	return nil
}
