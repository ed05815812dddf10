package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/internal/node"
	"github.com/prakashpandey/vegadb/internal/vfs"
	"github.com/prakashpandey/vegadb/internal/wal"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// roundTrip sends one request and returns its reply, whose body is a copy.
func (c *testConn) roundTrip(req wire.Request) (reply wire.Response) {
	c.h.t.Helper()
	c.lastID++
	req.ID = c.lastID
	out := c.send(string(req.Append(nil)))
	frame, n, err := wire.ParseFrame([]byte(out), c.h.srv.limits.MaxFrame)
	if err != nil || n != len(out) {
		c.h.t.Fatalf("%v: %d bytes of output are not one frame: %v", req.Op, len(out), err)
	}
	if err := reply.Decode(frame); err != nil || reply.ID != req.ID {
		c.h.t.Fatalf("%v: %+v, %v", req.Op, reply, err)
	}
	c.largest = max(c.largest, n)
	return reply
}

// do sends one request without header fields.
func (c *testConn) do(op wire.Op, flags uint8, body []byte) wire.Response {
	c.h.t.Helper()
	return c.roundTrip(wire.Request{Op: op, OpFlags: flags, Body: body})
}

func (c *testConn) put(key, value string) wire.Response {
	c.h.t.Helper()
	return c.do(wire.OpPut, 0, wire.AppendPut(nil, 0, key, value, 0, 0))
}

// expect checks status and body of a reply.
func expect(t *testing.T, what string, r wire.Response, status wire.Status, body string) {
	t.Helper()
	if r.Status != status || status < 16 && string(r.Body) != body {
		t.Errorf("%s: %v %q, want %v %q", what, r.Status, r.Body, status, body)
	}
}

// scanAll walks a whole scan and says how often each key came.
func (c *testConn) scanAll(flags uint8, prefix string, limit uint32) map[string]int {
	c.h.t.Helper()
	seen := map[string]int{}
	for cursor := uint64(0); ; {
		r := c.do(wire.OpScan, flags, wire.AppendScan(nil, cursor, limit, prefix))
		var page wire.ScanPage
		if err := page.Decode(flags, r.Body); err != nil || r.Status != wire.OK {
			c.h.t.Fatalf("page at %d: %v, %v %s", cursor, err, r.Status, r.Body)
		}
		var e wire.ScanEntry
		for {
			ok, err := page.Next(&e)
			if err != nil {
				c.h.t.Fatal(err)
			}
			if !ok {
				break
			}
			seen[string(e.Key)]++
		}
		if cursor = page.NextCursor; cursor == 0 {
			return seen
		}
	}
}

// onNativePolicies runs a test with a native connection under each durability.
func onNativePolicies(t *testing.T, test func(t *testing.T, c *testConn)) {
	for name, o := range policies() {
		t.Run(name, func(t *testing.T) { test(t, newHarness(t, o).connectNative()) })
	}
}

