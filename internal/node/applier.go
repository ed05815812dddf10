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
}

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
		p := n.partitions[i]
		p.mu.Lock()
		for w := p.waiting.front(); w != nil && w.pos <= upTo; w = p.waiting.front() {
			n.apply(p, w.index, w.entry, w.sink)
			if w.sink != nil {
				done = append(done, w.sink)
			}
			p.waiting.pop()
		}
		if p.waiting.size > 0 {
			n.dirty.mark(i)
		}
		p.mu.Unlock()
	})
	for i, w := range done {
		w.Done()
		done[i] = nil
	}
	return done[:0]
}
