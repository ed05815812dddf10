package server

import (
	"bytes"
	"context"
	"encoding/json"
	"time"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/node"
	"github.com/prakashpandey/vegadb/internal/store"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// readOp executes a request that reads. w is the leave it has, nil on a lone node.
func (s *Session) readOp(req *wire.Request, w *wait) error {
	switch req.Op {
	case wire.OpGet:
		return s.nativeGet(req, w)
	case wire.OpGetBatch:
		return s.nativeGetBatch(req, w)
	case wire.OpScan:
		return s.nativeScan(req, w)
	case wire.OpCommand:
		return s.readCommand(req, w)
	}
	return wire.ErrUnknownOp
}

// showReply completes the reply to a read, which the output ends with from start on,
// or takes it back when what was read may not be shown after all.
func (s *Session) showReply(start int, req *wire.Request, status wire.Status, version uint64, p *node.Partition, w *wait) error {
	level := wire.Linearizable
	if w != nil {
		if err := s.endReads(w); err != nil {
			s.w.Buf = s.w.Buf[:start]
			return err
		}
		p, level = s.readPlace(w)
	}
	s.sealOutput(start, req, status, version, p, level)
	return nil
}

// find looks key up at its place and leaves it in s.entry, with its stripe locked
// whether or not it is there; the caller unlocks.
func (s *Session) find(at place, key []byte) (stripe *store.Stripe, ok bool) {
	stripe = at.p.Table.Stripe(at.hash)
	stripe.Lock()
	ok = stripe.Find(at.hash, key, &s.entry) && !command.Expired(s.entry.ExpireAt, s.now)
	if ok {
		s.batch.hits++
	} else {
		s.batch.misses++
	}
	return stripe, ok
}

func (s *Session) startTiming(req *wire.Request) {
	if req.Flags&wire.FlagTiming != 0 {
		s.native.began = time.Now()
	}
}

func (s *Session) nativeGet(req *wire.Request, w *wait) error {
	key := req.Body
	if err := wire.CheckKey(key, &s.srv.limits); err != nil {
		return err
	}
	if !s.allowed(key) {
		return errKeyForbidden
	}
	s.startTiming(req)
	start := len(s.w.Buf)
	at := s.place
	if at.p == nil {
		at = s.placeOf(key)
	}
	stripe, ok := s.find(at, key)
	status, version := wire.NotFound, uint64(0)
	if ok {
		status, version = wire.OK, s.entry.Version
	}
	s.w.Buf = s.begin(s.w.Buf, req, status, version)
	if ok && req.OpFlags&wire.GetMeta != 0 {
		s.w.Buf = s.appendMeta(s.w.Buf)
	}
	if ok && req.OpFlags&wire.GetNoValue == 0 {
		s.w.Buf = append(s.w.Buf, s.entry.Value...)
	}
	stripe.Unlock()
	wire.FinishFrame(s.w.Buf, start)
	if w == nil && !sealed(req) {
		return nil
	}
	return s.showReply(start, req, status, version, at.p, w)
}

// appendMeta describes s.entry.
func (s *Session) appendMeta(dst []byte) []byte {
	m := wire.EntryMeta{RemainingMs: -1, ExpireAt: uint64(s.entry.ExpireAt), ValueLen: uint64(len(s.entry.Value))}
	if s.entry.ExpireAt > 0 {
		m.RemainingMs = s.entry.ExpireAt - s.now
	}
	return m.Append(dst)
}

// errReplyFrame refuses a read whose reply no frame could hold. Never changed.
var errReplyFrame = &wire.Error{Status: wire.TooLarge, Text: "the reply would exceed the largest frame: ask for less at once"}

func (s *Session) nativeGetBatch(req *wire.Request, w *wait) error {
	var keys wire.Keys
	if err := keys.Decode(req.Body, &s.srv.limits); err != nil {
		return err
	}
	mark := len(s.w.Buf)
	buf := s.begin(s.w.Buf, req, wire.OK, 0)
	items := len(buf)
	buf = wire.BeginBatch(buf)
	if w != nil {
		s.native.partAt.of(w.read.parts, len(s.srv.partitions))
	}
	var group keyGroup
	var only *node.Partition // the one of all keys, if it is one
	n := 0
	for {
		if err := group.fill(s, &keys); err != nil {
			s.w.Buf = buf[:mark]
			return err
		}
		if group.n == 0 {
			break
		}
		for i, key := range group.keys[:group.n] {
			at := group.places[i]
			var refusal error
			if w != nil {
				refusal = w.read.parts[s.native.partAt.place(at.p.Number)].err
			}
			if buf = s.appendItem(buf, at, key, refusal, mark+int(s.srv.limits.MaxFrame)); buf == nil {
				return errReplyFrame
			}
			if n == 0 {
				only = at.p
			} else if only != at.p {
				only = nil
			}
			n++
		}
	}
	wire.FinishBatch(buf, items, n)
	wire.FinishFrame(buf, mark)
	s.w.Buf = buf
	return s.showReply(mark, req, wire.OK, 0, only, w)
}

// appendItem appends what a GETBATCH says of one key: refusal, if its partition may
// not be read. It returns nil if dst would grow beyond most, which the reply's frame
// could not hold.
func (s *Session) appendItem(dst []byte, at place, key []byte, refusal error, most int) []byte {
	const head = 16
	if len(dst)+head > most {
		return nil
	}
	if !s.allowed(key) {
		return wire.AppendItem(dst, wire.PermissionDenied, 0, nil)
	}
	if refusal != nil {
		status, _ := statusOf(refusal)
		return wire.AppendItem(dst, status, 0, nil)
	}
	stripe, found := s.find(at, key)
	defer stripe.Unlock()
	switch {
	case !found:
		return wire.AppendItem(dst, wire.NotFound, 0, nil)
	case len(dst)+head+len(s.entry.Value) > most:
		return nil
	}
	return wire.AppendItem(dst, wire.OK, s.entry.Version, s.entry.Value)
}

// scanPageBytes ends a page early: a page of large values must not become a huge
// frame.
const scanPageBytes = 1 << 20

// errScanFrame refuses a page whose entries no frame could hold. Never changed.
var errScanFrame = &wire.Error{Status: wire.TooLarge, Text: "the entries at this cursor exceed the largest frame: scan their keys only and get them one by one"}

// scanEntryBytes is at most what an entry takes in a page.
func scanEntryBytes(e *store.Entry, keysOnly bool) int {
	const head = 24
	if keysOnly {
		return head + len(e.Key)
	}
	return head + len(e.Key) + len(e.Value)
}

func (s *Session) nativeScan(req *wire.Request, w *wait) error {
	var scan wire.ScanBody
	if err := scan.Decode(req.Body, &s.srv.limits); err != nil {
		return err
	}
	mark := len(s.w.Buf)
	buf := s.begin(s.w.Buf, req, wire.OK, 0)
	page := len(buf)
	buf = wire.BeginScanPage(buf)
	n, visited, limit := 0, 0, int(scan.Limit)
	keysOnly := req.OpFlags&wire.ScanKeysOnly != 0
	most, full := mark+min(scanPageBytes, int(s.srv.limits.MaxFrame)), false
	visit := func(e *store.Entry) {
		visited++
		switch {
		case full || !bytes.HasPrefix(e.Key, scan.Prefix) || command.Expired(e.ExpireAt, s.now) || !s.allowed(e.Key):
			return
		case len(buf)+scanEntryBytes(e, keysOnly) > most:
			full = true
			return
		case keysOnly:
			buf = wire.AppendScanKey(buf, e.Key)
		default:
			buf = wire.AppendScanEntry(buf, e.Key, e.Value, e.Version, uint64(e.ExpireAt))
		}
		n++
	}
	// Small steps: one that does not fit the page is undone, and the page ends before
	// it. Where matches are rare a page ends early rather than hold up the loop.
	next, walk := scan.Cursor, s.walkAll
	var within *node.Partition
	if w != nil {
		walk, within = s.srv.scanWithin, w.read.parts[0].p
	}
	step := scanStep
	for budget := max(limit, scanVisits); ; {
		before, n0 := len(buf), n
		after := walk(next, min(limit-n, step), visit)
		if full {
			buf, n, full = buf[:before], n0, false
			switch {
			case n > 0:
			case step > 1:
				step = 1
				continue
			case most < mark+int(s.srv.limits.MaxFrame):
				most = mark + int(s.srv.limits.MaxFrame) // what one step brings may be a page of its own
				continue
			default:
				s.w.Buf = buf[:mark]
				return errScanFrame
			}
			break
		}
		next = after
		if next == 0 || within != nil && next>>cursorBits != uint64(within.Number) || n >= limit || visited >= budget || len(buf)-mark > scanPageBytes {
			break
		}
	}
	wire.FinishScanPage(buf, page, next, n)
	wire.FinishFrame(buf, mark)
	s.w.Buf = buf
	return s.showReply(mark, req, wire.OK, 0, within, w)
}

// walkAll is scan for a page of a lone node, which may span partitions.
func (s *Session) walkAll(cursor uint64, limit int, visit func(*store.Entry)) (next uint64) {
	return s.srv.scan(cursor, limit, s.shown(), visit)
}

// scanStep is how many entries are visited between two looks at a page's size,
// scanVisits how many one page may look at in any case.
const (
	scanStep   = 64
	scanVisits = 4096
)

func (s *Session) nativeCount(req *wire.Request) error {
	if err := wire.CheckEmpty(req.Body); err != nil {
		return err
	}
	var n [8]byte
	s.nativeReply(req, wire.OK, 0, wire.AppendInt(n[:0], s.srv.keys(s.shown())))
	return nil
}

func (s *Session) nativeStats(req *wire.Request) error {
	if err := wire.CheckEmpty(req.Body); err != nil {
		return err
	}
	body, err := json.Marshal(s.srv.opts.Facts())
	if err != nil {
		return err
	}
	s.nativeReply(req, wire.OK, 0, body)
	return nil
}

func (s *Session) nativeSnapshot(req *wire.Request) error {
	if err := wire.CheckEmpty(req.Body); err != nil {
		return err
	}
	done, err := s.srv.node.StartSnapshot()
	if err != nil {
		return err
	}
	if req.OpFlags&wire.SnapshotWait == 0 {
		s.nativeReply(req, wire.OK, 0, nil)
		return nil
	}
	s.nativeAsync(func(ctx context.Context, w *wait) {
		select {
		case err = <-done:
		case <-ctx.Done():
			err = ctx.Err()
		}
		w.answer(nil, err)
	}, nil)
	return nil
}

func (s *Session) nativeFlush(req *wire.Request) error {
	if err := wire.CheckEmpty(req.Body); err != nil {
		return err
	}
	s.nativeAsync(func(ctx context.Context, w *wait) {
		w.answer(nil, s.srv.node.FlushAll(ctx))
	}, nil)
	return nil
}

// answer renders the reply of work that was done elsewhere.
func (w *wait) answer(body []byte, err error) {
	if err != nil {
		w.failed = true
		w.reply.Buf = appendFailure(w.reply.Buf, &w.native.req, err)
		return
	}
	w.reply.Buf = wire.AppendReply(w.reply.Buf, w.native.req.ID, wire.OK, 0, body)
}
