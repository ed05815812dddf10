package client

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestDeadNodeStallsOnlyItsPartitionsAndOnlyUntilANewLeaderIsKnown(t *testing.T) {
	for _, pushing := range []bool{true, false} {
		clusterBubble(t, 3, 6, func(t *testing.T, fc *fakeCluster, c *Client) {
			fc.pushing = pushing
			fc.kill(1)
			synctest.Wait()
			began := time.Now()
			var wg sync.WaitGroup
			for p := range 6 {
				wg.Go(func() {
					_, err := c.Put(context.Background(), fc.keyIn(p), nil)
					took := time.Since(began)
					if err != nil {
						t.Error(p, err)
					}
					if p%3 != 1 && took != 0 {
						t.Errorf("partition %d is led by a node that is well and took %v", p, took)
					}
					if p%3 == 1 && (took < time.Second || took > 1150*time.Millisecond) {
						t.Errorf("partition %d was led by the dead node and took %v", p, took)
					}
				})
			}
			time.Sleep(time.Second)
			fc.failOver(1)
			wg.Wait()
		})
	}
}

func TestDeadNodeWithoutASuccessorIsUnavailableAtTheDeadline(t *testing.T) {
	clusterBubble(t, 3, 3, func(t *testing.T, fc *fakeCluster, c *Client) {
		fc.kill(1)
		synctest.Wait()
		began := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		_, err := c.Put(ctx, fc.keyIn(1), nil)
		e := wantErr(t, err, ErrUnavailable)
		if took := time.Since(began); took != 3*time.Second || e.Node != fakeAddress(1) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v after %v", err, took)
		}
		fc.revive(1)
		_, err = c.Put(context.Background(), fc.keyIn(1), nil) // waits for the connection
		must(t, err)
	})
}

func TestHungNodesCallsMoveToTheNewLeader(t *testing.T) {
	clusterBubble(t, 3, 6, func(t *testing.T, fc *fakeCluster, c *Client) {
		key := fc.keyIn(1)
		_, err := c.Increment(context.Background(), key, 1)
		must(t, err)
		fc.hang(1)
		began := time.Now()
		var wg sync.WaitGroup
		wg.Go(func() {
			if n, err := c.Increment(context.Background(), key, 1); n != 2 || err != nil {
				t.Error(n, err)
			}
		})
		wg.Go(func() {
			_, err := c.Get(context.Background(), fc.keysIn(1, 2)[1])
			if !errors.Is(err, ErrNotFound) {
				t.Error(err)
			}
		})
		synctest.Wait()
		time.Sleep(300 * time.Millisecond)
		fc.failOver(1)
		wg.Wait()
		if took := time.Since(began); took < silentAfter || took > silentAfter+200*time.Millisecond {
			t.Errorf("moved after %v", took)
		}
		// New calls need not wait, and what the hung node executes late has no effect.
		began = time.Now()
		if n, err := c.Increment(context.Background(), key, 1); n != 3 || err != nil || time.Since(began) != 0 {
			t.Error(n, err, time.Since(began))
		}
		fc.unhang(1)
		synctest.Wait()
		if n, err := c.Increment(context.Background(), key, 0); n != 3 || err != nil {
			t.Error(n, err)
		}
	})
}

func TestSlowLeaderKeepsItsCalls(t *testing.T) {
	clusterBubble(t, 3, 6, func(t *testing.T, fc *fakeCluster, c *Client) {
		fc.hang(1)
		result := make(chan error)
		go func() { _, err := c.Increment(context.Background(), fc.keyIn(1), 1); result <- err }()
		time.Sleep(4 * time.Second)
		fc.unhang(1)
		must(t, <-result)
		if log := fc.executed(); len(log) != 1 {
			t.Errorf("%v", log)
		}
	}, func(o *Options) { o.Timeout = time.Minute })
}

func TestHungWriteWithoutASessionIsAnUnknownOutcome(t *testing.T) {
	clusterBubble(t, 3, 6, func(t *testing.T, fc *fakeCluster, c *Client) {
		fc.hang(1)
		result := make(chan error)
		go func() { _, err := c.Increment(context.Background(), fc.keyIn(1), 1); result <- err }()
		synctest.Wait()
		fc.failOver(1)
		wantErr(t, <-result, ErrUnknownOutcome)
	}, func(o *Options) { o.NoSessions = true })
}

func TestCallsThatWaitForAHungNodesWindowMove(t *testing.T) {
	clusterBubble(t, 3, 3, func(t *testing.T, fc *fakeCluster, c *Client) {
		fc.hang(1)
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				_, err := c.Increment(context.Background(), fc.keyIn(1), 1)
				must(t, err)
			})
		}
		synctest.Wait()
		fc.failOver(1)
		wg.Wait()
		if n, err := c.Increment(context.Background(), fc.keyIn(1), 0); n != 5 || err != nil {
			t.Error(n, err)
		}
	}, func(o *Options) { o.MaxInFlight = 2 })
}
