package wire

// Flags say which optional fields a request's header has, and what the reply's
// header should have.
type Flags uint16

const (
	FlagDeadline    Flags = 1 << 0 // u32 ms
	FlagConsistency Flags = 1 << 1 // u8 level, u64 argument
	FlagDurability  Flags = 1 << 2 // u8 acks, u8 durability
	FlagEpoch       Flags = 1 << 3 // u64
	FlagSession     Flags = 1 << 4 // 16 bytes session, u64 sequence, u64 acknowledged
	FlagTiming      Flags = 1 << 5 // no field: asks for the reply's timing
	FlagReceipt     Flags = 1 << 6 // no field: asks for the reply's receipt and index

	knownFlags = FlagDeadline | FlagConsistency | FlagDurability | FlagEpoch | FlagSession | FlagTiming | FlagReceipt
)

// SessionID identifies a native client across connections: the unix ms at which
// the session was made, by the server's clock as the client knows it, as a u64 in
// big-endian order, then 8 random bytes.
type SessionID [16]byte

// Request is a request's header, with its body as a view. Fields that belong to
// a flag have a meaning only when the flag is set.
type Request struct {
	Op      Op
	OpFlags uint8
	Flags   Flags
	ID      uint32 // chosen by the client, unique among its unanswered requests on the connection

	DeadlineMs     uint32      // FlagDeadline: what is left of the caller's time when the request is sent
	Consistency    Consistency // FlagConsistency
	Acks           Acks        // FlagDurability
	Durability     Durability  // FlagDurability
	ConsistencyArg uint64      // FlagConsistency: log index or ms, as the level says
	Epoch          uint64      // FlagEpoch: topology version the request was routed by
	Session        SessionID   // FlagSession
	Sequence       uint64      // FlagSession: number of this write within the session
	Acknowledged   uint64      // FlagSession: the client has the outcome of every write up to this one

	Body []byte
}

// Writes reports whether the request may change data or settings.
func (r *Request) Writes() bool {
	return r.Op.Writes() && (r.Op != OpCommand || r.OpFlags&CommandReads == 0)
}

// AppendHeader appends length (left open), fixed header and optional fields.
// Append the body next, then call FinishFrame.
func (r *Request) AppendHeader(dst []byte) []byte {
	dst = append(dst, 0, 0, 0, 0, byte(r.Op), r.OpFlags, byte(r.Flags), byte(r.Flags>>8),
		byte(r.ID), byte(r.ID>>8), byte(r.ID>>16), byte(r.ID>>24))
	if r.Flags == 0 {
		return dst
	}
	return r.appendOptional(dst)
}

func (r *Request) appendOptional(dst []byte) []byte {
	if r.Flags&FlagDeadline != 0 {
		dst = le.AppendUint32(dst, r.DeadlineMs)
	}
	if r.Flags&FlagConsistency != 0 {
		dst = append(dst, byte(r.Consistency))
		dst = le.AppendUint64(dst, r.ConsistencyArg)
	}
	if r.Flags&FlagDurability != 0 {
		dst = append(dst, byte(r.Acks), byte(r.Durability))
	}
	if r.Flags&FlagEpoch != 0 {
		dst = le.AppendUint64(dst, r.Epoch)
	}
	if r.Flags&FlagSession != 0 {
		dst = append(dst, r.Session[:]...)
		dst = le.AppendUint64(dst, r.Sequence)
		dst = le.AppendUint64(dst, r.Acknowledged)
	}
	return dst
}

// Append appends the whole frame, body included.
func (r *Request) Append(dst []byte) []byte {
	start := len(dst)
	dst = r.AppendHeader(dst)
	dst = append(dst, r.Body...)
	FinishFrame(dst, start)
	return dst
}

// Decode reads frame, as ParseFrame returned it. Body is a view into frame.
// After an error ID is valid nevertheless (ParseFrame made sure of the fixed
// header), so that the error can be told to the right caller.
func (r *Request) Decode(frame []byte) error {
	if len(frame) < HeaderSize {
		return ErrFrameTooShort
	}
	r.Op = Op(frame[0])
	r.OpFlags = frame[1]
	r.Flags = Flags(le.Uint16(frame[2:]))
	r.ID = le.Uint32(frame[4:])
	rest := frame[HeaderSize:]
	mask := r.Op.flagMask()
	if mask < 0 {
		return ErrUnknownOp
	}
	if int(r.OpFlags)&^mask != 0 {
		return ErrUnknownOpFlag
	}
	if r.Flags != 0 {
		var err error
		if rest, err = r.decodeOptional(rest); err != nil {
			return err
		}
	}
	r.Body = rest
	return nil
}

// optionalSize returns the bytes that the optional fields of f take.
func (f Flags) optionalSize() int {
	n := 0
	if f&FlagDeadline != 0 {
		n += 4
	}
	if f&FlagConsistency != 0 {
		n += 9
	}
	if f&FlagDurability != 0 {
		n += 2
	}
	if f&FlagEpoch != 0 {
		n += 8
	}
	if f&FlagSession != 0 {
		n += 32
	}
	return n
}

func (r *Request) decodeOptional(b []byte) ([]byte, error) {
	if r.Flags&^knownFlags != 0 {
		return nil, ErrUnknownFlag
	}
	if len(b) < r.Flags.optionalSize() {
		return nil, ErrTruncated
	}
	if r.Flags&FlagDeadline != 0 {
		r.DeadlineMs = le.Uint32(b)
		b = b[4:]
	}
	if r.Flags&FlagConsistency != 0 {
		r.Consistency = Consistency(b[0])
		r.ConsistencyArg = le.Uint64(b[1:])
		if r.Consistency > Local {
			return nil, ErrUnknownLevel
		}
		b = b[9:]
	}
	if r.Flags&FlagDurability != 0 {
		r.Acks, r.Durability = Acks(b[0]), Durability(b[1])
		if r.Acks > AcksLeader || r.Durability > DurabilityNever {
			return nil, ErrUnknownLevel
		}
		b = b[2:]
	}
	if r.Flags&FlagEpoch != 0 {
		r.Epoch = le.Uint64(b)
		b = b[8:]
	}
	if r.Flags&FlagSession != 0 {
		r.Session = SessionID(b)
		r.Sequence = le.Uint64(b[16:])
		r.Acknowledged = le.Uint64(b[24:])
		b = b[32:]
	}
	return b, nil
}
