package wire

// A batch is a count (u32) and that many items, in requests and replies alike.
// Write a batch as: start := len(dst); dst = BeginBatch(dst); append items;
// FinishBatch(dst, start, n).

// BeginBatch appends an open count.
func BeginBatch(dst []byte) []byte { return append(dst, 0, 0, 0, 0) }

// FinishBatch writes the count of the batch that starts at dst[start:].
func FinishBatch(dst []byte, start, items int) { le.PutUint32(dst[start:], uint32(items)) }

// AppendBatchKey appends one item of GETBATCH.
func AppendBatchKey[K Bytes](dst []byte, key K) []byte {
	dst = le.AppendUint32(dst, uint32(len(key)))
	return append(dst, key...)
}

// Keys walks the keys of a GETBATCH.
type Keys struct {
	rest  []byte
	left  uint32
	total uint32
}

// takeCount reads a batch's count. The count is judged by the bytes behind it
// as well as by the limit, so that it may be trusted for an allocation.
func takeCount(body []byte, itemMin int, limit uint32) (uint32, []byte, error) {
	if len(body) < 4 {
		return 0, nil, ErrTruncated
	}
	n := le.Uint32(body)
	body = body[4:]
	if n > limit {
		return 0, nil, ErrBatchTooLarge
	}
	if uint64(n)*uint64(itemMin) > uint64(len(body)) {
		return 0, nil, ErrTruncated
	}
	return n, body, nil
}

// Decode starts a walk over the body of a GETBATCH.
func (k *Keys) Decode(body []byte, lim *Limits) error {
	n, rest, err := takeCount(body, 4, lim.MaxBatch)
	*k = Keys{rest: rest, left: n, total: n}
	return err
}

// Len returns the count of keys in the whole batch.
func (k *Keys) Len() int { return int(k.total) }

// Next returns the next key, a view; ok is false after the last one and after
// an error.
func (k *Keys) Next(lim *Limits) (key []byte, ok bool, err error) {
	if k.left == 0 {
		if len(k.rest) != 0 {
			k.rest = nil
			return nil, false, ErrTrailing
		}
		return nil, false, nil
	}
	if len(k.rest) < 4 {
		return k.fail(ErrTruncated)
	}
	n := le.Uint32(k.rest)
	if n > lim.MaxKey {
		return k.fail(ErrKeyTooLarge)
	}
	if uint64(len(k.rest)-4) < uint64(n) {
		return k.fail(ErrTruncated)
	}
	key, k.rest = k.rest[4:4+n:4+n], k.rest[4+n:]
	k.left--
	return key, true, nil
}

func (k *Keys) fail(err error) ([]byte, bool, error) {
	k.left, k.rest = 0, nil
	return nil, false, err
}

// WriteItem is one item of a WRITEBATCH: a PUT, DELETE, INCREMENT, EXPIRE or
// PERSIST with the flags and the body it would have by itself.
type WriteItem struct {
	Op      Op
	OpFlags uint8
	Body    []byte // a view
}

// writeItemHeader is u8 op, u8 flags, u16 zero, u32 length.
const writeItemHeader = 8

// BeginWriteItem appends an item's header with an open length; append the
// operation's body, then call FinishWriteItem with the length of dst before.
func BeginWriteItem(dst []byte, op Op, opFlags uint8) []byte {
	return append(dst, byte(op), opFlags, 0, 0, 0, 0, 0, 0)
}

// FinishWriteItem writes the length of the item that starts at dst[start:].
func FinishWriteItem(dst []byte, start int) {
	le.PutUint32(dst[start+4:], uint32(len(dst)-start-writeItemHeader))
}

// WriteItems walks the items of a WRITEBATCH.
type WriteItems struct {
	rest  []byte
	left  uint32
	total uint32
}

// Decode starts a walk over the body of a WRITEBATCH.
func (w *WriteItems) Decode(body []byte, lim *Limits) error {
	n, rest, err := takeCount(body, writeItemHeader, lim.MaxBatch)
	*w = WriteItems{rest: rest, left: n, total: n}
	return err
}

