package server

import (
	"bytes"
	"context"
	"encoding/json"
	"time"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/store"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// topologyEpoch is the version of the topology of a node that is alone.
const topologyEpoch = 1

// head is the reply to req without a body, with what its flags ask for.
func (s *Session) head(req *wire.Request, status wire.Status, version uint64) wire.Response {
	r := wire.Response{ID: req.ID, Status: status, Version: version}
	if version > 0 {
		r.Flags |= wire.ReplyVersion
	}
	if req.Flags&wire.FlagReceipt != 0 {
		r.Flags |= wire.ReplyReceipt
		r.Term = 1
		r.Consistency, r.Acks, r.Durability = wire.Linearizable, wire.AcksQuorum, s.srv.durability
		if req.Op.Writes() && s.wantsSync(req) {
			r.Durability = wire.DurabilityAlways
		}
	}
	if req.Flags&wire.FlagTiming != 0 {
		r.Flags |= wire.ReplyTiming
	}
	return r
}

// begin appends the head of a reply; the body follows, and wire.FinishFrame.
func (s *Session) begin(dst []byte, req *wire.Request, status wire.Status, version uint64) []byte {
	if req.Flags&(wire.FlagReceipt|wire.FlagTiming) == 0 {
		return wire.BeginReply(dst, req.ID, status, version)
	}
	r := s.head(req, status, version)
	if r.Flags&wire.ReplyTiming != 0 && !s.native.began.IsZero() {
		r.ApplyNs = uint64(time.Since(s.native.began))
	}
	return r.AppendHeader(dst)
}

// nativeReply appends a whole reply to the output.
func (s *Session) nativeReply(req *wire.Request, status wire.Status, version uint64, body []byte) {
	start := len(s.w.Buf)
	s.w.Buf = append(s.begin(s.w.Buf, req, status, version), body...)
	wire.FinishFrame(s.w.Buf, start)
}

// find looks key up and leaves it in s.entry, with its stripe locked whether or
// not it is there; the caller unlocks.
func (s *Session) find(key []byte) (stripe *store.Stripe, ok bool) {
	at := s.place
	if at.p == nil {
		at = s.placeOf(key)
	}
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

func (s *Session) nativeGet(req *wire.Request) error {
	key := req.Body
	if err := wire.CheckKey(key, &s.srv.limits); err != nil {
		return err
	}
	if !s.allowed(key) {
		return errKeyForbidden
	}
	s.startTiming(req)
	start := len(s.w.Buf)
	stripe, ok := s.find(key)
	if !ok {
		stripe.Unlock()
		s.w.Buf = s.begin(s.w.Buf, req, wire.NotFound, 0)
		wire.FinishFrame(s.w.Buf, start)
		return nil
	}
	s.w.Buf = s.begin(s.w.Buf, req, wire.OK, s.entry.Version)
	if req.OpFlags&wire.GetMeta != 0 {
		s.w.Buf = s.appendMeta(s.w.Buf)
	}
	if req.OpFlags&wire.GetNoValue == 0 {
		s.w.Buf = append(s.w.Buf, s.entry.Value...)
	}
	stripe.Unlock()
	wire.FinishFrame(s.w.Buf, start)
	return nil
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

func (s *Session) nativeGetBatch(req *wire.Request) error {
	var keys wire.Keys
	if err := keys.Decode(req.Body, &s.srv.limits); err != nil {
		return err
	}
	mark := len(s.w.Buf)
	buf := s.begin(s.w.Buf, req, wire.OK, 0)
	items := len(buf)
	buf = wire.BeginBatch(buf)
	defer func() { s.place = place{} }()
	var group keyGroup
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
			s.place = group.places[i]
			if buf = s.appendItem(buf, key, mark+int(s.srv.limits.MaxFrame)); buf == nil {
				return errReplyFrame
			}
			n++
		}
	}
	wire.FinishBatch(buf, items, n)
	wire.FinishFrame(buf, mark)
	s.w.Buf = buf
	return nil
}

// appendItem appends what a GETBATCH says of one key. It returns nil if dst would
// grow beyond most, which the reply's frame could not hold.
func (s *Session) appendItem(dst, key []byte, most int) []byte {
	const head = 16
	if len(dst)+head > most {
		return nil
	}
	if !s.allowed(key) {
		return wire.AppendItem(dst, wire.PermissionDenied, 0, nil)
	}
	stripe, found := s.find(key)
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

func (s *Session) nativeScan(req *wire.Request) error {
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
	next := scan.Cursor
	step := scanStep
	for budget := max(limit, scanVisits); ; {
		before, n0 := len(buf), n
		after := s.srv.node.Scan(next, min(limit-n, step), visit)
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
		if next == 0 || n >= limit || visited >= budget || len(buf)-mark > scanPageBytes {
			break
		}
	}
	wire.FinishScanPage(buf, page, next, n)
	wire.FinishFrame(buf, mark)
	s.w.Buf = buf
	return nil
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
	s.nativeReply(req, wire.OK, 0, wire.AppendInt(n[:0], s.srv.node.Keys()))
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

// nativeTopology tells where every partition is: here.
func (s *Session) nativeTopology(req *wire.Request) error {
	if err := wire.CheckEmpty(req.Body); err != nil {
		return err
	}
	nodeID, clusterID := s.srv.node.Identity()
	t := wire.Topology{
		Epoch: topologyEpoch, ClusterID: clusterID,
		Nodes:      []wire.TopologyNode{{ID: nodeID, Address: s.local.String()}},
		Partitions: make([]wire.TopologyPartition, len(s.srv.node.Partitions())),
	}
	for p := range t.Partitions {
		t.Partitions[p].Replicas = []uint16{0}
	}
	s.nativeReply(req, wire.OK, 0, t.Append(nil))
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
	id := req.ID
	s.nativeAsync(func(ctx context.Context, w *wait) {
		select {
		case err = <-done:
		case <-ctx.Done():
			err = ctx.Err()
		}
		w.answer(id, err)
	}, nil)
	return nil
}

func (s *Session) nativeFlush(req *wire.Request) error {
	if err := wire.CheckEmpty(req.Body); err != nil {
		return err
	}
	id := req.ID
	s.nativeAsync(func(ctx context.Context, w *wait) {
		w.answer(id, s.srv.node.FlushAll(ctx))
	}, nil)
	return nil
}

// answer renders the reply of work that was done elsewhere.
func (w *wait) answer(id uint32, err error) {
	if err != nil {
		w.failed = true
		w.reply.Buf = appendFailure(w.reply.Buf, id, err)
		return
	}
	w.reply.Buf = wire.AppendReply(w.reply.Buf, id, wire.OK, 0, nil)
}
