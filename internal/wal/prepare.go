package wal

import (
	"errors"
	"fmt"
	"syscall"
	"time"
)

// Segments are made ready in two steps, both by one goroutine:
//
//  1. A segment's blocks are allocated as a whole before it takes part. An append is admitted only into
//     allocated room, so a full disk can refuse a segment, but never break an admitted append.
//  2. Under policy Always, blocks some way ahead of the tail are overwritten with zeros. An fsync that follows
//     writing to blocks that were only reserved has to record their conversion in the file system's journal; over
//     written blocks it has not, and is about twice as fast (docs/decisions/0002). This is a
//     matter of speed only: the tail may overtake the zeros.

const (
	zeroChunkBytes = 256 << 10
	zeroAheadMin   = 1 << 20 // of zeros kept ahead of the tail; grows with what has been written since Open
	spaceRetry     = 250 * time.Millisecond
)

// zeroRange is a part of a segment that is being overwritten with zeros; seg is nil if none is.
type zeroRange struct {
	seg      *segment
	from, to int64
}

func (z zeroRange) overlaps(s *segment, from, to int64) bool {
	return z.seg == s && from < z.to && z.from < to
}

func (l *Log) wakePreparer() {
	select {
	case l.prepareWake <- struct{}{}:
	default: // a wake-up is already on its way
	}
}

// prepare is the goroutine that keeps segments ready.
func (l *Log) prepare() {
	defer l.done.Done()
	retry := time.NewTimer(spaceRetry)
	defer retry.Stop()
	for {
		worked, err := l.prepareStep()
		if err != nil {
			l.fail(err)
		}
		if worked && !l.stopping() {
			continue
		}
		retry.Reset(spaceRetry)
		timer := retry.C
		if !l.lacksSpace() {
			timer = nil
		}
		select {
		case <-l.prepareWake:
		case <-timer:
		case <-l.stop:
			return
		case <-l.failed:
			return
		}
	}
}

func (l *Log) stopping() bool {
	select {
	case <-l.stop:
		return true
	case <-l.failed:
		return true
	default:
		return false
	}
}

func (l *Log) lacksSpace() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.noSpace
}

// prepareStep does the most urgent thing there is to do, and tells whether there may be more.
func (l *Log) prepareStep() (worked bool, err error) {
	l.mu.Lock()
	need := l.needsSegment()
	number := l.segments[len(l.segments)-1].number + 1
	l.mu.Unlock()
	if need {
		return l.addSegment(number)
	}
	return l.zeroAhead()
}

// needsSegment tells whether another segment should be prepared: when less than half a segment's room is left, or on
// a busy node less than it has written since Open; or when an append found no room. Requires mu.
func (l *Log) needsSegment() bool {
	if l.closing {
		return false
	}
	most := 2 * max(l.o.QueueBytes, l.o.SegmentBytes)
	want := max(l.o.SegmentBytes/2, min(l.sinceOpen, most-l.o.SegmentBytes))
	switch {
	case l.modest:
		return l.mustHaveSegment()
	case l.wantSegment:
		want = most
	}
	return l.ahead() < want
}

// ahead is how much is prepared. Requires mu.
func (l *Log) ahead() int64 {
	spares := int64(len(l.segments) - 1 - l.tailAt)
	return l.tail().capacity - l.tailEnd + spares*l.o.SegmentBytes
}

// mustHaveSegment tells whether another segment is more than something to have in good time. Requires mu.
func (l *Log) mustHaveSegment() bool { return l.wantSegment || l.ahead() < l.o.SegmentBytes/2 }