func TestNativePutsHonourTheirConditions(t *testing.T) {
	onNativePolicies(t, func(t *testing.T, c *testConn) {
		put := func(flags uint8, value string, expiry, version uint64) wire.Response {
			return c.do(wire.OpPut, flags, wire.AppendPut(nil, flags, "k", value, expiry, version))
		}
		get := func() wire.Response { return c.do(wire.OpGet, 0, []byte("k")) }
		expect(t, "if present, absent", put(wire.WriteIfPresent, "x", 0, 0), wire.NotFound, "")
		expect(t, "if version 0, absent", put(wire.WriteIfVersion, "one", 0, 0), wire.OK, "")
		expect(t, "if absent, present", put(wire.WriteIfAbsent, "x", 0, 0), wire.AlreadyExists, "")
		version := get().Version
		wrong := put(wire.WriteIfVersion, "x", 0, version+1)
		expect(t, "if another version", wrong, wire.VersionMismatch, "")
		if wrong.Version != version {
			t.Errorf("the mismatch names version %d, it is %d", wrong.Version, version)
		}
		right := put(wire.WriteIfVersion, "two", 0, version)
		expect(t, "if its version", right, wire.OK, "")
		if now := get(); string(now.Body) != "two" || now.Version != right.Version || right.Version <= version {
			t.Errorf("after it: %q, version %d; the write said %d, before it was %d", now.Body, now.Version, right.Version, version)
		}
		expect(t, "return old", put(wire.WriteReturnOld, "three", 0, 0), wire.OK, "\x01two")
		expect(t, "a condition that fails returns the value", put(wire.WriteIfAbsent|wire.WriteReturnOld, "x", 0, 0), wire.AlreadyExists, "\x01three")
		expect(t, "conflicting conditions", put(wire.WriteIfAbsent|wire.WriteIfPresent, "x", 0, 0), wire.InvalidArgument, "")
		expect(t, "with TTL", put(wire.WriteTTL, "four", 10_000, 0), wire.OK, "")
		expect(t, "keep TTL", put(wire.WriteKeepTTL, "five", 0, 0), wire.OK, "")
		c.h.clock.Advance(9 * time.Second)
		expect(t, "after 9 s", get(), wire.OK, "five")
		c.h.clock.Advance(2 * time.Second)
		expect(t, "after 11 s", get(), wire.NotFound, "")
		past := uint64(c.h.clock.Now().UnixMilli() - 1)
		put(0, "six", 0, 0)
		expect(t, "an instant in the past", put(wire.WriteExpireAt, "x", past, 0), wire.OK, "")
		expect(t, "deletes", get(), wire.NotFound, "")
	})
}

func TestNativeGetTellsMeta(t *testing.T) {
	onNativePolicies(t, func(t *testing.T, c *testConn) {
		c.do(wire.OpPut, wire.WriteTTL, wire.AppendPut(nil, wire.WriteTTL, "k", "value", 5000, 0))
		c.put("for-ever", "")
		for flags, rest := range map[uint8]string{wire.GetMeta: "value", wire.GetMeta | wire.GetNoValue: ""} {
			r := c.do(wire.OpGet, flags, []byte("k"))
			var m wire.EntryMeta
			value, err := m.Decode(r.Body)
			if err != nil || string(value) != rest || m.RemainingMs != 5000 || m.ValueLen != 5 || m.ExpireAt != uint64(c.h.clock.Now().UnixMilli()+5000) {
				t.Errorf("flags %d: %+v, %q, %v", flags, m, value, err)
			}
		}
		var m wire.EntryMeta
		if _, err := m.Decode(c.do(wire.OpGet, wire.GetMeta, []byte("for-ever")).Body); err != nil || m.RemainingMs != -1 || m.ExpireAt != 0 || m.ValueLen != 0 {
			t.Errorf("without expiry: %+v, %v", m, err)
		}
		expect(t, "absent", c.do(wire.OpGet, wire.GetMeta, []byte("nothing")), wire.NotFound, "")
		expect(t, "an empty key", c.put("", "empty"), wire.OK, "")
		expect(t, "an empty key", c.do(wire.OpGet, 0, nil), wire.OK, "empty")
	})
}

