package server

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/node"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// frames parses the output of a native session.
func (c *testConn) frames() (replies []wire.Response) {
	c.h.t.Helper()
	out := []byte(c.take())
	for len(out) > 0 {
		frame, n, err := wire.ParseFrame(out, c.h.srv.limits.MaxFrame)
		if err != nil || n == 0 {
			c.h.t.Fatalf("%d bytes of output are no frame: %v", len(out), err)
		}
		var r wire.Response
		if err := r.Decode(frame); err != nil {
			c.h.t.Fatal(err)
		}
		replies = append(replies, r)
		out = out[n:]
	}
	return replies
}

// ask sends one request and returns what is ready then.
func (c *testConn) ask(req wire.Request) []wire.Response {
	c.h.t.Helper()
	c.lastID++
	req.ID = c.lastID
	c.ses.Input(req.Append(nil))
	c.bring()
	return c.frames()
}

// one expects exactly one reply.
func (c *testConn) one(replies []wire.Response) wire.Response {
	c.h.t.Helper()
	if len(replies) != 1 {
		c.h.t.Fatalf("%d replies, want one: %+v", len(replies), replies)
	}
	return replies[0]
}

func TestNativeReadsWaitForLeave(t *testing.T) {
	h, p := clustered(t, harnessOptions{})
	c := h.connectNative()
	a, b := h.keyIn(0), h.keyIn(1)
	h.preload(a, 3)
	h.preload(b, 5)
	for name, req := range map[string]wire.Request{
		"GET": {Op: wire.OpGet, Body: []byte(a)}, "GETBATCH": {Op: wire.OpGetBatch, Body: keysBody(a, a)},
		"SCAN": {Op: wire.OpScan, Body: wire.AppendScan(nil, 0, 100, "")}, "COMMAND": commandOf(wire.CommandReads, 2, "STRLEN", a),
	} {
		req.Flags = wire.FlagReceipt | wire.FlagTiming
		if got := c.ask(req); len(got) != 0 {
			t.Fatalf("%s: answered without leave: %+v", name, got)
		}
		p.grant(0, nil)
		c.bring()
		r := c.one(c.frames())
		if r.Status != wire.OK || r.Consistency != wire.Linearizable || r.Term != 1 || r.Flags&wire.ReplyIndex == 0 || r.SyncNs == 0 || r.ApplyNs == 0 {
			t.Errorf("%s: %+v", name, r)
		}
		c.ask(req)
		p.grant(0, &node.NotLeaderError{Partition: 0, Addr: "10.0.0.2:7000"})
		c.bring()
		if r := c.one(c.frames()); r.Status != wire.NotLeader || string(r.Leader) != "10.0.0.2:7000" {
			t.Errorf("%s, refused: %+v", name, r)
		}
		req.Flags, req.DeadlineMs = wire.FlagDeadline, 1
		c.ask(req)
		w := h.oldestRead(p)
		w.began = w.began.Add(-1e9)
		p.grant(0, nil)
		c.bring()
		if r := c.one(c.frames()); r.Status != wire.Timeout {
			t.Errorf("%s, too late: %+v", name, r)
		}
	}
	if !c.ses.idle() || c.ses.readBytes != 0 || h.srv.inFlight.Load() != 0 {
		t.Errorf("idle %v, %d bytes held, %d in flight", c.ses.idle(), c.ses.readBytes, h.srv.inFlight.Load())
	}
}

func (h *harness) oldestRead(p *peer) *wait {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.reads[0].(*readPart).w
}

