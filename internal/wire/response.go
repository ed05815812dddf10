package wire

// ReplyFlags say which optional fields a reply's header has.
type ReplyFlags uint8

const (
	ReplyVersion    ReplyFlags = 1 << 0 // u64
	ReplyReceipt    ReplyFlags = 1 << 1 // u64 term, u8 consistency, u8 acks, u8 durability, u8 zero
	ReplyTiming     ReplyFlags = 1 << 2 // 3 × u64 ns: queue, apply, sync
	ReplyRetryAfter ReplyFlags = 1 << 3 // u32 ms
	ReplyEpoch      ReplyFlags = 1 << 4 // u64: the server's topology version, when it is newer
	ReplyLeader     ReplyFlags = 1 << 5 // u16 length and text: host:port of the partition's leader
	ReplyIndex      ReplyFlags = 1 << 6 // u64: the partition's applied log index

	knownReplyFlags = ReplyVersion | ReplyReceipt | ReplyTiming | ReplyRetryAfter | ReplyEpoch | ReplyLeader | ReplyIndex
)

// Kinds of frames that a server sends. A client drops kinds it does not know.
const (
	KindReply uint8 = 0
	// KindTopology is sent without a request, with the id 0, to clients that
	// named FeaturePush; its body is a Topology.
	KindTopology uint8 = 1
)

// Response is a reply's header, with its body as a view.
type Response struct {
	Kind   uint8
	Flags  ReplyFlags
	Status Status
	ID     uint32 // the request's; 0 with ProtocolError or TooLarge: the connection's last words

	Version      uint64      // ReplyVersion: of the entry read or written
	Term         uint64      // ReplyReceipt: leader's term
	Consistency  Consistency // ReplyReceipt: what the read got
	Acks         Acks        // ReplyReceipt: what the write got
	Durability   Durability  // ReplyReceipt
	RetryAfterMs uint32      // ReplyRetryAfter
	QueueNs      uint64      // ReplyTiming: from reading the frame to executing it
	ApplyNs      uint64      // ReplyTiming: executing it
	SyncNs       uint64      // ReplyTiming: waiting for the disk (and, in a cluster, the quorum)
	Epoch        uint64      // ReplyEpoch
	Leader       []byte      // ReplyLeader, with NotLeader: where the leader listens; at most 1024 bytes; a view
	Index        uint64      // ReplyIndex: a client's token for SessionReads

	Body []byte // with a status above 15: a text for people, UTF-8, perhaps empty
}

// AppendHeader appends length (left open), fixed header and optional fields.
// Append the body next, then call FinishFrame.
func (r *Response) AppendHeader(dst []byte) []byte {
	dst = append(dst, 0, 0, 0, 0, r.Kind, byte(r.Flags), byte(r.Status), byte(r.Status>>8),
		byte(r.ID), byte(r.ID>>8), byte(r.ID>>16), byte(r.ID>>24))
	if r.Flags&ReplyVersion != 0 {
		dst = le.AppendUint64(dst, r.Version)
	}
	if r.Flags&^ReplyVersion == 0 {
		return dst
	}
	return r.appendOptional(dst)
}

// appendOptional appends the optional fields after the version.
func (r *Response) appendOptional(dst []byte) []byte {
	if r.Flags&ReplyReceipt != 0 {
		dst = le.AppendUint64(dst, r.Term)
		dst = append(dst, byte(r.Consistency), byte(r.Acks), byte(r.Durability), 0)
	}
	if r.Flags&ReplyTiming != 0 {
		dst = le.AppendUint64(dst, r.QueueNs)
		dst = le.AppendUint64(dst, r.ApplyNs)
		dst = le.AppendUint64(dst, r.SyncNs)
	}
	if r.Flags&ReplyRetryAfter != 0 {
		dst = le.AppendUint32(dst, r.RetryAfterMs)
	}
	if r.Flags&ReplyEpoch != 0 {
		dst = le.AppendUint64(dst, r.Epoch)
	}
	if r.Flags&ReplyLeader != 0 {
		leader := r.Leader[:min(len(r.Leader), maxHelloString)]
		dst = le.AppendUint16(dst, uint16(len(leader)))
		dst = append(dst, leader...)
	}
	if r.Flags&ReplyIndex != 0 {
		dst = le.AppendUint64(dst, r.Index)
	}
	return dst
}

// Append appends the whole frame, body included.
func (r *Response) Append(dst []byte) []byte {
	start := len(dst)
	dst = r.AppendHeader(dst)
	dst = append(dst, r.Body...)
	FinishFrame(dst, start)
	return dst
}

// AppendReply appends a whole reply without receipt and timing: the server's
// hot path. A version of 0 is left out.
func AppendReply(dst []byte, id uint32, status Status, version uint64, body []byte) []byte {
	start := len(dst)
	dst = BeginReply(dst, id, status, version)
	dst = append(dst, body...)
	FinishFrame(dst, start)
	return dst
}

// BeginReply appends a reply's header as AppendReply does; append the body and
// call FinishFrame.
func BeginReply(dst []byte, id uint32, status Status, version uint64) []byte {
	var flags ReplyFlags
	if version != 0 {
		flags = ReplyVersion
	}
	dst = append(dst, 0, 0, 0, 0, KindReply, byte(flags), byte(status), byte(status>>8),
		byte(id), byte(id>>8), byte(id>>16), byte(id>>24))
	if version != 0 {
		dst = le.AppendUint64(dst, version)
	}
	return dst
}

