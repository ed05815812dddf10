package wire

// Bytes is what keys and values may be given as.
type Bytes interface{ ~string | ~[]byte }

// maxExpireAt is the last unix ms that an expiry may have: 2^62-1, some 146
// million years away, so that sums of two times cannot overflow.
const maxExpireAt = 1<<62 - 1

// CheckKey returns ErrKeyTooLarge if key is above the limit. The bodies of GET
// and PERSIST are the key and nothing else.
func CheckKey(key []byte, lim *Limits) error {
	if uint64(len(key)) > uint64(lim.MaxKey) {
		return ErrKeyTooLarge
	}
	return nil
}

// EntryMeta describes an entry: the first bytes of a GET's reply that was asked
// for with GetMeta.
type EntryMeta struct {
	RemainingMs int64  `json:"remaining_ms"` // until expiry by the server's clock; -1 if it never expires
	ExpireAt    uint64 `json:"expire_at"`    // unix ms; 0 if it never expires
	ValueLen    uint64 `json:"value_len"`    // bytes
}

// EntryMetaSize is the encoded size of EntryMeta.
const EntryMetaSize = 24

// Append appends the encoding.
func (m *EntryMeta) Append(dst []byte) []byte {
	dst = le.AppendUint64(dst, uint64(m.RemainingMs))
	dst = le.AppendUint64(dst, m.ExpireAt)
	return le.AppendUint64(dst, m.ValueLen)
}

// Decode reads the meta from the front of a GET's reply and returns what
// follows: the value, or nothing with GetNoValue.
func (m *EntryMeta) Decode(body []byte) (value []byte, err error) {
	if len(body) < EntryMetaSize {
		return nil, ErrTruncated
	}
	m.RemainingMs = int64(le.Uint64(body))
	m.ExpireAt = le.Uint64(body[8:])
	m.ValueLen = le.Uint64(body[16:])
	return body[EntryMetaSize:], nil
}

// PutBody is the body of PUT.
type PutBody struct {
	Key, Value []byte
	Expiry     uint64 // ms with WriteTTL, unix ms with WriteExpireAt
	IfVersion  uint64 // with WriteIfVersion
}

// AppendPut appends the body of PUT. Which of expiry and ifVersion are sent,
// flags say.
func AppendPut[K, V Bytes](dst []byte, flags uint8, key K, value V, expiry, ifVersion uint64) []byte {
	dst = le.AppendUint32(dst, uint32(len(key)))
	if flags&(WriteTTL|WriteExpireAt) != 0 {
		dst = le.AppendUint64(dst, expiry)
	}
	if flags&WriteIfVersion != 0 {
		dst = le.AppendUint64(dst, ifVersion)
	}
	dst = append(dst, key...)
	return append(dst, value...)
}

// Decode reads and judges the body; Key and Value are views into it.
func (p *PutBody) Decode(flags uint8, body []byte, lim *Limits) error {
	const conditions = WriteIfAbsent | WriteIfPresent | WriteIfVersion
	const expiries = WriteTTL | WriteExpireAt | WriteKeepTTL
	if severalBits(flags&conditions) || severalBits(flags&expiries) {
		return ErrConflict
	}
	if len(body) < 4 {
		return ErrTruncated
	}
	keyLen := le.Uint32(body)
	body = body[4:]
	if keyLen > lim.MaxKey {
		return ErrKeyTooLarge
	}
	var err error
	if p.Expiry, body, err = takeExpiry(flags, body); err != nil {
		return err
	}
	if p.IfVersion, body, err = takeIf(flags&WriteIfVersion != 0, body); err != nil {
		return err
	}
	if uint64(len(body)) < uint64(keyLen) {
		return ErrTruncated
	}
	p.Key, p.Value = body[:keyLen:keyLen], body[keyLen:]
	if uint64(len(p.Value)) > uint64(lim.MaxValue) {
		return ErrValueTooLarge
	}
	return nil
}

// DeleteBody is the body of DELETE.
type DeleteBody struct {
	Key       []byte
	IfVersion uint64 // with WriteIfVersion
}

// AppendDelete appends the body of DELETE.
func AppendDelete[K Bytes](dst []byte, flags uint8, key K, ifVersion uint64) []byte {
	if flags&WriteIfVersion != 0 {
		dst = le.AppendUint64(dst, ifVersion)
	}
	return append(dst, key...)
}

// Decode reads and judges the body; Key is a view into it.
func (d *DeleteBody) Decode(flags uint8, body []byte, lim *Limits) (err error) {
	if d.IfVersion, body, err = takeIf(flags&WriteIfVersion != 0, body); err != nil {
		return err
	}
	d.Key = body
	return CheckKey(body, lim)
}

// IncrementBody is the body of INCREMENT.
type IncrementBody struct {
	Key    []byte
	Delta  int64
	Expiry uint64 // as in PutBody; counts only when the increment creates the entry
}

// AppendIncrement appends the body of INCREMENT.
func AppendIncrement[K Bytes](dst []byte, flags uint8, key K, delta int64, expiry uint64) []byte {
	dst = le.AppendUint64(dst, uint64(delta))
	if flags&(WriteTTL|WriteExpireAt) != 0 {
		dst = le.AppendUint64(dst, expiry)
	}
	return append(dst, key...)
}

