package server

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/prakashpandey/vegadb/internal/wire"
)

// connectNative opens a session that has shaken hands.
func (h *harness) connectNative() *testConn {
	c := h.connect()
	hello := wire.ClientHello{MinVersion: 1, MaxVersion: 1}
	c.send(string(hello.Append(nil)))
	return c
}

// request returns the frame of a request.
func request(id uint32, op wire.Op, opFlags uint8, body []byte) []byte {
	req := wire.Request{Op: op, OpFlags: opFlags, ID: id, Body: body}
	return req.Append(nil)
}

func batchOfPuts(n int) []byte {
	body := wire.BeginBatch(nil)
	for i := range n {
		start := len(body)
		body = wire.BeginWriteItem(body, wire.OpPut, 0)
		body = wire.AppendPut(body, 0, fmt.Sprintf("key:%012d", rand.IntN(100_000)), fmt.Sprintf("%064d", i), 0, 0)
		wire.FinishWriteItem(body, start)
	}
	wire.FinishBatch(body, 0, n)
	return request(1, wire.OpWriteBatch, 0, body)
}

func batchOfGets(n int) []byte {
	body := wire.BeginBatch(nil)
	for range n {
		body = wire.AppendBatchKey(body, fmt.Sprintf("key:%012d", rand.IntN(100_000)))
	}
	wire.FinishBatch(body, 0, n)
	return request(2, wire.OpGetBatch, 0, body)
}

func BenchmarkNativeBatchOf100(b *testing.B) {
	for name, makeBatch := range map[string]func(int) []byte{"GET": batchOfGets, "PUT": batchOfPuts} {
		b.Run(name, func(b *testing.B) {
			c := newHarness(b, harnessOptions{}).connectNative()
			for range 1000 {
				c.ses.Input(batchOfPuts(100))
				c.ses.Sent()
			}
			var frames [64][]byte
			for i := range frames {
				frames[i] = makeBatch(100)
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				c.ses.Input(frames[i%len(frames)])
				c.ses.w.Buf = c.ses.w.Buf[:0] // as a loop does, which lends its buffers
				i++
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/key")
		})
	}
}
