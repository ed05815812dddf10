package driver

// crowd decides whether proposals wait for the sync of the node's own log that is
// under way.
//
// What they would append now is synced after that one anyway. Proposed at its end, in
// one go, they cost each group one message to each follower, and each follower
// one append, where they would have cost several: with many writers that is what
// a write's price is made of. The followers get them a part of a sync later for it,
// which a few writers would notice: those do not wait.
type crowd struct {
	from int // how many are a crowd: fewer are proposed at once
	came int // proposals since the last sync ended
	size int // how many come from one sync's end to the next: a peak that fades
}

const (
	crowdFrom = 16 // what is a crowd, if nobody says otherwise
	crowdFade = 8  // part of what size is too large by that a sync takes away
)

// hold reports whether proposals are to stay where they are. syncing: a sync is under
// way; a tick's turn releases them even if it goes on for longer than that.
func (c *crowd) hold(syncing, ticked bool) bool {
	return syncing && !ticked && c.size >= c.from
}

// proposed counts what has been proposed.
func (c *crowd) proposed(n int) { c.came += n }

// synced notes the end of a sync.
func (c *crowd) synced() {
	if c.came >= c.size {
		c.size = c.came
	} else {
		c.size -= (c.size - c.came + crowdFade - 1) / crowdFade
	}
	c.came = 0
}
