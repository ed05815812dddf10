package node

import (
	"fmt"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/invariants"
	"github.com/prakashpandey/vegadb/internal/ring"
	"github.com/prakashpandey/vegadb/internal/wal"
)

// Partition returns the partition that holds key.
func (n *Node) Partition(key []byte) *Partition {
	return n.partitions[ring.PartitionOf(key, len(n.partitions))]
}

// Submit orders one entry (made by package command) in partition p and logs it.
// now is the node's time, see Now.
//
// Unless the node is Deferred, the entry is applied at once: sink gets its results
// before Submit returns, and the caller must call Settle with pos before it lets
// them out. On a Deferred node entry is copied, and sink gets results and Done, or
// Failed, later; pos is 0, and the caller calls Kick when its batch is complete.
//
// An error (wal.ErrBusy, wal.ErrNoSpace, wal.ErrTooLarge, wal.ErrClosed) means
// that nothing was done and nothing will be. After the log's failure or the node's
// it is that failure: the process is about to end.
func (n *Node) Submit(p *Partition, now int64, entry []byte, sink Waiter) (pos uint64, err error) {
	var due tellings
	defer due.tell(n) // when p.mu is free again
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := n.admit(); err != nil {
		return 0, err
	}
	if p.mode.Load() != modeSolo {
		return 0, n.propose(p, now, entry, sink)
	}
	p.rec = p.prepare(now, entry)
	index := p.rec.Index
	if n.log != nil {
		n.expect(p)
		pos, err = n.log.Append(&p.rec)
		p.rec.Payload = nil // it is the caller's, and may be large
		if err != nil {
			return 0, err
		}
	}
	told, err := n.accept(p, index, pos, entry, sink, &due)
	if told {
		pos = 0
	}
	return pos, err
}

// tellings are outcomes that are known while partitions are locked. Waiters are told when
// they are not any more: what they do then may need a lock.
type tellings []telling

type telling struct {
	w   Waiter
	pos uint64 // to be settled before; 0: nothing
	err error  // nil: it is done
}

func (ts *tellings) tell(n *Node) {
	for _, t := range *ts {
		if t.err == nil {
			t.err = n.Settle(t.pos)
		}
		if t.err != nil {
			t.w.Failed(t.err)
			continue
		}
		t.w.Done()
	}
}

// Part is one partition's share of a write that spans several.
type Part struct {
	Partition *Partition
	Entry     []byte // no two parts may share it: each gets its own stamp
	Sink      Waiter
	own       bool // it is the node's own, to make room: it may use the log's reserve
}

// SubmitAll is Submit for a write that spans partitions: one append, so that
// either all of it is on disk or nothing. parts must be in ascending order of
// their partitions, one for each. Readers may see one partition's part before
// another's.
func (n *Node) SubmitAll(now int64, parts []Part) (pos uint64, err error) {
	for i := range parts {
		invariants.Check(i == 0 || parts[i-1].Partition.Number < parts[i].Partition.Number, "parts are in the order of their partitions")
		parts[i].Partition.mu.Lock()
	}
	var due tellings
	defer func() {
		for i := range parts {
			parts[i].Partition.mu.Unlock()
		}
		due.tell(n)
	}()
	if err := n.admit(); err != nil || len(parts) == 0 {
		return 0, err
	}
	if n.clustered.Load() {
		return n.submitEach(now, parts, &due)
	}
	var few [64]*wal.Record // the default number of partitions: no allocation
	recs := few[:min(len(parts), len(few))]
	if len(parts) > len(few) {
		recs = make([]*wal.Record, len(parts))
	}
	for i, part := range parts {
		p := part.Partition
		p.rec = p.prepare(now, part.Entry)
		recs[i] = &p.rec
	}
	if n.log != nil {
		for i := range parts {
			n.expect(parts[i].Partition)
		}
		if parts[0].own {
			pos, err = n.log.AppendReserved(recs...)
		} else {
			pos, err = n.log.Append(recs...)
		}
		for _, rec := range recs {
			rec.Payload = nil
		}
		if err != nil {
			return 0, err
		}
	}
	told := false
	for i, part := range parts {
		if told, err = n.accept(part.Partition, recs[i].Index, pos, part.Entry, part.Sink, &due); err != nil {
			return 0, err
		}
	}
	if told {
		pos = 0
	}
	return pos, nil
}

