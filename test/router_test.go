//go:build unix

package test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/client"
	"github.com/prakashpandey/vegadb/internal/clustertest"
	"github.com/prakashpandey/vegadb/internal/config"
	"github.com/prakashpandey/vegadb/internal/router"
)

// startRouter starts a router in front of a cluster.
func startRouter(t *testing.T, c *clustertest.Cluster) *router.Router {
	t.Helper()
	s := config.DefaultRouter()
	s.Front.Addr, s.Front.AdminAddr, s.RequestTimeout = "127.0.0.1:0", "", patience
	var addrs []string
	for _, n := range c.Nodes() {
		addrs = append(addrs, n.Addr)
	}
	s.Cluster = strings.Join(addrs, ",")
	r, err := router.Start(router.Options{Settings: s, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := r.Close(ctx); err != nil {
			t.Errorf("router: %v", err)
		}
	})
	err = clustertest.Poll(within(t), func() error {
		if s := r.State(); !s.Ready {
			return fmt.Errorf("router: %s", s.What)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// counter is a client that counts one key up, alone, and knows what every reply must be.
type counter struct {
	name string
	next func(want int64) error
	n    int64
}

// countUp counts all of them up, each on a goroutine, until stop is called; that waits for them.
func countUp(t *testing.T, counters []*counter) (stop func()) {
	done := make(chan struct{})
	var all sync.WaitGroup
	for _, k := range counters {
		all.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if err := k.next(k.n + 1); err != nil {
					t.Errorf("%s: %v", k.name, err)
					return
				}
				k.n++
			}
		})
	}
	return func() {
		close(done)
		all.Wait()
	}
}

// Through two routers: a write that was repeated, by whichever
// router, under whichever leader, counts once.
func TestThroughRoutersEveryWriteCountsOnceWhileNodesAreKilled(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, clustertest.Options{Nodes: 3})
	routers := []*router.Router{startRouter(t, c), startRouter(t, c)}
	var counters []*counter
	for i := range 4 {
		counters = append(counters, nativeCounter(t, routers[i%2].Addr(), i), redisCounter(t, routers[i%2].Addr(), i))
	}
	stop := countUp(t, counters)
	until := time.Now().Add(*lasting)
	for round := 0; round < 3 || time.Now().Before(until); round++ {
		n := c.Nodes()[round%3]
		c.Event("%s is killed", n)
		n.Kill()
		if err := n.Start(within(t)); err != nil {
			t.Fatal(err)
		}
		if err := c.WaitSettled(within(t)); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	db := c.Client(t)
	for _, k := range counters {
		if got, err := db.Increment(within(t), k.name, 0); err != nil || got != k.n || k.n == 0 {
			t.Errorf("%s was counted up %d times and is %d (%v)", k.name, k.n, got, err)
		}
	}
}

func nativeCounter(t *testing.T, addr string, i int) *counter {
	t.Helper()
	db, err := client.Open(t.Context(), client.Options{Addresses: []string{addr}, Timeout: patience})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	name := fmt.Sprintf("native-%d", i)
	return &counter{name: name, next: func(want int64) error {
		got, err := db.Increment(t.Context(), name, 1)
		if err == nil && got != want {
			err = fmt.Errorf("counted to %d, want %d", got, want)
		}
		return err
	}}
}

func redisCounter(t *testing.T, addr string, i int) *counter {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	in := bufio.NewReader(conn)
	name := fmt.Sprintf("redis-%d", i)
	return &counter{name: name, next: func(want int64) error {
		conn.SetDeadline(time.Now().Add(2 * patience))
		if _, err := fmt.Fprintf(conn, "INCR %s\r\n", name); err != nil {
			return err
		}
		got, err := in.ReadString('\n')
		if err == nil && got != fmt.Sprintf(":%d\r\n", want) {
			err = fmt.Errorf("reply %q, want %d", got, want)
		}
		return err
	}}
}
