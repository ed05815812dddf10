package router

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/internal/config"
	"github.com/prakashpandey/vegadb/internal/front"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// frames is a native connection without the client library.
type frames struct {
	t testing.TB
	net.Conn
	buf   []byte
	hello wire.ServerHello
}

// native connects and shakes hands.
func (r *testRouter) native() *frames {
	r.t.Helper()
	c := &frames{t: r.t, Conn: r.dial().Conn}
	hello := wire.ClientHello{MinVersion: 1, MaxVersion: 1, Features: wire.FeaturePush | wire.FeatureSessions, ClientName: "frames"}
	c.Write(hello.Append(nil))
	for {
		payload, n, err := wire.ParseHello(c.buf)
		if err != nil {
			r.t.Fatal(err)
		}
		if n > 0 {
			if err := c.hello.Decode(payload); err != nil {
				r.t.Fatal(err)
			}
			c.buf = c.buf[n:]
			return c
		}
		c.more()
	}
}

func (c *frames) more() {
	c.t.Helper()
	buf := make([]byte, 64<<10)
	n, err := c.Read(buf)
	if err != nil {
		c.t.Fatalf("behind %q: %v", c.buf, err)
	}
	c.buf = append(c.buf, buf[:n]...)
}

func (c *frames) send(requests ...wire.Request) {
	c.t.Helper()
	var out []byte
	for i := range requests {
		out = requests[i].Append(out)
	}
	if _, err := c.Write(out); err != nil {
		c.t.Fatal(err)
	}
}

func (c *frames) reply() wire.Response {
	c.t.Helper()
	for {
		frame, n, err := wire.ParseFrame(c.buf, 128<<20)
		if err != nil {
			c.t.Fatal(err)
		}
		if n > 0 {
			var r wire.Response
			if err := r.Decode(bytes.Clone(frame)); err != nil {
				c.t.Fatal(err)
			}
			c.buf = c.buf[n:]
			return r
		}
		c.more()
	}
}

func (c *frames) ask(r wire.Request) wire.Response {
	c.t.Helper()
	c.send(r)
	return c.reply()
}

func TestTheHandshakeSpeaksForTheCluster(t *testing.T) {
	r := startRouter(t, newFakeCluster(t), func(s *config.Router) { s.Front.MaxValueBytes = 1 << 20 })
	before := time.Now().UnixMilli()
	h := r.native().hello
	if h.Status != wire.OK || h.Version != 1 || h.ClusterID != "fake" || h.NodeID != r.nodeID || h.Features != wire.FeatureSessions ||
		h.Limits.MaxValue != 1<<20 || h.Limits.MaxInFlight != maxNativeInFlight || int64(h.TimeMs) < before || h.ServerVersion != "test" {
		t.Errorf("%+v", h)
	}
	if c := r.native(); c.ask(wire.Request{Op: wire.OpPing, ID: 3, Body: []byte("x")}).ID != 3 {
		t.Error("the reply has another id")
	}
	without := startRouter(t, nil)
	if h := without.native().hello; h.Status != wire.Unavailable || h.RetryAfterMs == 0 || h.Message == "" {
		t.Errorf("without a cluster: %+v", h)
	}
}

// What the end client writes into the header is what the partition gets.
func TestANativeRequestIsPassedOnAsItIs(t *testing.T) {
	f := newFakeCluster(t)
	var left atomic.Int64
	f.before = func(ctx context.Context, _ int, _ *wire.Request, reply *wire.Response) (bool, error) {
		deadline, _ := ctx.Deadline()
		left.Store(int64(time.Until(deadline)))
		reply.Flags |= wire.ReplyTiming
		reply.QueueNs, reply.ApplyNs, reply.SyncNs = 1, 2, 3
		return false, nil
	}
	c := startRouter(t, f).native()
	want := wire.Request{
		Op: wire.OpIncrement, OpFlags: wire.WriteTTL, Flags: wire.FlagDeadline | wire.FlagDurability | wire.FlagSession | wire.FlagReceipt | wire.FlagTiming,
		ID: 99, DeadlineMs: 100_000, Acks: wire.AcksLeader, Durability: wire.DurabilityNever,
		Session: wire.SessionID{9, 8, 7}, Sequence: 41, Acknowledged: 40,
		Body: wire.AppendIncrement(nil, wire.WriteTTL, "n", 5, 1000),
	}
	got := c.ask(want)
	if got.ID != 99 || got.Status != wire.OK || got.Version == 0 || got.Term == 0 || got.Index == 0 || got.SyncNs != 3 ||
		got.Flags != wire.ReplyVersion|wire.ReplyReceipt|wire.ReplyIndex|wire.ReplyTiming {
		t.Errorf("reply %+v", got)
	}
	f.mu.Lock()
	sent := f.requests[0]
	f.mu.Unlock()
	want.ID, sent.ID = 0, 0
	if string(sent.Body) != string(want.Body) {
		t.Errorf("body %q, want %q", sent.Body, want.Body)
	}
	sent.Body, want.Body = nil, nil
	if fmt.Sprint(sent) != fmt.Sprint(want) {
		t.Errorf("sent %+v\nwant %+v", sent, want)
	}
	if d := time.Duration(left.Load()); d > 100*time.Second || d < 90*time.Second {
		t.Errorf("%v were left of the deadline", d)
	}
}

