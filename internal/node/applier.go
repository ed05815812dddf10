package node

import (
	"math/bits"
	"sync/atomic"
)

// bitmap notes which partitions have waiting entries, so that the applier looks
// at those alone. Safe for concurrent use.
type bitmap []atomic.Uint64

func newBitmap(n int) bitmap { return make(bitmap, (n+63)/64) }

func (b bitmap) mark(i int) {
	w, bit := &b[i/64], uint64(1)<<(i%64)
	if w.Load()&bit == 0 {
		w.Or(bit)
	}
}

// take clears the marks and calls f with each marked index, in ascending order.
func (b bitmap) take(f func(i int)) {
	for w := range b {
		for set := b[w].Swap(0); set != 0; set &= set - 1 {
			f(w*64 + bits.TrailingZeros64(set))
		}
	}
}

// onDurable is the log's report, called from its writer. It only wakes the
// applier: the writer goes on to the next fsync meanwhile.
func (n *Node) onDurable(uint64) {
	select {
	case n.durable <- struct{}{}:
	default: // the applier has a wake-up waiting already
	}
	if n.worker != nil {
		n.worker.poke()
	}
}

// applyAtOnce is how many entries are applied under one hold of a partition's
// lock: a long queue must not keep writers, and with them an event loop, waiting.
const applyAtOnce = 256

// doneKeep is the longest list of waiters that is kept for reuse.
const doneKeep = 1 << 16

func (n *Node) runApplier() {
	defer n.wg.Done()
	var done []Waiter
	for {
		select {
		case <-n.durable:
		case <-n.applierStop:
			n.applyDurable(done) // the log has been closed: all of it is durable
			return
		}
		done = n.applyDurable(done)
	}
}

// applyDurable applies every waiting entry that is durable by now and tells its
// waiter. It returns done, emptied, for reuse.
func (n *Node) applyDurable(done []Waiter) []Waiter {
	upTo := n.log.DurablePos()
	n.dirty.take(func(i int) {
		for more := true; more; {
			done, more = n.applySome(n.partitions[i], upTo, done)
		}
	})
	for i, w := range done {
		w.Done()
		done[i] = nil
	}
	if cap(done) > doneKeep {
		return nil
	}
	return done[:0]
}

// applySome applies some of p's entries up to a position, and appends to done who
// is to be told. more says that there may be further ones.
func (n *Node) applySome(p *Partition, upTo uint64, done []Waiter) (_ []Waiter, more bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for range applyAtOnce {
		w := p.waiting.front()
		if w == nil {
			return done, false
		}
		if w.pos > upTo {
			n.dirty.mark(p.Number) // its turn comes with a later report
			return done, false
		}
		if n.apply(p, w.index, w.entry, w.sink) != nil {
			return done, false
		}
		if w.sink != nil {
			done = append(done, w.sink)
		}
		n.held.Add(-int64(len(w.entry)))
		p.waiting.pop()
	}
	return done, true
}
