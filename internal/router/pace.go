package router

import "github.com/prakashpandey/vegadb/internal/front"

// pace says how many requests of a connection may be under way at once, by the size of
// its replies: what is asked for at once is in memory at once, and the router learns
// how large a reply is only when it is there. Guarded by the connection's mu.
type pace struct {
	allowed int // grows by one with every reply, so that it doubles while it is used up
	largest int // bytes of the largest reply, as far as it is remembered
}

// What a connection may ask for before anything is known of its replies: so many that
// even the largest values fit output-limit, within these bounds.
const (
	firstWindow = 32
	leastWindow = 8
)

// note takes a reply's size into account. A large reply is forgotten as others follow.
func (p *pace) note(size int) {
	p.largest = max(size, p.largest-p.largest/64)
	p.allowed = min(p.allowed+1, maxNativeInFlight)
}

// window is how many requests may be under way, at most most, when their replies may
// take budget bytes together.
func (p *pace) window(most int, budget int64) int {
	most = min(most, p.allowed)
	if p.largest > 0 {
		most = int(max(1, min(int64(most), budget/int64(p.largest))))
	}
	return most
}

// replyBudget is how many bytes of replies one connection may ask for at once: a quarter
// of what it may hold, and its share of a quarter of what all may hold.
func (r *Router) replyBudget() int64 {
	open := int64(0)
	for p := range front.Protocols {
		open += r.stats.open[p].Load()
	}
	return min(r.front.OutputLimit/4, r.front.OutputLimitTotal/4/max(open, 1))
}
