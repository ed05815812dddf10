package sim

import "container/heap"

// micro and milli are units of simulated time.
const (
	micro int64 = 1
	milli       = 1000 * micro
)

// event is something that happens at a moment.
type event struct {
	at  int64  // simulated time, µs
	seq uint64 // orders what happens at the same moment
	do  func()
}

// queue holds what is going to happen.
type queue struct {
	events []event
	seq    uint64
}

// Len, Less, Swap, Push and Pop are heap.Interface's.
func (q *queue) Len() int { return len(q.events) }
func (q *queue) Less(i, j int) bool {
	a, b := &q.events[i], &q.events[j]
	return a.at < b.at || a.at == b.at && a.seq < b.seq
}
func (q *queue) Swap(i, j int) { q.events[i], q.events[j] = q.events[j], q.events[i] }
func (q *queue) Push(x any)    { q.events = append(q.events, x.(event)) }
func (q *queue) Pop() any {
	n := len(q.events) - 1
	e := q.events[n]
	q.events[n] = event{}
	q.events = q.events[:n]
	return e
}

func (q *queue) add(at int64, do func()) {
	q.seq++
	heap.Push(q, event{at, q.seq, do})
}

func (q *queue) next() event { return heap.Pop(q).(event) }

// at has do called at a moment, or now if that has passed.
func (s *Sim) at(at int64, do func()) { s.queue.add(max(at, s.now), do) }

// after has do called when some time has passed.
func (s *Sim) after(us int64, do func()) { s.at(s.now+us, do) }