// Decode reads and judges the body; Key is a view into it.
func (i *IncrementBody) Decode(flags uint8, body []byte, lim *Limits) error {
	if severalBits(flags & (WriteTTL | WriteExpireAt)) {
		return ErrConflict
	}
	delta, body, err := takeIf(true, body)
	if err != nil {
		return err
	}
	i.Delta = int64(delta)
	if i.Expiry, body, err = takeExpiry(flags, body); err != nil {
		return err
	}
	i.Key = body
	return CheckKey(body, lim)
}

// ExpireBody is the body of EXPIRE.
type ExpireBody struct {
	Key    []byte
	Expiry uint64 // as in PutBody
}

// AppendExpire appends the body of EXPIRE.
func AppendExpire[K Bytes](dst []byte, key K, expiry uint64) []byte {
	dst = le.AppendUint64(dst, expiry)
	return append(dst, key...)
}

// Decode reads and judges the body; Key is a view into it.
func (e *ExpireBody) Decode(flags uint8, body []byte, lim *Limits) error {
	const conditions = ExpireIfNone | ExpireIfSome | ExpireIfLater | ExpireIfEarlier
	when := flags & (WriteTTL | WriteExpireAt)
	if when == 0 || severalBits(when) {
		return ErrNeedsExpiry
	}
	if severalBits(flags & conditions) {
		return ErrConflict
	}
	var err error
	if e.Expiry, body, err = takeExpiry(flags, body); err != nil {
		return err
	}
	e.Key = body
	return CheckKey(body, lim)
}

// KeyOf returns the key in the body of a GET, PUT, DELETE, INCREMENT, EXPIRE or PERSIST
// as a view, for those who route requests by it. It judges nothing; nil is for
// other operations and for bodies that end early.
func KeyOf(op Op, opFlags uint8, body []byte) []byte {
	before, keyLen := uint64(0), uint64(len(body))
	switch op {
	case OpGet, OpPersist:
	case OpPut:
		if len(body) < 4 {
			return nil
		}
		before, keyLen = 4, uint64(le.Uint32(body))
		fallthrough
	case OpDelete:
		if opFlags&WriteIfVersion != 0 {
			before += 8
		}
	case OpIncrement:
		before = 8
	case OpExpire:
	default:
		return nil
	}
	if (op == OpPut || op == OpIncrement || op == OpExpire) && opFlags&(WriteTTL|WriteExpireAt) != 0 {
		before += 8
	}
	size := uint64(len(body))
	if op != OpPut {
		keyLen = max(size, before) - before
	}
	if before+keyLen > size {
		return nil
	}
	return body[before : before+keyLen : before+keyLen]
}

// AppendInt appends the body of INCREMENT's and COUNT's replies.
func AppendInt(dst []byte, n int64) []byte { return le.AppendUint64(dst, uint64(n)) }

// DecodeInt reads the body of INCREMENT's and COUNT's replies.
func DecodeInt(body []byte) (int64, error) {
	if len(body) != 8 {
		return 0, ErrTruncated
	}
	return int64(le.Uint64(body)), nil
}

// AppendOld appends the body of a reply to a write with WriteReturnOld: one
// byte that says whether there was an entry, then its value.
func AppendOld(dst []byte, existed bool, value []byte) []byte {
	if !existed {
		return append(dst, 0)
	}
	dst = append(dst, 1)
	return append(dst, value...)
}

// DecodeOld reads what AppendOld wrote; value is a view.
func DecodeOld(body []byte) (existed bool, value []byte, err error) {
	if len(body) < 1 || body[0] > 1 || body[0] == 0 && len(body) > 1 {
		return false, nil, ErrTruncated
	}
	return body[0] == 1, body[1:], nil
}

// takeIf reads a u64 when present is true.
func takeIf(present bool, b []byte) (uint64, []byte, error) {
	if !present {
		return 0, b, nil
	}
	if len(b) < 8 {
		return 0, nil, ErrTruncated
	}
	return le.Uint64(b), b[8:], nil
}

// takeExpiry reads the expiry if flags say that there is one. A TTL of 0 is
// refused, as its meaning would be a guess; an instant in the past is not.
func takeExpiry(flags uint8, b []byte) (uint64, []byte, error) {
	if flags&(WriteTTL|WriteExpireAt) == 0 {
		return 0, b, nil
	}
	expiry, b, err := takeIf(true, b)
	if err != nil {
		return 0, nil, err
	}
	if expiry == 0 || expiry > maxExpireAt {
		return 0, nil, ErrBadExpiry
	}
	return expiry, b, nil
}

// severalBits reports whether more than one bit is set.
func severalBits(b uint8) bool { return b&(b-1) != 0 }

// CheckEmpty returns ErrTrailing unless body is empty, as that of COUNT, STATS,
// TOPOLOGY, SNAPSHOT and FLUSH must be.
func CheckEmpty(body []byte) error {
	if len(body) != 0 {
		return ErrTrailing
	}
	return nil
}
