package wal

import "fmt"

// batch is a run of records that one commit record will close. Its place on disk is settled when it is opened.
type batch struct {
	seg     *segment
	off     int64  // where it begins in the segment
	buf     []byte // records in their disk form
	lastPos uint64 // position of its last Append
}

// maxFreeBuffer is the largest buffer kept for reuse: a rare huge record must not occupy memory for good.
const maxFreeBuffer = 2 * maxBatchBytes

// Append adds records to the log, in order, and returns their position. The records of one call are atomic: after
// a crash all of them are there or none. Their bytes are copied; the caller may reuse them at once. Append
// never waits for the disk, allocates nothing and may be called from several goroutines; the order of positions
// is the order in the log.
//
// Appended is not written: under policy Always call [Log.Kick] after the last Append of a batch of requests,
// under the others [Log.Flush] before a reply leaves.
//
// Errors: [ErrBusy], [ErrNoSpace], [ErrTooLarge], [ErrClosed], or the failure that was reported to OnFatal.
// Nothing has been appended then.
func (l *Log) Append(recs ...*Record) (pos uint64, err error) {
	return l.append(l.o.ReserveBytes, recs)
}

// AppendReserved is Append for what must go on when the disk is full, and for what has been admitted before it was:
// it may use up the last room that there is.
func (l *Log) AppendReserved(recs ...*Record) (pos uint64, err error) { return l.append(0, recs) }

// append leaves so much room behind the records.
func (l *Log) append(reserve int64, recs []*Record) (pos uint64, err error) {
	size := int64(0)
	for _, r := range recs {
		if r.Type == 0 || r.Term >= 1<<56 {
			return 0, badRecord(r)
		}
		if int64(len(r.Payload)) > l.o.MaxRecordBytes {
			return 0, ErrTooLarge
		}
		size += recordSize(len(r.Payload))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.admit(size, reserve); err != nil {
		return 0, err
	}
	for _, r := range recs {
		l.open.buf = appendRecord(l.open.buf, r)
	}
	l.tailEnd += size
	l.queued += size
	l.records += uint64(len(recs))
	l.recordBytes += uint64(size)
	l.pos++
	l.open.lastPos = l.pos
	l.appended.Store(l.pos)
	return l.pos, nil
}

// badRecord is apart so that formatting costs Append's callers nothing.
func badRecord(r *Record) error {
	return fmt.Errorf("wal: record of group %d, index %d has type %d and term %d: type must not be 0, term must be below 1<<56",
		r.Group, r.Index, r.Type, r.Term)
}

// admit finds room for size bytes of records, and for reserve bytes behind them, and leaves l.open as the batch to put
// them in. Requires mu.
func (l *Log) admit(size, reserve int64) error {
	switch {
	case l.failure != nil:
		return l.failure
	case l.closing:
		return ErrClosed
	case headerBytes+size+commitBytes > l.o.SegmentBytes:
		return ErrTooLarge
	case l.queued > 0 && l.queued+size > l.o.QueueBytes, l.stalled:
		l.busy++
		l.wakeRun()
		return ErrBusy
	}
	if l.open != nil && int64(len(l.open.buf))+size > maxBatchBytes && len(l.open.buf) > 0 {
		l.seal()
	}
	need := size
	if l.open == nil {
		need += commitBytes
	}
	if left := l.tail().capacity - l.tailEnd; left < need+reserve && l.room() < need+reserve || left < need && !l.roll(size) {
		return l.refuseForRoom()
	}
	if l.open == nil {
		l.openBatch()
	}
	return nil
}

// tail is the segment that the next record goes to, if it fits. Requires mu.
func (l *Log) tail() *segment { return l.segments[l.tailAt] }

// openBatch starts a batch at the tail and reserves room for its commit record. Requires mu.
func (l *Log) openBatch() {
	var b *batch
	if n := len(l.free); n > 0 {
		b, l.free = l.free[n-1], l.free[:n-1]
	} else {
		b = new(batch)
	}
	b.seg, b.off, b.buf, b.lastPos = l.tail(), l.tailEnd, b.buf[:0], l.pos
	l.tailEnd += commitBytes
	l.open = b
}

// seal closes the open batch to further records. Requires mu.
func (l *Log) seal() {
	if l.open != nil {
		l.ready = append(l.ready, l.open)
		l.open = nil
	}
}

// room is how many bytes the segments that are there have left. Requires mu.
func (l *Log) room() int64 {
	room := l.tail().capacity - l.tailEnd
	for _, s := range l.segments[l.tailAt+1:] {
		room += s.capacity - headerBytes
	}
	return room
}

// Room returns how many bytes of records there is room for, beside the reserve and in it, when the disk has no room for
// another segment. limited is false when that is not known to be so: then there is more to come.
func (l *Log) Room() (free, reserve int64, limited bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.noSpace {
		return 0, 0, false
	}
	room := l.room()
	return max(0, room-l.o.ReserveBytes), min(room, l.o.ReserveBytes), true
}

// roll moves the tail to the next segment if that is prepared and has room for size bytes. Requires mu.
func (l *Log) roll(size int64) bool {
	if l.tailAt+1 >= len(l.segments) || headerBytes+size+commitBytes > l.segments[l.tailAt+1].capacity {
		return false
	}
	l.seal()
	l.tailAt++
	l.tailEnd = headerBytes
	l.wakePreparer()
	return true
}

// refuseForRoom asks for another segment and says why there is none yet. Requires mu.
func (l *Log) refuseForRoom() error {
	l.wantSegment = true
	l.wakePreparer()
	if l.noSpace {
		l.refused++
		return ErrNoSpace
	}
	l.busy++
	return ErrBusy
}

// take removes the batches that wait to be written. Requires mu.
func (l *Log) take(into []*batch) []*batch {
	l.seal()
	into = append(into[:0], l.ready...)
	clear(l.ready)
	l.ready = l.ready[:0]
	return into
}

// recycle takes back a batch that has been written. Requires mu.
func (l *Log) recycle(b *batch) {
	if cap(b.buf) <= maxFreeBuffer && len(l.free) < cap(l.free) {
		l.free = append(l.free, b)
	}
}