func TestNativeDeleteIncrementExpirePersist(t *testing.T) {
	onNativePolicies(t, func(t *testing.T, c *testConn) {
		version := c.put("d", "v").Version
		expect(t, "delete another version", c.do(wire.OpDelete, wire.WriteIfVersion, wire.AppendDelete(nil, wire.WriteIfVersion, "d", version+7)), wire.VersionMismatch, "")
		expect(t, "delete its version, return old", c.do(wire.OpDelete, wire.WriteIfVersion|wire.WriteReturnOld, wire.AppendDelete(nil, wire.WriteIfVersion|wire.WriteReturnOld, "d", version)), wire.OK, "\x01v")
		expect(t, "delete what is gone", c.do(wire.OpDelete, 0, wire.AppendDelete(nil, 0, "d", 0)), wire.NotFound, "")

		incr := func(delta int64, flags uint8, expiry uint64) wire.Response {
			return c.do(wire.OpIncrement, flags, wire.AppendIncrement(nil, flags, "n", delta, expiry))
		}
		expect(t, "creates with expiry", incr(5, wire.WriteTTL, 3000), wire.OK, string(wire.AppendInt(nil, 5)))
		expect(t, "keeps the expiry", incr(-7, wire.WriteTTL, 90_000), wire.OK, string(wire.AppendInt(nil, -2)))
		c.h.clock.Advance(4 * time.Second)
		expect(t, "begins anew", incr(1, 0, 0), wire.OK, string(wire.AppendInt(nil, 1)))
		expect(t, "overflow", incr(1<<63-1, 0, 0), wire.Overflow, "")
		c.put("word", "w")
		expect(t, "not a number", c.do(wire.OpIncrement, 0, wire.AppendIncrement(nil, 0, "word", 1, 0)), wire.NotInteger, "")

		expire := func(flags uint8, ms uint64) wire.Status {
			return c.do(wire.OpExpire, flags|wire.WriteTTL, wire.AppendExpire(nil, "word", ms)).Status
		}
		for i, step := range []struct {
			flags uint8
			ms    uint64
			want  wire.Status
		}{
			{wire.ExpireIfSome, 1000, wire.ConditionFailed}, {wire.ExpireIfLater, 1000, wire.ConditionFailed},
			{wire.ExpireIfEarlier, 9000, wire.OK}, {wire.ExpireIfNone, 1000, wire.ConditionFailed},
			{wire.ExpireIfLater, 5000, wire.ConditionFailed}, {wire.ExpireIfLater, 9500, wire.OK},
			{wire.ExpireIfEarlier, 9600, wire.ConditionFailed}, {wire.ExpireIfSome, 8000, wire.OK},
		} {
			if got := expire(step.flags, step.ms); got != step.want {
				t.Errorf("EXPIRE %d: %v, want %v", i, got, step.want)
			}
		}
		expect(t, "persist", c.do(wire.OpPersist, 0, []byte("word")), wire.OK, "")
		expect(t, "persist again", c.do(wire.OpPersist, 0, []byte("word")), wire.ConditionFailed, "")
		expect(t, "persist nothing", c.do(wire.OpPersist, 0, []byte("gone")), wire.NotFound, "")
		expect(t, "expire nothing", c.do(wire.OpExpire, wire.WriteTTL, wire.AppendExpire(nil, "gone", 5)), wire.NotFound, "")
		expect(t, "expire without saying what the time is", c.do(wire.OpExpire, 0, wire.AppendExpire(nil, "word", 5)), wire.InvalidArgument, "")
	})
}

// writeItem is one write of a batch.
type writeItem struct {
	op    wire.Op
	flags uint8
	body  []byte
}

func writeBatchBody(items ...writeItem) []byte {
	body := wire.BeginBatch(nil)
	for _, item := range items {
		start := len(body)
		body = append(wire.BeginWriteItem(body, item.op, item.flags), item.body...)
		wire.FinishWriteItem(body, start)
	}
	wire.FinishBatch(body, 0, len(items))
	return body
}

func itemResults(t *testing.T, r wire.Response) (all []wire.ItemResult) {
	t.Helper()
	var results wire.ItemResults
	if err := results.Decode(r.Body); err != nil || r.Status != wire.OK {
		t.Fatalf("%v %q: %v", r.Status, r.Body, err)
	}
	for {
		var item wire.ItemResult
		ok, err := results.Next(&item)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return all
		}
		all = append(all, item)
	}
}