// One leave for each partition of a batch; keys of partitions that cannot be read get
// their own status.
func TestABatchOfReadsAsksOncePerPartition(t *testing.T) {
	h, p := clustered(t, harnessOptions{})
	c := h.connectNative()
	var keys []string
	for i := range 5 {
		key := h.keyIn(i)
		h.preload(key, 1)
		keys = append(keys, key, "{"+key+"}absent")
	}
	p.elsewhere("10.0.0.2:7000", 1)
	p.leaderless(2)
	if got := c.ask(wire.Request{Op: wire.OpGetBatch, Body: keysBody(keys...)}); len(got) != 0 {
		t.Fatalf("%+v", got)
	}
	if reads, _ := p.waiting(); reads != 3 || len(p.levels()) != 5 {
		t.Fatalf("%d reads wait", reads)
	}
	p.grant(2, &node.NotLeaderError{Partition: 4, Addr: "10.0.0.3:7000"})
	p.grant(1, nil)
	c.bring()
	if got := c.frames(); len(got) != 0 {
		t.Fatalf("answered before all have leave: %+v", got)
	}
	p.grant(0, nil)
	c.bring()
	items := itemResults(t, c.one(c.frames()))
	for i, want := range []wire.Status{wire.OK, wire.NotFound, wire.NotLeader, wire.NotLeader, wire.Unavailable, wire.Unavailable, wire.OK, wire.NotFound, wire.NotLeader, wire.NotLeader} {
		if items[i].Status != want {
			t.Errorf("item %d: %v, want %v", i, items[i].Status, want)
		}
	}
	if r := c.one(c.ask(wire.Request{Op: wire.OpGetBatch, Body: keysBody(keys[2], keys[3])})); r.Status != wire.NotLeader || string(r.Leader) != "10.0.0.2:7000" {
		t.Errorf("all of it elsewhere: %+v", r)
	}
	if r := c.one(c.ask(wire.Request{Op: wire.OpGetBatch, Body: keysBody()})); r.Status != wire.OK {
		t.Errorf("no keys: %+v", r)
	}
}

func TestNativeRefusalsTellWhereToGo(t *testing.T) {
	h, p := clustered(t, harnessOptions{})
	p.change(threeNodes(8))
	h.srv.lookAtTopology()
	c := h.connectNative()
	here, there, nowhere := h.keyIn(0), h.keyIn(1), h.keyIn(2)
	p.elsewhere("10.0.0.2:7000", 1)
	p.leaderless(2)
	for name, make := range map[string]func(key string) wire.Request{
		"GET": func(key string) wire.Request { return wire.Request{Op: wire.OpGet, Body: []byte(key)} },
		"PUT": func(key string) wire.Request {
			return wire.Request{Op: wire.OpPut, Body: wire.AppendPut(nil, 0, key, "v", 0, 0)}
		},
		"COMMAND": func(key string) wire.Request { return commandOf(0, 2, "APPEND", key, "x") },
	} {
		req := make(there)
		if r := c.one(c.ask(req)); r.Status != wire.NotLeader || string(r.Leader) != "10.0.0.2:7000" || r.Flags&wire.ReplyEpoch != 0 {
			t.Errorf("%s: %+v", name, r)
		}
		req.Flags, req.Epoch = wire.FlagEpoch, 3
		if r := c.one(c.ask(req)); r.Status != wire.NotLeader || r.Epoch != 7 {
			t.Errorf("%s by an old map: %+v", name, r)
		}
		if r := c.one(c.ask(make(nowhere))); r.Status != wire.Unavailable {
			t.Errorf("%s without a leader: %+v", name, r)
		}
	}
	for epoch, told := range map[uint64]uint64{6: 7, 7: 0, 8: 0} {
		c.ask(wire.Request{Op: wire.OpGet, Body: []byte(here), Flags: wire.FlagEpoch, Epoch: epoch})
		p.grant(0, nil)
		c.bring()
		if r := c.one(c.frames()); r.Status != wire.NotFound || r.Epoch != told {
			t.Errorf("routed by %d: %+v", epoch, r)
		}
	}
}

