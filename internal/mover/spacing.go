package mover

import "time"

// spacing keeps apart what briefly holds up a partition, so that it shows in few of all
// requests at any time, however many partitions it is to happen to. One partition of n has
// one request of n: what holds up each of them for a moment costs the same in all, in
// whatever time all of it is done. Used by one goroutine.
type spacing struct {
	apart time.Duration
	next  time.Time // when the next one may begin
}

const (
	// movesSpread is how long a node takes at least to begin a tidying move of every
	// partition, if it led all of them. A move costs a snapshot, three changes of the
	// configuration, and a dozen syncs on several nodes.
	movesSpread = 32 * time.Second
	// handsSpread is the same for handing over leadership. Until the next leader is elected
	// and has committed an entry, some tens of milliseconds, nobody serves the partition.
	handsSpread = 8 * time.Second
	// Where there are few partitions, those bounds would be very long.
	movesApart = 500 * time.Millisecond
	handsApart = 250 * time.Millisecond
)

func newSpacing(spread time.Duration, partitions int, most time.Duration) spacing {
	return spacing{apart: min(spread/time.Duration(partitions), most)}
}

// take reports whether one may begin now, and counts it if so. Who asks looks only every
// Every: what it was too late for is made up for, no more.
func (s *spacing) take(now time.Time) bool {
	if now.Before(s.next) {
		return false
	}
	if late := now.Add(-Every); s.next.Before(late) {
		s.next = late
	}
	s.next = s.next.Add(s.apart)
	return true
}
