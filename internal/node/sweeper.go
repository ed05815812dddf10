package node

import (
	"time"

	"github.com/prakashpandey/vegadb/internal/command"
)

// The sweeper's rhythm and its budget: a stripe's lock is held for no longer than
// sweepBatch entries take (some tens of microseconds).
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
	next, full := 0, false
	for {
		select {
		case <-n.stop:
			return
		case <-tick.C:
		}
		began := n.opts.Clock()
		n.backups.Expire(began)
		for range n.partitions {
			p := n.partitions[next]
			n.sweep(p, &clockEntryAt[next], began)
			full = full || p.Table.Full()
			if next++; next == len(n.partitions) {
				n.full.Store(full)
				next, full = 0, false
			}
			if n.opts.Clock().Sub(began) > n.opts.SweepBudget {
				break
			}
		}
	}
}

// sweep reclaims expired entries of p, and memory that its table has no use for.
// Only what is expired by the group's applied log time may go: an entry that a
// later, earlier-stamped write could still find alive must stay, or replicas would
// come to differ. When there are entries that only the node's clock calls expired
// and no write moves log time on, an entry without effect does.
//
// The partition's lock is not held meanwhile: the stamp only rises, and what has
// expired by it is gone for whatever is applied later.
func (n *Node) sweep(p *Partition, clockEntryAt *time.Time, began time.Time) {
	p.mu.Lock()
	stamp := p.group.State().Stamp
	p.mu.Unlock()
	now := n.Now()
	swept := p.Table.Sweep(stamp, now, sweepBatch)
	n.expired.Add(uint64(swept.Removed))
	if !swept.Due || !n.Leads(p) || began.Sub(*clockEntryAt) < clockEntryEvery {
		return
	}
	*clockEntryAt = began
	pos, err := n.Submit(p, now, command.AppendClock(command.Begin(nil)), nil)
	if err != nil {
		n.logger.Debug("log time not moved on", "partition", p.Number, "err", err)
		return
	}
	if n.Settle(pos) == nil {
		n.Kick()
	}
}