func TestNativeWritesThatFailAreAnsweredByWhatIsKnown(t *testing.T) {
	h, p := clustered(t, harnessOptions{})
	c := h.connectNative()
	key, other := h.keyIn(0), h.keyIn(1)
	put := func(key string) writeItem {
		return writeItem{op: wire.OpPut, body: wire.AppendPut(nil, 0, key, "v", 0, 0)}
	}
	elsewhere := &node.NotLeaderError{Partition: 0, Addr: "10.0.0.2:7000"}
	for fault, want := range map[error]wire.Status{elsewhere: wire.NotLeader, node.ErrNoLeader: wire.Unavailable, node.ErrUnknownOutcome: wire.UnknownOutcome} {
		for _, req := range []wire.Request{
			{Op: wire.OpPut, Body: put(key).body, Flags: wire.FlagReceipt}, commandOf(0, 2, "DEL", key, "{"+key+"}2"),
		} {
			c.ask(req)
			p.fail(fault)
			c.bring()
			if r := c.one(c.frames()); r.Status != want {
				t.Errorf("%v: %+v, want %v", req.Op, r, want)
			}
		}
		c.ask(wire.Request{Op: wire.OpWriteBatch, Body: writeBatchBody(put(key), put(other), put("{"+key+"}2"))})
		p.fail(fault, 0)
		c.bring()
		items := itemResults(t, c.one(c.frames()))
		if items[0].Status != want || items[1].Status != wire.OK || items[2].Status != want {
			t.Errorf("a batch: %+v, want %v for the first and the last", items, want)
		}
	}
	p.elsewhere("10.0.0.2:7000", 1)
	c.ask(wire.Request{Op: wire.OpWriteBatch, Body: writeBatchBody(put(key), put(other))})
	p.commit(1)
	c.bring()
	if items := itemResults(t, c.one(c.frames())); items[0].Status != wire.OK || items[1].Status != wire.NotLeader {
		t.Errorf("half of it elsewhere: %+v", items)
	}
	if r := c.one(c.ask(wire.Request{Op: wire.OpWriteBatch, Body: writeBatchBody(put(other))})); r.Status != wire.NotLeader || string(r.Leader) != "10.0.0.2:7000" {
		t.Errorf("all of it elsewhere: %+v", r)
	}
}

func TestNativeScansKeepToTheCursorsPartition(t *testing.T) {
	h, p := clustered(t, harnessOptions{})
	p.work(t, rand.New(rand.NewPCG(3, 4)))
	c := h.connectNative()
	for i := range 8 {
		for j := range 50 * (i % 3) {
			h.preload(fmt.Sprintf("{%s}%d", h.keyIn(i), j), 1)
		}
	}
	p.elsewhere("10.0.0.2:7000", 4)
	pages := map[int]int{}
	keys := 0
	for cursor := uint64(0); ; {
		at, _ := cursorAt(cursor)
		pages[at]++
		r := c.do(wire.OpScan, wire.ScanKeysOnly, wire.AppendScan(nil, cursor, 20, ""))
		if at == 4 {
			if r.Status != wire.NotLeader {
				t.Errorf("of a partition led elsewhere: %v", r.Status)
			}
			cursor = h.srv.cursorOf(5, 0)
			continue
		}
		var page wire.ScanPage
		if err := page.Decode(wire.ScanKeysOnly, r.Body); err != nil || r.Status != wire.OK {
			t.Fatalf("page at %d: %v, %v", cursor, err, r.Status)
		}
		var e wire.ScanEntry
		for {
			ok, err := page.Next(&e)
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			if got := h.srv.partition(e.Key).Number; got != at {
				t.Fatalf("a page of partition %d has a key of %d", at, got)
			}
			keys++
		}
		if cursor = page.NextCursor; cursor == 0 {
			break
		}
		if next, inner := cursorAt(cursor); next != at && (next != at+1 || inner != 0) {
			t.Fatalf("from partition %d to cursor %x", at, cursor)
		}
	}
	if len(pages) != 8 || keys != 50+100+0+100+0+50 { // partitions 1, 2, (4,) 5 and 7
		t.Errorf("%d partitions, %d keys", len(pages), keys)
	}
	expect(t, "a cursor from elsewhere", c.do(wire.OpScan, 0, wire.AppendScan(nil, 77<<cursorBits, 20, "")), wire.InvalidArgument, "")
	expect(t, "COUNT", c.do(wire.OpCount, 0, nil), wire.OK, string(wire.AppendInt(nil, int64(keys))))
}

