package server

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/prakashpandey/vegadb/internal/config"
	"github.com/prakashpandey/vegadb/internal/node"
	"github.com/prakashpandey/vegadb/internal/ring"
	"github.com/prakashpandey/vegadb/internal/wire"
)

func TestAPipelineOfReadsWaitsTogether(t *testing.T) {
	h, p := clustered(t, harnessOptions{})
	c := h.connect()
	if got := c.input("GET a\r\nGET b\r\nMGET {a}1 {a}2\r\nEXISTS c\r\nGET d e\r\nTTL a\r\n"); got != "" {
		t.Fatalf("answered without leave: %q", got)
	}
	if reads, _ := p.waiting(); reads != 5 {
		t.Fatalf("%d reads ask for leave, want 5 at once", reads)
	}
	for i := range 4 { // in any order but the first: nothing can go out
		p.grant(4-i, nil)
		if got := c.ready(); got != "" {
			t.Fatalf("%q went out before the first reply", got)
		}
	}
	p.grant(0, nil)
	if got, want := c.ready(), "$-1\r\n$-1\r\n*2\r\n$-1\r\n$-1\r\n:0\r\n-ERR wrong number of arguments for 'get' command\r\n:-2\r\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if !c.ses.idle() || c.ses.readBytes != 0 || h.srv.inFlight.Load() != 0 {
		t.Errorf("idle %v, %d bytes held, %d in flight", c.ses.idle(), c.ses.readBytes, h.srv.inFlight.Load())
	}
}

func TestReadsAndWritesOfAConnectionKeepTheirOrder(t *testing.T) {
	h, p := clustered(t, harnessOptions{})
	c := h.connect()
	c.input("SET a 1\r\nSET b 1\r\nGET a\r\nGET b\r\nSET a 2\r\nGET a\r\n")
	if reads, writes := p.waiting(); reads != 0 || writes != 2 {
		t.Fatalf("%d reads and %d writes are under way, want the 2 writes", reads, writes)
	}
	p.commit(2)
	if got := c.ready(); got != "+OK\r\n+OK\r\n" {
		t.Fatalf("%q", got)
	}
	if reads, writes := p.waiting(); reads != 2 || writes != 0 {
		t.Fatalf("%d reads and %d writes are under way, want the 2 reads", reads, writes)
	}
	p.grant(1, nil)
	p.grant(0, nil)
	if got := c.ready(); got != "$1\r\n1\r\n$1\r\n1\r\n" {
		t.Fatalf("%q", got)
	}
	p.commit(1)
	c.bring()
	p.grant(0, nil)
	if got := c.ready(); got != "+OK\r\n$1\r\n2\r\n" {
		t.Errorf("%q", got)
	}
}

// TestPipelinesOnANodeWithPeersAreAnsweredAsIfOneByOne is the test without "on a node
// with peers", where writes are committed and reads get leave at random moments.
func TestPipelinesOnANodeWithPeersAreAnsweredAsIfOneByOne(t *testing.T) {
	for _, ballast := range []int{0, aheadFrom} { // with it, reads are looked at ahead
		t.Run(fmt.Sprint("ballast=", ballast), func(t *testing.T) { pipelinesWithPeers(t, ballast) })
	}
}

func pipelinesWithPeers(t *testing.T, ballast int) {
	h, p := clustered(t, harnessOptions{})
	base := &model{data: map[string]string{}}
	for i := range ballast / (500 << 10) {
		key := fmt.Sprint("ballast-", i)
		base.set(key, "")
		h.preload(key, 512<<10)
	}
	p.work(t, rand.New(rand.NewPCG(1, 2)))
	tag := strings.NewReplacer("a", "{t}a", "b", "{t}b", "c", "{t}c", "d", "{t}d", "e", "{t}e", "{a}", "{t}x")
	rapid.Check(t, func(rt *rapid.T) {
		c := h.connect()
		defer h.srv.forget(c.ses)
		m := &model{data: maps.Clone(base.data), ttl: map[string]int{}}
		var keys []string
		for _, k := range modelKeys {
			keys = append(keys, tag.Replace(k))
		}
		c.send("DEL " + strings.Join(keys, " ") + "\r\n")
		var input []byte
		var want strings.Builder
		var asked []string
		for range rapid.IntRange(1, 60).Draw(rt, "commands") {
			args := drawCommand(rt)
			if args[0] == "FLUSHALL" || args[0] == "GETX" { // the one is the node's affair, the other names a key
				continue
			}
			for i := range args[1:] {
				if slices.Contains(modelKeys, args[1+i]) {
					args[1+i] = tag.Replace(args[1+i])
				}
			}
			input = appendCommand(input, args, rapid.Bool().Draw(rt, "line"))
			want.WriteString(m.do(args))
			asked = append(asked, fmt.Sprintf("%.60q", args))
		}
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "interleaving"), 0))
		if got := c.drive(rng, input); got != want.String() {
			rt.Fatalf("got %.300q\nwant %.300q\n%s", got, want.String(), strings.Join(asked, "\n"))
		}
		if c.ses.readBytes != 0 {
			rt.Fatalf("%d bytes of reads stay counted", c.ses.readBytes)
		}
	})
}

