package router

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"

	"github.com/prakashpandey/vegadb/client"
	"github.com/prakashpandey/vegadb/vegadbtest"
)

// What is sent once is counted once: on a machine that is slow the client must not send
// it again.
func testGoRedis(t *testing.T, r *testRouter) {
	for name, open := range map[string]func() redis.UniversalClient{
		"RESP2": func() redis.UniversalClient {
			return redis.NewClient(&redis.Options{Addr: r.Addr(), Protocol: 2, MaxRetries: -1, ReadTimeout: patience})
		},
		"RESP3": func() redis.UniversalClient {
			return redis.NewClient(&redis.Options{Addr: r.Addr(), Protocol: 3, MaxRetries: -1, ReadTimeout: patience})
		},
		"cluster": func() redis.UniversalClient {
			return redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{r.Addr()}, MaxRetries: -1, ReadTimeout: patience})
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := open()
			defer c.Close()
			exerciseGoRedis(t, c)
		})
	}
}

func exerciseGoRedis(t *testing.T, c redis.UniversalClient) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(c.FlushAll(ctx).Err())
	must(c.Set(ctx, "k", "v", time.Minute).Err())
	if v, err := c.Get(ctx, "k").Result(); err != nil || v != "v" {
		t.Fatalf("GET = %q, %v", v, err)
	}
	if _, err := c.Get(ctx, "absent").Result(); !errors.Is(err, redis.Nil) {
		t.Fatalf("GET of an absent key: %v", err)
	}
	if ttl, err := c.TTL(ctx, "k").Result(); err != nil || ttl <= 50*time.Second || ttl > time.Minute {
		t.Fatalf("TTL = %v, %v", ttl, err)
	}
	results, err := c.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i := range 300 {
			p.IncrBy(ctx, fmt.Sprintf("n%d", i%7), 1)
		}
		p.Get(ctx, "n0")
		return nil
	})
	must(err)
	if got := results[300].(*redis.StringCmd).Val(); got != "43" {
		t.Fatalf("after pipelined INCRBY: %q", got)
	}
	keys := map[string]bool{}
	for it := c.Scan(ctx, 0, "n*", 3).Iterator(); it.Next(ctx); {
		keys[it.Val()] = true
	}
	if len(keys) != 7 {
		t.Fatalf("SCAN found %v", keys)
	}
	if n, err := c.DBSize(ctx).Result(); err != nil || n != 8 {
		t.Fatalf("DBSIZE = %d, %v", n, err)
	}
	if _, err := c.Incr(ctx, "k").Result(); err == nil || err.Error() != "ERR value is not an integer or out of range" {
		t.Fatalf("INCR of a word: %v", err)
	}
}

func testRueidis(t *testing.T, r *testRouter) {
	c, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{r.Addr()}, DisableCache: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
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
}

