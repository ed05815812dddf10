package router

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"

	"github.com/prakashpandey/vegadb"
	"github.com/prakashpandey/vegadb/client"
	"github.com/prakashpandey/vegadb/internal/config"
	"github.com/prakashpandey/vegadb/vegadbtest"
)

// realCluster is what a router can be put in front of in these tests: a name and what
// starts it and returns its addresses.
type realCluster struct {
	name  string
	start func(t *testing.T) []string
}

// realClusters are those that every test below runs against.
func realClusters() []realCluster {
	return []realCluster{
		{"lone node", func(t *testing.T) []string { return []string{vegadbtest.Start(t).Addr()} }},
		{"three nodes", func(t *testing.T) []string { return startDevCluster(t).Addrs() }},
	}
}

func startDevCluster(t *testing.T) *vegadb.DevCluster {
	t.Helper()
	if testing.Short() {
		t.Skip("a cluster takes its time")
	}
	cfg := vegadb.DefaultConfig()
	cfg.AdminAddr, cfg.Partitions = "", 16
	cfg.LogSegmentBytes, cfg.MaxValueBytes = 8<<20, 1<<20
	cfg.OnFatal = func(err error) { t.Errorf("vegadb: %v", err) }
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, err := vegadb.StartDevCluster(ctx, 3, vegadb.DevConfig{Node: cfg, Dir: t.TempDir(), Port: freePorts(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := c.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return c
}

// freePorts finds a place for the ports of three nodes, which keep them over a restart.
func freePorts(t *testing.T) int {
	t.Helper()
search:
	for range 100 {
		base := 20_000 + rand.IntN(10_000)
		for i := range 3 {
			for j := range 3 {
				ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", base+10*i+j))
				if err != nil {
					continue search
				}
				ln.Close()
			}
		}
		return base
	}
	t.Fatal("no free ports")
	return 0
}

// What clients see through routers in front of each of the real clusters.
func TestThroughARouter(t *testing.T) {
	for _, c := range realClusters() {
		t.Run(c.name, func(t *testing.T) {
			addresses := c.start(t)
			routers := []*testRouter{startRealRouter(t, addresses), startRealRouter(t, addresses)}
			for _, tc := range []struct {
				name string
				test func(t *testing.T, r *testRouter)
			}{
				{"every reply is that of a node, RESP2", func(t *testing.T, r *testRouter) { testRepliesAreThoseOfANode(t, r, "2") }},
				{"every reply is that of a node, RESP3", func(t *testing.T, r *testRouter) { testRepliesAreThoseOfANode(t, r, "3") }},
				{"go-redis works", testGoRedis},
				{"rueidis works", testRueidis},
				{"the Go client gets what it gets from a node", testGoClient},
				{"a connection reads what it has seen", testSessionReads},
				{"many clients at once, two routers", func(t *testing.T, _ *testRouter) { testManyClients(t, routers) }},
				{"a cursor is good at every router", func(t *testing.T, _ *testRouter) { testCursors(t, routers) }},
			} {
				t.Run(tc.name, func(t *testing.T) {
					r := *routers[0]
					r.t = t
					r.dial().ask("FLUSHALL", "OK")
					tc.test(t, &r)
				})
			}
		})
	}
}

func startRealRouter(t *testing.T, addresses []string, change ...func(*config.Router)) *testRouter {
	t.Helper()
	s := config.DefaultRouter()
	s.Front.Addr, s.Front.AdminAddr, s.Cluster = "127.0.0.1:0", "", strings.Join(addresses, ",")
	s.RequestTimeout = patience
	for _, f := range change {
		f(&s)
	}
	r, err := Start(Options{Settings: s, Version: "test", poll: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := r.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	tr := &testRouter{Router: r, t: t, log: &logBuffer{}}
	tr.eventually("the cluster is reached", func() bool { return r.State().Ready })
	return tr
}

// randomDataCommand draws any command of the data, right or wrong, whose reply does not
// depend on the moment.
func randomDataCommand(r *rand.Rand) []string {
	pick := func(words ...string) string { return words[r.IntN(len(words))] }
	key := func() string { return fmt.Sprintf("key:%d", r.IntN(12)) }
	value := func() string {
		return pick("", "1", "-7", "9223372036854775807", "word", "\x00\r\n\xff", strings.Repeat("x", r.IntN(3000)))
	}
	at := func() string { return pick("4102444800", "4102444801", "1", "0", "-5", "x", "99999999999999999999") }
	args := []string{pick("SET", "set", "GET", "GETSET", "GETDEL", "GETEX", "APPEND", "STRLEN", "INCR", "DECR", "INCRBY", "DECRBY",
		"SETNX", "SETEX", "PSETEX", "MSET", "MGET", "DEL", "UNLINK", "EXISTS", "TOUCH", "TYPE", "EXPIREAT", "PEXPIREAT", "PERSIST",
		"EXPIRETIME", "PEXPIRETIME", "TTL", "DBSIZE")}
	switch strings.ToUpper(args[0]) {
	case "DBSIZE":
	case "SET":
		args = append(args, key(), value())
		for range r.IntN(3) {
			args = append(args, pick("NX", "XX", "GET", "KEEPTTL", "EXAT", "PXAT", at(), "junk"))
		}
	case "GETSET", "APPEND", "SETNX":
		args = append(args, key(), value())
	case "SETEX", "PSETEX":
		args = append(args, key(), pick("-1", "0", "x"), value()) // a right one would count from now
	case "GETEX":
		args = append(args, key())
		if r.IntN(2) == 0 {
			args = append(args, pick("EXAT", "PERSIST", "junk"), at())
		}
	case "INCRBY", "DECRBY":
		args = append(args, key(), pick("1", "-3", "x", "9223372036854775807"))
	case "EXPIREAT", "PEXPIREAT":
		args = append(args, key(), at())
		if r.IntN(3) == 0 {
			args = append(args, pick("NX", "XX", "GT", "LT", "junk"))
		}
	case "MSET":
		for range 1 + r.IntN(5) {
			args = append(args, key(), value())
		}
	case "MGET", "DEL", "UNLINK", "EXISTS", "TOUCH":
		for range 1 + r.IntN(5) {
			args = append(args, key())
		}
	default:
		args = append(args, key())
	}
	if r.IntN(30) == 0 { // a wrong number of arguments
		args = args[:1+r.IntN(len(args))]
	}
	if args[0] == "TTL" { // counts down
		args[0] = "EXPIRETIME"
	}
	return args
}

func encodeRESP(args []string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "*%d\r\n", len(args))
	for _, arg := range args {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(arg), arg)
	}
	return b.Bytes()
}

// readValue reads the bytes of one reply.
func readValue(t *testing.T, c *raw, buf []byte) (value, rest []byte) {
	t.Helper()
	for {
		if n, ok := valueBytes(buf, maxReplyDepth); ok {
			return buf[:n], buf[n:]
		}
		more := make([]byte, 64<<10)
		n, err := c.in.Read(more)
		if err != nil {
			t.Fatalf("behind %q: %v", buf, err)
		}
		buf = append(buf, more[:n]...)
	}
}

func testRepliesAreThoseOfANode(t *testing.T, r *testRouter, proto string) {
	node := vegadbtest.Start(t)
	conn, err := net.Dial("tcp", node.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	direct := &raw{t: t, Conn: conn}
	direct.in = bufioReader(conn)
	through := r.dial()
	for _, c := range []*raw{direct, through} {
		c.send("HELLO " + proto)
		c.reply()
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	var leftDirect, leftThrough []byte
	for range 60 {
		var commands [][]string
		var pipeline []byte
		for range 1 + rnd.IntN(60) {
			args := randomDataCommand(rnd)
			commands = append(commands, args)
			pipeline = append(pipeline, encodeRESP(args)...)
		}
		go direct.Write(pipeline)
		go through.Write(pipeline)
		for _, args := range commands {
			var want, got []byte
			want, leftDirect = readValue(t, direct, leftDirect)
			got, leftThrough = readValue(t, through, leftThrough)
			if !bytes.Equal(want, got) {
				t.Fatalf("%q:\n got %.200q\nwant %.200q", args, got, want)
			}
		}
	}
}

func testGoRedis(t *testing.T, r *testRouter) {
	for name, open := range map[string]func() redis.UniversalClient{
		"RESP2": func() redis.UniversalClient { return redis.NewClient(&redis.Options{Addr: r.Addr(), Protocol: 2}) },
		"RESP3": func() redis.UniversalClient { return redis.NewClient(&redis.Options{Addr: r.Addr(), Protocol: 3}) },
		"cluster": func() redis.UniversalClient {
			return redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{r.Addr()}})
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

// testCursors scans with each page from another router.
func testCursors(t *testing.T, routers []*testRouter) {
	c := routers[0].dial()
	var lines []string
	for i := range 300 {
		lines = append(lines, fmt.Sprintf("SET s:%d v", i))
	}
	c.send(lines...)
	for range lines {
		c.reply()
	}
	found := map[string]bool{}
	cursor := "0"
	conns := []*raw{routers[0].dial(), routers[1].dial()}
	for i := 0; ; i++ {
		if i > 5000 {
			t.Fatal("the scan does not end")
		}
		c := conns[i%2]
		c.send("SCAN " + cursor + " MATCH s:* COUNT 5")
		next, keys, _ := strings.Cut(strings.Trim(c.reply(), "[]"), " [")
		for _, k := range strings.Fields(keys) {
			found[strings.TrimSuffix(k, "]")] = true
		}
		if cursor = strings.TrimSpace(next); cursor == "0" {
			break
		}
	}
	if len(found) != 300 {
		t.Errorf("%d of 300 keys", len(found))
	}
}

func testSessionReads(t *testing.T, r *testRouter) {
	c := r.dial()
	c.ask("SET k before", "OK")
	c.ask("VEGA CONSISTENCY SESSION", "OK")
	c.ask("VEGA CONSISTENCY", "session")
	c.ask("GET k", "before") // written under another level: seen all the same
	for i := range 200 {
		c.send(fmt.Sprintf("SET k%d %d", i%5, i), fmt.Sprintf("GET k%d", i%5))
		if ok, got := c.reply(), c.reply(); ok != "OK" || got != fmt.Sprint(i) {
			t.Fatalf("SET %s, GET %q, want %d", ok, got, i)
		}
	}
	for _, level := range []string{"LEASE", "BOUNDED 5000", "LOCAL", "LINEARIZABLE", "DEFAULT"} {
		c.ask("VEGA CONSISTENCY "+level, "OK")
		c.ask("VEGA CONSISTENCY", strings.ToLower(level))
		c.send("GET k1")
		if got := c.reply(); strings.HasPrefix(got, "-") {
			t.Errorf("%s: %q", level, got)
		}
	}
	c.ask("VEGA CONSISTENCY sometimes", "-ERR unknown level 'sometimes': linearizable, lease, session, bounded <ms>, local or default")
	c.ask("VEGA CONSISTENCY BOUNDED", "-ERR syntax error")
	c.ask("VEGA CONSISTENCY BOUNDED -1", "-ERR the age is not a number of milliseconds up to 3600000")
}

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