func TestNativeBatchesKeepTheOrderOfTheirItems(t *testing.T) {
	const keys = 200
	onNativePolicies(t, func(t *testing.T, c *testConn) {
		put := func(key, value string) writeItem {
			return writeItem{op: wire.OpPut, body: wire.AppendPut(nil, 0, key, value, 0, 0)}
		}
		var items []writeItem
		gets := wire.BeginBatch(nil)
		for i := range keys { // over all partitions, each key twice: the later one wins
			items = append(items, put(fmt.Sprint("key-", i), "early"), put(fmt.Sprint("key-", (i*7)%keys), fmt.Sprint("late-", (i*7)%keys)))
			gets = wire.AppendBatchKey(gets, fmt.Sprint("key-", i))
		}
		for i := range keys {
			items = append(items, put(fmt.Sprint("key-", i), fmt.Sprint("last-", i)))
		}
		gets = wire.AppendBatchKey(gets, "absent")
		wire.FinishBatch(gets, 0, keys+1)
		items = append(items,
			writeItem{op: wire.OpIncrement, body: wire.AppendIncrement(nil, 0, "counter", 4, 0)},
			writeItem{op: wire.OpIncrement, body: wire.AppendIncrement(nil, 0, "counter", 5, 0)},
			writeItem{op: wire.OpDelete, body: wire.AppendDelete(nil, 0, "absent", 0)},
			writeItem{op: wire.OpIncrement, body: wire.AppendIncrement(nil, 0, "key-0", 1, 0)})
		got := itemResults(t, c.do(wire.OpWriteBatch, 0, writeBatchBody(items...)))
		if len(got) != len(items) {
			t.Fatalf("%d results for %d items", len(got), len(items))
		}
		for i := range 3 * keys {
			if got[i].Status != wire.OK || got[i].Version == 0 {
				t.Errorf("item %d: %+v", i, got[i])
			}
		}
		for i, want := range []wire.ItemResult{
			{Status: wire.OK, Body: wire.AppendInt(nil, 4)}, {Status: wire.OK, Body: wire.AppendInt(nil, 9)}, {Status: wire.NotFound}, {Status: wire.NotInteger},
		} {
			if g := got[3*keys+i]; g.Status != want.Status || string(g.Body) != string(want.Body) {
				t.Errorf("item %d: %+v, want %+v", 3*keys+i, g, want)
			}
		}
		read := itemResults(t, c.do(wire.OpGetBatch, 0, gets))
		for i := range keys {
			if want := fmt.Sprint("last-", i); string(read[i].Body) != want || read[i].Version != got[2*keys+i].Version {
				t.Errorf("key %d: %+v, want %q of version %d", i, read[i], want, got[2*keys+i].Version)
			}
		}
		if read[keys].Status != wire.NotFound {
			t.Errorf("an absent key: %+v", read[keys])
		}
		if empty := itemResults(t, c.do(wire.OpWriteBatch, 0, writeBatchBody())); len(empty) != 0 {
			t.Errorf("an empty batch: %+v", empty)
		}
		malformed := writeBatchBody(put("not-written", "x"), writeItem{op: wire.OpPut, body: []byte{1}})
		if r := c.do(wire.OpWriteBatch, 0, malformed); r.Status != wire.InvalidArgument {
			t.Errorf("a malformed item: %v", r.Status)
		}
		expect(t, "its neighbour", c.do(wire.OpGet, 0, []byte("not-written")), wire.NotFound, "")
		expect(t, "a read in a batch", c.do(wire.OpWriteBatch, 0, writeBatchBody(writeItem{op: wire.OpGet, body: []byte("k")})), wire.InvalidArgument, "")
	})
}

