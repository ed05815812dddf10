package router

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"testing"

	"github.com/prakashpandey/vegadb/internal/wire"
)

// instantCluster answers every command with the same value at once.
type instantCluster struct{ fakeCluster }

var instantReply = []byte("$5\r\nhello\r\n")

func (*instantCluster) Forward(_ context.Context, _ int, _ *wire.Request, reply *wire.Response) error {
	reply.Body = instantReply
	return nil
}

// BenchmarkPipelinedGet is what the router itself costs: pipelines of 100 GETs of
// different keys over one connection, in front of a cluster that takes no time.
func BenchmarkPipelinedGet(b *testing.B) {
	const depth = 100
	c := startRouter(b, &instantCluster{fakeCluster{t: b, partitions: 64}}).dial()
	var sent bytes.Buffer
	for i := range depth {
		sent.Write(encodeRESP([]string{"GET", fmt.Sprint("key:", i)}))
	}
	got := make([]byte, depth*len(instantReply))
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; n += depth {
		if _, err := c.Write(sent.Bytes()); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(c.in, got); err != nil {
			b.Fatal(err)
		}
	}
}
