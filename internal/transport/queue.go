package transport

import (
	"hash/crc32"
	"sync"
)

// chunkSize is the piece in which queued bytes are kept and written.
const chunkSize = 64 << 10

// queue holds the encoded frames for one peer. Frames lie one behind the other in chunks of equal size, so that
// adding never moves what is there and a chunk is used again as it is.
type queue struct {
	wake chan struct{} // capacity 1: frames have been added to an empty queue

	mu     sync.Mutex
	open   bool     // guarded by mu: somebody will take what is added
	limit  int      // guarded by mu
	bytes  int      // guarded by mu: waiting and taken
	frames int      // guarded by mu: waiting
	chunks [][]byte // guarded by mu: waiting
	free   [][]byte // guarded by mu: empty, to be used again
	peak   int      // guarded by mu: most chunks in use since the last trim
	inUse  int      // guarded by mu

	// What the taker holds.
	taken       [][]byte
	takenBytes  int
	takenFrames int
}

type addResult uint8

const (
	added addResult = iota
	queueFull
	queueClosed
)

// add copies a frame made of parts, of size bytes in total, to the end. An empty queue takes any frame.
func (q *queue) add(size int, parts [][]byte) addResult {
	var header [frameHeader]byte
	var crc uint32
	for _, part := range parts {
		crc = crc32.Update(crc, castagnoli, part)
	}
	putHeader(header[:], size, crc)

	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.open {
		return queueClosed
	}
	if q.bytes > 0 && q.bytes+size+frameHeader > q.limit {
		return queueFull
	}
	first := q.frames == 0
	q.put(header[:])
	for _, part := range parts {
		q.put(part)
	}
	q.bytes += size + frameHeader
	q.frames++
	if first {
		select {
		case q.wake <- struct{}{}:
		default:
		}
	}
	return added
}

// put copies b into the chunks; mu is held.
func (q *queue) put(b []byte) {
	for len(b) > 0 {
		if n := len(q.chunks); n == 0 || len(q.chunks[n-1]) == chunkSize {
			q.chunks = append(q.chunks, q.chunk())
		}
		last := &q.chunks[len(q.chunks)-1]
		n := min(len(b), chunkSize-len(*last))
		*last = append(*last, b[:n]...)
		b = b[n:]
	}
}

// chunk returns an empty one; mu is held.
func (q *queue) chunk() []byte {
	q.inUse++
	q.peak = max(q.peak, q.inUse)
	if n := len(q.free); n > 0 {
		c := q.free[n-1]
		q.free = q.free[:n-1]
		return c
	}
	return make([]byte, 0, chunkSize)
}

// take hands all that waits to the one taker, who calls done before taking again.
func (q *queue) take() [][]byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.taken, q.chunks = q.chunks, q.taken[:0]
	q.takenBytes, q.takenFrames = q.bytes, q.frames
	q.frames = 0
	return q.taken
}

// done gives back what was taken and returns how much it was.
func (q *queue) done() (frames, bytes int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i, c := range q.taken {
		q.free = append(q.free, c[:0])
		q.taken[i] = nil
	}
	q.inUse -= len(q.taken)
	frames, bytes = q.takenFrames, q.takenBytes
	q.bytes -= bytes
	q.taken, q.takenBytes, q.takenFrames = q.taken[:0], 0, 0
	return frames, bytes
}

// trim lets go of chunks that have not been needed since the last trim.
func (q *queue) trim() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if keep := q.peak - q.inUse; len(q.free) > keep {
		clear(q.free[keep:])
		q.free = q.free[:keep]
	}
	q.peak = q.inUse
}

// setLimit changes what may wait from now on.
func (q *queue) setLimit(limit int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.limit = limit
}

// start opens a closed queue and reports whether it was closed.
func (q *queue) start(limit int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.open {
		return false
	}
	q.open, q.limit = true, limit
	return true
}

// stop closes the queue: from now on nothing is added.
func (q *queue) stop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.open = false
}

// size returns the bytes waiting and taken.
func (q *queue) size() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.bytes
}