func TestNativeScansFindEveryKeyOnce(t *testing.T) {
	const keys = 3000
	onNativePolicies(t, func(t *testing.T, c *testConn) {
		var items []writeItem
		for i := range keys {
			for _, prefix := range []string{"a:", "b:"} {
				items = append(items, writeItem{op: wire.OpPut, body: wire.AppendPut(nil, 0, fmt.Sprint(prefix, i), "value", 0, 0)})
			}
		}
		itemResults(t, c.do(wire.OpWriteBatch, 0, writeBatchBody(items...)))
		for _, flags := range []uint8{0, wire.ScanKeysOnly} {
			for _, limit := range []uint32{1, 7, 100, 0} {
				if limit == 1 && flags == 0 {
					continue
				}
				seen := c.scanAll(flags, "a:", limit)
				for i := range keys {
					if seen[fmt.Sprint("a:", i)] != 1 {
						t.Fatalf("limit %d: key %d came %d times", limit, i, seen[fmt.Sprint("a:", i)])
					}
				}
				if len(seen) != keys {
					t.Errorf("limit %d: %d keys, want %d", limit, len(seen), keys)
				}
			}
		}
		expect(t, "COUNT", c.do(wire.OpCount, 0, nil), wire.OK, string(wire.AppendInt(nil, 2*keys)))
		expect(t, "FLUSH", c.do(wire.OpFlush, 0, nil), wire.OK, "")
		expect(t, "COUNT", c.do(wire.OpCount, 0, nil), wire.OK, string(wire.AppendInt(nil, 0)))
		for _, cursor := range []uint64{1, 1<<48 - 1, 1 << 48, 1 << 60, 1<<64 - 1} { // nobody gave these
			if r := c.do(wire.OpScan, 0, wire.AppendScan(nil, cursor, 10, "")); r.Status != wire.OK {
				t.Errorf("cursor %d: %v", cursor, r.Status)
			}
		}
	})
}

func TestNativeServerOperations(t *testing.T) {
	onNativePolicies(t, func(t *testing.T, c *testConn) {
		c.put("k", "v")
		expect(t, "PING", c.do(wire.OpPing, 0, []byte("echo")), wire.OK, "echo")
		var facts map[string]any
		if r := c.do(wire.OpStats, 0, nil); r.Status != wire.OK || json.Unmarshal(r.Body, &facts) != nil || facts["keys"] != 1.0 {
			t.Errorf("STATS: %v %s", r.Status, r.Body)
		}
		var topology wire.Topology
		if err := topology.Decode(c.do(wire.OpTopology, 0, nil).Body); err != nil || len(topology.Nodes) != 1 || len(topology.Partitions) != 8 || topology.Nodes[0].Address != c.ses.local.String() {
			t.Errorf("TOPOLOGY: %+v, %v", topology, err)
		}
		want := wire.OK
		if !c.h.srv.node.Persistent() {
			want = wire.Unsupported
		}
		expect(t, "SNAPSHOT, wait", c.do(wire.OpSnapshot, wire.SnapshotWait, nil), want, "")
		expect(t, "SNAPSHOT", c.do(wire.OpSnapshot, 0, nil), want, "")
		for _, op := range []wire.Op{wire.OpCount, wire.OpStats, wire.OpTopology, wire.OpSnapshot, wire.OpFlush} {
			expect(t, op.Name()+" with a body", c.do(op, 0, []byte("x")), wire.InvalidArgument, "")
		}
		expect(t, "an unknown operation", c.do(200, 0, nil), wire.Unsupported, "")
		expect(t, "an unknown flag", c.do(wire.OpGet, 0x80, []byte("k")), wire.Unsupported, "")
		expect(t, "after all that", c.do(wire.OpGet, 0, []byte("k")), wire.OK, "v")
	})
}