func TestReceiptsSayWhatWasGiven(t *testing.T) {
	h, p := clustered(t, harnessOptions{})
	c := h.connectNative()
	key := h.keyIn(0)
	ask := func(req wire.Request) wire.Response {
		t.Helper()
		got := c.ask(req)
		reads, writes := p.waiting()
		if writes > 0 {
			p.commit(1)
		}
		if reads > 0 {
			p.grant(0, nil)
		}
		c.bring()
		return c.one(append(got, c.frames()...))
	}
	put := wire.Request{Op: wire.OpPut, Body: wire.AppendPut(nil, 0, key, "v", 0, 0), Flags: wire.FlagReceipt}
	first := ask(put)
	second := ask(put)
	if first.Term != 1 || first.Acks != wire.AcksQuorum || first.Index == 0 || second.Index <= first.Index || second.Index < second.Version {
		t.Errorf("writes: %+v, %+v", first, second)
	}
	for level, want := range map[wire.Consistency]wire.Consistency{wire.ConsistencyDefault: wire.Linearizable, wire.Linearizable: wire.Linearizable,
		wire.Lease: wire.Lease, wire.SessionReads: wire.SessionReads, wire.Bounded: wire.Bounded, wire.Local: wire.Local} {
		get := wire.Request{Op: wire.OpGet, Body: []byte(key), Flags: wire.FlagReceipt | wire.FlagConsistency, Consistency: level, ConsistencyArg: second.Index}
		if r := ask(get); r.Consistency != want || r.Term != 1 || r.Index != second.Index || string(r.Body) != "v" || r.Version != second.Version {
			t.Errorf("a read at level %v: %+v", level, r)
		}
		if asked := p.levels(); len(asked) != 1 || asked[0].level != max(level, wire.Linearizable) || level == wire.SessionReads && asked[0].arg != second.Index {
			t.Errorf("a read at level %v asked for %v", level, asked)
		}
	}
	session := wire.Request{Op: wire.OpGet, Body: []byte(key), Flags: wire.FlagConsistency, Consistency: wire.SessionReads}
	if r := ask(session); r.Index != second.Index || r.Flags&wire.ReplyReceipt != 0 {
		t.Errorf("level session without a receipt: %+v", r)
	}
	absent := wire.Request{Op: wire.OpGet, Body: []byte("{" + key + "}absent"), Flags: wire.FlagReceipt}
	if r := ask(absent); r.Status != wire.NotFound || r.Index != second.Index {
		t.Errorf("of an absent key: %+v", r)
	}
	both := wire.Request{Op: wire.OpGetBatch, Body: keysBody(key, h.keyIn(1)), Flags: wire.FlagReceipt | wire.FlagConsistency, Consistency: wire.Local}
	if r := ask(both); r.Consistency != wire.Local || r.Index != 0 || r.Term != 0 {
		t.Errorf("of two partitions: %+v", r)
	}
	incr := commandOf(0, 3, "INCRBY", "{"+key+"}n", "5")
	incr.Flags = wire.FlagReceipt
	if r := ask(incr); r.Index != second.Index+1 || r.Version != r.Index || string(r.Body) != ":5\r\n" {
		t.Errorf("COMMAND: %+v", r)
	}
}

