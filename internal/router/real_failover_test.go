package router

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/client"
	"github.com/prakashpandey/vegadb/internal/config"
)

// Writes are carried out once, whatever happens to the nodes meanwhile: the router
// repeats them under the sessions of its clients, and under its own for those of RESP.
func TestWritesAreCarriedOutOnceWhileNodesStopAndStart(t *testing.T) {
	cluster := startDevCluster(t)
	r := startRealRouter(t, cluster.Addrs(), func(s *config.Router) { s.RequestTimeout = time.Minute })
	db, err := client.Open(t.Context(), client.Options{Addresses: []string{r.Addr()}, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	stop := make(chan struct{})
	stopped := func() bool {
		select {
		case <-stop:
			return true
		default:
			return false
		}
	}
	const workers = 4
	var native, redis [workers]int
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for ; !stopped(); native[w]++ {
				n, err := db.Increment(t.Context(), fmt.Sprint("native", w), 1)
				if err != nil || n != int64(native[w]+1) {
					t.Errorf("increment %d: %d, %v", native[w]+1, n, err)
					return
				}
			}
		})
		peer := r.dial()
		peer.SetDeadline(time.Now().Add(3 * time.Minute))
		wg.Go(func() {
			for ; !stopped(); redis[w]++ {
				peer.send(fmt.Sprint("INCR resp", w))
				if got := peer.reply(); got != fmt.Sprint(redis[w]+1) {
					t.Errorf("INCR %d: %s", redis[w]+1, got)
					return
				}
			}
		})
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for i := range 3 {
		if err := cluster.Stop(ctx, i); err != nil {
			t.Errorf("stop node %d: %v", i, err)
		}
		if _, err := cluster.Restart(i); err != nil {
			t.Fatal(err)
		}
		if err := cluster.WaitSettled(ctx); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	wg.Wait()
	t.Logf("native increments %v, RESP %v", native, redis)
	if slices.Contains(native[:], 0) || slices.Contains(redis[:], 0) {
		t.Error("nothing was written meanwhile")
	}
}