func TestEveryNativeOperationIsAnswered(t *testing.T) {
	f := newFakeCluster(t)
	r := startRouter(t, f)
	c := r.native()
	batch := func(keys ...string) []byte {
		b := wire.BeginBatch(nil)
		for _, k := range keys {
			b = wire.AppendBatchKey(b, k)
		}
		wire.FinishBatch(b, 0, len(keys))
		return b
	}
	command := func(args ...string) []byte {
		var raw [][]byte
		for _, a := range args {
			raw = append(raw, []byte(a))
		}
		return appendCommand(nil, 2, raw)
	}
	other := f.keyIn(0, 0)
	if strings.Compare(other, "k") == 0 {
		t.Fatal("choose other keys")
	}
	for i, tc := range []struct {
		req    wire.Request
		status wire.Status
		body   string
	}{
		{wire.Request{Op: wire.OpPut, Body: wire.AppendPut(nil, 0, "k", "v", 0, 0)}, wire.OK, ""},
		{wire.Request{Op: wire.OpGet, Body: []byte("k")}, wire.OK, "v"},
		{wire.Request{Op: wire.OpGet, Body: []byte("none")}, wire.NotFound, ""},
		{wire.Request{Op: wire.OpExpire, OpFlags: wire.WriteTTL, Body: wire.AppendExpire(nil, "k", 5)}, wire.OK, ""},
		{wire.Request{Op: wire.OpExpire, Body: wire.AppendExpire(nil, "k", 5)}, wire.InvalidArgument, wire.ErrNeedsExpiry.Text},
		{wire.Request{Op: wire.OpPersist, Body: []byte("k")}, wire.OK, ""},
		{wire.Request{Op: wire.OpDelete, Body: []byte("k")}, wire.OK, ""},
		{wire.Request{Op: wire.OpIncrement, Body: wire.AppendIncrement(nil, 0, "n", 7, 0)}, wire.OK, string(wire.AppendInt(nil, 7))},
		{wire.Request{Op: wire.OpGetBatch, Body: batch()}, wire.OK, string(wire.BeginBatch(nil))},
		{wire.Request{Op: wire.OpCount}, wire.OK, string(wire.AppendInt(nil, 1))},
		{wire.Request{Op: wire.OpCount, Body: []byte("x")}, wire.InvalidArgument, wire.ErrTrailing.Text},
		{wire.Request{Op: wire.OpCommand, Body: command("STRLEN", "n"), OpFlags: wire.CommandReads}, wire.OK, ":1\r\n"},
		{wire.Request{Op: wire.OpCommand, Body: command("STRLEN")}, wire.OK, "-ERR wrong number of arguments for 'strlen' command\r\n"},
		{wire.Request{Op: wire.OpCommand, Body: command("PING")}, wire.Unsupported, errNotKeyed.Text},
		{wire.Request{Op: wire.OpCommand, Body: command("DEL", f.keyIn(1, 0), f.keyIn(2, 0))}, wire.InvalidArgument, errPartitions.Text},
		{wire.Request{Op: wire.OpCommand, Body: []byte{9}}, wire.InvalidArgument, wire.ErrTruncated.Text},
		{wire.Request{Op: wire.OpSnapshot}, wire.Unsupported, errAskANode.Text},
		{wire.Request{Op: wire.Op(200)}, wire.Unsupported, wire.ErrUnknownOp.Text},
		{wire.Request{Op: wire.OpPing, Flags: wire.FlagDeadline}, wire.Timeout, errDeadline.Text},
		{wire.Request{Op: wire.OpScan, Body: wire.AppendScan(nil, startOf(16), 5, "")}, wire.OK, string(make([]byte, 12))},
		{wire.Request{Op: wire.OpFlush}, wire.OK, ""},
		{wire.Request{Op: wire.OpCount}, wire.OK, string(wire.AppendInt(nil, 0))},
	} {
		tc.req.ID = uint32(i + 1)
		got := c.ask(tc.req)
		if got.ID != tc.req.ID || got.Status != tc.status || string(got.Body) != tc.body {
			t.Errorf("%d %v: id %d %v %q, want %v %q", i, tc.req.Op, got.ID, got.Status, got.Body, tc.status, tc.body)
		}
	}
	topology := c.ask(wire.Request{Op: wire.OpTopology})
	var shown wire.Topology
	if err := shown.Decode(topology.Body); err != nil || len(shown.Nodes) != 1 || shown.Nodes[0].Address != r.Addr() || len(shown.Partitions) != 16 || shown.ClusterID != "fake" {
		t.Errorf("topology %v %+v", err, shown)
	}
	if stats := c.ask(wire.Request{Op: wire.OpStats}); !strings.Contains(string(stats.Body), `"partitions":16`) {
		t.Errorf("stats %s", stats.Body)
	}
}