func TestSessionsGoIntoEntries(t *testing.T) {
	h, p := clustered(t, harnessOptions{})
	c := h.connectNative()
	var id wire.SessionID
	now := h.srv.nowMs()
	for i := range 8 {
		id[i] = byte(now >> (56 - 8*i))
	}
	id[15] = 9
	with := func(req wire.Request, seq, acked uint64) wire.Request {
		req.Flags |= wire.FlagSession
		req.Session, req.Sequence, req.Acknowledged = id, seq, acked
		return req
	}
	put := writeItem{op: wire.OpPut, body: wire.AppendPut(nil, 0, "k", "v", 0, 0)}
	other := writeItem{op: wire.OpPut, body: wire.AppendPut(nil, 0, h.keyIn(5), "v", 0, 0)}
	for i, req := range []wire.Request{
		{Op: wire.OpPut, Body: put.body}, {Op: wire.OpDelete, Body: []byte("k")}, {Op: wire.OpIncrement, Body: wire.AppendIncrement(nil, 0, "n", 1, 0)},
		{Op: wire.OpExpire, OpFlags: wire.WriteTTL, Body: wire.AppendExpire(nil, "k", 5)}, {Op: wire.OpPersist, Body: []byte("k")},
		{Op: wire.OpWriteBatch, Body: writeBatchBody(put, other)}, commandOf(0, 2, "MSET", "{k}1", "1", "{k}2", "2"), commandOf(0, 2, "SET", "k", "v"),
	} {
		seq := uint64(i + 1)
		p.entries = nil
		c.ask(with(req, seq, seq-1))
		p.commit(1)
		c.bring()
		if r := c.one(c.frames()); r.Status > wire.VersionMismatch {
			t.Errorf("%v: %+v", req.Op, r)
		}
		for _, entry := range p.entries {
			if got, ok := command.EntrySession(entry); !ok || got != (command.Session{ID: id, Seq: seq, Acked: seq - 1}) {
				t.Errorf("%v: %+v, %v", req.Op, got, ok)
			}
		}
		if want := map[wire.Op]int{wire.OpWriteBatch: 2}[req.Op]; len(p.entries) != max(want, 1) {
			t.Errorf("%v: %d entries", req.Op, len(p.entries))
		}
	}
	plain := wire.Request{Op: wire.OpPut, Body: put.body}
	for what, req := range map[string]wire.Request{"sequence 0": with(plain, 0, 0), "acknowledged already": with(plain, 5, 5)} {
		if r := c.one(c.ask(req)); r.Status != wire.InvalidArgument {
			t.Errorf("%s: %+v", what, r)
		}
	}
	id[0] = 0xff
	if r := c.one(c.ask(with(plain, 1, 0))); r.Status != wire.InvalidArgument {
		t.Errorf("from the far future: %+v", r)
	}
}

// commandOf is the request of a COMMAND.
func commandOf(flags uint8, version uint8, args ...string) wire.Request {
	body := wire.BeginCommand(nil, version)
	for _, arg := range args {
		body = wire.AppendCommandArg(body, arg)
	}
	wire.FinishCommand(body, 0, len(args))
	return wire.Request{Op: wire.OpCommand, OpFlags: flags, Body: body}
}

func TestCommandsByWayOfTheNativeProtocol(t *testing.T) {
	h := newHarness(t, harnessOptions{})
	onNativePolicies(t, func(t *testing.T, c *testConn) {
		for _, step := range []struct {
			req    wire.Request
			status wire.Status
			body   string
		}{
			{commandOf(0, 2, "SET", "k", "v"), wire.OK, "+OK\r\n"},
			{commandOf(wire.CommandReads, 2, "GET", "k"), wire.OK, "$1\r\nv\r\n"},
			{commandOf(0, 2, "get", "k"), wire.OK, "$1\r\nv\r\n"},
			{commandOf(wire.CommandReads, 2, "GET", "absent"), wire.OK, "$-1\r\n"},
			{commandOf(wire.CommandReads, 3, "GET", "absent"), wire.OK, "_\r\n"},
			{commandOf(0, 3, "SET", "k", "w", "GET"), wire.OK, "$1\r\nv\r\n"},
			{commandOf(0, 2, "SET", "k", "w", "NX"), wire.OK, "$-1\r\n"},
			{commandOf(0, 2, "INCR", "k"), wire.OK, "-ERR value is not an integer or out of range\r\n"},
			{commandOf(0, 2, "INCR", "n"), wire.OK, ":1\r\n"},
			{commandOf(0, 2, "MSET", "{t}a", "1", "{t}b", "2"), wire.OK, "+OK\r\n"},
			{commandOf(wire.CommandReads, 2, "MGET", "{t}a", "{t}x", "{t}b"), wire.OK, "*3\r\n$1\r\n1\r\n$-1\r\n$1\r\n2\r\n"},
			{commandOf(wire.CommandReads, 2, "EXISTS", "{t}a", "{t}x", "{t}b"), wire.OK, ":2\r\n"},
			{commandOf(0, 2, "DEL", "{t}a", "{t}x", "{t}b"), wire.OK, ":2\r\n"},
			{commandOf(0, 2, "SET", "k"), wire.OK, "-ERR wrong number of arguments for 'set' command\r\n"},
			{commandOf(wire.CommandReads, 2, "NOSUCH"), wire.OK, "-ERR unknown command 'NOSUCH', with args beginning with: \r\n"},
			{commandOf(0, 2, "SET", "k", "v", "EX", "0"), wire.OK, "-ERR invalid expire time in 'set' command\r\n"},
			{commandOf(0, 2, "MSET", "a", "1", "b"), wire.OK, "-ERR wrong number of arguments for 'mset' command\r\n"},
			{commandOf(0, 2, "DEL", h.keyIn(0), h.keyIn(1)), wire.InvalidArgument, ""},
			{commandOf(0, 2, "PING"), wire.Unsupported, ""},
			{commandOf(0, 2, "FLUSHALL"), wire.Unsupported, ""},
			{commandOf(0, 2, "CONFIG", "GET", "*"), wire.Unsupported, ""},
			{commandOf(wire.CommandReads, 2, "SET", "k", "v"), wire.InvalidArgument, ""},
			{commandOf(0, 4, "GET", "k"), wire.InvalidArgument, ""},
			{wire.Request{Op: wire.OpCommand, Body: []byte{2, 1, 0}}, wire.InvalidArgument, ""},
			{commandOf(wire.CommandReads, 2, "GET", "k"), wire.OK, "$1\r\nw\r\n"},
		} {
			expect(t, fmt.Sprintf("%q", step.req.Body), c.roundTrip(step.req), step.status, step.body)
		}
		if r := c.roundTrip(commandOf(wire.CommandReads, 2, "GET", "n")); r.Version == 0 {
			t.Error("a read of one key does not tell its version")
		}
	})
}

