package client

import (
	"context"
	"iter"

	"github.com/prakashpandey/vegadb/internal/wire"
)

// defaultPageSize is how many entries Scan fetches at once.
const defaultPageSize = 1000

// Scan walks the entries, in no particular order. An entry that is there from
// the start to the end of the walk comes at least once (twice only in rare cases of
// growth); one that comes or goes meanwhile may or may not. After an error the
// walk ends. Options: WithPrefix, WithKeysOnly, WithPageSize, those of every read.
//
// The context bounds the whole walk; the client's Timeout each page.
func (c *Client) Scan(ctx context.Context, opts ...Option) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		cursor := uint64(0)
		for {
			page, err := c.scanPage(ctx, cursor, opts)
			if err != nil {
				yield(Entry{}, err)
				return
			}
			var e wire.ScanEntry
			for {
				ok, err := page.Next(&e)
				if err != nil {
					yield(Entry{}, &Error{Op: wire.OpScan.Name(), Status: Status(wire.ProtocolError), Cause: err})
					return
				}
				if !ok {
					break
				}
				entry := Entry{Key: string(e.Key), Value: e.Value, Version: e.Version, ExpiresAt: expiryTime(e.ExpireAt)}
				if !yield(entry, nil) {
					return
				}
			}
			if page.NextCursor == 0 {
				return
			}
			cursor = page.NextCursor
		}
	}
}

// scanPage fetches the page at cursor.
func (c *Client) scanPage(ctx context.Context, cursor uint64, opts []Option) (wire.ScanPage, error) {
	cl := c.begin(wire.OpScan, "")
	defer c.release(cl)
	cl.cursor, cl.limit = cursor, defaultPageSize
	if err := cl.apply(opts, readOptions|optPrefix|optKeysOnly|optPageSize); err != nil {
		return wire.ScanPage{}, err
	}
	if err := c.do(ctx, cl); err != nil {
		return wire.ScanPage{}, err
	}
	var page wire.ScanPage
	if err := page.Decode(cl.req.OpFlags, cl.dst); err != nil {
		return wire.ScanPage{}, c.malformed(cl, err)
	}
	return page, nil
}