// Len returns the count of items in the whole batch.
func (w *WriteItems) Len() int { return int(w.total) }

// Next stores the next item; ok is false after the last one and after an error.
// The item's body is judged by its own decoder.
func (w *WriteItems) Next(item *WriteItem) (ok bool, err error) {
	if w.left == 0 {
		if len(w.rest) != 0 {
			w.rest = nil
			return false, ErrTrailing
		}
		return false, nil
	}
	if len(w.rest) < writeItemHeader {
		return w.fail(ErrTruncated)
	}
	item.Op, item.OpFlags = Op(w.rest[0]), w.rest[1]
	n := le.Uint32(w.rest[4:])
	switch item.Op {
	case OpPut, OpDelete, OpIncrement, OpExpire, OpPersist:
	default:
		return w.fail(ErrNotAWrite)
	}
	if int(item.OpFlags)&^item.Op.flagMask() != 0 || w.rest[2]|w.rest[3] != 0 {
		return w.fail(ErrUnknownOpFlag)
	}
	w.rest = w.rest[writeItemHeader:]
	if uint64(len(w.rest)) < uint64(n) {
		return w.fail(ErrTruncated)
	}
	item.Body, w.rest = w.rest[:n:n], w.rest[n:]
	w.left--
	return true, nil
}

// KeyOfItem returns the key of an encoded item as a view, nil if it is malformed.
func KeyOfItem(item []byte) []byte {
	if len(item) < writeItemHeader {
		return nil
	}
	return KeyOf(Op(item[0]), item[1], item[writeItemHeader:])
}

func (w *WriteItems) fail(err error) (bool, error) {
	w.left, w.rest = 0, nil
	return false, err
}

// ItemResult is one item of the reply to GETBATCH or WRITEBATCH: what the reply
// to the operation by itself would have said.
type ItemResult struct {
	Status  Status
	Version uint64
	Body    []byte // a view; of a status above 15: nothing
}

// itemResultHeader is u16 status, u16 zero, u32 length, u64 version.
const itemResultHeader = 16

// AppendItem appends one item of a batch's reply.
func AppendItem(dst []byte, status Status, version uint64, body []byte) []byte {
	dst = append(dst, byte(status), byte(status>>8), 0, 0)
	dst = le.AppendUint32(dst, uint32(len(body)))
	dst = le.AppendUint64(dst, version)
	return append(dst, body...)
}

// ItemResults walks the items of a batch's reply.
type ItemResults struct {
	rest  []byte
	left  uint32
	total uint32
}

// Decode starts a walk over the body of a batch's reply.
func (r *ItemResults) Decode(body []byte) error {
	n, rest, err := takeCount(body, itemResultHeader, ^uint32(0))
	*r = ItemResults{rest: rest, left: n, total: n}
	return err
}

// Len returns the count of items in the whole reply.
func (r *ItemResults) Len() int { return int(r.total) }

// Next stores the next item; ok is false after the last one and after an error.
func (r *ItemResults) Next(item *ItemResult) (ok bool, err error) {
	if r.left == 0 {
		if len(r.rest) != 0 {
			r.rest = nil
			return false, ErrTrailing
		}
		return false, nil
	}
	if len(r.rest) < itemResultHeader {
		return r.fail(ErrTruncated)
	}
	item.Status = Status(le.Uint16(r.rest))
	n := le.Uint32(r.rest[4:])
	item.Version = le.Uint64(r.rest[8:])
	r.rest = r.rest[itemResultHeader:]
	if uint64(len(r.rest)) < uint64(n) {
		return r.fail(ErrTruncated)
	}
	item.Body, r.rest = r.rest[:n:n], r.rest[n:]
	r.left--
	return true, nil
}

func (r *ItemResults) fail(err error) (bool, error) {
	r.left, r.rest = 0, nil
	return false, err
}
