package transport

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/prakashpandey/vegadb/internal/ring"
)

// BenchmarkSend is the way of frames from Send to the other side's Handler, over the loopback.
func BenchmarkSend(b *testing.B) {
	for _, size := range []int{128, 4 << 10, 64 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			addrs := newBook()
			a, z := startNode(b, addrs, 1), startNode(b, addrs, 2)
			var received atomic.Int64
			z.frames(func(ring.NodeID, []byte) { received.Add(1) })
			frame := make([]byte, size)
			for received.Load() == 0 {
				a.Send(z.id, frame)
			}
			before, sent := received.Load(), int64(0)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				for sent-(received.Load()-before) > int64(8<<20/size) || !a.Send(z.id, frame) {
				}
				sent++
			}
		})
	}
}

func TestSendAllocatesNothingInSteadyUse(t *testing.T) {
	b := newBook()
	a, z := startNode(t, b, 1), startNode(t, b, 2)
	received := make(chan struct{}, 1)
	z.frames(func(ring.NodeID, []byte) { received <- struct{}{} })
	header, body := make([]byte, 16), make([]byte, 1000)
	send := func() {
		if a.SendParts(z.id, header, body) {
			<-received
		}
	}
	send()
	if got := testing.AllocsPerRun(1000, send); got > 0 {
		t.Errorf("%v allocations for each frame from Send to Handler", got)
	}
}
