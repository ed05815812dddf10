package router

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/internal/wire"
)

// shuffler holds requests and lets them go in an order of chance.
type shuffler struct {
	mu     sync.Mutex
	rand   *rand.Rand      // guarded by mu
	parked []chan struct{} // guarded by mu
	some   chan struct{}   // capacity 1: something is parked
	stop   func()
	done   sync.WaitGroup
}

func newShuffler(seed uint64) *shuffler {
	s := &shuffler{rand: rand.New(rand.NewPCG(seed, 1)), some: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	s.stop = func() { cancel(); s.done.Wait() }
	s.done.Go(func() {
		quiet := time.NewTicker(time.Millisecond)
		defer quiet.Stop()
		for {
			select {
			case <-s.some:
				for s.release(4) { // gather some, to have a choice
				}
			case <-quiet.C: // no more will come before one goes
				s.release(1)
			case <-ctx.Done():
				return
			}
		}
	})
	return s
}

// release lets one request go when so many wait; false: fewer do.
func (s *shuffler) release(least int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.parked) < least {
		return false
	}
	i := s.rand.IntN(len(s.parked))
	close(s.parked[i])
	s.parked = append(s.parked[:i], s.parked[i+1:]...)
	return true
}

// hold is what a fake cluster does before it executes.
func (s *shuffler) hold(ctx context.Context, _ int, _ *wire.Request, _ *wire.Response) (bool, error) {
	ch := make(chan struct{})
	s.mu.Lock()
	s.parked = append(s.parked, ch)
	s.mu.Unlock()
	select {
	case s.some <- struct{}{}:
	default:
	}
	select {
	case <-ch:
	case <-ctx.Done():
	}
	return false, ctx.Err()
}

// randomCommand draws a command over few keys, so that many have one in common.
func randomCommand(r *rand.Rand) []string {
	key := func() string { return fmt.Sprintf("key%d", r.IntN(8)) }
	keys := func() (out []string) {
		for range 1 + r.IntN(4) {
			out = append(out, key())
		}
		return out
	}
	switch r.IntN(12) {
	case 0, 1:
		return []string{"SET", key(), fmt.Sprint(r.IntN(1000))}
	case 2, 3, 4:
		return []string{"GET", key()}
	case 5:
		return []string{"INCR", key()}
	case 6:
		return []string{"APPEND", key(), fmt.Sprint(r.IntN(10))}
	case 7:
		return append([]string{"MGET"}, keys()...)
	case 8:
		var args []string
		for _, k := range keys() {
			args = append(args, k, fmt.Sprint(r.IntN(1000)))
		}
		return append([]string{"MSET"}, args...)
	case 9:
		return append([]string{"DEL"}, keys()...)
	case 10:
		return append([]string{"EXISTS"}, keys()...)
	}
	return [][]string{{"DBSIZE"}, {"PING"}, {"STRLEN", key()}, {"ECHO", "x"}}[r.IntN(4)]
}

// The replies to a pipeline are those of a single node that carries out one command
// after the other, in whatever order the cluster gets to them.
func TestAPipelineReadsAsIfItHadBeenCarriedOutInOrder(t *testing.T) {
	overlapped := false
	for seed := range uint64(8) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			s := newShuffler(seed)
			defer s.stop()
			f := newFakeCluster(t)
			f.before = s.hold
			c := startRouter(t, f).dial()

			model := newFakeCluster(t)
			model.partitions = 1
			r := rand.New(rand.NewPCG(seed, 2))
			var sent, want bytes.Buffer
			var commands [][]string
			for range 400 {
				args := randomCommand(r)
				commands = append(commands, args)
				raw := make([][]byte, len(args))
				fmt.Fprintf(&sent, "*%d\r\n", len(args))
				for i, arg := range args {
					raw[i] = []byte(arg)
					fmt.Fprintf(&sent, "$%d\r\n%s\r\n", len(arg), arg)
				}
				switch args[0] {
				case "PING":
					want.WriteString("+PONG\r\n")
				case "ECHO":
					want.WriteString("$1\r\nx\r\n")
				case "DBSIZE":
					fmt.Fprintf(&want, ":%d\r\n", len(model.data))
				default:
					req := wire.Request{Op: wire.OpCommand, Body: appendCommand(nil, 2, raw)}
					if strings.Contains("GET MGET EXISTS STRLEN", args[0]) {
						req.OpFlags = wire.CommandReads
					}
					want.Write(model.command(0, &req))
				}
			}
			go c.Write(sent.Bytes())
			for rest, i := want.Bytes(), 0; len(rest) > 0; i++ {
				n, _ := valueBytes(rest, maxReplyDepth)
				got := make([]byte, n)
				if _, err := io.ReadFull(c.in, got); err != nil || !bytes.Equal(got, rest[:n]) {
					t.Fatalf("reply %d to %q: %q, want %q (%v)", i, commands[i], got, rest[:n], err)
				}
				rest = rest[n:]
			}
			overlapped = overlapped || f.most.Load() > 1
		})
	}
	if !overlapped {
		t.Error("requests without a key in common never ran at once")
	}
}