// Reads that wait together are executed one by one, as there is room for their
// replies.
func TestReadsThatWaitedCannotAskForUnboundedOutput(t *testing.T) {
	const size, gets = 512 << 10, 500
	h, p := clustered(t, harnessOptions{})
	c := h.connect()
	c.ses.Input(fmt.Appendf(nil, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n%s\r\n", size, strings.Repeat("x", size)))
	p.commit(1)
	if got := c.ready(); got != "+OK\r\n" {
		t.Fatalf("%.80q", got)
	}
	native := h.connectNative()
	for name, conn := range map[string]*testConn{"resp": c, "native": native} {
		var input []byte
		for i := range gets {
			if name == "resp" {
				input = append(input, "GET k\r\n"...)
			} else {
				input = append(input, request(uint32(i), wire.OpGet, 0, []byte("k"))...)
			}
		}
		conn.ses.Input(input)
		taken := 0
		for taken < gets*size {
			for reads, _ := p.waiting(); reads > 0; reads, _ = p.waiting() {
				p.grant(0, nil)
			}
			for len(conn.delivered) > 0 {
				conn.ses.Complete(<-conn.delivered)
			}
			out := len(conn.ses.Output())
			if out == 0 || out > crowdedOutput+2*size {
				t.Fatalf("%s: %d bytes of output at once after %d", name, out, taken)
			}
			taken += out
			conn.ses.w.Buf = conn.ses.w.Buf[:0]
			conn.ses.Resume()
		}
		if !conn.ses.idle() || conn.ses.waitHead != nil || h.srv.inFlight.Load() != 0 {
			t.Errorf("%s: %d waits, parked %v, %d in flight at the end", name, conn.ses.waits, conn.ses.parked, h.srv.inFlight.Load())
		}
	}
}

// Copies of what was asked are bounded as well.
func TestReadsThatWaitHoldABoundedAmount(t *testing.T) {
	h, p := clustered(t, harnessOptions{})
	key := strings.Repeat("k", 60<<10)
	for name, conn := range map[string]*testConn{"resp": h.connect(), "native": h.connectNative()} {
		for i := range 100 {
			if name == "resp" {
				conn.ses.Input(fmt.Appendf(nil, "*2\r\n$3\r\nGET\r\n$%d\r\n%s\r\n", len(key), key))
			} else {
				conn.ses.Input(request(uint32(i), wire.OpGet, 0, []byte(key[:60<<10])))
			}
		}
		if held := conn.ses.readBytes; held > maxReadBytes+len(key) || held < maxReadBytes {
			t.Errorf("%s: %d bytes are held", name, held)
		}
		for conn.ses.waits > 0 || conn.ses.parked {
			for reads, _ := p.waiting(); reads > 0; reads, _ = p.waiting() {
				p.grant(0, nil)
			}
			conn.bring()
		}
		if conn.ses.readBytes != 0 {
			t.Errorf("%s: %d bytes stay counted", name, conn.ses.readBytes)
		}
	}
}

func TestRedirectionsAreThoseOfRedis(t *testing.T) {
	h, p := clustered(t, harnessOptions{})
	c := h.connect()
	here, there, nowhere, unknown := h.keyIn(0), h.keyIn(1), h.keyIn(2), h.keyIn(3)
	p.elsewhere("10.0.0.2:7000", 1)
	p.leaderless(2)
	p.elsewhere("", 3)
	moved := fmt.Sprintf("-MOVED %d 10.0.0.2:7000\r\n", ring.Slot([]byte(there)))
	const down, again = "-CLUSTERDOWN The cluster is down\r\n", "-TRYAGAIN The partition's leader is changing, or its address is not known yet: try again in a moment\r\n"
	for command, want := range map[string]string{
		"GET " + there: moved, "SET " + there + " v": moved, "TTL " + there: moved, "DEL {" + there + "}1 {" + there + "}2": moved, "MGET " + there: moved,
		"GET " + nowhere: down, "INCR " + nowhere: down, "GET " + unknown: again, "SET " + unknown + " v": again,
		"MGET " + here + " " + there: "-CROSSSLOT Keys in request don't hash to the same slot\r\n",
		"MSET a 1 b 2":               "-CROSSSLOT Keys in request don't hash to the same slot\r\n",
		"DEL {a}1 b":                 "-CROSSSLOT Keys in request don't hash to the same slot\r\n",
		"MSET a 1 b":                 "-ERR wrong number of arguments for 'mset' command\r\n",
		"ASKING":                     "+OK\r\n", "PING": "+PONG\r\n",
	} {
		if got := c.input(command + "\r\n"); got != want {
			t.Errorf("%s: %q, want %q", command, got, want)
		}
	}
	p.elsewhere("[2001:db8::7]:7000", 1)
	if got, want := c.input("GET "+there+"\r\n"), fmt.Sprintf("-MOVED %d 2001:db8::7:7000\r\n", ring.Slot([]byte(there))); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	// Behind what waits, a redirection keeps its place.
	c.input("GET " + here + "\r\nGET " + nowhere + "\r\nSET " + there + " v\r\nGET " + here + "\r\n")
	p.grant(0, nil)
	c.bring()
	p.grant(0, node.ErrNoLeader)
	if got, want := c.ready(), "$-1\r\n"+down+fmt.Sprintf("-MOVED %d 2001:db8::7:7000\r\n", ring.Slot([]byte(there)))+down; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// A node that does not lead the key's partition must not refuse for want of memory
// what the leader has room for.
func TestAFullNodeSendsWritesToTheLeader(t *testing.T) {
	h, p := clustered(t, harnessOptions{settings: func(c *config.Server) { c.MemoryLimit = 1 << 20 }})
	h.preload("much", 2<<20)
	c, n := h.connect(), h.connectNative()
	here, there := h.keyIn(0), h.keyIn(1)
	p.elsewhere("10.0.0.2:7000", 1)
	if got := c.input("SET " + there + " v\r\n"); !strings.HasPrefix(got, "-MOVED ") {
		t.Errorf("%q", got)
	}
	if got := c.input("SET " + here + " v\r\n"); !strings.HasPrefix(got, "-OOM ") {
		t.Errorf("%q", got)
	}
	expect(t, "there", n.put(there, "v"), wire.NotLeader, "")
	expect(t, "here", n.put(here, "v"), wire.MemoryLimit, "")
}

func TestWritesThatFailAreAnsweredByWhatIsKnown(t *testing.T) {
	h, p := clustered(t, harnessOptions{})
	c := h.connect()
	elsewhere := &node.NotLeaderError{Partition: 0, Addr: "10.0.0.2:7000"}
	moved := fmt.Sprintf("-MOVED %d 10.0.0.2:7000\r\n", ring.Slot([]byte("a")))
	for _, step := range []struct {
		command string
		fault   error
		want    string
	}{
		{"SET a 1", elsewhere, moved},
		{"DEL {a}1 {a}2", elsewhere, moved},
		{"INCR a", node.ErrNoLeader, "-CLUSTERDOWN The cluster is down\r\n"},
		{"MSET {a}1 1 {a}2 2", node.ErrUnknownOutcome, "-ERR " + node.ErrUnknownOutcome.Error() + "\r\n"},
		{"GETEX a EX 5", node.ErrUnknownOutcome, "-ERR " + node.ErrUnknownOutcome.Error() + "\r\n"},
	} {
		if got := c.input(step.command + "\r\n"); got != "" {
			t.Errorf("%s: %q before it has failed", step.command, got)
		}
		p.fail(step.fault)
		if got := c.ready(); got != step.want {
			t.Errorf("%s: %q, want %q", step.command, got, step.want)
		}
	}
	c.input("SET a 1\r\nSET a 2\r\nSET a 3\r\n")
	p.fail(node.ErrUnknownOutcome)
	p.commit(2)
	if got := c.ready(); got != "-ERR "+node.ErrUnknownOutcome.Error()+"\r\n+OK\r\n+OK\r\n" {
		t.Errorf("one of three: %q", got)
	}
}

// A write of several partitions on a node that gets its first peer meanwhile may be
// executed in part. That must not look like success, nor like a refusal.
func TestAWriteThatIsExecutedInPartIsUnknown(t *testing.T) {
	h, p := clustered(t, harnessOptions{})
	p.lone, p.deferred = true, true
	c := h.connect()
	a, b := h.keyIn(0), h.keyIn(1)
	for command, want := range map[string]string{
		"MSET " + a + " 1 " + b + " 2": "-ERR " + errPartly.Text + "\r\n",
		"DEL " + a + " " + b:           "-ERR " + errPartly.Text + "\r\n",
	} {
		for partition := range 2 {
			c.input(command + "\r\n")
			p.fail(node.ErrNoLeader, partition)
			if got := c.ready(); got != want {
				t.Errorf("%s, without partition %d: %q", command, partition, got)
			}
		}
		c.input(command + "\r\n")
		p.fail(node.ErrNoLeader)
		if got := c.ready(); got != "-CLUSTERDOWN The cluster is down\r\n" {
			t.Errorf("%s, nothing of it: %q", command, got)
		}
	}
}

// A replica that has got leave for a read may be replaced, or go, before the read's
// turn comes.
func TestAReadThatHasWaitedIsNotExecutedOnWhatIsBeingReplaced(t *testing.T) {
	h, p := clustered(t, harnessOptions{})
	c, n := h.connect(), h.connectNative()
	h.preload("k", 3)
	part := h.srv.partition([]byte("k")).Number
	for what, happens := range map[string]func(){
		"replaced": func() { p.recheck = node.ErrNotHere },
		"gone":     func() { p.missing[part] = true },
		"elsewhere": func() {
			p.missing[part] = true
			p.recheck = &node.NotLeaderError{Addr: "10.0.0.2:7000"}
			p.elsewhere("10.0.0.2:7000", part)
		},
	} {
		p.recheck = nil
		clear(p.missing)
		clear(p.leaders)
		c.ses.Input([]byte("STRLEN k\r\n"))
		n.ses.Input(request(1, wire.OpGet, 0, []byte("k")))
		p.grant(0, nil)
		p.grant(0, nil)
		happens()
		text, reply := c.ready(), wire.Response{}
		n.bring()
		if reply = n.one(n.frames()); what == "elsewhere" {
			if text != fmt.Sprintf("-MOVED %d 10.0.0.2:7000\r\n", ring.Slot([]byte("k"))) || reply.Status != wire.NotLeader {
				t.Errorf("%s: %q, %+v", what, text, reply)
			}
		} else if text != "-CLUSTERDOWN The cluster is down\r\n" || reply.Status != wire.Unavailable {
			t.Errorf("%s: %q, %+v", what, text, reply)
		}
	}
}

// Between the look at the node and the write the node may have got its first peer.
func TestAWriteMayMeetANodeThatHasJustBecomeDeferred(t *testing.T) {
	h, p := clustered(t, harnessOptions{})
	p.lone = true
	c, n := h.connect(), h.connectNative()
	if got := c.input("SET a 1\r\nMSET a 1 b 2\r\n"); got != "+OK\r\n+OK\r\n" {
		t.Fatalf("%q", got)
	}
	turn := func() { // the sessions have looked, and then
		c.ses.look()
		n.ses.look()
		p.mu.Lock()
		p.lone = false
		p.mu.Unlock()
		if c.ses.deferred || n.ses.deferred {
			t.Fatal("the sessions know already")
		}
	}
	turn()
	c.ses.batch.begin()
	c.ses.consumeRESP([]byte("SET a 2\r\nMSET {a}1 1 {a}2 2\r\nINCR a\r\n"))
	n.ses.consumeNative(request(1, wire.OpPut, 0, wire.AppendPut(nil, 0, "b", "1", 0, 0)))
	n.ses.consumeNative(request(2, wire.OpWriteBatch, 0, writeBatchBody(writeItem{op: wire.OpIncrement, body: wire.AppendIncrement(nil, 0, "b", 1, 0)})))
	if got := c.ready() + n.ready(); got != "" {
		t.Fatalf("answered before they are committed: %q", got)
	}
	if _, writes := p.waiting(); writes != 5 {
		t.Fatalf("%d writes are under way", writes)
	}
	p.commit(5)
	if got := c.ready(); got != "+OK\r\n+OK\r\n:3\r\n" {
		t.Errorf("%q", got)
	}
	n.bring()
	if frames := n.frames(); len(frames) != 2 || frames[0].Status != wire.OK || itemResults(t, frames[1])[0].Status != wire.OK {
		t.Errorf("%+v", frames)
	}
}

func TestAReadAsksForTheLevelOfItsConnection(t *testing.T) {
	h, p := clustered(t, harnessOptions{})
	p.elsewhere("10.0.0.2:7000", 1)
	p.missing[2] = true
	here, there, gone := h.keyIn(0), h.keyIn(1), h.keyIn(2)
	c := h.connect()
	moved := fmt.Sprintf("-MOVED %d 10.0.0.2:7000\r\n", ring.Slot([]byte(there)))
	for _, step := range []struct {
		commands, want string
		asked          []askedRead
	}{
		{"VEGA CONSISTENCY", "$12\r\nlinearizable\r\n", nil},
		{"GET " + there, moved, []askedRead{{1, wire.Linearizable, 0}}},
		{"READONLY", "+OK\r\n", nil},
		{"VEGA CONSISTENCY", "$5\r\nlocal\r\n", nil},
		{"GET " + there, "$-1\r\n", []askedRead{{1, wire.Local, 0}}},
		{"GET " + gone, "-CLUSTERDOWN The cluster is down\r\n", []askedRead{{2, wire.Local, 0}}},
		{"SET " + there + " v", moved, nil},
		{"VEGA CONSISTENCY bounded 250", "+OK\r\n", nil},
		{"VEGA CONSISTENCY", "$11\r\nbounded 250\r\n", nil},
		{"GET " + there, "$-1\r\n", []askedRead{{1, wire.Bounded, 250}}},
		{"VEGA CONSISTENCY LEASE", "+OK\r\n", nil},
		{"GET " + here, "$-1\r\n", []askedRead{{0, wire.Lease, 0}}},
		{"GET " + there, moved, []askedRead{{1, wire.Lease, 0}}},
		{"READWRITE", "+OK\r\n", nil},
		{"VEGA CONSISTENCY default", "+OK\r\n", nil},
		{"GET " + there, moved, []askedRead{{1, wire.Linearizable, 0}}},
		{"CONFIG SET read-consistency bounded read-max-age 2s", "+OK\r\n", nil},
		{"GET " + there, "$-1\r\n", []askedRead{{1, wire.Bounded, 2000}}},
		{"CONFIG SET read-consistency linearizable", "+OK\r\n", nil},
		{"VEGA CONSISTENCY strict", "-ERR unknown level 'strict': linearizable, lease, session, bounded <ms>, local or default\r\n", nil},
		{"VEGA CONSISTENCY bounded", "-ERR syntax error\r\n", nil},
		{"VEGA CONSISTENCY local 5", "-ERR syntax error\r\n", nil},
		{"VEGA CONSISTENCY bounded -1", "-ERR the age is not a number of milliseconds up to 3600000\r\n", nil},
		{"VEGA CONSISTENCY local", "+OK\r\n", nil},
		{"RESET", "+RESET\r\n", nil},
		{"VEGA CONSISTENCY", "$12\r\nlinearizable\r\n", nil},
	} {
		if got := c.input(step.commands + "\r\n"); got != step.want {
			t.Errorf("%s: %q, want %q", step.commands, got, step.want)
		}
		if asked := p.levels(); fmt.Sprint(asked) != fmt.Sprint(step.asked) {
			t.Errorf("%s asked for %v, want %v", step.commands, asked, step.asked)
		}
	}
}

func TestALeaseThatEndsMeanwhileIsNotShown(t *testing.T) {
	h, p := clustered(t, harnessOptions{})
	c, n := h.connect(), h.connectNative()
	c.input("SET k secret\r\n")
	p.commit(1)
	c.ready()
	c.input("VEGA CONSISTENCY lease\r\n")
	lease := wire.Request{Op: wire.OpGet, Body: []byte("k"), Flags: wire.FlagConsistency, Consistency: wire.Lease}
	if got := c.input("GET k\r\n"); got != "$6\r\nsecret\r\n" {
		t.Errorf("with the lease: %q", got)
	}
	expect(t, "with the lease", n.roundTrip(lease), wire.OK, "secret")
	p.recheck = &node.NotLeaderError{Addr: "10.0.0.2:7000"}
	if got, want := c.input("GET k\r\nMGET k\r\n"), strings.Repeat(fmt.Sprintf("-MOVED %d 10.0.0.2:7000\r\n", ring.Slot([]byte("k"))), 2); got != want {
		t.Errorf("without: %q", got)
	}
	expect(t, "without", n.roundTrip(lease), wire.NotLeader, "")
	lease.Op, lease.Body = wire.OpGetBatch, keysBody("k", "l")
	expect(t, "a batch without", n.roundTrip(lease), wire.NotLeader, "")
	lease.Op, lease.Body = wire.OpScan, wire.AppendScan(nil, 0, 10, "")
	expect(t, "a scan without", n.roundTrip(lease), wire.NotLeader, "")
}

func keysBody(keys ...string) []byte {
	body := wire.BeginBatch(nil)
	for _, k := range keys {
		body = wire.AppendBatchKey(body, k)
	}
	wire.FinishBatch(body, 0, len(keys))
	return body
}

// At level session a connection sees what it has written and seen before, on a
// replica that is behind as well.
func TestASessionRemembersWhatItHasSeen(t *testing.T) {
	h, p := clustered(t, harnessOptions{})
	c := h.connect()
	key := h.keyIn(3)
	part := h.srv.partitions[3]
	write := func(n int) {
		for i := range n {
			c.input(fmt.Sprintf("SET %s %d\r\n", key, i))
			p.commit(1)
			c.ready()
		}
	}
	write(3)
	c.input("VEGA CONSISTENCY session\r\nGET " + key + "\r\n")
	if asked := p.levels(); len(asked) != 1 || asked[0] != (askedRead{3, wire.SessionReads, part.State().Index}) {
		t.Errorf("after writes before the level was chosen: %v, index %d", asked, part.State().Index)
	}
	write(2)
	c.input("GET " + key + "\r\n")
	if asked := p.levels(); len(asked) != 1 || asked[0].arg != part.State().Index || asked[0].arg < 5 {
		t.Errorf("after further writes: %v, index %d", asked, part.State().Index)
	}
	c.input("GET " + h.keyIn(4) + "\r\n")
	if asked := p.levels(); len(asked) != 1 || asked[0].arg != 0 {
		t.Errorf("of a partition it has nothing of: %v", asked)
	}
}

func TestScansAndCountsExtendToWhatTheNodeLeads(t *testing.T) {
	h, p := clustered(t, harnessOptions{})
	for i := range 8 {
		for j := range 10 {
			h.preload(fmt.Sprintf("{%s}%d", h.keyIn(i), j), 1)
		}
	}
	p.elsewhere("10.0.0.2:7000", 0, 3, 7)
	p.missing[3] = true
	c := h.connect()
	scan := func() (keys int) {
		for cursor := "0"; ; {
			got := strings.Split(c.input("SCAN "+cursor+" COUNT 7\r\n"), "\r\n")
			for _, field := range got {
				if strings.HasPrefix(field, "{") {
					keys++
				}
			}
			if cursor = got[2]; cursor == "0" {
				return keys
			}
		}
	}
	check := func(what string, want int) {
		t.Helper()
		if got := c.input("DBSIZE\r\n"); got != fmt.Sprintf(":%d\r\n", want) {
			t.Errorf("%s: DBSIZE %q, want %d", what, got, want)
		}
		if got := strings.Count(c.send("KEYS *\r\n"), "{"); got != want {
			t.Errorf("%s: KEYS %d, want %d", what, got, want)
		}
		if got := scan(); got != want {
			t.Errorf("%s: SCAN %d, want %d", what, got, want)
		}
	}
	check("as a leader", 50)
	c.input("READONLY\r\n")
	check("with replicas", 70)
	c.input("READWRITE\r\n")
	check("without again", 50)
	p.leaderless(4) // perhaps this node is cut off: nothing is left out without a word
	for _, command := range []string{"DBSIZE", "KEYS *", "SCAN 0 COUNT 1000"} {
		if got := c.send(command + "\r\n"); !strings.HasPrefix(got, "-CLUSTERDOWN Some partitions have no leader") {
			t.Errorf("%s: %q", command, got)
		}
	}
	if got := c.input("SCAN 0 COUNT 10\r\n"); !strings.HasPrefix(got, "*2\r\n") {
		t.Errorf("a page of what has a leader: %q", got)
	}
	c.input("READONLY\r\n")
	check("with replicas, one of them without a leader", 70)
	c.input("READWRITE\r\n")
	p.elsewhere("10.0.0.2:7000", 4)
	check("found again", 40)
	for partition, want := range map[int]string{0: ":10\r\n", 1: ":10\r\n", 3: ":0\r\n"} {
		if got := c.send(fmt.Sprintf("CLUSTER COUNTKEYSINSLOT %d\r\n", ring.Slot([]byte(h.keyIn(partition))))); got != want {
			t.Errorf("COUNTKEYSINSLOT of partition %d: %q", partition, got)
		}
	}
}
