package node

import (
	"errors"

	"github.com/prakashpandey/vegadb/internal/grant"
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
	mark  uint64 // see grant.Grant
}

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
	mode := p.mode.Load()
	if mode <= modeConverting { // alone: what is applied is all there is
		return ReadGrant{Level: wire.Linearizable}, nil
	}
	answer, g := p.view.Begin(level, arg)
	switch {
	case answer == grant.Now && mode == modeRaft:
		return ReadGrant{Recheck: g.Recheck, Level: g.Level, mark: g.Mark}, nil
	case answer == grant.Wait && mode == modeRaft:
		if !n.worker.read(groupID(p.Number), g.Mark, g.Lease, w) {
			return ReadGrant{}, wal.ErrClosed
		}
		return ReadGrant{Wait: true, Level: g.Level}, nil
	case answer == grant.NotLeader:
		return ReadGrant{}, n.leaderOr(p, ErrNoLeader)
	}
	return ReadGrant{}, n.leaderOr(p, ErrNotHere)
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
	switch p.view.End(grant.Grant{Recheck: g.Recheck, Level: g.Level, Mark: g.mark}) {
	case grant.NotLeader:
		return n.leaderOr(p, errLease)
	case grant.NotHere:
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
		return p.view.Term()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.group.Term()
}
