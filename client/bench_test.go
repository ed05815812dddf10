package client

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/prakashpandey/vegadb/internal/wire"
)

// spread spreads b.N calls over goroutines.
func spread(b *testing.B, goroutines int, f func(g, i int)) {
	b.ReportAllocs()
	b.ResetTimer()
	var next atomic.Int64
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for {
				i := int(next.Add(1))
				if i > b.N {
					return
				}
				f(g, i)
			}
		}()
	}
	wg.Wait()
}

func benchClient(b *testing.B) *Client {
	s := newFakeServer(b)
	c, err := Open(context.Background(), Options{Addresses: []string{s.address()}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	value := make([]byte, 64)
	for i := range 1000 {
		if _, err := c.Put(context.Background(), fmt.Sprintf("key%013d", i), value); err != nil {
			b.Fatal(err)
		}
	}
	return c
}

// goroutineCounts are the loads that matter: a lone caller, a small service, and
// many.
func goroutineCounts() []int { return []int{1, 50, 1000} }

func benchKeys() []string {
	keys := make([]string, 1000)
	for i := range keys {
		keys[i] = fmt.Sprintf("key%013d", i)
	}
	return keys
}

func BenchmarkGet(b *testing.B) {
	keys := benchKeys()
	for _, goroutines := range goroutineCounts() {
		b.Run(fmt.Sprintf("goroutines=%d", goroutines), func(b *testing.B) {
			c := benchClient(b)
			spread(b, goroutines, func(_, i int) {
				if _, err := c.Get(context.Background(), keys[i%1000]); err != nil {
					b.Error(err)
				}
			})
		})
	}
}

func BenchmarkPut(b *testing.B) {
	keys, value := benchKeys(), make([]byte, 64)
	for _, goroutines := range goroutineCounts() {
		b.Run(fmt.Sprintf("goroutines=%d", goroutines), func(b *testing.B) {
			c := benchClient(b)
			spread(b, goroutines, func(_, i int) {
				if _, err := c.Put(context.Background(), keys[i%1000], value); err != nil {
					b.Error(err)
				}
			})
		})
	}
}

// BenchmarkPutInCluster adds routing and, but for plain, a session to each write. The
// server does nothing: what differs is the client's (and 32 bytes on the wire).
func BenchmarkPutInCluster(b *testing.B) {
	keys, value := benchKeys(), make([]byte, 64)
	for _, plain := range []bool{true, false} {
		b.Run(fmt.Sprintf("plain=%v", plain), func(b *testing.B) {
			s := newFakeServer(b)
			s.hello = func(h wire.ClientHello) wire.ServerHello {
				return wire.ServerHello{Version: 1, Limits: wire.DefaultLimits(), ClusterID: "c", Features: h.Features, NodeID: "n"}
			}
			topology := wire.Topology{Epoch: 1, ClusterID: "c", Nodes: []wire.TopologyNode{{ID: "n", Address: s.address()}, {ID: "m"}}}
			for range 64 {
				topology.Partitions = append(topology.Partitions, wire.TopologyPartition{Replicas: []uint16{0}})
			}
			encoded := topology.Append(nil)
			s.on(func(fs *fakeSession, r *wire.Request) bool {
				body := []byte(nil)
				if r.Op == wire.OpTopology {
					body = encoded
				}
				fs.out = wire.AppendReply(fs.out, r.ID, wire.OK, 7, body)
				return true
			})
			c := open(b, s, func(o *Options) { o.NoSessions = plain })
			spread(b, 1000, func(_, i int) {
				if _, err := c.Put(context.Background(), keys[i%1000], value); err != nil {
					b.Error(err)
				}
			})
		})
	}
}

// BenchmarkGetBatch counts batches of 100, not keys.
func BenchmarkGetBatch(b *testing.B) {
	keys := benchKeys()
	c := benchClient(b)
	spread(b, 50, func(_, i int) {
		at := i % 10 * 100
		if _, err := c.GetBatch(context.Background(), keys[at:at+100]); err != nil {
			b.Error(err)
		}
	})
}

// BenchmarkWriteBatch counts batches of 100, not keys.
func BenchmarkWriteBatch(b *testing.B) {
	keys, value := benchKeys(), make([]byte, 64)
	c := benchClient(b)
	batches := make([]Batch, 50)
	spread(b, 50, func(g, i int) {
		at, batch := i%10*100, &batches[g]
		batch.Reset()
		for _, key := range keys[at : at+100] {
			batch.Put(key, value)
		}
		if _, err := c.Batch(context.Background(), batch); err != nil {
			b.Error(err)
		}
	})
}
