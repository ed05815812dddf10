package node

// waiting is one accepted entry whose record is not durable yet.
type waiting struct {
	index uint64
	pos   uint64 // durable when the log is durable up to here
	entry []byte // own copy, in chunk
	chunk *chunk
	sink  Waiter // nil: nobody waits
}

// chunk is memory that holds the entries of a stretch of the queue.
type chunk struct {
	buf  []byte
	live int // entries in it that are still queued
}

// Chunks begin small, because there are many partitions, and double as far as
// needed. An entry larger than the largest gets a chunk for itself.
const (
	chunkBytesMin = 1 << 10
	chunkBytesMax = 64 << 10
	// ringKeep is the longest ring that an empty queue keeps.
	ringKeep = 1 << 10
)

// waitQueue is a FIFO of waiting entries. In steady use it allocates nothing;
// empty, it keeps two chunks and a short ring, whatever it has held before.
type waitQueue struct {
	ring  []waiting // its length is a power of two
	head  int
	size  int
	fill  *chunk // where the next entry goes, if it fits
	spare *chunk // empty, to be filled next
}

func (q *waitQueue) push(index, pos uint64, entry []byte, sink Waiter) {
	if q.size == len(q.ring) {
		q.grow()
	}
	c := q.room(len(entry))
	start := len(c.buf)
	c.buf = append(c.buf, entry...)
	c.live++
	q.ring[(q.head+q.size)&(len(q.ring)-1)] = waiting{index: index, pos: pos, entry: c.buf[start:len(c.buf):len(c.buf)], chunk: c, sink: sink}
	q.size++
}

// room returns a chunk with room for n bytes.
func (q *waitQueue) room(n int) *chunk {
	if q.fill != nil && cap(q.fill.buf)-len(q.fill.buf) >= n {
		return q.fill
	}
	if n > chunkBytesMax {
		return &chunk{buf: make([]byte, 0, n)}
	}
	next := q.spare
	q.spare = nil
	if next == nil || cap(next.buf) < n {
		size := chunkBytesMin
		if q.fill != nil {
			size = min(2*cap(q.fill.buf), chunkBytesMax)
		}
		next = &chunk{buf: make([]byte, 0, max(size, n))}
	}
	q.fill = next
	return next
}

// front returns the oldest entry, nil when there is none. It stays valid until
// the next pop or push.
func (q *waitQueue) front() *waiting {
	if q.size == 0 {
		return nil
	}
	return &q.ring[q.head]
}

func (q *waitQueue) pop() {
	c := q.ring[q.head].chunk
	q.ring[q.head] = waiting{}
	q.head = (q.head + 1) & (len(q.ring) - 1)
	q.size--
	if c.live--; c.live == 0 {
		c.buf = c.buf[:0]
		if c != q.fill && cap(c.buf) <= chunkBytesMax && (q.spare == nil || cap(q.spare.buf) < cap(c.buf)) {
			q.spare = c
		}
	}
	if q.size == 0 && len(q.ring) > ringKeep {
		q.ring, q.head = nil, 0
	}
}

func (q *waitQueue) grow() {
	ring := make([]waiting, max(16, 2*len(q.ring)))
	for i := range q.size {
		ring[i] = q.ring[(q.head+i)&(len(q.ring)-1)]
	}
	q.ring, q.head = ring, 0
}