// AppendErrorReply appends a reply that says why a request failed.
// retryAfterMs is left out when it is 0.
func AppendErrorReply(dst []byte, id uint32, status Status, retryAfterMs uint32, text string) []byte {
	r := Response{ID: id, Status: status, RetryAfterMs: retryAfterMs}
	if retryAfterMs != 0 {
		r.Flags = ReplyRetryAfter
	}
	start := len(dst)
	dst = r.AppendHeader(dst)
	dst = append(dst, text...)
	FinishFrame(dst, start)
	return dst
}

// AppendNotLeader appends a reply that sends the client to the partition's leader,
// or, with an empty address, says that it is not known. epoch is the server's
// topology version, left out when it is 0.
func AppendNotLeader(dst []byte, id uint32, leader string, epoch uint64, text string) []byte {
	var flags ReplyFlags
	if epoch != 0 {
		flags |= ReplyEpoch
	}
	if leader != "" {
		flags |= ReplyLeader
	}
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0, KindReply, byte(flags), byte(NotLeader), byte(NotLeader>>8),
		byte(id), byte(id>>8), byte(id>>16), byte(id>>24))
	if epoch != 0 {
		dst = le.AppendUint64(dst, epoch)
	}
	if leader != "" {
		dst = appendString(dst, leader)
	}
	dst = append(dst, text...)
	FinishFrame(dst, start)
	return dst
}

// AppendTopologyPush appends a whole frame of KindTopology.
func AppendTopologyPush(dst []byte, t *Topology) []byte {
	start := len(dst)
	dst = t.Append((&Response{Kind: KindTopology}).AppendHeader(dst))
	FinishFrame(dst, start)
	return dst
}

// optionalSize returns the bytes that the optional fields of f take at least.
func (f ReplyFlags) optionalSize() int {
	n := 0
	if f&ReplyVersion != 0 {
		n += 8
	}
	if f&ReplyReceipt != 0 {
		n += 12
	}
	if f&ReplyTiming != 0 {
		n += 24
	}
	if f&ReplyRetryAfter != 0 {
		n += 4
	}
	if f&ReplyEpoch != 0 {
		n += 8
	}
	if f&ReplyLeader != 0 {
		n += 2
	}
	if f&ReplyIndex != 0 {
		n += 8
	}
	return n
}

// Decode reads frame, as ParseFrame returned it. Body and Leader are views into frame. An
// error means that the peer does not speak this protocol.
func (r *Response) Decode(frame []byte) error {
	if len(frame) < HeaderSize {
		return ErrFrameTooShort
	}
	r.Kind = frame[0]
	r.Flags = ReplyFlags(frame[1])
	r.Status = Status(le.Uint16(frame[2:]))
	r.ID = le.Uint32(frame[4:])
	b := frame[HeaderSize:]
	r.Version = 0
	if r.Flags == 0 {
		r.Body = b
		return nil
	}
	if r.Kind != KindReply {
		r.Body = nil // not ours to understand; the caller drops it
		return nil
	}
	if r.Flags&^knownReplyFlags != 0 {
		return ErrUnknownFlag
	}
	if len(b) < r.Flags.optionalSize() {
		return ErrTruncated
	}
	if r.Flags&ReplyVersion != 0 {
		r.Version = le.Uint64(b)
		b = b[8:]
	}
	if r.Flags&^ReplyVersion != 0 {
		var err error
		if b, err = r.decodeOptional(b); err != nil {
			return err
		}
	}
	r.Body = b
	return nil
}

// decodeOptional reads what comes after the version. The caller has checked that
// b holds optionalSize bytes.
func (r *Response) decodeOptional(b []byte) ([]byte, error) {
	if r.Flags&ReplyReceipt != 0 {
		r.Term = le.Uint64(b)
		r.Consistency, r.Acks, r.Durability = Consistency(b[8]), Acks(b[9]), Durability(b[10])
		b = b[12:]
	}
	if r.Flags&ReplyTiming != 0 {
		r.QueueNs, r.ApplyNs, r.SyncNs = le.Uint64(b), le.Uint64(b[8:]), le.Uint64(b[16:])
		b = b[24:]
	}
	if r.Flags&ReplyRetryAfter != 0 {
		r.RetryAfterMs = le.Uint32(b)
		b = b[4:]
	}
	if r.Flags&ReplyEpoch != 0 {
		r.Epoch = le.Uint64(b)
		b = b[8:]
	}
	if r.Flags&ReplyLeader != 0 {
		n := int(le.Uint16(b))
		if n > maxHelloString || len(b)-2-(r.Flags&ReplyIndex).optionalSize() < n {
			return nil, ErrTruncated
		}
		r.Leader, b = b[2:2+n:2+n], b[2+n:]
	}
	if r.Flags&ReplyIndex != 0 {
		r.Index = le.Uint64(b)
		b = b[8:]
	}
	return b, nil
}

// PeekStatus returns the status of a reply that ParseFrame returned.
func PeekStatus(frame []byte) Status { return Status(le.Uint16(frame[2:])) }

// PeekReply returns kind and request id of a frame that ParseFrame returned, for
// those who must look a request up before they decode the reply.
func PeekReply(frame []byte) (kind uint8, id uint32) {
	return frame[0], le.Uint32(frame[4:])
}