// blocker holds the requests that hold says until they are let go.
type blocker struct {
	release chan struct{}
	waiting chan struct{}
}

func newBlocker() *blocker {
	return &blocker{release: make(chan struct{}), waiting: make(chan struct{}, 10_000)}
}

// on makes the cluster hold requests.
func (b *blocker) on(f *fakeCluster, hold func(args []string) bool) {
	f.before = func(ctx context.Context, _ int, req *wire.Request, _ *wire.Response) (bool, error) {
		args := []string{req.Op.Name()}
		if req.Op == wire.OpCommand {
			args, _ = commandArgs(f.t, req)
		}
		if !hold(args) {
			return false, nil
		}
		b.waiting <- struct{}{}
		select {
		case <-b.release:
			return false, nil
		case <-ctx.Done():
			return true, ctx.Err()
		}
	}
}

func (b *blocker) wait(t testing.TB) {
	t.Helper()
	select {
	case <-b.waiting:
	case <-time.After(patience):
		t.Fatal("the request did not reach the cluster")
	}
}

func TestASlowKeyHoldsUpOnlyWhatNamesIt(t *testing.T) {
	f := newFakeCluster(t)
	b := newBlocker()
	b.on(f, func(args []string) bool { return args[1] == "slow" && args[0] == "SET" })
	r := startRouter(t, f)
	c := r.dial()
	c.send("SET slow 1", "SET quick 2", "GET slow", "INCR quick")
	b.wait(t)
	r.eventually("the other key's commands are carried out", func() bool { return len(f.history("quick")) == 2 })
	if h := f.history("slow"); len(h) != 0 {
		t.Errorf("%q overtook", h)
	}
	other := r.dial()
	other.ask("GET quick", "3")
	close(b.release)
	for _, want := range []string{"OK", "OK", "1", "3"} {
		if got := c.reply(); got != want {
			t.Errorf("reply %q, want %q", got, want)
		}
	}
}

func TestEqualReadsThatWaitAreSentAsOne(t *testing.T) {
	f := newFakeCluster(t)
	b := newBlocker()
	b.on(f, func(args []string) bool { return args[0] == "SET" })
	r := startRouter(t, f)
	c := r.dial()
	c.send("SET k 1", "GET k", "GET k", "STRLEN k", "GET k", "GET k", "INCR k", "GET k")
	b.wait(t)
	r.eventually("everything has been taken in", func() bool { return r.stats.inFlight.Load() == 8 })
	close(b.release)
	for _, want := range []string{"OK", "1", "1", "1", "1", "1", "2", "2"} {
		if got := c.reply(); got != want {
			t.Errorf("reply %q, want %q", got, want)
		}
	}
	if got := strings.Join(f.history("k"), ", "); got != "SET k 1, GET k, STRLEN k, GET k, INCR k, GET k" {
		t.Errorf("carried out: %s", got)
	}
	if n := r.stats.coalesced.Load(); n != 2 {
		t.Errorf("%d reads are counted as answered by others", n)
	}
}

func TestWhatConcernsAllKeysWaitsForWhatWasAskedBefore(t *testing.T) {
	f := newFakeCluster(t)
	b := newBlocker()
	b.on(f, func(args []string) bool { return args[0] == "SET" })
	r := startRouter(t, f)
	for _, line := range []string{"DBSIZE", "SCAN 0 COUNT 100", "KEYS *"} {
		f.mu.Lock()
		clear(f.data)
		f.mu.Unlock()
		b.release = make(chan struct{})
		c := r.dial()
		c.send("SET k 1", line, "SET k2 1")
		b.wait(t)
		close(b.release)
		c.reply()
		if got := c.reply(); got != "1" && got != "[k]" && got != "[0 [k]]" {
			t.Errorf("%s: %q, want the one key", line, got)
		}
		if got := c.reply(); got != "OK" {
			t.Errorf("%q", got)
		}
	}
}

func TestALongPipelineIsTakenInParts(t *testing.T) {
	const n = 20_000
	f := newFakeCluster(t)
	r := startRouter(t, f)
	c := r.dial()
	var sent bytes.Buffer
	for i := range n {
		fmt.Fprintf(&sent, "SET k%d v\r\n", i)
	}
	go c.Write(sent.Bytes())
	for i := range n {
		if got := c.reply(); got != "OK" {
			t.Fatalf("reply %d: %q", i, got)
		}
	}
	if most := f.most.Load(); most > maxPipeline {
		t.Errorf("%d requests of one connection were out at once, the limit is %d", most, maxPipeline)
	}
}

func TestACommandMayArriveByteByByte(t *testing.T) {
	c := startRouter(t, newFakeCluster(t)).dial()
	for _, b := range []byte("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\na\r\n\x00b\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n") {
		if _, err := c.Write([]byte{b}); err != nil {
			t.Fatal(err)
		}
	}
	if got := c.reply(); got != "OK" {
		t.Errorf("%q", got)
	}
	if got := c.reply(); got != "a\r\n\x00b" {
		t.Errorf("%q", got)
	}
}
