package wal

import (
	"fmt"
	"time"

	"github.com/prakashpandey/vegadb/internal/invariants"
)

// run is the goroutine that syncs and reports durability; under policy Always it also writes.
func (l *Log) run() {
	defer l.done.Done()
	defer l.stopOnce.Do(func() { close(l.stop) })
	tick, stopTick := l.ticker()
	defer stopTick()
	for {
		ticked := false
		select {
		case <-l.wake:
		case <-tick:
			ticked = true
		case <-l.failed:
			return
		}
		if l.turn(ticked) {
			return
		}
	}
}

// round is one turn of the writer: what it was woken for, and therefore does.
type round struct {
	everything bool // write all that is appended, sync all that is written
	gathers    bool // it may wait a moment for more appends
	closing    bool // it is the last
}

// turn does one round and tells whether it was the last.
func (l *Log) turn(ticked bool) (last bool) {
	r := l.beginRound(ticked)
	if r.gathers {
		l.collect()
	}
	err := l.writeRound(r)
	if err == nil {
		err = l.sync(r.everything)
	}
	if err == nil && r.closing {
		err = l.mark()
	}
	if err != nil {
		l.fail(err)
	}
	return err != nil || r.closing
}

// beginRound decides what a round does, by the policy and the reason for waking.
func (l *Log) beginRound(ticked bool) round {
	l.mu.Lock()
	closing, wanted := l.closing, l.wantSync
	l.wantSync = false
	l.mu.Unlock()
	always := l.o.Policy == Always
	return round{
		everything: always || ticked || wanted || closing,
		gathers:    always && !closing && !wanted && !l.o.Stepped,
		closing:    closing,
	}
}

// writeRound writes what the round is to write.
func (l *Log) writeRound(r round) error {
	if r.everything || l.crowded() {
		return l.writeUpTo(l.appended.Load())
	}
	return nil
}

// ticker returns the clock of policy EverySec; the other policies have none.
func (l *Log) ticker() (<-chan time.Time, func()) {
	if l.o.Policy != EverySec {
		return nil, func() {}
	}
	t := time.NewTicker(syncInterval)
	return t.C, t.Stop
}

// collect waits for more appends as long as the gather policy says. It yields instead of sleeping: the
// resolution of a timer is coarser than the whole wait.
func (l *Log) collect() {
	done := l.durable.Load()
	pending := int(l.appended.Load() - done)
	if pending == 0 || !l.gather.more(pending, 0, 0) {
		return
	}
	first := time.Now()
	last := first
	for range gatherYields {
		yield()
		now := time.Now()
		if n := int(l.appended.Load() - done); n != pending {
			pending, last = n, now
		}
		if !l.gather.more(pending, now.Sub(first), now.Sub(last)) {
			return
		}
	}
}

// crowded tells whether the queue has become so full that it is written without being asked.
func (l *Log) crowded() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.queued*2 > l.o.QueueBytes
}

// mark adds an empty batch that says that everything before it is durable, so that damage to the last real batch
// is told from an incomplete write. It does nothing if the log ends in a mark, is empty, or has no room left in
// its last segment: then the next segment's first batch will say it.
func (l *Log) mark() error {
	l.mu.Lock()
	skip := l.marked || l.writtenSeq == 0 || l.open != nil || l.tailEnd+commitBytes > l.tail().capacity
	if !skip {
		l.openBatch()
	}
	l.mu.Unlock()
	if skip {
		return nil
	}
	if err := l.writeQueue(); err != nil {
		return err
	}
	return l.sync(true)
}

// Flush hands everything up to pos to the operating system, which survives the end of this process but not a power
// cut. It writes in the caller's goroutine and returns at once if somebody else already has. Under policy Always it
// waits until pos is durable instead: there nothing is acknowledged earlier.
func (l *Log) Flush(pos uint64) error {
	if l.o.Policy == Always {
		return l.flushDurable(pos)
	}
	if err := l.writeUpTo(pos); err != nil {
		l.fail(err)
		return err
	}
	return nil
}

func (l *Log) flushDurable(pos uint64) error {
	if l.durable.Load() >= pos {
		return nil
	}
	reached := make(chan struct{})
	l.NotifyDurable(pos, func() { close(reached) })
	l.stepUntil(reached)
	select {
	case <-reached:
		return nil
	case <-l.failed:
		return l.failureOf()
	}
}

// writeUpTo writes the queue unless pos has been written.
func (l *Log) writeUpTo(pos uint64) error {
	if l.written.Load() >= pos {
		return nil
	}
	return l.writeQueue()
}

// writeQueue writes everything that is queued, in order. Those who come while it works wait for writeMu and then
// mostly find their part written.
func (l *Log) writeQueue() error {
	l.writeMu.Lock()
	defer l.writeMu.Unlock()
	l.mu.Lock()
	l.batches = l.take(l.batches)
	err := l.failure
	l.mu.Unlock()
	for i, b := range l.batches {
		if err == nil {
			err = l.writeBatch(b)
		}
		l.batches[i] = nil
	}
	return err
}

// writeBatch closes a batch with its commit record and writes it. Requires writeMu.
func (l *Log) writeBatch(b *batch) error {
	records := int64(len(b.buf))
	l.mu.Lock()
	seq, synced := l.writtenSeq+1, l.syncedSeq
	for l.zeroing.overlaps(b.seg, b.off, b.off+records+commitBytes) {
		l.zeroed.Wait() // zeros under way to this place must not arrive after the records
	}
	f := b.seg.f
	l.mu.Unlock()
	b.buf = appendCommit(b.buf, b.seg.identity, b.off, seq, synced)
	invariants.Check(b.off+int64(len(b.buf)) <= b.seg.capacity, "batch %d ends past the segment's end", seq)
	if _, err := f.WriteAt(b.buf, b.off); err != nil {
		return fmt.Errorf("write log: %w: what is on disk is unknown", err)
	}
	l.count.batches.Add(1)
	l.count.writtenBytes.Add(uint64(len(b.buf)))
	l.index(b.seg, b.buf[:records])

	l.mu.Lock()
	rolled := l.wrote(b, seq, records)
	l.recycle(b)
	l.mu.Unlock()
	if rolled {
		l.wakeRun() // a full segment is synced without waiting, under every policy
	}
	return nil
}

// wrote takes note of a batch handed to the operating system, and tells whether it was the first of a segment.
// Requires mu.
func (l *Log) wrote(b *batch, seq uint64, records int64) (first bool) {
	s := b.seg
	first = s.firstSeq == 0
	if first {
		s.firstSeq = seq
	}
	s.lastSeq, s.lastPos = seq, b.lastPos
	l.writtenSeq = seq
	l.marked = records == 0
	l.queued -= records
	l.sinceOpen += records + commitBytes
	l.written.Store(b.lastPos)
	if n := len(l.dirty); n == 0 || l.dirty[n-1] != s {
		l.dirty = append(l.dirty, s)
	}
	if l.wantsZeros() || !l.noSpace && l.needsSegment() { // that a disk is full should be known before the room ends
		l.wakePreparer()
	}
	return first
}

// index remembers which groups the segment holds, up to which index.
func (l *Log) index(s *segment, records []byte) {
	l.indexMu.Lock()
	defer l.indexMu.Unlock()
	for len(records) > 0 {
		group, index := le.Uint32(records[4:]), le.Uint64(records[16:])
		s.indexes.raise(group, index)
		records = records[recordSize(int(le.Uint32(records))):]
	}
}
