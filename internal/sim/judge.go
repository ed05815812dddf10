package sim

import (
	"sort"

	"github.com/prakashpandey/vegadb/internal/command"
)

// ack is a moment at which a client was told that a write of a group is done.
type ack struct {
	at    int64
	index uint64 // that had been applied by then
}

// acknowledges notes that a client learns of a write.
func (w *witness) acknowledges(group uint32, index uint64) {
	list := w.acks[group]
	if n := len(list); n == 0 || list[n-1].index < index {
		w.acks[group] = append(list, ack{w.s.now, index})
	}
}

// acked is the highest index of a write that had been acknowledged by a moment.
func (w *witness) acked(group uint32, at int64) uint64 {
	list := w.acks[group]
	i := sort.Search(len(list), func(i int) bool { return list[i].at > at })
	if i == 0 {
		return 0
	}
	return list[i-1].index
}

// gone: an entry may be missing where the log's time is stamp.
func (c *change) gone(stamp int64) bool { return !c.there || command.Expired(c.expireAt, stamp) }
