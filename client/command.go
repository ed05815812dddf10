package client

import (
	"context"

	"github.com/prakashpandey/vegadb/internal/wire"
)

// Do carries out a Redis command, such as {"HSET", key, field, value}, and returns
// its reply in RESP of the given version, 2 or 3; an error that the command
// answers with is such a reply too. Only commands with keys, and all keys of one
// command in one partition: give them a common {tag}. args[1] must be a key; if it
// is not, use DoKey.
//
// readOnly says that the command only reads, so that it may be repeated freely; the
// server refuses it if it may write. Options: those of reads or of writes.
func (c *Client) Do(ctx context.Context, args [][]byte, readOnly bool, respVersion int, opts ...Option) ([]byte, error) {
	var key []byte
	if len(args) > 1 {
		key = args[1]
	}
	return c.DoKey(ctx, key, args, readOnly, respVersion, opts...)
}

// DoKey is Do for commands whose first argument is not a key. The command goes to
// the partition of key.
func (c *Client) DoKey(ctx context.Context, key []byte, args [][]byte, readOnly bool, respVersion int, opts ...Option) ([]byte, error) {
	cl := c.begin(wire.OpCommand, "")
	defer c.release(cl)
	allowed := writeOptions
	if readOnly {
		cl.req.OpFlags |= wire.CommandReads
		allowed = readOptions
	}
	if err := cl.apply(opts, allowed); err != nil {
		return nil, err
	}
	if len(args) == 0 {
		return nil, cl.refuse("a command needs at least its name")
	}
	if respVersion != 2 && respVersion != 3 {
		return nil, cl.refuse("the RESP version must be 2 or 3")
	}
	cl.tag = key
	cl.body = wire.BeginCommand(cl.body[:0], uint8(respVersion))
	for _, arg := range args {
		cl.body = wire.AppendCommandArg(cl.body, arg)
	}
	wire.FinishCommand(cl.body, 0, len(args))
	cl.value = cl.body
	if err := c.do(ctx, cl); err != nil {
		return nil, err
	}
	return cl.dst, nil
}

// Admin sends an administrative request, JSON as docs/protocol.md describes it under
// ADMIN, and returns the JSON of the reply. Any node of a cluster takes it; WithNode
// names one. It needs the role admin.
func (c *Client) Admin(ctx context.Context, request []byte, opts ...Option) ([]byte, error) {
	cl := c.begin(wire.OpAdmin, "")
	defer c.release(cl)
	if err := c.applyAt(cl, opts, optNode); err != nil {
		return nil, err
	}
	cl.value = request
	if err := c.do(ctx, cl); err != nil {
		return nil, err
	}
	return cl.dst, nil
}
