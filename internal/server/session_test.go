package server

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/prakashpandey/vegadb/internal/config"
	"github.com/prakashpandey/vegadb/internal/invariants"
	"github.com/prakashpandey/vegadb/internal/vfs"
	"github.com/prakashpandey/vegadb/internal/wal"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// policies are the ways a node keeps data, each of which takes its own way
// through the session.
func policies() map[string]harnessOptions {
	return map[string]harnessOptions{
		"in-memory": {},
		"always":    {dir: "data", fs: vfs.NewMem(), policy: wal.Always},
		"everysec":  {dir: "data", fs: vfs.NewMem(), policy: wal.EverySec},
	}
}

func TestRepliesComeInTheOrderOfRequests(t *testing.T) {
	script := "SET a 1\r\nGET a\r\nINCR a\r\nNOSUCH\r\nINCR a\r\nINCRBY a x\r\nGET a\r\nPING\r\nDEL a b\r\nMSET x 1 y 2 z 3\r\nMGET x y z w\r\nKEYS x\r\nSET q 1\r\nGET q\r\nDBSIZE\r\n"
	want := "+OK\r\n$1\r\n1\r\n:2\r\n-ERR unknown command 'NOSUCH', with args beginning with: \r\n:3\r\n-ERR value is not an integer or out of range\r\n$1\r\n3\r\n+PONG\r\n:1\r\n+OK\r\n*4\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$-1\r\n*1\r\n$1\r\nx\r\n+OK\r\n$1\r\n1\r\n:4\r\n"
	for name, o := range policies() {
		t.Run(name, func(t *testing.T) {
			if got := newHarness(t, o).connect().send(script); got != want {
				t.Errorf("got\n%q\nwant\n%q", got, want)
			}
		})
	}
}

func TestOutcomeDoesNotDependOnHowInputIsSplit(t *testing.T) {
	script := "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$5\r\nhello\r\nGET a\r\n*2\r\n$6\r\nSTRLEN\r\n$1\r\na\r\nSET \"b c\" 'd e'\r\nGET \"b c\"\r\nMSET p 1 q 2\r\nMGET p q\r\nDEL a p q\r\n"
	for name, o := range policies() {
		t.Run(name, func(t *testing.T) {
			want := newHarness(t, o).connect().send(script)
			if o.fs != nil {
				o.fs = vfs.NewMem()
			}
			h := newHarness(t, o)
			for i := range len(script) {
				c := h.connect()
				c.send("FLUSHALL\r\n")
				if got := c.send(script[:i]) + c.send(script[i:]); got != want {
					t.Fatalf("split at %d: got %q, want %q", i, got, want)
				}
			}
			seed := rand.Uint64()
			rng := rand.New(rand.NewPCG(seed, 0))
			for range 20 {
				c := h.connect()
				c.send("FLUSHALL\r\n")
				if got := c.sendSplit(rng, script); got != want {
					t.Fatalf("seed %d: got %q, want %q", seed, got, want)
				}
			}
		})
	}
}

func TestAMillionPipelinedCommandsInOneWrite(t *testing.T) {
	n := 1_000_000
	if testing.Short() { // the race detector makes each of them cost ten times as much
		n = 50_000
	}
	for name, o := range policies() {
		t.Run(name, func(t *testing.T) {
			c := newHarness(t, o).connect()
			out := c.send(strings.Repeat("INCR n\r\n", n/2) + strings.Repeat("PING\r\n", n/2))
			if got := strings.Count(out, "\r\n"); got != n {
				t.Fatalf("%d replies, want %d", got, n)
			}
			if got, want := c.send("INCRBY n 0\r\n"), fmt.Sprintf(":%d\r\n", n/2); got != want {
				t.Fatalf("counter is %q", got)
			}
		})
	}
}

func TestHotPathAllocatesNothing(t *testing.T) {
	for name, o := range map[string]harnessOptions{"in-memory": {}, "everysec": {dir: t.TempDir(), policy: wal.EverySec}} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, o)
			allocatesNothing(t, h.connect(), hotRESP()...)
			allocatesNothing(t, h.connectNative(), hotNative()...)
		})
	}
}

