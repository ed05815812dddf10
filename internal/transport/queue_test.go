package transport

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"
)

func TestAQueueGivesWhatItTookAndKeepsToItsLimit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const limit = 3 * chunkSize
		q := queue{wake: make(chan struct{}, 1)}
		if got := q.add(1, [][]byte{{1}}); got != queueClosed {
			t.Fatalf("a closed queue: %v", got)
		}
		q.start(limit)
		var want, got []byte // what waits, and what has been taken
		taken, frames := 0, 0
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				size := rapid.OneOf(rapid.IntRange(1, 100), rapid.IntRange(1, limit)).Draw(t, "size")
				part := bytes.Repeat([]byte{byte(size)}, size)
				cut := rapid.IntRange(0, size).Draw(t, "cut")
				inside := len(want) + taken
				result := q.add(size, [][]byte{part[:cut], nil, part[cut:]})
				fits := inside == 0 || inside+size+frameHeader <= limit
				if (result == added) != fits {
					t.Fatalf("%d bytes with %d in the queue: %v", size, inside, result)
				}
				if result == added {
					want = appendFrame(want, part)
					frames++
					if len(q.wake) == 0 {
						t.Fatal("nobody is woken")
					}
				}
			},
			"take": func(t *rapid.T) {
				if taken > 0 {
					t.Skip("one taker")
				}
				got = got[:0]
				for _, chunk := range q.take() {
					got = append(got, chunk...)
				}
				if !bytes.Equal(got, want) {
					t.Fatalf("took %d bytes, %d were added", len(got), len(want))
				}
				taken, want = len(got), nil
				select {
				case <-q.wake:
				default:
				}
				if taken == 0 {
					q.done()
				}
			},
			"done": func(t *rapid.T) {
				if taken == 0 {
					t.Skip("nothing was taken")
				}
				waiting := q.frames
				if f, b := q.done(); b != taken || f != frames-waiting {
					t.Fatalf("%d frames and %d bytes done, of %d and %d", f, b, frames-waiting, taken)
				}
				taken, frames = 0, waiting
			},
			"trim": func(*rapid.T) { q.trim() },
			"": func(t *rapid.T) {
				if q.size() != len(want)+taken {
					t.Fatalf("size %d, %d wait and %d are taken", q.size(), len(want), taken)
				}
				if q.inUse != len(q.chunks)+len(q.taken) || q.inUse*chunkSize > 2*limit+4*chunkSize {
					t.Fatalf("%d chunks in use, %d wait, %d are taken", q.inUse, len(q.chunks), len(q.taken))
				}
			},
		})
	})
}

func TestAQueueGivesBackTheMemoryOfABurst(t *testing.T) {
	q := queue{wake: make(chan struct{}, 1)}
	q.start(64 << 20)
	frame := make([]byte, 1<<20)
	for range 32 {
		q.add(len(frame), [][]byte{frame})
	}
	q.take()
	q.done()
	if len(q.free) < 500 {
		t.Fatalf("%d chunks kept for the next burst", len(q.free))
	}
	q.trim() // the burst was since the last
	q.add(1, [][]byte{{1}})
	q.take()
	q.done()
	q.trim()
	if len(q.free) > 1 {
		t.Errorf("%d chunks kept, one was needed since", len(q.free))
	}
}
