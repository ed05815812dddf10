package client

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
)

// run spreads b.N calls over goroutines.
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

func BenchmarkGet(b *testing.B) {
	for _, goroutines := range []int{1, 50, 1000} {
		b.Run(fmt.Sprintf("goroutines=%d", goroutines), func(b *testing.B) {
			c := benchClient(b)
			keys := make([]string, 1000)
			for i := range keys {
				keys[i] = fmt.Sprintf("key%013d", i)
			}
			spread(b, goroutines, func(g, i int) {
				if _, err := c.Get(context.Background(), keys[i%1000]); err != nil {
					b.Error(err)
				}
			})
		})
	}
}