func hotRESP() [][]byte {
	return [][]byte{[]byte("*3\r\n$3\r\nSET\r\n$16\r\nkey:000000000001\r\n$8\r\nabcdefgh\r\n"), []byte("*2\r\n$3\r\nGET\r\n$16\r\nkey:000000000001\r\n")}
}

func hotNative() [][]byte {
	read, write := commandOf(wire.CommandReads, 2, "GET", "key:000000000001"), commandOf(0, 2, "SET", "key:000000000001", "abcdefgh")
	read.ID, write.ID = 3, 4
	return [][]byte{request(1, wire.OpPut, 0, wire.AppendPut(nil, 0, "key:000000000001", "abcdefgh", 0, 0)), request(2, wire.OpGet, 0, []byte("key:000000000001")), read.Append(nil), write.Append(nil)}
}

// allocatesNothing gives a session each request many times.
func allocatesNothing(t *testing.T, c *testConn, requests ...[]byte) {
	t.Helper()
	for _, request := range requests {
		allocs := testing.AllocsPerRun(2000, func() {
			c.ses.Input(request)
			c.bring()
			c.settleLog()
			c.ses.w.Buf = c.ses.w.Buf[:0]
		})
		if allocs != 0 && !invariants.Enabled { // assertions may allocate
			t.Errorf("%q: %v allocations per command, want none", request, allocs)
		}
	}
}

// With peers, neither reads that have leave at once allocate nor those that wait for it.
func TestReadsWithLeaveAllocateNothing(t *testing.T) {
	h, p := clustered(t, harnessOptions{})
	h.preload("key:000000000001", 8)
	c, n := h.connect(), h.connectNative()
	c.input("VEGA CONSISTENCY local\r\n")
	get := wire.Request{Op: wire.OpGet, ID: 1, Body: []byte("key:000000000001"), Flags: wire.FlagConsistency, Consistency: wire.Local}
	p.quiet = true
	allocatesNothing(t, c, hotRESP()[1])
	allocatesNothing(t, n, get.Append(nil))
	p.atOnce = true
	c.input("VEGA CONSISTENCY linearizable\r\n")
	allocatesNothing(t, c, hotRESP()[1])
	allocatesNothing(t, n, hotNative()[1])
}

func TestEveryCallIsCountedOnce(t *testing.T) {
	for name, o := range policies() {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, o)
			c := h.connect()
			c.send("SET a 1\r\nGET a\r\nGET b\r\nINCR a\r\nINCR a\r\nSET x\r\nKEYS *\r\nMSET a 1 b 2\r\nSET word w\r\nINCR word\r\n")
			got := map[string][2]uint64{}
			for _, st := range h.srv.Stats().Commands {
				got[st.Name] = [2]uint64{st.Calls, st.Errors}
			}
			want := map[string][2]uint64{"set": {2, 0}, "get": {2, 0}, "incr": {3, 1}, "keys": {1, 0}, "mset": {1, 0}}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("calls and errors: %v, want %v", got, want)
			}
		})
	}
}

func TestWritesPastTheMemoryLimitAreRefusedAndReadsGoOn(t *testing.T) {
	h := newHarness(t, harnessOptions{settings: func(c *config.Server) { c.MemoryLimit = 1 << 20 }})
	c := h.connect()
	value := strings.Repeat("x", 10_000)
	refused := false
	for i := range 1000 {
		reply := c.send("SET k" + strings.Repeat("k", i%50) + string(rune('a'+i%26)) + string(rune('a'+i/26%26)) + " " + value + "\r\n")
		if strings.HasPrefix(reply, "-OOM command not allowed when used memory > 'maxmemory'.") {
			refused = true
			break
		}
	}
	if !refused {
		t.Fatal("10 MB went into 1 MiB")
	}
	if got := c.send("GET kaa\r\nDEL kaa\r\n"); !strings.HasPrefix(got, "$") || strings.HasPrefix(got, "$-1") {
		t.Errorf("reads and deletes stop at the limit: %.40q", got)
	}
}