func TestNativeHeadersAreHonoured(t *testing.T) {
	durability := map[string]wire.Durability{"always": wire.DurabilityAlways, "everysec": wire.DurabilityEverySec, "in-memory": wire.DurabilityNever}
	for name, o := range policies() {
		t.Run(name, func(t *testing.T) {
			c := newHarness(t, o).connectNative()
			put := wire.Request{Op: wire.OpPut, Body: wire.AppendPut(nil, 0, "k", "v", 0, 0), Flags: wire.FlagDeadline}
			expect(t, "no time left", c.roundTrip(put), wire.Timeout, "")
			expect(t, "nothing was done", c.do(wire.OpGet, 0, []byte("k")), wire.NotFound, "")
			put.DeadlineMs, put.Flags = 1000, wire.FlagDeadline|wire.FlagReceipt|wire.FlagTiming
			r := c.roundTrip(put)
			if r.Flags&wire.ReplyReceipt == 0 || r.Term != 1 || r.Durability != durability[name] || r.Flags&wire.ReplyTiming == 0 {
				t.Errorf("receipt and timing of a write: %+v", r)
			}
			if name == "always" && r.SyncNs == 0 || name == "in-memory" && r.ApplyNs == 0 {
				t.Errorf("timing: %+v", r)
			}
			get := wire.Request{Op: wire.OpGet, Body: []byte("k"), Flags: wire.FlagReceipt}
			if r := c.roundTrip(get); r.Flags&wire.ReplyReceipt == 0 || r.Consistency != wire.Linearizable || r.Flags&wire.ReplyTiming != 0 {
				t.Errorf("receipt of a read: %+v", r)
			}
		})
	}
}