// batchOf makes a WRITEBATCH that puts and increments keys of several partitions.
func batchOf(keys []string) []byte {
	b := wire.BeginBatch(nil)
	for i, k := range keys {
		start := len(b)
		if i%2 == 0 {
			b = wire.AppendPut(wire.BeginWriteItem(b, wire.OpPut, 0), 0, k, fmt.Sprint(i), 0, 0)
		} else {
			b = wire.AppendIncrement(wire.BeginWriteItem(b, wire.OpIncrement, 0), 0, k, int64(i), 0)
		}
		wire.FinishWriteItem(b, start)
	}
	wire.FinishBatch(b, 0, len(keys))
	return b
}

func items(t *testing.T, r wire.Response) (out []wire.ItemResult) {
	t.Helper()
	var results wire.ItemResults
	if err := results.Decode(r.Body); err != nil {
		t.Fatalf("%v %q", r.Status, r.Body)
	}
	for {
		var item wire.ItemResult
		ok, err := results.Next(&item)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return out
		}
		out = append(out, item)
	}
}

func TestABatchIsCutByPartitionUnderItsSession(t *testing.T) {
	f := newFakeCluster(t)
	c := startRouter(t, f).native()
	var keys []string
	for i := range 40 {
		keys = append(keys, f.keyIn(i%7, i))
	}
	req := wire.Request{
		Op: wire.OpWriteBatch, Flags: wire.FlagSession | wire.FlagReceipt, ID: 5,
		Session: wire.SessionID{1}, Sequence: 3, Acknowledged: 2, Body: batchOf(keys),
	}
	reply := c.ask(req)
	results := items(t, reply)
	if reply.ID != 5 || len(results) != 40 || reply.Flags != wire.ReplyReceipt || reply.Durability != wire.DurabilityAlways || reply.Term != 0 {
		t.Fatalf("%+v with %d items", reply, len(results))
	}
	for i, r := range results {
		if r.Status != wire.OK || r.Version == 0 || i%2 == 1 && string(r.Body) != string(wire.AppendInt(nil, int64(i))) {
			t.Errorf("item %d: %+v", i, r)
		}
	}
	f.mu.Lock()
	if len(f.requests) != 7 {
		t.Errorf("%d requests for 7 partitions", len(f.requests))
	}
	for _, sent := range f.requests {
		if sent.Session != req.Session || sent.Sequence != 3 || sent.Acknowledged != 2 || sent.Op != wire.OpWriteBatch {
			t.Errorf("sent %+v", sent)
		}
	}
	f.mu.Unlock()
	get := wire.BeginBatch(nil)
	for _, k := range append(keys, "none") {
		get = wire.AppendBatchKey(get, k)
	}
	wire.FinishBatch(get, 0, 41)
	for i, r := range items(t, c.ask(wire.Request{Op: wire.OpGetBatch, ID: 6, Body: get})) {
		switch {
		case i == 40 && r.Status == wire.NotFound:
		case i < 40 && r.Status == wire.OK && string(r.Body) == fmt.Sprint(i):
		default:
			t.Errorf("key %d: %+v", i, r)
		}
	}
}

func TestABatchOfOnePartitionIsNotCut(t *testing.T) {
	f := newFakeCluster(t)
	r := startRouter(t, f)
	c := r.native()
	body := batchOf([]string{f.keyIn(3, 0), f.keyIn(3, 1)})
	reply := c.ask(wire.Request{Op: wire.OpWriteBatch, Flags: wire.FlagReceipt, Body: body})
	if len(items(t, reply)) != 2 || reply.Index != 1003 || reply.Term != 4 {
		t.Errorf("%+v", reply)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.requests) != 1 || !bytes.Equal(f.requests[0].Body, body) {
		t.Errorf("%d requests", len(f.requests))
	}
}