// BenchmarkReadWithPeers is a pipeline of reads on a node that has peers: with leave at
// once, and with leave that comes while the session goes on.
func BenchmarkReadWithPeers(b *testing.B) {
	for _, level := range []string{"local", "linearizable"} {
		b.Run(level, func(b *testing.B) {
			h, p := clustered(b, harnessOptions{})
			h.preload("key:000000000001", 64)
			p.quiet, p.atOnce = true, true
			c := h.connect()
			c.input("VEGA CONSISTENCY " + level + "\r\n")
			batch := []byte(strings.Repeat(string(hotRESP()[1]), 100))
			b.ReportAllocs()
			for b.Loop() {
				c.ses.Input(batch)
				c.bring()
				c.ses.w.Buf = c.ses.w.Buf[:0]
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/command")
		})
	}
}

func BenchmarkSession(b *testing.B) {
	for name, request := range map[string]string{
		"GET": "*2\r\n$3\r\nGET\r\n$16\r\nkey:000000000001\r\n",
		"SET": "*3\r\n$3\r\nSET\r\n$16\r\nkey:000000000001\r\n$64\r\n" + strings.Repeat("v", 64) + "\r\n",
	} {
		b.Run(name+"/pipeline=100", func(b *testing.B) {
			c := newHarness(b, harnessOptions{}).connect()
			batch := []byte(strings.Repeat(request, 100))
			b.ReportAllocs()
			for b.Loop() {
				c.ses.Input(batch)
				c.ses.Sent()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/command")
		})
	}
}

// BenchmarkPipelineOfScatteredKeys has more data than the processor's cache: the
// cost is that of waiting for memory.
func BenchmarkPipelineOfScatteredKeys(b *testing.B) {
	const keys = 1_000_000
	c := newHarness(b, harnessOptions{settings: func(c *config.Server) { c.Partitions = 64 }}).connect()
	batches := func(command string, value string, n, count int) [][]byte {
		var all [][]byte
		for range count {
			var batch strings.Builder
			for range n {
				if value == "" {
					fmt.Fprintf(&batch, "*2\r\n$3\r\n%s\r\n$16\r\nkey:%012d\r\n", command, rand.IntN(keys))
				} else {
					fmt.Fprintf(&batch, "*3\r\n$3\r\n%s\r\n$16\r\nkey:%012d\r\n$64\r\n%s\r\n", command, rand.IntN(keys), value)
				}
			}
			all = append(all, []byte(batch.String()))
		}
		return all
	}
	value := strings.Repeat("v", 64)
	for i := range keys {
		c.ses.Input(fmt.Appendf(nil, "*3\r\n$3\r\nSET\r\n$16\r\nkey:%012d\r\n$64\r\n%s\r\n", i, value))
		c.ses.Sent()
	}
	for _, n := range []int{16, 100} {
		for command, value := range map[string]string{"GET": "", "SET": value} {
			b.Run(fmt.Sprintf("%s/pipeline=%d", command, n), func(b *testing.B) {
				requests := batches(command, value, n, 100_000/n)
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					c.ses.Input(requests[i%len(requests)])
					c.ses.w.Buf = c.ses.w.Buf[:0]
					i++
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/command")
			})
		}
	}
}

func TestResetForgetsTheNameAndNotTheLibrary(t *testing.T) {
	c := newHarness(t, harnessOptions{}).connect()
	c.input("CLIENT SETNAME me\r\nCLIENT SETINFO lib-name x\r\nCLIENT SETINFO lib-ver 2\r\nHELLO 3\r\n")
	if got := c.input("RESET\r\nCLIENT INFO\r\n"); !strings.Contains(got, " name= ") || !strings.Contains(got, " lib-name=x lib-ver=2 resp=2 ") {
		t.Errorf("after RESET: %q", got)
	}
}
