package router

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/config"
	"github.com/prakashpandey/vegadb/internal/ring"
	"github.com/prakashpandey/vegadb/internal/wire"
)

func TestCommandsOfSeveralPartitionsAreCutAndJoined(t *testing.T) {
	f := newFakeCluster(t)
	r := startRouter(t, f)
	for _, hello := range []string{"HELLO 2", "HELLO 3"} {
		c := r.dial()
		c.send(hello)
		c.reply()
		a, b, d := f.keyIn(3, 0), f.keyIn(5, 0), f.keyIn(3, 1)
		c.ask(fmt.Sprintf("MSET %s 1 %s 2 %s 3", a, b, d), "OK")
		c.ask(fmt.Sprintf("MGET %s none %s %s %s", d, a, b, d), "[3 (nil) 1 2 3]")
		c.ask(fmt.Sprintf("EXISTS %s %s none %s", a, b, a), "3")
		c.ask(fmt.Sprintf("TOUCH %s %s", a, b), "2")
		c.ask(fmt.Sprintf("UNLINK %s none", a), "1")
		c.ask(fmt.Sprintf("DEL %s %s %s", a, b, d), "2")
		c.ask("MSET a 1 b", "-ERR wrong number of arguments for 'mset' command")
	}
	if n := r.stats.split.Load(); n != 12 {
		t.Errorf("%d commands are counted as cut, want 12", n)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, line := range f.executed {
		words := strings.Fields(line)
		if words[0] == "MGET" && len(words) == 5 { // one partition's share of five keys
			t.Errorf("%q was not cut", line)
		}
	}
}

func TestEachShareKeepsTheOrderOfItsKeys(t *testing.T) {
	spec := command.Lookup([]byte("mset"))
	args := [][]byte{[]byte("mset")}
	for i := range 50 {
		args = append(args, fmt.Appendf(nil, "k%d", i), fmt.Appendf(nil, "v%d", i))
	}
	seen := 0
	for _, s := range cut(spec, args, 8) {
		if string(s.args[0]) != "mset" || len(s.args) != 1+2*len(s.places) {
			t.Fatalf("%q for %v", s.args, s.places)
		}
		last := -1
		for i, at := range s.places {
			if key := s.args[1+2*i]; string(key) != fmt.Sprintf("k%d", at) || string(s.args[2+2*i]) != fmt.Sprintf("v%d", at) ||
				ring.PartitionOf(key, 8) != s.partition || at <= last {
				t.Errorf("partition %d has %q as key %d behind %d", s.partition, key, at, last)
			}
			last = at
			seen++
		}
	}
	if seen != 50 {
		t.Errorf("%d of 50 keys", seen)
	}
}

func TestACutWriteThatFailsInPartSaysSo(t *testing.T) {
	f := newFakeCluster(t)
	a, b := f.keyIn(1, 0), f.keyIn(2, 0)
	f.before = func(_ context.Context, partition int, _ *wire.Request, reply *wire.Response) (bool, error) {
		if partition == 2 {
			reply.Status, reply.Body = wire.Unavailable, []byte("no leader")
			return true, nil
		}
		return false, nil
	}
	c := startRouter(t, f).dial()
	c.ask(fmt.Sprintf("MSET %s 1 %s 2", a, b), "-CLUSTERDOWN no leader"+partly)
	c.ask("GET "+a, "1")
	c.ask(fmt.Sprintf("MGET %s %s", a, b), "-CLUSTERDOWN no leader")
}

func TestAReplyThatCannotBeJoinedIsAnError(t *testing.T) {
	f := newFakeCluster(t)
	f.before = func(_ context.Context, _ int, req *wire.Request, reply *wire.Response) (bool, error) {
		args, _ := commandArgs(t, req)
		reply.Body = []byte(map[string]string{"MGET": "*7\r\n:1\r\n", "DEL": "+OK\r\n"}[args[0]])
		return true, nil
	}
	c := startRouter(t, f).dial()
	for _, name := range []string{"MGET", "DEL"} {
		c.ask(fmt.Sprintf("%s %s %s", name, f.keyIn(1, 0), f.keyIn(2, 0)), "-ERR a node's reply to a part of the command cannot be understood")
	}
}

func TestAJoinedReplyKeepsToTheOutputLimit(t *testing.T) {
	f := newFakeCluster(t)
	r := startRouter(t, f, func(s *config.Router) { s.Front.MaxValueBytes, s.Front.OutputLimit = 1<<20, 2<<20 })
	a, b := f.keyIn(1, 0), f.keyIn(2, 0)
	f.data[a], f.data[b] = strings.Repeat("a", 1<<20), strings.Repeat("b", 1<<20)
	c := r.dial()
	c.ask(fmt.Sprintf("MGET %s %s", a, b), "-ERR "+errTooMuch.Text)
	c.ask(fmt.Sprintf("STRLEN %s", a), "1048576")
}

func TestWhatCannotBeJoinedIsRefusedAsAcrossSlots(t *testing.T) {
	// No command of the table needs it so far: one as MSETNX would be.
	spec := &command.Spec{Name: "msetnx", FirstKey: 1, LastKey: -1, KeyStep: 2, Kind: command.KindWrite, Flags: command.FlagWrite}
	f := newFakeCluster(t)
	f.before = func(_ context.Context, partition int, _ *wire.Request, reply *wire.Response) (bool, error) {
		reply.Body = fmt.Appendf(nil, "+%d\r\n", partition)
		return true, nil
	}
	r := startRouter(t, f)
	words := func(keys ...string) [][]byte {
		args := [][]byte{[]byte("msetnx")}
		for _, k := range keys {
			args = append(args, []byte(k), []byte("v"))
		}
		return args
	}
	peer := r.dial()
	peer.ask("PING", "PONG")
	c := r.door.Open()[0] // its reader waits for input that does not come: this is its goroutine's stand-in
	c.forward(spec, words(f.keyIn(1, 0), f.keyIn(1, 1)))
	if got := peer.reply(); got != "1" {
		t.Errorf("keys of one partition: %q", got)
	}
	c.forward(spec, words(f.keyIn(1, 0), f.keyIn(2, 0)))
	c.work.Signal()
	if got := peer.reply(); got != "-CROSSSLOT Keys in request don't hash to the same slot" {
		t.Errorf("keys of two partitions: %q", got)
	}
}

func TestFailuresOfTheClusterBecomeErrorsThatRedisClientsKnow(t *testing.T) {
	f := newFakeCluster(t)
	var status wire.Status
	var body string
	var failure error
	f.before = func(context.Context, int, *wire.Request, *wire.Response) (bool, error) { return false, nil }
	f.before = func(_ context.Context, _ int, _ *wire.Request, reply *wire.Response) (bool, error) {
		reply.Status, reply.Body = status, []byte(body)
		return true, failure
	}
	c := startRouter(t, f).dial()
	for _, tc := range []struct {
		status wire.Status
		body   string
		err    error
		want   string
	}{
		{wire.OK, "+fine\r\n", nil, "fine"},
		{wire.OK, "-ERR no\r\n", nil, "-ERR no"},
		{wire.OK, "-MOVED 1 10.0.0.1:8342\r\n", nil, "-TRYAGAIN the key's partition is moving; nothing was executed"},
		{wire.OK, "-ASK 1 10.0.0.1:8342\r\n", nil, "-TRYAGAIN the key's partition is moving; nothing was executed"},
		{wire.OK, "", nil, "-ERR the node's reply was empty"},
		{wire.Busy, "full", nil, "-BUSY full"},
		{wire.MemoryLimit, "no room", nil, "-OOM no room"},
		{wire.NoSpace, "disk", nil, "-MISCONF disk"},
		{wire.Loading, "soon", nil, "-LOADING soon"},
		{wire.UnknownOutcome, "", nil, "-ERR " + wire.UnknownOutcome.Description()},
		{wire.SessionExpired, "old", nil, "-ERR old"},
		{wire.NotLeader, "elsewhere", nil, "-CLUSTERDOWN the partition changed its leader too often; nothing was executed, try again"},
		{wire.WrongEpoch, "elsewhere", nil, "-CLUSTERDOWN the partition changed its leader too often; nothing was executed, try again"},
		{wire.OK, "", context.DeadlineExceeded, "-ERR " + wire.Timeout.Description()},
		{wire.OK, "", errors.New("odd\r\nend"), "-ERR odd  end"},
	} {
		status, body, failure = tc.status, tc.body, tc.err
		c.ask("GET k", tc.want)
	}
}
