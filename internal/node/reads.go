package node

import (
	"errors"

	"github.com/prakashpandey/vegadb/internal/replica"
	"github.com/prakashpandey/vegadb/internal/wal"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// ErrNotHere refuses a read of a partition of which this node has no replica, or
// none that may be read yet, when no leader is known either.
var ErrNotHere = errors.New("this node has no replica of the partition that may be read")

// errLease answers a read whose lease ended before its value could be shown.
var errLease = errors.New("leadership could not be confirmed in time; try again")

// ReadWaiter is told once what has become of a read that had to wait, on a goroutine
// of the node's, without locks held. Neither method may block.
type ReadWaiter interface {
	// Done says that the read may be executed.
	Done()
	// Failed says that it may not: NotLeaderError, ErrNoLeader.
	Failed(err error)
}

// ReadGrant is BeginRead's answer.
type ReadGrant struct {
	// Wait: the ReadWaiter will be told. Otherwise the read may be executed now.
	Wait bool
	// Recheck: after the entry was looked up, and before it is shown to anybody,
	// EndRead must be asked.
	Recheck bool
	// Level is what the read gets, for receipts: at least what was asked for.
	Level wire.Consistency
	// mark is what EndRead compares: of a lease the term, otherwise the number of
	// snapshots that have replaced the replica's state.
	mark uint64
}

// leaseSpareMs is how much of a lease must be left for a read to begin under it.
const leaseSpareMs = 20

// BeginRead asks for leave to read p as the level promises. arg is the level's: of
// SessionReads the lowest index that must have been applied, of Bounded the greatest
// age in ms. w is kept only when the grant says Wait; then nothing needs to be
// rechecked.
//
// Without w, which level Local has no use for, it is not counted as another read.
//
// Errors: *NotLeaderError, ErrNoLeader, ErrNotHere, wal.ErrClosed.
func (n *Node) BeginRead(p *Partition, level wire.Consistency, arg uint64, w ReadWaiter) (ReadGrant, error) {
	if level == wire.ConsistencyDefault {
		level = wire.Linearizable
	}
	grant, err := n.beginRead(p, level, arg, w)
	if w == nil || err != nil {
		return grant, err
	}
	p.reads.byLevel[level].Add(1)
	switch {
	case grant.Wait:
		p.reads.waited.Add(1)
	case grant.Level == wire.Lease:
		p.reads.leaseHits.Add(1)
	}
	return grant, nil
}

func (n *Node) beginRead(p *Partition, level wire.Consistency, arg uint64, w ReadWaiter) (ReadGrant, error) {
	if p.mode.Load() <= modeConverting { // alone: what is applied is all there is
		return ReadGrant{Level: wire.Linearizable}, nil
	}
	if level == wire.Linearizable || level == wire.Lease {
		if !p.leads.Load() && !n.handsOver(p) {
			return ReadGrant{}, n.leaderOr(p, ErrNoLeader)
		}
		if level == wire.Lease && p.leased.Load() > n.worker.nowMs()+leaseSpareMs {
			return ReadGrant{Recheck: true, Level: wire.Lease, mark: p.term.Load()}, nil
		}
		return n.readLater(p, wire.Linearizable, 0, level == wire.Lease, w)
	}
	if p.mode.Load() != modeRaft || !p.readable.Load() {
		return ReadGrant{}, n.leaderOr(p, ErrNotHere)
	}
	grant := ReadGrant{Recheck: true, Level: level, mark: p.installs.Load()}
	switch level {
	case wire.SessionReads:
		if p.applied.Load() < arg {
			return n.readLater(p, level, arg, false, w)
		}
	case wire.Bounded:
		if fresh := p.fresh.Load(); fresh == 0 || uint64(n.worker.nowMs()-fresh) > arg {
			return n.readLater(p, level, 0, false, w)
		}
	}
	return grant, nil
}

// readLater has w told when index at is applied; 0: when a round, which is to begin a lease
// or not, has confirmed who leads.
func (n *Node) readLater(p *Partition, level wire.Consistency, at uint64, lease bool, w ReadWaiter) (ReadGrant, error) {
	if !n.worker.read(groupID(p.Number), at, lease, w) {
		return ReadGrant{}, wal.ErrClosed
	}
	return ReadGrant{Wait: true, Level: level}, nil
}

func (n *Node) leaderOr(p *Partition, otherwise error) error {
	if err := n.Leader(p); err != nil && !errors.Is(err, ErrNoLeader) {
		return err
	}
	return otherwise
}

// EndRead tells whether a read granted with Recheck still holds: an error means
// that what was read must be thrown away and the error answered.
func (n *Node) EndRead(p *Partition, g ReadGrant) error {
	err := n.endRead(p, g)
	if err != nil {
		p.reads.revoked.Add(1)
	}
	return err
}

func (n *Node) endRead(p *Partition, g ReadGrant) error {
	switch {
	case !g.Recheck:
		return nil
	case g.Level == wire.Lease:
		if !replica.LeaseHolds(p.leased.Load(), n.worker.nowMs(), g.mark, p.term.Load(), p.leads.Load()) {
			return n.leaderOr(p, errLease)
		}
	case p.installs.Load() != g.mark || !p.readable.Load():
		return n.leaderOr(p, ErrNotHere)
	}
	return nil
}

// Applied returns the log index up to which p's table holds every write: what a
// client keeps as its session's token. Whoever has read from the table gets an index
// that covers what he has seen: p.mu, which State takes, is held from before an entry
// changes the table until its index counts. It is not to be asked for under that lock
// or a stripe's.
func (n *Node) Applied(p *Partition) uint64 { return p.State().Index }

// Term returns the term of p's group, for receipts.
func (n *Node) Term(p *Partition) uint64 {
	if p.mode.Load() == modeRaft {
		return p.term.Load()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.group.Term()
}
