package router

import (
	"bytes"
	"context"
	"strings"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/front"
	"github.com/prakashpandey/vegadb/internal/resp"
	"github.com/prakashpandey/vegadb/internal/wire"
)

func keyspaceHandlers() map[string]handler {
	return map[string]handler{"scan": handleScan, "keys": handleKeys, "dbsize": handleDBSize, "flushall": handleFlush, "flushdb": handleFlush}
}

// A cursor's upper bits are the partition that comes next, the lower ones a place in
// it (docs/protocol.md, SCAN).
const cursorBits = 48

func startOf(partition int) uint64  { return uint64(partition) << cursorBits }
func partitionOf(cursor uint64) int { return int(cursor >> cursorBits) }

// literalPrefix is what every key that matches a pattern starts with.
func literalPrefix(pattern []byte) []byte {
	const enough = 1024
	if i := bytes.IndexAny(pattern, `*?[\`); i >= 0 {
		pattern = pattern[:i]
	}
	return pattern[:min(len(pattern), enough)]
}

// withTimeout bounds a request of a command that is served here.
func (c *conn) withTimeout() (context.Context, context.CancelFunc) {
	return context.WithTimeout(c.ctx, c.r.opts.Settings.RequestTimeout)
}

const (
	// pageKeys is how many keys are asked for at once by what walks everything.
	pageKeys = 1000
	// maxScanPages is how many pages one SCAN asks for while it has found less than
	// it was asked for: partitions may be empty, patterns rare.
	maxScanPages = 16
)

// listing gathers keys as an array of RESP whose length is known last.
type listing struct {
	proto int
	most  int64 // bytes
	n     int
	keys  resp.Writer
}

func (l *listing) add(key []byte) {
	l.keys.Bulk(key)
	l.n++
}

// full reports whether the keys exceed what a client can be sent.
func (l *listing) full() bool { return int64(len(l.keys.Buf)) > l.most }

// writeList writes the listing, or the error that kept it from being complete.
func (c *conn) writeList(l *listing, err error) {
	switch {
	case err != nil:
		writeError(&c.w, err)
	case l.full():
		c.w.Errorf("ERR", "the keys that match exceed output-limit (%d bytes): use SCAN", l.most)
	default:
		c.w.Array(l.n)
		c.w.Buf = append(c.w.Buf, l.keys.Buf...)
	}
}

// scanPage asks for a page of keys and visits those that the client's user may see.
// What was asked before has been answered then, so that a client finds what it wrote.
func (c *conn) scanPage(cursor uint64, pattern []byte, limit int, visit func(key []byte)) (next uint64, err error) {
	ctx, cancel := c.withTimeout()
	defer cancel()
	req := wire.Request{
		Op: wire.OpScan, OpFlags: wire.ScanKeysOnly,
		Body: wire.AppendScan(nil, cursor, uint32(limit), literalPrefix(pattern)),
	}
	// Without the connection's level: the leader has to be asked, page after page. Another
	// replica would start the partition over.
	var reply wire.Response
	if err := c.r.forward(ctx, partitionOf(cursor), &req, &reply); err != nil {
		return 0, err
	}
	if reply.Status != wire.OK {
		return 0, &wire.Error{Status: reply.Status, Text: string(reply.Body)}
	}
	var page wire.ScanPage
	if err := page.Decode(wire.ScanKeysOnly, reply.Body); err != nil {
		return 0, err
	}
	for {
		var e wire.ScanEntry
		ok, err := page.Next(&e)
		if err != nil || !ok {
			return page.NextCursor, err
		}
		if c.user.AllowsKey(e.Key) && (pattern == nil || command.Match(pattern, e.Key)) {
			visit(e.Key)
		}
	}
}

// allAnswered waits for what was asked before a command that concerns every key. It
// reports whether the cluster can be asked; it has written the reply otherwise.
func (c *conn) allAnswered() (*view, bool) {
	if !c.settle() {
		return nil, false
	}
	v := c.r.view.Load()
	if v == nil {
		writeError(&c.w, errNotConnected)
	}
	return v, v != nil
}

func handleScan(c *conn, _ *command.Spec, args [][]byte) {
	o, bad := front.ParseScan(args)
	if bad != nil {
		c.w.Error(bad)
		return
	}
	v, ok := c.allAnswered()
	if !ok {
		return
	}
	list := listing{proto: c.w.Proto, most: c.r.front.OutputLimit}
	wanted := o.Kind == nil || strings.EqualFold(string(o.Kind), "string") // the one kind there is
	next := o.Cursor
	for range maxScanPages {
		if partitionOf(next) >= v.Partitions {
			next = 0
			break
		}
		var err error
		next, err = c.scanPage(next, o.Pattern, o.Count, func(key []byte) {
			if wanted {
				list.add(key)
			}
		})
		if err != nil {
			writeError(&c.w, err)
			return
		}
		if next == 0 || list.n >= o.Count || len(list.keys.Buf) > pauseOutput {
			break
		}
	}
	front.WriteScan(&c.w, next, list.n, list.keys.Buf)
}

// handleKeys walks everything; only its own client waits for it.
func handleKeys(c *conn, _ *command.Spec, args [][]byte) {
	if _, ok := c.allAnswered(); !ok {
		return
	}
	list := listing{proto: c.w.Proto, most: c.r.front.OutputLimit}
	var err error
	for cursor := uint64(0); ; {
		cursor, err = c.scanPage(cursor, args[1], pageKeys, list.add)
		if err != nil || cursor == 0 || list.full() {
			break
		}
	}
	c.writeList(&list, err)
}

func handleDBSize(c *conn, _ *command.Spec, _ [][]byte) {
	if _, ok := c.allAnswered(); !ok {
		return
	}
	ctx, cancel := c.withTimeout()
	defer cancel()
	n, err := c.r.backend().Count(ctx)
	if err != nil {
		writeError(&c.w, err)
		return
	}
	c.w.Int(n)
}

func handleFlush(c *conn, _ *command.Spec, args [][]byte) {
	if err := front.CheckFlush(args); err != nil {
		c.w.Error(err)
		return
	}
	if _, ok := c.allAnswered(); !ok {
		return
	}
	ctx, cancel := c.withTimeout()
	defer cancel()
	if err := c.r.backend().Flush(ctx); err != nil {
		writeError(&c.w, err)
		return
	}
	c.w.OK()
}
