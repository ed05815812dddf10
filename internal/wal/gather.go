package wal

import "time"

// gather decides how long the writer of policy Always goes on collecting appends before it syncs.
//
// Callers in lockstep (each waits for its reply before it asks again) come back within microseconds of the sync
// that released them, but not at the same instant. A writer that syncs as soon as the first is back
// syncs for it alone, while all the others wait for the next sync: two syncs per round instead of one, and the
// smaller one costs as much. So the writer waits a little, and stops waiting as soon as
//
//   - as many have arrived as it has reason to expect: half of the crowd that the last rounds have seen. The other
//     half arrives while the disk works, and makes the next round: disk and processors are busy at the same
//     time;
//   - or nobody has arrived for a moment;
//   - or as much time is over as a sync takes, so that waiting at worst doubles the price of a round.
//
// A single caller never waits: one is all that is expected.
type gather struct {
	crowd int           // appends of a round, those that arrived during its sync included: a peak that fades
	sync  time.Duration // moving average of the time a sync takes
}

const (
	gatherQuiet = 50 * time.Microsecond // an appender in lockstep is back sooner than this after the one before it
	gatherLimit = 500 * time.Microsecond
	// gatherYields ends the wait whatever the clock says: under a simulated clock no time passes here.
	gatherYields = 5000
	gatherFade   = 8 // part of what the crowd is too large by that is forgotten in a round
)

// synced tells how a round went: how many appends it released, how many had arrived meanwhile, how long it took.
func (g *gather) synced(released, arrived int, took time.Duration) {
	if now := released + arrived; now >= g.crowd {
		g.crowd = now
	} else {
		g.crowd -= (g.crowd - now + gatherFade - 1) / gatherFade
	}
	if g.sync == 0 {
		g.sync = took
	}
	g.sync += (took - g.sync) / 8
}

// more tells whether to go on waiting, given the appends that are there and the time since the first and since
// the last of them was seen.
func (g *gather) more(pending int, sinceFirst, sinceLast time.Duration) bool {
	return pending*2 < g.crowd &&
		sinceLast < gatherQuiet &&
		sinceFirst < min(g.sync, gatherLimit)
}
