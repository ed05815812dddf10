package node

import (
	"time"

	"github.com/prakashpandey/vegadb/internal/command"
)

// The sweeper's rhythm and its budget: at most one partition's lock is held, and
// for no longer than sweepBatch entries take (some tens of microseconds).
const (
	sweepEvery      = 100 * time.Millisecond
	sweepBatch      = 256
	clockEntryEvery = time.Second
)

func (n *Node) runSweeper() {
	defer n.wg.Done()
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	clockEntryAt := make([]time.Time, len(n.partitions))
	next := 0
	for {
		select {
		case <-n.stop:
			return
		case <-tick.C:
		}
		began := n.opts.Clock()
		for range n.partitions {
			n.sweep(n.partitions[next], &clockEntryAt[next], began)
			next = (next + 1) % len(n.partitions)
			if n.opts.Clock().Sub(began) > n.opts.SweepBudget {
				break
			}
		}
	}
}

// sweep reclaims expired entries of p. Only what is expired by the group's
// applied log time may go: an entry that a later, earlier-stamped write could
// still find alive must stay, or replicas would come to differ. When there are
// entries that only the wall clock calls expired and no write moves log time on,
// an entry without effect does.
func (n *Node) sweep(p *Partition, clockEntryAt *time.Time, now time.Time) {
	if p.Table.Expiring() == 0 {
		return
	}
	p.mu.Lock()
	stamp := p.group.State().Stamp
	swept := p.Table.Sweep(stamp, now.UnixMilli(), sweepBatch)
	p.mu.Unlock()
	n.expired.Add(uint64(swept.Removed))
	if swept.Due && now.Sub(*clockEntryAt) >= clockEntryEvery {
		*clockEntryAt = now
		entry := command.AppendClock(command.Begin(nil))
		pos, err := n.Submit(p, now.UnixMilli(), entry, nil)
		if err != nil {
			n.logger.Debug("log time not moved on", "partition", p.Number, "err", err)
			return
		}
		n.Settle(pos)
		n.Kick()
	}
}
