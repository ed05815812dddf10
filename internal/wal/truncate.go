package wal

import (
	"fmt"
	"math"
	"slices"

	"github.com/prakashpandey/vegadb/internal/invariants"
	"github.com/prakashpandey/vegadb/internal/mutant"
)

func sortGroups(groups []uint32) { slices.Sort(groups) }

// SetFloor says that the records of a group up to index are covered by a published snapshot: the log may
// forget them. A floor never goes down.
func (l *Log) SetFloor(group uint32, index uint64) {
	l.indexMu.Lock()
	defer l.indexMu.Unlock()
	l.floors.raise(group, index)
}

// Forget drops what is known of a group's records so far, its floor included: the
// group's replica is gone, and none of them are needed. Everything appended for it
// must be durable.
func (l *Log) Forget(group uint32) {
	l.mu.Lock()
	segments := append([]*segment(nil), l.segments...)
	l.mu.Unlock()
	l.indexMu.Lock()
	defer l.indexMu.Unlock()
	for _, s := range segments {
		s.indexes.drop(group)
	}
	l.floors.drop(group)
}

// Laggards returns the groups, ascending, that keep the oldest segment from being removed: those whose newest record
// in it is above their floor. It returns none if there is no full segment.
func (l *Log) Laggards() []uint32 {
	s := l.oldest()
	if s == nil {
		return nil
	}
	l.indexMu.Lock()
	defer l.indexMu.Unlock()
	return s.indexes.above(&l.floors)
}

// oldest returns the oldest segment if it could be removed, were it not for its records: if what follows it is
// durable. A log therefore always begins with a segment whose first batch was durable, so that
// recovery can tell damage there from an unfinished write.
func (l *Log) oldest() *segment {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tailAt == 0 {
		return nil
	}
	next := l.segments[1]
	if next.firstSeq == 0 || next.firstSeq > l.syncedSeq || l.zeroing.seg == l.segments[0] {
		return nil
	}
	return l.segments[0]
}

// Truncate removes the oldest segments as long as all their records are below their groups' floors, and returns how
// many it removed. Each removal is durable before the next begins: a crash leaves no gap.
func (l *Log) Truncate() (removed int, err error) { return l.TruncateBefore(math.MaxUint64) }

// Truncatable reports whether Truncate would remove anything.
func (l *Log) Truncatable() bool { return l.oldest() != nil && !l.pinned() }

// pinned reports whether a group without a snapshot of it needs the oldest segment.
func (l *Log) pinned() bool { return len(l.Laggards()) > 0 && !mutant.On(mutant.LogTruncatedFirst) }

// TruncateBefore is Truncate, but for segments with anything that was appended after position pos. Records of index 0
// belong to no floor: whoever needs what they say appends them again, and keeps the place with this. They may have come to
// lie at the very end of a segment that is otherwise of no more use.
func (l *Log) TruncateBefore(pos uint64) (removed int, err error) {
	l.truncateMu.Lock()
	defer l.truncateMu.Unlock()
	for {
		s := l.oldest()
		if s == nil || l.reaches(s, pos) || l.pinned() {
			return removed, nil
		}
		if err := l.o.FS.Remove(s.name); err != nil && !isNotExist(err) {
			return removed, fmt.Errorf("truncate log: %w", err)
		}
		if err := l.o.FS.SyncDir(l.o.Dir); err != nil {
			return removed, fmt.Errorf("truncate log: %w", err)
		}
		l.forget(s)
		l.count.truncated.Add(1)
		removed++
		l.wakePreparer() // there may be space now
	}
}

// reaches reports whether a segment has anything that was appended after pos.
func (l *Log) reaches(s *segment, pos uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return s.lastPos > pos
}

// forget drops the oldest segment, whose file is gone.
func (l *Log) forget(s *segment) {
	l.mu.Lock()
	defer l.mu.Unlock()
	invariants.Check(l.segments[0] == s && l.tailAt > 0, "segment %d is not the oldest", s.number)
	if s.f != nil {
		s.f.Close()
		s.f = nil
	}
	l.segments = append([]*segment(nil), l.segments[1:]...)
	l.tailAt--
	l.modest = false
}
