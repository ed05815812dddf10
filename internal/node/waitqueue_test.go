package node

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"
)

// TestTheQueueGivesBackWhatWasPutIn compares it with a slice.
func TestTheQueueGivesBackWhatWasPutIn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q waitQueue
		var model [][]byte
		next := uint64(0)
		for range rapid.IntRange(1, 300).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "push") {
				size := rapid.SampledFrom([]int{0, 1, 30, 900, 5000, chunkBytesMax, chunkBytesMax + 1}).Draw(t, "size")
				entry := bytes.Repeat([]byte{byte(next)}, size)
				model = append(model, bytes.Clone(entry))
				q.push(next, next, entry, nil)
				clear(entry) // the queue has its own copy
				next++
				continue
			}
			w := q.front()
			if (w == nil) != (len(model) == 0) || q.size != len(model) {
				t.Fatalf("front is %v with %d entries, want %d", w, q.size, len(model))
			}
			if w == nil {
				continue
			}
			if w.index != next-uint64(len(model)) || !bytes.Equal(w.entry, model[0]) {
				t.Fatalf("entry %d has %d bytes, want %d", w.index, len(w.entry), len(model[0]))
			}
			q.pop()
			model = model[1:]
		}
	})
}

// keeps is the memory that a queue holds on to.
func (q *waitQueue) keeps() (bytes int) {
	for _, c := range []*chunk{q.fill, q.spare} {
		if c != nil {
			bytes += cap(c.buf)
		}
	}
	return bytes + len(q.ring)*64
}

// TestTheQueueGivesMemoryBack: what a stalled disk made it hold, or a large value,
// is not held for ever; nor do the places of many small entries keep room for
// large ones.
func TestTheQueueGivesMemoryBack(t *testing.T) {
	var q waitQueue
	for _, load := range []struct{ entries, size int }{{200_000, 20}, {5_000, 4000}, {10, 1 << 20}} {
		for i := range load.entries {
			q.push(uint64(i), 0, make([]byte, load.size), nil)
		}
		for range load.entries {
			q.pop()
		}
		if got := q.keeps(); got > 2*chunkBytesMax+ringKeep*64 {
			t.Errorf("after %d entries of %d bytes the empty queue keeps %d bytes", load.entries, load.size, got)
		}
	}
}

func TestTheQueueAllocatesNothingInSteadyUse(t *testing.T) {
	var q waitQueue
	entry := make([]byte, 300)
	for range 500 {
		q.push(0, 0, entry, nil)
	}
	step := func() {
		for range 1000 { // never empty: what is filled and what is read differ
			q.push(0, 0, entry, nil)
			q.pop()
		}
	}
	step()
	if got := testing.AllocsPerRun(20, step); got > 1 {
		t.Errorf("%v allocations for 1000 entries", got)
	}
}
