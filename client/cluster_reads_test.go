package client

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prakashpandey/vegadb/internal/wire"
)

func TestRelaxedReadsGoToReplicasOfTheOwnZone(t *testing.T) {
	clusterBubble(t, 3, 3, func(t *testing.T, fc *fakeCluster, c *Client) {
		fc.mu.Lock()
		fc.epoch, fc.zones = 2, []string{"a", "b", "b"}
		fc.mu.Unlock()
		fc.lead(0, 0, 1, 2)
		synctest.Wait()
		key := fc.keyIn(0)
		_, err := c.Put(context.Background(), key, nil)
		must(t, err)
		count := func() (counts [3]int) {
			for _, line := range fc.executed() {
				if strings.Contains(line, "GET") {
					counts[line[0]-'0']++
				}
			}
			return counts
		}
		count()
		for range 60 {
			_, err := c.Get(context.Background(), key, WithConsistency(LocalReads))
			must(t, err)
			_, err = c.Get(context.Background(), key)
			must(t, err)
		}
		if n := count(); n[0] != 60 || n[1] == 0 || n[2] == 0 || n[1]+n[2] != 60 {
			t.Errorf("%v", n)
		}
		// With the zone out, the others serve.
		fc.kill(1)
		fc.kill(2)
		synctest.Wait()
		_, err = c.Get(context.Background(), key, WithMaxStaleness(time.Second))
		must(t, err)
		if n := count(); n[0] != 1 {
			t.Errorf("%v", n)
		}
	}, func(o *Options) { o.Zone = "b" })
}

func TestReplicaThatRefusesARelaxedReadSendsItToTheLeader(t *testing.T) {
	clusterBubble(t, 3, 3, func(t *testing.T, fc *fakeCluster, c *Client) {
		key := fc.keyIn(0)
		_, err := c.Put(context.Background(), key, nil)
		must(t, err)
		for _, status := range []wire.Status{wire.NotLeader, wire.Unavailable} {
			fc.on(func(node int, fs *fakeSession, r *wire.Request) bool {
				if r.Op != wire.OpGet || node == 0 {
					return false
				}
				fs.out = wire.AppendErrorReply(fs.out, r.ID, status, 0, "no replica that may be read")
				return true
			}, nil)
			for range 20 {
				_, err := c.Get(context.Background(), key, WithConsistency(LocalReads))
				must(t, err)
			}
		}
		if top, _ := c.Topology(context.Background()); top.Partitions[0].Leader != 0 {
			t.Errorf("%+v", top.Partitions[0])
		}
	})
}

// A replica that has stood still for a while still takes the leader for it whose death the others have long got over.
func TestLeaderThatIsDeadIsNotBelievedInAgainstTheTopology(t *testing.T) {
	clusterBubble(t, 3, 3, func(t *testing.T, fc *fakeCluster, c *Client) {
		key := fc.keyIn(0)
		fc.kill(2)
		fc.on(func(node int, fs *fakeSession, r *wire.Request) bool {
			if r.Op != wire.OpGet || node != 1 {
				return false
			}
			fs.out = wire.AppendNotLeader(fs.out, r.ID, fakeAddress(2), fc.epoch, "not here")
			return true
		}, nil)
		began := time.Now()
		for range 20 { // some of them ask node 1
			if _, err := c.Put(context.Background(), key, nil); err != nil {
				t.Error(err)
				return
			}
			if _, err := c.Get(context.Background(), key, WithConsistency(LocalReads)); err != nil {
				t.Error(err)
				return
			}
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("took %v, while the leader that the topology names serves", took)
		}
	})
}

func TestHungReplicaLosesItsRelaxedReads(t *testing.T) {
	clusterBubble(t, 3, 3, func(t *testing.T, fc *fakeCluster, c *Client) {
		fc.hang(1)
		fc.hang(2)
		began := time.Now()
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				_, err := c.Get(context.Background(), fc.keyIn(0), WithConsistency(LocalReads))
				if !errors.Is(err, ErrNotFound) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if took := time.Since(began); took > silentAfter+200*time.Millisecond {
			t.Errorf("took %v", took)
		}
	})
}

func TestSessionReadsAskForWhatTheClientHasSeen(t *testing.T) {
	clusterBubble(t, 3, 3, func(t *testing.T, fc *fakeCluster, c *Client) {
		ctx := context.Background()
		var asked []uint64
		fc.on(func(_ int, _ *fakeSession, r *wire.Request) bool {
			if r.Flags&wire.FlagConsistency != 0 {
				asked = append(asked, r.ConsistencyArg)
			}
			return false
		}, nil)
		read := func(key string) {
			t.Helper()
			if _, err := c.Get(ctx, key, WithConsistency(SessionReads)); err != nil && !errors.Is(err, ErrNotFound) {
				t.Error(err)
			}
		}
		key, other := fc.keyIn(0), fc.keyIn(1)
		read(key)
		v1, err := c.Put(ctx, key, nil)
		must(t, err)
		read(key)
		read(other)
		var b Batch
		b.Put(key, nil)
		b.Put(fc.keysIn(0, 2)[1], nil)
		results, err := c.Batch(ctx, &b)
		must(t, err)
		read(key)
		fc.mu.Lock()
		fc.applied[0] += 100 // somebody else's writes
		newest := fc.applied[0]
		fc.mu.Unlock()
		read(key) // its reply tells the index
		read(key)
		_, err = c.GetBatch(ctx, []string{key, other, key}, WithConsistency(SessionReads))
		must(t, err)
		last := asked[len(asked)-2:]
		slices.Sort(last)
		want := []uint64{0, v1, 0, results[1].Version, results[1].Version, newest, 0, newest}
		if !slices.Equal(asked, want) {
			t.Errorf("%v, want %v", asked, want)
		}
	})
}
