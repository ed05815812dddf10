package server

import (
	"time"

	"github.com/prakashpandey/vegadb/internal/node"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// receiptFlags are those with which a request asks for more than a bare reply.
const receiptFlags = wire.FlagReceipt | wire.FlagTiming | wire.FlagEpoch | wire.FlagConsistency

// head is the reply to req without a body, with what its flags ask for. What the
// partition alone can tell is left open: see seal.
func (s *Session) head(req *wire.Request, status wire.Status, version uint64) wire.Response {
	r := wire.Response{ID: req.ID, Status: status, Version: version, Epoch: newerEpoch(req)}
	if version > 0 {
		r.Flags |= wire.ReplyVersion
	}
	if req.Flags&wire.FlagReceipt != 0 {
		r.Flags |= wire.ReplyReceipt
		r.Consistency, r.Acks, r.Durability = wire.Linearizable, wire.AcksQuorum, s.srv.durability
		if req.Writes() && s.wantsSync(req) {
			r.Durability = wire.DurabilityAlways
		}
	}
	if req.Flags&wire.FlagTiming != 0 {
		r.Flags |= wire.ReplyTiming
	}
	if r.Epoch > 0 {
		r.Flags |= wire.ReplyEpoch
	}
	if sealed(req) {
		r.Flags |= wire.ReplyIndex
	}
	return r
}

// begin appends the head of a reply; the body follows, and wire.FinishFrame.
func (s *Session) begin(dst []byte, req *wire.Request, status wire.Status, version uint64) []byte {
	if req.Flags&receiptFlags == 0 {
		return wire.BeginReply(dst, req.ID, status, version)
	}
	r := s.head(req, status, version)
	s.time(&r)
	return r.AppendHeader(dst)
}

// time fills in how long the session has been at the request.
func (s *Session) time(r *wire.Response) {
	if r.Flags&wire.ReplyTiming != 0 && !s.native.began.IsZero() {
		r.ApplyNs, r.SyncNs = uint64(time.Since(s.native.began)), uint64(s.native.waited)
	}
}

// sealed reports whether the reply to req says something of a partition.
func sealed(req *wire.Request) bool {
	asked := req.Flags&wire.FlagReceipt != 0 || req.Flags&wire.FlagConsistency != 0 && req.Consistency == wire.SessionReads
	return asked && (req.Op < wire.OpPing || req.Op == wire.OpCommand)
}

// seal completes the head of a reply, the frame that dst ends with from start on: with
// the partition's term and with the index up to which the reply reflects it. p is nil
// when several partitions were concerned. These are asked for when nothing is locked
// any more, a stripe least of all; and after the reading, so that the index is not too
// low. It is not too high either: a client that takes it for its token sees at least
// what it has been shown.
func (s *Session) seal(dst []byte, start int, r *wire.Response, req *wire.Request, p *node.Partition, level wire.Consistency) {
	if !sealed(req) {
		return
	}
	if p != nil {
		r.Term, r.Index = s.srv.node.Term(p), max(s.srv.node.Applied(p), r.Version)
	}
	r.Consistency = level
	r.AppendHeader(dst[start:start]) // as long as the one that is there: it has the same flags
	wire.FinishFrame(dst, start)
}

// sealOutput is seal for the reply that the session's output ends with.
func (s *Session) sealOutput(start int, req *wire.Request, status wire.Status, version uint64, p *node.Partition, level wire.Consistency) {
	if sealed(req) {
		r := s.head(req, status, version)
		s.time(&r)
		s.seal(s.w.Buf, start, &r, req, p, level)
	}
}

// nativeReply appends a whole reply to the output.
func (s *Session) nativeReply(req *wire.Request, status wire.Status, version uint64, body []byte) {
	start := len(s.w.Buf)
	s.w.Buf = append(s.begin(s.w.Buf, req, status, version), body...)
	wire.FinishFrame(s.w.Buf, start)
}