func TestNativeRequestsAreRefusedWhileLoading(t *testing.T) {
	h := newHarness(t, harnessOptions{})
	loading, err := node.Open(node.Options{Partitions: 8, Clock: h.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { loading.Close() })
	h.srv.node = loading
	c := h.connectNative()
	expect(t, "PING", c.do(wire.OpPing, 0, nil), wire.OK, "")
	expect(t, "GET", c.do(wire.OpGet, 0, []byte("k")), wire.Loading, "")
	expect(t, "PUT", c.put("k", "v"), wire.Loading, "")
	if got := h.connect().send("GET k\r\n"); got != "-LOADING VegaDB is loading the dataset in memory\r\n" {
		t.Errorf("over RESP: %q", got)
	}
}

// Every operation of a user is held to the user's role and prefixes.
func TestNativeOperationsAreHeldToTheUsersRights(t *testing.T) {
	for name, o := range policies() {
		t.Run(name, func(t *testing.T) {
			h := guarded(t, o)
			as := func(user string) *testConn {
				c := h.connect()
				hello := wire.ClientHello{MinVersion: 1, MaxVersion: 1, Auth: wire.AuthPassword, Username: user, Password: user}
				parseServerHello(t, c.send(string(hello.Append(nil))))
				return c
			}
			root, shop, viewer := as("root"), as("shop"), as("viewer")
			root.put("shop:1", "mine")
			root.put("other", "theirs")
			for op, body := range map[wire.Op][]byte{
				wire.OpGet: []byte("other"), wire.OpPersist: []byte("other"),
				wire.OpPut: wire.AppendPut(nil, 0, "other", "x", 0, 0), wire.OpDelete: wire.AppendDelete(nil, 0, "other", 0),
				wire.OpIncrement: wire.AppendIncrement(nil, 0, "other", 1, 0), wire.OpFlush: nil, wire.OpSnapshot: nil,
				wire.OpBackup: (&wire.BackupBody{}).Append(nil),
			} {
				expect(t, "shop: "+op.Name(), shop.do(op, 0, body), wire.PermissionDenied, "")
				if op.Writes() {
					expect(t, "viewer: "+op.Name(), viewer.do(op, 0, body), wire.PermissionDenied, "")
				}
			}
			expect(t, "shop: EXPIRE", shop.do(wire.OpExpire, wire.WriteTTL, wire.AppendExpire(nil, "other", 5)), wire.PermissionDenied, "")
			expect(t, "viewer: WRITEBATCH", viewer.do(wire.OpWriteBatch, 0, writeBatchBody()), wire.PermissionDenied, "")
			if seen := shop.scanAll(0, "", 10); len(seen) != 1 || seen["shop:1"] != 1 {
				t.Errorf("shop scans %v", seen)
			}
			gets := wire.AppendBatchKey(wire.AppendBatchKey(wire.BeginBatch(nil), "other"), "shop:1")
			wire.FinishBatch(gets, 0, 2)
			got := itemResults(t, shop.do(wire.OpGetBatch, 0, gets))
			if got[0].Status != wire.PermissionDenied || string(got[1].Body) != "mine" {
				t.Errorf("shop: GETBATCH: %+v", got)
			}
			got = itemResults(t, shop.do(wire.OpWriteBatch, 0, writeBatchBody(
				writeItem{op: wire.OpPut, body: wire.AppendPut(nil, 0, "other", "stolen", 0, 0)},
				writeItem{op: wire.OpPut, body: wire.AppendPut(nil, 0, "shop:1", "changed", 0, 0)})))
			if got[0].Status != wire.PermissionDenied || got[1].Status != wire.OK {
				t.Errorf("shop: WRITEBATCH: %+v", got)
			}
			expect(t, "what was forbidden", root.do(wire.OpGet, 0, []byte("other")), wire.OK, "theirs")
			expect(t, "what was allowed", viewer.do(wire.OpGet, 0, []byte("shop:1")), wire.OK, "changed")
		})
	}
}

func TestNativeInFlightIsLimited(t *testing.T) {
	const limit, sent = 10, 100
	disk := newStallingDisk()
	h := newHarness(t, harnessOptions{dir: "data", fs: disk.fs(), policy: wal.Always})
	h.srv.limits.MaxInFlight = limit
	c := h.connectNative()
	release := disk.stall()
	defer release()
	var input []byte
	for i := range sent {
		input = append(input, request(uint32(i), wire.OpIncrement, 0, wire.AppendIncrement(nil, 0, "n", 1, 0))...)
	}
	c.ses.Input(input)
	c.settleLog()
	if c.ses.waits != limit || !c.ses.parked {
		t.Errorf("%d requests in flight, parked %v", c.ses.waits, c.ses.parked)
	}
	release()
	out := c.send("")
	seen := map[uint32]bool{}
	for len(out) > 0 {
		frame, n, err := wire.ParseFrame([]byte(out), 1<<20)
		if err != nil || n == 0 {
			t.Fatal(errors.Join(err, fmt.Errorf("%d bytes left", len(out))))
		}
		_, id := wire.PeekReply(frame)
		seen[id] = true
		out = out[n:]
	}
	if len(seen) != sent {
		t.Errorf("%d of %d requests were answered", len(seen), sent)
	}
	expect(t, "the sum", c.do(wire.OpGet, 0, []byte("n")), wire.OK, "100")
}

// A session in which a reloaded users file has something to say.
func TestAReloadedUsersFileAppliesToOpenConnections(t *testing.T) {
	h := guarded(t, harnessOptions{dir: "data", fs: vfs.NewMem(), policy: wal.Always})
	c := h.connect()
	if got := c.send("AUTH shop shop\r\nSET shop:1 v\r\nSET other v\r\n"); got != "+OK\r\n+OK\r\n-NOPERM No permissions to access a key\r\n" {
		t.Fatalf("before: %q", got)
	}
	native := h.connect()
	hello := wire.ClientHello{MinVersion: 1, MaxVersion: 1, Auth: wire.AuthPassword, Username: "shop", Password: "shop"}
	native.send(string(hello.Append(nil)))
	h.rewriteUsers("shop", "role = \"read\"")
	if got := c.send("GET other\r\nSET shop:1 w\r\n"); got != "$-1\r\n-NOPERM this user has no permissions to run this command\r\n" {
		t.Errorf("another role, other prefixes: %q", got)
	}
	expect(t, "over native", native.put("shop:1", "w"), wire.PermissionDenied, "")
	h.rewriteUsers("somebody", "role = \"admin\"")
	// The very first command may be the login that has become necessary.
	if got := c.send("AUTH somebody somebody\r\nSET other w\r\n"); got != "+OK\r\n+OK\r\n" {
		t.Errorf("a login after the user was removed: %q", got)
	}
	expect(t, "over native", native.do(wire.OpGet, 0, []byte("k")), wire.Unauthenticated, "")
}
