package router

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb"
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
		c.SetDeadline(time.Now().Add(patience)) // for each: a slow disk takes its time for 200
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