// admit refuses what cannot be taken at all. A partition's lock is held, which
// Close takes after it has ended readiness and before it takes the tables away.
func (n *Node) admit() error {
	if !n.ready.Load() {
		return wal.ErrClosed
	}
	if n.deferred && n.held.Load() >= n.heldMost {
		n.log.Kick()
		return wal.ErrBusy
	}
	return nil
}

// prepare stamps the entry and makes its record. p.mu is held.
func (p *Partition) prepare(now int64, entry []byte) wal.Record {
	rec := p.group.Prepare(now, entry)
	if invariants.Enabled {
		// Once in the log it must be applied, by every start from then on.
		err := command.Validate(entry)
		invariants.Check(err == nil, "an entry that cannot be applied is never proposed: %v", err)
	}
	return rec
}

// expect tells the applier to look at p. It comes before the append: the record
// may be durable, and the applier woken for it, before this goroutine goes on.
// The applier then waits for p.mu and finds the entry. A mark too many is harmless.
func (n *Node) expect(p *Partition) {
	if n.deferred {
		n.dirty.mark(p.Number)
	}
}

// accept takes over an entry that the log has. told says that the sink's Done tells of
// it, later or with due. p.mu is held.
func (n *Node) accept(p *Partition, index, pos uint64, entry []byte, sink Waiter, due *tellings) (told bool, err error) {
	p.group.Accept(entry)
	if n.deferred {
		p.waiting.push(index, pos, entry, sink)
		n.held.Add(int64(len(entry)))
		return true, nil
	}
	if err := n.apply(p, index, entry, sink); err != nil {
		return false, err
	}
	if !n.clustered.Load() || sink == nil || !sink.Later() {
		return false, nil
	}
	*due = append(*due, telling{w: sink, pos: pos})
	return true, nil
}

// apply puts an accepted entry into the table. p.mu is held. After an error, which
// has been reported as fatal, the write must not be acknowledged.
func (n *Node) apply(p *Partition, index uint64, entry []byte, sink Waiter) error {
	var results command.Sink
	if sink != nil {
		results = sink // a nil Waiter must stay a nil Sink
	}
	if err := p.group.Apply(p.Table, index, p.group.Term(), entry, results); err != nil {
		// We encoded this entry ourselves: the process's memory is not to be
		// trusted any more, and going on could make it worse.
		err = fmt.Errorf("partition %d: %w", p.Number, err)
		n.fatal("apply an entry", err)
		return err
	}
	return nil
}

// Settle makes what Submit has applied safe from a killed process: the log's
// buffer is handed to the operating system up to pos. Sessions call it before
// they reply. Free of cost when there is no log, and on a Deferred node, where
// replies wait for more than this. After an error, which has been reported as
// fatal, no reply may leave.
func (n *Node) Settle(pos uint64) error {
	if pos == 0 || n.deferred || n.log == nil {
		return nil
	}
	if err := n.log.Flush(pos); err != nil {
		n.fatal("write the log", err)
		return err
	}
	return nil
}

// Kick tells the log that a session's batch is complete, so that a gathered
// group of writes need not wait for more.
func (n *Node) Kick() {
	if n.deferred && n.ready.Load() { // while loading there is no log, and Close writes it all
		n.log.Kick()
	}
}

// Deferred reports whether writes are answered later than Submit returns. It may
// become true while the node runs: with the first peer.
func (n *Node) Deferred() bool { return n.deferred || n.clustered.Load() }

// NotifyDurable calls f, on a goroutine of the log's, once the log is durable up
// to pos: for a write that asks for more than the node's policy. It needs a log.
func (n *Node) NotifyDurable(pos uint64, f func()) { n.log.NotifyDurable(pos, f) }

// Persistent reports whether the node keeps anything on disk.
func (n *Node) Persistent() bool { return n.dir != nil }
