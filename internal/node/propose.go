package node

import (
	"errors"
	"fmt"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/replica"
	"github.com/prakashpandey/vegadb/internal/ring"
	"github.com/prakashpandey/vegadb/internal/wal"
)

// NotLeaderError refuses what only the leader of a partition may do. Nothing was
// executed and nothing will be.
type NotLeaderError struct {
	Partition int
	Leader    ring.NodeID // who leads it, as far as this node knows
	Addr      string      // the leader's address for clients, host:port
}

func (e *NotLeaderError) Error() string {
	return fmt.Sprintf("partition %d is led by the node at %s", e.Partition, e.Addr)
}

// ErrNoLeader refuses what only a leader may do, of a partition that has none this
// node knows of: an election is under way, or a majority cannot talk. Nothing was
// executed.
var ErrNoLeader = errors.New("the partition has no leader at present; try again in a moment")

// ErrUnknownOutcome tells the Waiter of a write that leadership was lost before
// the write was known to be committed: it may or may not take effect.
var ErrUnknownOutcome = errors.New("leadership was lost before the write was known to be committed")

// propose hands a write to the partition's group. p.mu is held.
func (n *Node) propose(p *Partition, now int64, entry []byte, sink Waiter) error {
	switch {
	case p.mode.Load() == modeConverting && n.cluster.full.Load():
		n.cluster.noSpace.Add(1)
		return wal.ErrNoSpace
	case p.mode.Load() == modeConverting, sink != nil && !sink.Later():
		return wal.ErrBusy
	case !p.view.Leads() && !n.handsOver(p):
		return n.Leader(p)
	case n.worker.waiting.Load() >= n.heldMost, n.worker.held.Load() > n.opts.LogQueueBytes+keepBytesTotal:
		n.cluster.busy.Add(1)
		return wal.ErrBusy
	case int64(len(entry)) > n.opts.MaxRecordBytes && n.opts.MaxRecordBytes > 0:
		return wal.ErrTooLarge
	}
	if err := n.spaceFor(p); err != nil {
		return err
	}
	command.SetStamp(entry, now)
	var waiter replica.Waiter // a nil Waiter must stay one
	if sink != nil {
		waiter = sink
	}
	early, ok := sink.(LeaderWaiter)
	if !n.worker.propose(p.group.ID(), entry, waiter, ok && early.LeaderAcks() && command.Unconditional(entry)) {
		return wal.ErrClosed
	}
	return nil
}

// LeaderWaiter is a Waiter that may do with the leader's word, without that of a
// majority. Only for a put without conditions or a session is that possible: the outcome
// of anything else is not known before it is applied.
type LeaderWaiter interface {
	Waiter
	replica.EarlyWaiter
	LeaderAcks() bool
}

// submitEach is SubmitAll for a node with peers: each part is a write of its own. It
// is refused as a whole when any of it would be refused now; what is lost later is
// told to the part's sink, by way of due if it is lost at once. The parts' partitions are
// locked.
func (n *Node) submitEach(now int64, parts []Part, due *tellings) (uint64, error) {
	for i := range parts {
		p := parts[i].Partition
		switch {
		case parts[i].Sink != nil && !parts[i].Sink.Later(), p.mode.Load() == modeConverting:
			return 0, wal.ErrBusy
		case p.mode.Load() != modeSolo && !p.view.Leads() && !n.handsOver(p):
			return 0, n.Leader(p)
		}
	}
	for i := range parts {
		part := &parts[i]
		err := error(nil)
		if part.Partition.mode.Load() != modeSolo {
			err = n.propose(part.Partition, now, part.Entry, part.Sink)
		} else {
			err = n.submitSolo(part, now, due)
		}
		if err == nil {
			continue
		}
		if i == 0 {
			return 0, err
		}
		if part.Sink != nil { // the parts before it are on their way
			*due = append(*due, telling{w: part.Sink, err: err})
		}
	}
	return 0, nil
}

