package client

import (
	"context"
	"iter"

	"github.com/prakashpandey/vegadb/internal/attempt"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// defaultPageSize is how many entries Scan fetches at once.
const defaultPageSize = 1000

// maxRestarts bounds how often a walk starts a partition over.
const maxRestarts = 16

// Scan walks the entries, in no particular order. An entry that is there from
// the start to the end of the walk comes at least once (twice only in rare cases:
// growth, or a node that stops serving in the middle of a partition); one that comes or goes
// meanwhile may or may not. After an error the walk ends. Options: WithPrefix,
// WithKeysOnly, WithPageSize, those of every read.
//
// The context bounds the whole walk; the client's Timeout each page.
func (c *Client) Scan(ctx context.Context, opts ...Option) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		at := scanPosition{}
		for {
			page, err := c.scanPage(ctx, &at, opts)
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
			at.advance(page.NextCursor)
		}
	}
}

// scanPosition is how far a walk has come.
type scanPosition struct {
	cursor   uint64
	via      *conn // which cursor is good on, if it lies within a partition
	restarts int   // of the partition
}

// advance goes to the next page.
func (p *scanPosition) advance(next uint64) {
	if next>>cursorBits != p.cursor>>cursorBits {
		p.restarts = 0
	}
	p.cursor = next
}

// inside reports whether the cursor lies within a partition. Only the node that gave
// it understands it then, and only until it restarts; one connection is sure to
// see neither.
func (p *scanPosition) inside() bool { return p.cursor&(1<<cursorBits-1) != 0 }

// scanPage fetches the page at a position. When the position is lost, it goes back to
// the start of the partition.
func (c *Client) scanPage(ctx context.Context, at *scanPosition, opts []Option) (wire.ScanPage, error) {
	for {
		page, lost, err := c.scanPageOnce(ctx, at, opts)
		if !lost || at.restarts >= maxRestarts {
			return page, err
		}
		at.restarts++
		at.cursor &^= 1<<cursorBits - 1
	}
}

func (c *Client) scanPageOnce(ctx context.Context, at *scanPosition, opts []Option) (page wire.ScanPage, lost bool, err error) {
	cl := c.begin(wire.OpScan, "")
	defer c.release(cl)
	cl.cursor, cl.limit = at.cursor, defaultPageSize
	if err := cl.apply(opts, readOptions|optPrefix|optKeysOnly|optPageSize); err != nil {
		return page, false, err
	}
	if at.inside() {
		cl.pin = at.via
		cl.partition = int(at.cursor >> cursorBits)
	}
	if err := c.do(ctx, cl); err != nil {
		return page, cl.pin != nil && !c.isClosed() && cl.misplaced(), err
	}
	at.via = cl.via
	if err := page.Decode(cl.req.OpFlags, cl.dst); err != nil {
		return page, false, c.malformed(cl, err)
	}
	return page, false, nil
}

// misplaced reports whether the call has failed for where it was sent.
func (cl *call) misplaced() bool {
	return cl.try.Outcome.Lost() ||
		cl.try.Outcome == attempt.Replied && (cl.try.Status == wire.NotLeader || cl.try.Status == wire.WrongEpoch)
}
