package vegadb_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"

	"github.com/prakashpandey/vegadb"
	"github.com/prakashpandey/vegadb/vegadbtest"
)

// forEachPolicy runs a test against nodes that keep their data in each way.
func forEachPolicy(t *testing.T, test func(t *testing.T, node *vegadb.Node)) {
	for _, policy := range []string{"in-memory", "always", "everysec", "never"} {
		t.Run(policy, func(t *testing.T) {
			test(t, vegadbtest.Start(t, func(c *vegadb.Config) {
				if policy != "in-memory" {
					c.InMemory, c.DataDir, c.Fsync = false, t.TempDir(), policy
				}
			}))
		})
	}
}

func TestGoRedisWorksUnmodified(t *testing.T) {
	forEachPolicy(t, func(t *testing.T, node *vegadb.Node) {
		for _, protocol := range []int{2, 3} {
			c := redis.NewClient(&redis.Options{Addr: node.Addr(), Protocol: protocol, ClientName: "test"})
			exerciseGoRedis(t, c)
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestGoRedisClusterClientWorksUnmodified(t *testing.T) {
	node := vegadbtest.Start(t)
	c := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{node.Addr()}})
	defer c.Close()
	exerciseGoRedis(t, c)
}

func exerciseGoRedis(t *testing.T, c redis.UniversalClient) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(c.FlushAll(ctx).Err())
	must(c.Ping(ctx).Err())
	must(c.Set(ctx, "k", "v", time.Minute).Err())
	if v, err := c.Get(ctx, "k").Result(); err != nil || v != "v" {
		t.Fatalf("GET = %q, %v", v, err)
	}
	if _, err := c.Get(ctx, "absent").Result(); !errors.Is(err, redis.Nil) {
		t.Fatalf("GET of an absent key: %v, want redis.Nil", err)
	}
	if ttl, err := c.TTL(ctx, "k").Result(); err != nil || ttl <= 58*time.Second || ttl > time.Minute {
		t.Fatalf("TTL = %v, %v", ttl, err)
	}
	if created, err := c.SetNX(ctx, "k", "other", 0).Result(); err != nil || created {
		t.Fatalf("SETNX on a present key = %v, %v", created, err)
	}
	must(c.MSet(ctx, "{t}a", 1, "{t}b", 2).Err())
	if v, err := c.MGet(ctx, "{t}a", "{t}b", "{t}c").Result(); err != nil || fmt.Sprint(v) != "[1 2 <nil>]" {
		t.Fatalf("MGET = %v, %v", v, err)
	}
	if n, err := c.IncrBy(ctx, "n", 41).Result(); err != nil || n != 41 {
		t.Fatalf("INCRBY = %d, %v", n, err)
	}
	if _, err := c.Incr(ctx, "k").Result(); err == nil || err.Error() != "ERR value is not an integer or out of range" {
		t.Fatalf("INCR of a word: %v", err)
	}
	results, err := c.Pipelined(ctx, func(p redis.Pipeliner) error {
		for range 100 {
			p.Incr(ctx, "n")
		}
		p.Get(ctx, "n")
		return nil
	})
	must(err)
	if got := results[100].(*redis.StringCmd).Val(); got != "141" {
		t.Fatalf("after 100 pipelined INCR: %q", got)
	}
	keys := map[string]bool{}
	for it := c.Scan(ctx, 0, "*", 3).Iterator(); it.Next(ctx); {
		keys[it.Val()] = true
	}
	if len(keys) != 4 {
		t.Fatalf("SCAN found %v", keys)
	}
	if n, err := c.Del(ctx, "{t}a", "{t}b", "{t}c").Result(); err != nil || n != 2 {
		t.Fatalf("DEL = %d, %v", n, err)
	}
}

func TestRueidisWorksUnmodified(t *testing.T) {
	forEachPolicy(t, func(t *testing.T, node *vegadb.Node) {
		c, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{node.Addr()}, DisableCache: true})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				key := fmt.Sprintf("key-%d", i)
				for j := range 20 {
					value := fmt.Sprint(j)
					if err := c.Do(ctx, c.B().Set().Key(key).Value(value).Build()).Error(); err != nil {
						t.Error(err)
						return
					}
					if got, err := c.Do(ctx, c.B().Get().Key(key).Build()).ToString(); err != nil || got != value {
						t.Errorf("%s = %q, %v; want %q", key, got, err, value)
						return
					}
				}
			})
		}
		wg.Wait()
		for _, r := range c.DoMulti(ctx, c.B().Get().Key("key-1").Build(), c.B().Exists().Key("key-1").Build(), c.B().Dbsize().Build()) {
			if err := r.Error(); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestADurableNodeHasEverythingAfterARestart(t *testing.T) {
	for _, policy := range []string{"always", "everysec", "never"} {
		t.Run(policy, func(t *testing.T) {
			dir := t.TempDir()
			durable := func(c *vegadb.Config) { c.InMemory, c.DataDir, c.Fsync = false, dir, policy }
			for round := range 3 {
				node := vegadbtest.Start(t, durable)
				c := redis.NewClient(&redis.Options{Addr: node.Addr()})
				for i := range round * 500 {
					want := fmt.Sprint(i)
					if got, err := c.Get(t.Context(), "key-"+want).Result(); err != nil || got != want {
						t.Fatalf("round %d: key-%s = %q, %v", round, want, got, err)
					}
				}
				_, err := c.Pipelined(t.Context(), func(p redis.Pipeliner) error {
					for i := round * 500; i < (round+1)*500; i++ {
						p.Set(t.Context(), fmt.Sprintf("key-%d", i), i, 0)
					}
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				if round == 1 { // the next start loads snapshots and a log behind them
					if err := node.Snapshot(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				c.Close()
				vegadbtest.Stop(t, node)
			}
		})
	}
}

func TestHTTPOnTheDataPortIsCutOff(t *testing.T) {
	node := vegadbtest.Start(t)
	conn, err := net.Dial("tcp", node.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: localhost\r\n\r\nSET evil 1\r\n")
	conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	if n, err := conn.Read(make([]byte, 100)); n > 0 || err == nil {
		t.Fatalf("read %d bytes, %v; want a closed connection", n, err)
	}
}
