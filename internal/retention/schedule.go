package retention

import (
	"errors"
	"math"
	"syscall"
)

// schedule is when rounds are due.
type schedule struct {
	notBefore int64  // ms
	vain      int    // rounds that have not helped a log that gets no room
	left      uint64 // of the disk, in bytes, when the last round failed for lack of it
}

// Disk is what a Keeper is told of the disk.
type Disk struct {
	Cramped bool                   // the log gets no room on it
	Free    func() (uint64, error) // bytes
}

// worthATry is how much more of the disk must be free than when a round failed for lack of it, for another to be tried
// before its time.
const worthATry = 1 << 20

// HasGrown reports whether the log since the last round exceeds the larger of what the options say and usedBytes, the size
// of the data.
func (k *Keeper) HasGrown(usedBytes int64) bool {
	return k.o.LogBytes > 0 && k.Grown(int64(k.log.Stats().RecordBytes)) > max(k.o.LogBytes, usedBytes)
}

// Due reports whether a round is to begin: because the log has grown, or because it gets no room.
func (k *Keeper) Due(nowMs, usedBytes int64, disk Disk) bool {
	if !k.HasGrown(usedBytes) && !disk.Cramped {
		return false
	}
	return nowMs >= k.schedule.notBefore || k.schedule.hasMore(disk)
}

// hasMore reports whether so much more of the disk is free than there was that a snapshot may succeed now.
func (s *schedule) hasMore(disk Disk) bool {
	free, err := disk.Free()
	return err == nil && free > s.left && free-s.left >= worthATry
}

// Ended takes note of the outcome of a round. again says that another is to begin at once: a log that gets no room may take
// as many rounds as snapshots are kept, for it goes as far as the oldest of them.
func (k *Keeper) Ended(nowMs int64, err error, disk Disk) (again bool) {
	s := &k.schedule
	s.vain++
	s.left = math.MaxUint64
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		s.left, _ = disk.Free()
	}
	switch {
	case err != nil:
		s.notBefore, s.vain = nowMs+k.o.RetryMs, 0
	case disk.Cramped && s.vain >= k.o.Keep:
		s.notBefore, s.vain = nowMs+k.o.CrampedMs, 0
	case disk.Cramped:
		return true
	default:
		s.vain = 0
	}
	return false
}
