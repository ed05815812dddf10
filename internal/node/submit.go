package node

import (
	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/ring"
	"github.com/prakashpandey/vegadb/internal/wal"
)

// Partition returns the partition that holds key.
func (n *Node) Partition(key []byte) *Partition {
	return n.partitions[ring.PartitionOf(key, len(n.partitions))]
}

// Submit orders one entry (made by package command) in partition p and logs it.
// now is the node's clock in unix ms.
//
// Unless the node is Deferred, the entry is applied at once: sink gets its results
// before Submit returns, and the caller must call Settle with pos before it lets
// them out. On a Deferred node entry is copied, and sink gets results and Done
// later; the caller calls Kick when its batch is complete.
//
// An error (wal.ErrBusy, wal.ErrNoSpace, wal.ErrTooLarge, wal.ErrClosed) means
// that nothing was done and nothing will be.
func (n *Node) Submit(p *Partition, now int64, entry []byte, sink Waiter) (pos uint64, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rec = p.group.Prepare(now, entry)
	index := p.rec.Index
	if n.log != nil {
		if pos, err = n.log.Append(&p.rec); err != nil {
			return 0, err
		}
	}
	p.group.Accept(entry)
	if n.deferred {
		p.waiting.push(index, pos, entry, sink)
		n.dirty.mark(p.Number)
		return pos, nil
	}
	n.apply(p, index, entry, sink)
	return pos, nil
}

// Part is one partition's share of a write that spans several.
type Part struct {
	Partition *Partition
	Entry     []byte
	Sink      Waiter
}

// SubmitAll is Submit for a write that spans partitions: one append, so that
// either all of it is on disk or nothing. parts must be in ascending order of
// their partitions, one for each. Readers may see one partition's part before
// another's.
func (n *Node) SubmitAll(now int64, parts []Part) (pos uint64, err error) {
	for i := range parts {
		parts[i].Partition.mu.Lock()
	}
	defer func() {
		for i := range parts {
			parts[i].Partition.mu.Unlock()
		}
	}()
	var few [64]*wal.Record // the default number of partitions: no allocation
	recs := few[:min(len(parts), len(few))]
	if len(parts) > len(few) {
		recs = make([]*wal.Record, len(parts))
	}
	for i, part := range parts {
		p := part.Partition
		p.rec = p.group.Prepare(now, part.Entry)
		recs[i] = &p.rec
	}
	if n.log != nil && len(recs) > 0 {
		if pos, err = n.log.Append(recs...); err != nil {
			return 0, err
		}
	}
	for i, part := range parts {
		p := part.Partition
		p.group.Accept(part.Entry)
		if n.deferred {
			p.waiting.push(recs[i].Index, pos, part.Entry, part.Sink)
			n.dirty.mark(p.Number)
		} else {
			n.apply(p, recs[i].Index, part.Entry, part.Sink)
		}
	}
	return pos, nil
}

// apply puts an accepted entry into the table. p.mu is held.
func (n *Node) apply(p *Partition, index uint64, entry []byte, sink Waiter) {
	var results command.Sink
	if sink != nil {
		results = sink // a nil Waiter must stay a nil Sink
	}
	if err := p.applier.Apply(p.Table, index, entry, results); err != nil {
		// We encoded this entry ourselves: the process's memory is not to be
		// trusted any more, and going on could make it worse.
		n.fatal("apply an entry", err)
		return
	}
	p.group.Applied(index, entry)
}

// Settle makes what Submit has applied safe from a killed process: the log's
// buffer is handed to the operating system up to pos. Sessions call it before
// they reply. Free of cost when there is no log, and on a Deferred node, where
// replies wait for more than this.
func (n *Node) Settle(pos uint64) {
	if n.log == nil || n.deferred {
		return
	}
	if err := n.log.Flush(pos); err != nil {
		n.fatal("write the log", err)
	}
}

// Kick tells the log that a session's batch is complete, so that a gathered
// group of writes need not wait for more.
func (n *Node) Kick() {
	if n.deferred {
		n.log.Kick()
	}
}

// Deferred reports whether writes are answered later than Submit returns.
func (n *Node) Deferred() bool { return n.deferred }