// submitSolo is one part's share of submitEach on a partition without peers.
func (n *Node) submitSolo(part *Part, now int64, due *tellings) error {
	p := part.Partition
	p.rec = p.prepare(now, part.Entry)
	index := p.rec.Index
	n.expect(p)
	var pos uint64
	var err error
	if part.own {
		pos, err = n.log.AppendReserved(&p.rec)
	} else {
		pos, err = n.log.Append(&p.rec)
	}
	p.rec.Payload = nil
	if err != nil {
		return err
	}
	_, err = n.accept(p, index, pos, part.Entry, part.Sink, due)
	return err
}

// Clustered reports whether the node has ever had company: clients may have to be
// sent elsewhere, and keys of one command must be in one slot.
func (n *Node) Clustered() bool { return n.clustered.Load() }

// Leads reports whether this node leads p, so that writes and linearizable reads
// of it are served here.
func (n *Node) Leads(p *Partition) bool {
	mode := p.mode.Load()
	return mode <= modeConverting || mode == modeRaft && p.view.Leads()
}

// Holds reports whether this node has a replica of p that may be read.
func (n *Node) Holds(p *Partition) bool {
	mode := p.mode.Load()
	return mode <= modeConverting || mode == modeRaft && p.view.Readable()
}

// handsOver reports whether this node has just handed p over, and the next leader is not
// known yet: what is asked for now waits for that here.
func (n *Node) handsOver(p *Partition) bool {
	return p.mode.Load() == modeRaft && p.view.HandsOver()
}

// unled reports whether nobody is known to lead p.
func (n *Node) unled(p *Partition) bool {
	leader, _ := n.cluster.leaders.get(groupID(p.Number))
	return leader.IsZero()
}

// Leader returns who leads p: a *NotLeaderError that says where to go, ErrNoLeader
// when nobody is known to, nil when it is this node.
func (n *Node) Leader(p *Partition) error {
	if n.Leads(p) {
		return nil
	}
	leader, _ := n.cluster.leaders.get(groupID(p.Number))
	view := n.meta.view.Load()
	if leader.IsZero() || leader == n.cluster.self || view == nil {
		return ErrNoLeader
	}
	m := view.Member(leader)
	if m == nil {
		return ErrNoLeader
	}
	return &NotLeaderError{Partition: p.Number, Leader: leader, Addr: m.Addr}
}

// refusal is what is said of something that a group here could not do.
func (n *Node) refusal(group uint32) error {
	if group > 0 {
		if err := n.Leader(n.partitions[group-1]); err != nil {
			return err
		}
	}
	return ErrNoLeader
}

// partitionMachine is a partition as what its group's entries change.
type partitionMachine struct {
	n *Node
	p *Partition
}

// Apply applies a write.
func (m *partitionMachine) Apply(index, term uint64, entry []byte, sink command.Sink) error {
	p := m.p
	p.mu.Lock()
	err := p.group.Apply(p.Table, index, term, entry, sink)
	stamp := p.group.Stamp()
	p.mu.Unlock()
	if err != nil {
		return fmt.Errorf("partition %d: written by a newer version? Start that version: %w", p.Number, err)
	}
	p.view.Reached(index)
	m.n.now.Reached(stamp)
	return nil
}

// Fetch asks for the memory that entries about to be applied will need.
func (m *partitionMachine) Fetch(entries [][]byte) { command.Fetch(m.p.Table, entries) }

// Advance notes an entry without data.
func (m *partitionMachine) Advance(index, term uint64, conf *replica.Configuration) {
	m.p.mu.Lock()
	m.p.group.Advance(index, term, conf)
	m.p.mu.Unlock()
	m.p.view.Reached(index)
}

// Lease says until when a leader's reads need no round.
func (m *partitionMachine) Lease(until int64) { m.p.view.Leased(until) }

// Fresh says as of when the replica is complete.
func (m *partitionMachine) Fresh(at int64) { m.p.view.Complete(at) }

// Refusal is what a client is told.
func (m *partitionMachine) Refusal(err error) error {
	if errors.Is(err, replica.ErrUnknown) {
		return ErrUnknownOutcome
	}
	if to := m.n.Leader(m.p); to != nil {
		return to
	}
	return ErrNoLeader
}