func testGoClient(t *testing.T, r *testRouter) {
	node := vegadbtest.Start(t)
	outcomes := map[string][]string{}
	for name, address := range map[string]string{"direct": node.Addr(), "through": r.Addr()} {
		c, err := client.Open(t.Context(), client.Options{Addresses: []string{address}, Timeout: patience})
		if err != nil {
			t.Fatal(err)
		}
		outcomes[name] = exerciseGoClient(t, c)
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	if !reflect.DeepEqual(outcomes["direct"], outcomes["through"]) {
		for i := range outcomes["direct"] {
			if a, b := outcomes["direct"][i], outcomes["through"][i]; a != b {
				t.Errorf("direct  %s\nthrough %s", a, b)
			}
		}
	}
}

// exerciseGoClient makes a call of every kind and returns what they said.
func exerciseGoClient(t *testing.T, c *client.Client) (out []string) {
	ctx := t.Context()
	say := func(what string, err error, values ...any) {
		line := what + ":"
		for _, v := range values {
			line += fmt.Sprintf(" %v", v)
		}
		var e *client.Error
		if errors.As(err, &e) {
			line += " " + e.Status.String()
		} else if err != nil {
			line += " " + err.Error()
		}
		out = append(out, line)
	}
	version, err := c.Put(ctx, "a", []byte("1"), client.WithTTL(time.Hour))
	say("put", err, version > 0)
	value, err := c.Get(ctx, "a")
	say("get", err, string(value))
	_, err = c.Get(ctx, "absent")
	say("get absent", err)
	_, err = c.Put(ctx, "a", []byte("2"), client.IfAbsent())
	say("put if absent", err)
	_, err = c.CompareAndPut(ctx, "a", version+1_000_000, []byte("2"))
	say("compare wrong", err)
	newer, err := c.CompareAndPut(ctx, "a", version, []byte("2"))
	say("compare right", err, newer > version)
	entry, err := c.GetEntry(ctx, "a")
	say("entry", err, entry.Key, string(entry.Value), entry.Version == newer, entry.ExpiresAt.IsZero())
	var receipt client.Receipt
	var before client.Previous
	_, err = c.Put(ctx, "a", []byte("3"), client.WithPrevious(&before), client.WithReceipt(&receipt))
	say("previous", err, before.Found, string(before.Value), receipt.Version > newer, receipt.Term > 0)
	n, err := c.Increment(ctx, "n", 5)
	say("increment", err, n)
	_, err = c.Increment(ctx, "word", 1)
	say("increment", err)
	say("expire", c.Expire(ctx, "n", time.Hour))
	say("expire absent", c.Expire(ctx, "absent", time.Hour))
	say("persist", c.Persist(ctx, "n"))
	var b client.Batch
	for i := range 50 {
		b.Put(fmt.Sprintf("batch:%d", i), fmt.Append(nil, i))
	}
	b.Increment("n", 2)
	b.Delete("absent")
	results, err := c.Batch(ctx, &b)
	say("batch", err, len(results))
	for i, r := range results {
		say(fmt.Sprint("item ", i), r.Err(), r.Int, r.Version > 0)
	}
	var keys []string
	for i := range 60 {
		keys = append(keys, fmt.Sprintf("batch:%d", i))
	}
	results, err = c.GetBatch(ctx, keys)
	say("get batch", err, len(results))
	for i, r := range results {
		say(fmt.Sprint("item ", i), r.Err(), string(r.Value))
	}
	var found []string
	for e, err := range c.Scan(ctx, client.WithPrefix("batch:"), client.WithPageSize(7)) {
		if err != nil {
			say("scan", err)
			break
		}
		found = append(found, e.Key+"="+string(e.Value))
	}
	slices.Sort(found)
	say("scan", nil, found)
	count, err := c.Count(ctx)
	say("count", err, count)
	reply, err := c.Do(ctx, [][]byte{[]byte("STRLEN"), []byte("a")}, true, 2)
	say("do", err, string(reply))
	_, err = c.Do(ctx, [][]byte{[]byte("SET"), []byte("a"), []byte("x")}, true, 2)
	say("do a write as a read", err)
	_, err = c.Do(ctx, [][]byte{[]byte("NONSENSE"), []byte("a")}, true, 2)
	say("do nonsense", err)
	deleted, err := c.Delete(ctx, "a")
	say("delete", err, deleted)
	topology, err := c.Topology(ctx)
	say("topology", err, len(topology.Nodes), len(topology.Partitions) > 0)
	say("flush", c.Flush(ctx))
	count, err = c.Count(ctx)
	say("count", err, count)
	say("ping", c.Ping(ctx))
	return out
}

func testManyClients(t *testing.T, routers []*testRouter) {
	var wg sync.WaitGroup
	for i := range 8 {
		c := routers[i%2].dial()
		wg.Go(func() {
			var sent bytes.Buffer
			for j := range 300 {
				fmt.Fprintf(&sent, "INCR shared\r\nSET own:%d %d\r\nGET own:%d\r\n", i, j, i)
			}
			go io.Copy(c, &sent)
			last := ""
			for j := range 300 {
				n, ok, own := c.reply(), c.reply(), c.reply()
				if ok != "OK" || own != fmt.Sprint(j) || len(n) < len(last) || len(n) == len(last) && n <= last {
					t.Errorf("client %d: INCR %s behind %s, SET %s, GET %s", i, n, last, ok, own)
					return
				}
				last = n
			}
		})
	}
	wg.Wait()
	routers[0].dial().ask("GET shared", "2400")
}
