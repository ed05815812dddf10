package wire

import "testing"

// hotPath runs once through what a server and a client do for one GET, one PUT
// and one batch item. It returns a value that depends on all of it.
func hotPath(buf []byte, lim *Limits) int {
	buf = buf[:0]
	get := Request{Op: OpGet, ID: 1}
	start := len(buf)
	buf = append(get.AppendHeader(buf), "greeting"...)
	FinishFrame(buf, start)
	put := Request{Op: OpPut, OpFlags: WriteTTL | WriteIfVersion, ID: 2, Flags: FlagDeadline | FlagDurability | FlagSession}
	start = len(buf)
	buf = AppendPut(put.AppendHeader(buf), put.OpFlags, "greeting", "hello", 1000, 41)
	FinishFrame(buf, start)

	start = len(buf)
	command := Request{Op: OpCommand, OpFlags: CommandReads, ID: 3, Flags: FlagConsistency}
	buf = command.AppendHeader(buf)
	body := len(buf)
	buf = AppendCommandArg(AppendCommandArg(BeginCommand(buf, 3), "GET"), "greeting")
	FinishCommand(buf, body, 2)
	FinishFrame(buf, start)

	sum, rest := 0, buf
	for len(rest) > 0 {
		frame, n, err := ParseFrame(rest, lim.MaxFrame)
		var r Request
		if err != nil || r.Decode(frame) != nil {
			return -1
		}
		var p PutBody
		if r.Op == OpPut && p.Decode(r.OpFlags, r.Body, lim) != nil {
			return -1
		}
		if r.Op == OpCommand {
			var args CommandArgs
			if args.Decode(r.Body) != nil {
				return -1
			}
			for arg, ok, _ := args.Next(); ok; arg, ok, _ = args.Next() {
				sum += len(arg)
			}
		}
		sum += int(r.ID) + len(p.Value)
		rest = rest[n:]
	}

	buf = AppendReply(buf[:0], 1, OK, 42, []byte("hello"))
	buf = AppendReply(buf, 2, NotFound, 0, nil)
	buf = AppendErrorReply(buf, 3, Busy, 20, "log queue is full")
	buf = AppendNotLeader(buf, 5, "10.0.0.1:8342", 7, "go there")
	start = len(buf)
	buf = BeginReply(buf, 4, OK, 0)
	batch := len(buf)
	buf = AppendItem(BeginBatch(buf), OK, 7, []byte("x"))
	FinishBatch(buf, batch, 1)
	FinishFrame(buf, start)
	rest = buf
	for len(rest) > 0 {
		frame, n, err := ParseFrame(rest, lim.MaxFrame)
		var r Response
		if err != nil || r.Decode(frame) != nil {
			return -1
		}
		sum += int(r.ID) + int(r.Version) + len(r.Leader)
		if r.ID == 4 {
			var items ItemResults
			var item ItemResult
			if items.Decode(r.Body) != nil {
				return -1
			}
			for ok, _ := items.Next(&item); ok; ok, _ = items.Next(&item) {
				sum += len(item.Body)
			}
		}
		rest = rest[n:]
	}
	return sum
}

func TestHotPathAllocatesNothing(t *testing.T) {
	lim := DefaultLimits()
	buf := make([]byte, 0, 1024)
	if hotPath(buf, &lim) < 0 {
		t.Fatal("the messages do not decode")
	}
	if n := testing.AllocsPerRun(100, func() { hotPath(buf, &lim) }); n != 0 {
		t.Fatalf("%v allocations per run", n)
	}
}

func TestRefusingAllocatesNothing(t *testing.T) {
	lim := DefaultLimits()
	n := testing.AllocsPerRun(100, func() {
		var p PutBody
		err := p.Decode(WriteTTL|WriteExpireAt, nil, &lim)
		if StatusOf(err) != InvalidArgument {
			t.Fatal(err)
		}
	})
	if n != 0 {
		t.Fatalf("%v allocations per run", n)
	}
}

func BenchmarkGetRequest(b *testing.B) {
	b.ReportAllocs()
	lim := DefaultLimits()
	buf := make([]byte, 0, 1024)
	r := Request{Op: OpGet, ID: 1}
	for b.Loop() {
		buf = append(r.AppendHeader(buf[:0]), "key:000000000001"...)
		FinishFrame(buf, 0)
		frame, _, _ := ParseFrame(buf, lim.MaxFrame)
		var got Request
		if got.Decode(frame) != nil || CheckKey(got.Body, &lim) != nil {
			b.Fatal("does not decode")
		}
	}
}

func BenchmarkGetReply(b *testing.B) {
	b.ReportAllocs()
	lim := DefaultLimits()
	buf := make([]byte, 0, 1024)
	value := make([]byte, 64)
	for b.Loop() {
		buf = AppendReply(buf[:0], 1, OK, 42, value)
		frame, _, _ := ParseFrame(buf, lim.MaxFrame)
		var got Response
		if got.Decode(frame) != nil {
			b.Fatal("does not decode")
		}
	}
}

func BenchmarkPutRequest(b *testing.B) {
	b.ReportAllocs()
	lim := DefaultLimits()
	buf := make([]byte, 0, 1024)
	value := make([]byte, 64)
	key := []byte("key:000000000001")
	r := Request{Op: OpPut, ID: 1}
	for b.Loop() {
		buf = AppendPut(r.AppendHeader(buf[:0]), 0, key, value, 0, 0)
		FinishFrame(buf, 0)
		frame, _, _ := ParseFrame(buf, lim.MaxFrame)
		var got Request
		var p PutBody
		if got.Decode(frame) != nil || p.Decode(0, got.Body, &lim) != nil {
			b.Fatal("does not decode")
		}
	}
}