// addSegment prepares a segment. Lack of space is not an error: it is remembered, and tried again later.
func (l *Log) addSegment(number uint64) (worked bool, err error) {
	var s *segment
	if err = l.spare(); err == nil {
		s, err = createSegment(l.o.FS, l.o.Dir, number, l.o.SegmentBytes, l.o.Clock())
	}
	full := isNoSpace(err)
	if err != nil && !full {
		return false, fmt.Errorf("prepare log: %w", err)
	}
	l.mu.Lock()
	if full && !l.mustHaveSegment() {
		l.modest = true
		l.mu.Unlock()
		return false, nil
	}
	changed := l.noSpace != full
	l.noSpace = full
	if !full {
		l.wantSegment, l.modest = false, false
		l.segments = append(l.segments, s)
	}
	l.mu.Unlock()
	switch {
	case changed && full:
		l.o.Logger.Warn("no space for another log segment: unless a snapshot makes room, writes will be refused when the present one is full",
			"segmentBytes", l.o.SegmentBytes, "error", err)
		if l.o.OnNoSpace != nil {
			l.o.OnNoSpace()
		}
	case changed:
		l.o.Logger.Info("there is space for the log again")
	}
	return !full, nil
}

// spare makes sure that a segment leaves as much of the disk free as it must.
func (l *Log) spare() error {
	if l.o.SpareBytes == nil {
		return nil
	}
	l.mu.Lock()
	appended := int64(l.recordBytes)
	l.mu.Unlock()
	spare := l.o.SpareBytes(appended)
	free, err := l.o.FS.Free(l.o.Dir)
	if err != nil || free >= uint64(l.o.SegmentBytes+spare) { // who does not know how much is free finds out by trying
		return nil
	}
	return fmt.Errorf("%d bytes are free, %d of which are kept for snapshots: %w", free, spare, syscall.ENOSPC)
}

func isNoSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// wantsZeros tells whether there are too few zeros ahead of the tail. Requires mu.
func (l *Log) wantsZeros() bool {
	if l.o.Policy != Always {
		return false
	}
	next, ahead := l.nextZeros()
	return next.seg != nil && ahead*2 < l.zeroTarget()
}

// zeroTarget is how many zeros to keep ahead: as many bytes as have been written since Open, so that a node
// that writes little prepares little. Requires mu.
func (l *Log) zeroTarget() int64 {
	return max(zeroAheadMin, min(l.sinceOpen, l.o.SegmentBytes))
}

// nextZeros returns where zeros should be written next, if anywhere, and how many there are ahead of the tail.
// Requires mu.
func (l *Log) nextZeros() (next zeroRange, ahead int64) {
	from := l.tailEnd
	for _, s := range l.segments[l.tailAt:] {
		start := max(s.zeroed, alignUp(from, headerBytes))
		ahead += max(0, min(start, s.capacity)-from)
		if start < s.capacity {
			return zeroRange{seg: s, from: start, to: min(start+zeroChunkBytes, s.capacity)}, ahead
		}
		from = headerBytes
	}
	return zeroRange{}, ahead
}

// zeroAhead overwrites the next piece with zeros, if there are too few ahead of the tail.
func (l *Log) zeroAhead() (worked bool, err error) {
	l.mu.Lock()
	next, ahead := l.nextZeros()
	if l.o.Policy != Always || l.closing || next.seg == nil || ahead >= l.zeroTarget() {
		l.mu.Unlock()
		return false, nil
	}
	l.zeroing = next
	l.mu.Unlock()
	// A descriptor of its own: the system tells each descriptor once that writing a file back has failed. On a
	// shared one this sync could take the report that the writer's has to see, and what is lost would be
	// acknowledged.
	f, err := l.o.FS.OpenReadWrite(next.seg.name)
	if err == nil {
		err = writeZeros(f, next.from, next.to, l.zeros)
	}
	l.mu.Lock()
	next.seg.zeroed = next.to
	l.zeroing = zeroRange{seg: next.seg} // written: nothing needs to wait any more, but this is not over
	l.zeroed.Broadcast()
	l.mu.Unlock()
	if err == nil {
		err = f.Sync()
	}
	if f != nil {
		err = errors.Join(err, f.Close())
	}
	l.mu.Lock()
	l.zeroing = zeroRange{}
	l.mu.Unlock()
	if err != nil {
		return false, fmt.Errorf("write zeros ahead in the log: %w", err)
	}
	return true, nil
}