func TestAPartOfABatchThatFailsGivesItsItemsItsStatus(t *testing.T) {
	f := newFakeCluster(t)
	failing := map[int]bool{2: true}
	f.before = func(_ context.Context, partition int, _ *wire.Request, reply *wire.Response) (bool, error) {
		if failing[partition] {
			reply.Status, reply.Body = wire.UnknownOutcome, []byte("who knows")
			return true, nil
		}
		return false, nil
	}
	c := startRouter(t, f).native()
	body := batchOf([]string{f.keyIn(1, 0), f.keyIn(2, 0), f.keyIn(1, 1), f.keyIn(2, 1)})
	got := items(t, c.ask(wire.Request{Op: wire.OpWriteBatch, Body: body}))
	for i, want := range []wire.Status{wire.OK, wire.UnknownOutcome, wire.OK, wire.UnknownOutcome} {
		if got[i].Status != want {
			t.Errorf("item %d: %v, want %v", i, got[i].Status, want)
		}
	}
	failing[1] = true
	if r := c.ask(wire.Request{Op: wire.OpWriteBatch, Body: body}); r.Status != wire.UnknownOutcome || string(r.Body) != "who knows" {
		t.Errorf("all parts failed: %+v", r)
	}
}

func TestNotLeaderNeverReachesAClient(t *testing.T) {
	f := newFakeCluster(t)
	f.before = func(_ context.Context, _ int, _ *wire.Request, reply *wire.Response) (bool, error) {
		reply.Status, reply.Flags, reply.Leader = wire.NotLeader, wire.ReplyLeader, []byte("10.0.0.1:8342")
		return true, nil
	}
	c := startRouter(t, f).native()
	if r := c.ask(wire.Request{Op: wire.OpGet, Body: []byte("k")}); r.Status != wire.Unavailable || r.Flags != 0 {
		t.Errorf("%+v", r)
	}
}

func TestASlowNativeRequestHoldsUpNoOther(t *testing.T) {
	f := newFakeCluster(t)
	b := newBlocker()
	b.on(f, func(args []string) bool { return args[0] == "PUT" })
	c := startRouter(t, f).native()
	c.send(wire.Request{Op: wire.OpPut, ID: 1, Body: wire.AppendPut(nil, 0, "k", "v", 0, 0)}, wire.Request{Op: wire.OpGet, ID: 2, Body: []byte("k")})
	b.wait(t)
	if r := c.reply(); r.ID != 2 || r.Status != wire.NotFound {
		t.Errorf("%+v", r)
	}
	close(b.release)
	if r := c.reply(); r.ID != 1 || r.Status != wire.OK {
		t.Errorf("%+v", r)
	}
}

func TestADeadlineEndsAWrite(t *testing.T) {
	f := newFakeCluster(t)
	b := newBlocker()
	b.on(f, func([]string) bool { return true })
	c := startRouter(t, f).native()
	r := c.ask(wire.Request{Op: wire.OpGet, Flags: wire.FlagDeadline, DeadlineMs: 20, Body: []byte("k")})
	if r.Status != wire.Timeout {
		t.Errorf("%+v", r)
	}
}

func TestAFrameThatIsTooLargeIsTheLastWord(t *testing.T) {
	r := startRouter(t, newFakeCluster(t))
	c := r.native()
	c.Write([]byte{0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0})
	if got := c.reply(); got.ID != 0 || got.Status != wire.TooLarge {
		t.Errorf("%+v", got)
	}
	if _, err := io.ReadAll(c); err != nil && !isReset(err) {
		t.Error(err)
	}
	r.wantClosedFor(front.ClosedProtocolError)
}

func TestAReplyThatFitsNoFrameIsRefused(t *testing.T) {
	f := newFakeCluster(t)
	for i := range 3 {
		f.data[f.keyIn(i, 0)] = strings.Repeat("x", 50<<20)
	}
	c := startRouter(t, f).native()
	get := wire.BeginBatch(nil)
	for i := range 3 {
		get = wire.AppendBatchKey(get, f.keyIn(i, 0))
	}
	wire.FinishBatch(get, 0, 3)
	if r := c.ask(wire.Request{Op: wire.OpGetBatch, Body: get}); r.Status != wire.TooLarge {
		t.Errorf("%v %q", r.Status, r.Body)
	}
}