func TestCommandsAreHeldToTheUsersRights(t *testing.T) {
	h := guarded(t, harnessOptions{})
	c := h.connect()
	hello := wire.ClientHello{MinVersion: 1, MaxVersion: 1, Auth: wire.AuthPassword, Username: "viewer", Password: "viewer"}
	parseServerHello(t, c.send(string(hello.Append(nil))))
	for _, step := range []struct {
		req  wire.Request
		want wire.Status
	}{
		{commandOf(wire.CommandReads, 2, "GET", "k"), wire.OK}, {commandOf(0, 2, "GET", "k"), wire.PermissionDenied},
		{commandOf(0, 2, "SET", "k", "v"), wire.PermissionDenied}, {wire.Request{Op: wire.OpAdmin, Body: []byte(`{"op":"status"}`)}, wire.PermissionDenied},
	} {
		if r := c.roundTrip(step.req); r.Status != step.want {
			t.Errorf("%q: %v, want %v", step.req.Body, r.Status, step.want)
		}
	}
}

func TestAdminRequestsGoToTheNode(t *testing.T) {
	h, p := clustered(t, harnessOptions{})
	c := h.connectNative()
	ask := func(body string) wire.Response { return c.do(wire.OpAdmin, 0, []byte(body)) }
	if r := ask(`{"op":"status"}`); r.Status != wire.Unsupported {
		t.Errorf("a lone node: %+v", r)
	}
	p.admin = func(request []byte) ([]byte, error) {
		var r wire.AdminRequest
		if err := r.Decode(request); err != nil {
			return nil, err
		}
		return json.Marshal(map[string]any{"did": r.Op})
	}
	expect(t, "pause", ask(`{"op":"pause"}`), wire.OK, `{"did":"pause"}`)
	if r := ask(`{"op":"explode"}`); r.Status != wire.Unsupported {
		t.Errorf("%+v", r)
	}
	p.admin = func([]byte) ([]byte, error) { return make([]byte, h.srv.limits.MaxFrame), nil }
	if r := ask(`{"op":"pause"}`); r.Status != wire.TooLarge {
		t.Errorf("a reply larger than a frame: %+v", r.Status)
	}
	if r := ask(string(make([]byte, wire.MaxAdminRequest+1))); r.Status != wire.TooLarge {
		t.Errorf("a request larger than the limit: %+v", r.Status)
	}
}
