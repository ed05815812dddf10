package wire

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestStatusTableIsSortedAndComplete(t *testing.T) {
	last, names := -1, map[string]bool{}
	for _, s := range Statuses() {
		if int(s.Status) <= last {
			t.Errorf("%s (%d) follows %d", s.Name, s.Status, last)
		}
		last = int(s.Status)
		if names[s.Name] || s.Name == "" || s.Description == "" || s.RESPCode == "" {
			t.Errorf("%+v", s)
		}
		names[s.Name] = true
		if !s.Status.Known() || s.Status.Info() != s || s.Status.String() != s.Name {
			t.Errorf("%s does not find itself", s.Name)
		}
	}
}

func TestUnknownStatusPromisesNothing(t *testing.T) {
	s := Status(999)
	if s.Known() || s.Name() != "STATUS_999" || s.Retry() != RetryUnknown || s.RESPCode() != "ERR" {
		t.Fatalf("%+v", s.Info())
	}
}

// statusMarkdown is the table as docs/protocol.md must show it.
func statusMarkdown() string {
	var b strings.Builder
	b.WriteString("| number | name | retry | meaning |\n| ---: | --- | --- | --- |\n")
	for _, s := range Statuses() {
		fmt.Fprintf(&b, "| %d | `%s` | %s | %s |\n", s.Status, s.Name, s.Retry, s.Description)
	}
	return b.String()
}

// opMarkdown is the list of operations likewise.
func opMarkdown() string {
	var b strings.Builder
	b.WriteString("| number | name | may write |\n| ---: | --- | --- |\n")
	for _, op := range Ops() {
		writes := "no"
		if op.Writes() {
			writes = "yes"
		}
		fmt.Fprintf(&b, "| %d | `%s` | %s |\n", op, op, writes)
	}
	return b.String()
}

func TestDocsShowTheTablesOfTheCode(t *testing.T) {
	page, err := os.ReadFile("../../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{statusMarkdown(), opMarkdown()} {
		if !strings.Contains(string(page), table) {
			t.Errorf("docs/protocol.md does not contain this table:\n%s", table)
		}
	}
}

func TestDocsQuoteTheVectors(t *testing.T) {
	page, err := os.ReadFile("../../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	quotes := quotedBytes(string(page))
	var vectors []vector
	readVectors(t, "vectors.json", &vectors)
	wanted := map[string]bool{"client hello without credentials": true, "GET": true, "reply to GET": true,
		"PUT with TTL": true, "reply to PUT": true, "reply to GET: no entry": true}
	for _, v := range vectors {
		if wanted[v.Name] && !slices.Contains(quotes, v.Hex) {
			t.Errorf("docs/protocol.md does not quote %q: %s", v.Name, v.Hex)
		}
	}
}

// quotedBytes returns the messages shown in the page's code blocks, as hex. A
// line's bytes end at the first word that is none; a line without a "name:" goes
// on with the message of the line before.
func quotedBytes(page string) (messages []string) {
	inCode := false
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, "```") {
			inCode = !inCode
			messages = append(messages, "")
			continue
		}
		words := strings.Fields(line)
		if !inCode || len(words) == 0 {
			continue
		}
		if strings.HasSuffix(words[0], ":") {
			messages = append(messages, "")
			words = words[1:]
		}
		for _, word := range words {
			if _, err := hex.DecodeString(word); err != nil || len(word) != 2 {
				break
			}
			messages[len(messages)-1] += strings.ToLower(word)
		}
	}
	return messages
}

func TestParseFrameWaitsForEveryByte(t *testing.T) {
	whole := AppendReply(nil, 1, OK, 2, []byte("value"))
	for i := range whole {
		frame, n, err := ParseFrame(whole[:i], 1<<20)
		if frame != nil || n != 0 || err != nil {
			t.Fatalf("%d of %d bytes: frame %x, n %d, %v", i, len(whole), frame, n, err)
		}
	}
	if got := FrameSize(whole[:4]); got != uint64(len(whole)) {
		t.Fatalf("FrameSize %d, want %d", got, len(whole))
	}
	frame, n, err := ParseFrame(append(whole, 1, 2, 3), 1<<20)
	if n != len(whole) || err != nil || !bytes.Equal(frame, whole[4:]) {
		t.Fatalf("frame %x, n %d, %v", frame, n, err)
	}
	if _, _, err := ParseFrame(whole, uint32(len(whole)-4)); err != nil {
		t.Fatalf("at the limit: %v", err)
	}
	if _, _, err := ParseFrame(whole, uint32(len(whole)-5)); err != ErrFrameTooLarge {
		t.Fatalf("one above the limit: %v", err)
	}
}

func TestParseHelloJudgesTheFirstByteAlone(t *testing.T) {
	for _, first := range []string{"*", "P", "\x16", "\xd6X"} {
		if _, _, err := ParseHello([]byte(first)); err != ErrMagic {
			t.Errorf("%q: %v", first, err)
		}
	}
	whole := (&ClientHello{MinVersion: 1, MaxVersion: 1}).Append(nil)
	for i := range whole {
		if _, n, err := ParseHello(whole[:i]); n != 0 || err != nil {
			t.Fatalf("%d bytes: n %d, %v", i, n, err)
		}
	}
	tooLong := append([]byte(nil), whole[:4]...)
	tooLong = append(tooLong, 0xFF, 0xFF, 0xFF, 0xFF)
	if _, _, err := ParseHello(tooLong); err != ErrHelloTooLarge {
		t.Fatal(err)
	}
}

func TestHelloIgnoresWhatLaterVersionsAdd(t *testing.T) {
	c := ClientHello{MinVersion: 1, MaxVersion: 9, Auth: AuthPassword, Username: "u", Password: "p", ClientName: "n"}
	payload, _, _ := ParseHello(c.Append(nil))
	var got ClientHello
	if err := got.Decode(append(bytes.Clone(payload), "more"...)); err != nil || got != c {
		t.Fatalf("%+v %v", got, err)
	}
	for i := range payload {
		if err := got.Decode(payload[:i]); err == nil {
			t.Fatalf("%d of %d bytes decode", i, len(payload))
		}
	}
	s := ServerHello{Version: 1, Limits: DefaultLimits(), NodeID: "n", ClusterID: "c", ServerVersion: "v", Message: "m", TimeMs: 99}
	payload, _, _ = ParseHello(s.Append(nil))
	var gotServer ServerHello
	if err := gotServer.Decode(append(bytes.Clone(payload), "more"...)); err != nil || gotServer != s {
		t.Fatalf("%+v %v", gotServer, err)
	}
	for i := range payload {
		if i == len(payload)-8 { // what a server without the time sends
			if err := gotServer.Decode(payload[:i]); err != nil || gotServer.TimeMs != 0 {
				t.Fatalf("%+v %v", gotServer, err)
			}
			continue
		}
		if err := gotServer.Decode(payload[:i]); err == nil {
			t.Fatalf("%d of %d bytes decode", i, len(payload))
		}
	}
}

func TestNegotiatePicksACommonVersion(t *testing.T) {
	for _, c := range []struct{ low, high, want uint16 }{{1, 1, 1}, {0, 1, 1}, {1, 9, 1}, {2, 9, 0}, {0, 0, 0}} {
		h := ClientHello{MinVersion: c.low, MaxVersion: c.high}
		if got := h.Negotiate(); got != c.want {
			t.Errorf("%d–%d: %d, want %d", c.low, c.high, got, c.want)
		}
	}
}

func TestHelloStringsAreCutNotRefused(t *testing.T) {
	h := ClientHello{MinVersion: 1, MaxVersion: 1, ClientName: strings.Repeat("x", 5000)}
	payload, _, err := ParseHello(h.Append(nil))
	if err != nil {
		t.Fatal(err)
	}
	var got ClientHello
	if err := got.Decode(payload); err != nil || len(got.ClientName) != maxHelloString {
		t.Fatalf("%d bytes, %v", len(got.ClientName), err)
	}
}

func TestLimitsAreInclusive(t *testing.T) {
	lim := Limits{MaxFrame: 100, MaxKey: 3, MaxValue: 4, MaxBatch: 2, MaxScan: 5}
	if CheckKey([]byte("abc"), &lim) != nil || CheckKey([]byte("abcd"), &lim) != ErrKeyTooLarge {
		t.Error("key")
	}
	for _, c := range []struct {
		key, value string
		want       error
	}{{"abc", "1234", nil}, {"abcd", "1", ErrKeyTooLarge}, {"abc", "12345", ErrValueTooLarge}, {"", "", nil}} {
		var p PutBody
		if err := p.Decode(0, AppendPut(nil, 0, c.key, c.value, 0, 0), &lim); err != c.want {
			t.Errorf("PUT %q %q: %v, want %v", c.key, c.value, err, c.want)
		}
	}
	var keys Keys
	body := AppendBatchKey(AppendBatchKey(AppendBatchKey(BeginBatch(nil), "a"), "b"), "c")
	FinishBatch(body, 0, 3)
	if err := keys.Decode(body, &lim); err != ErrBatchTooLarge {
		t.Error(err)
	}
	for asked, want := range map[uint32]uint32{0: 5, 1: 1, 5: 5, 6: 5, math.MaxUint32: 5} {
		var s ScanBody
		if err := s.Decode(AppendScan(nil, 0, asked, ""), &lim); err != nil || s.Limit != want {
			t.Errorf("SCAN limit %d: %d, want %d (%v)", asked, s.Limit, want, err)
		}
	}
}

func TestUnknownKindOfReplyIsNoError(t *testing.T) {
	r := Response{Kind: 9, Flags: 0xFF, ID: 5, Body: []byte("later")}
	var got Response
	frame := []byte{9, 0xFF, 0, 0, 5, 0, 0, 0, 'l'}
	if err := got.Decode(frame); err != nil || got.Kind != 9 || got.ID != r.ID {
		t.Fatalf("%+v %v", got, err)
	}
}

func TestDecodeErrorKeepsTheRequestID(t *testing.T) {
	r := Request{Op: 200, ID: 77}
	frame, _, _ := ParseFrame(r.Append(nil), 1<<20)
	var got Request
	if err := got.Decode(frame); err != ErrUnknownOp || got.ID != 77 {
		t.Fatalf("id %d, %v", got.ID, err)
	}
}

func TestStatusOfErrors(t *testing.T) {
	if StatusOf(nil) != OK || StatusOf(errors.New("x")) != Internal || StatusOf(fmt.Errorf("in batch: %w", ErrKeyTooLarge)) != TooLarge {
		t.Fatal("wrong status")
	}
}

func TestHeadersRoundTrip(t *testing.T) {
	ops := Ops()
	rapid.Check(t, func(t *rapid.T) {
		op := ops[rapid.IntRange(0, len(ops)-1).Draw(t, "op")]
		r := Request{Op: op, OpFlags: rapid.Uint8().Draw(t, "opflags") & uint8(op.flagMask()), ID: rapid.Uint32().Draw(t, "id"),
			Flags: Flags(rapid.Uint16().Draw(t, "flags")) & knownFlags}
		if r.Flags&FlagDeadline != 0 {
			r.DeadlineMs = rapid.Uint32().Draw(t, "deadline")
		}
		if r.Flags&FlagConsistency != 0 {
			r.Consistency = Consistency(rapid.Uint8Range(0, uint8(Local)).Draw(t, "consistency"))
			r.ConsistencyArg = rapid.Uint64().Draw(t, "arg")
		}
		if r.Flags&FlagDurability != 0 {
			r.Acks = Acks(rapid.Uint8Range(0, uint8(AcksLeader)).Draw(t, "acks"))
			r.Durability = Durability(rapid.Uint8Range(0, uint8(DurabilityNever)).Draw(t, "durability"))
		}
		if r.Flags&FlagEpoch != 0 {
			r.Epoch = rapid.Uint64().Draw(t, "epoch")
		}
		if r.Flags&FlagSession != 0 {
			copy(r.Session[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "session"))
			r.Sequence, r.Acknowledged = rapid.Uint64().Draw(t, "sequence"), rapid.Uint64().Draw(t, "acknowledged")
		}
		r.Body = rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "body")
		frame, n, err := ParseFrame(append(r.Append(nil), "next"...), 1<<20)
		if err != nil || n == 0 {
			t.Fatal(err)
		}
		got := Request{}
		if err := got.Decode(frame); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Body, r.Body) {
			t.Fatalf("body %x, want %x", got.Body, r.Body)
		}
		got.Body, r.Body = nil, nil
		if !reflect.DeepEqual(got, r) {
			t.Fatalf("%+v, want %+v", got, r)
		}
	})
}

func TestReplyHeadersRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := Response{Flags: ReplyFlags(rapid.Uint8().Draw(t, "flags")) & knownReplyFlags, Status: NotLeader, ID: 5,
			Body: rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "body")}
		number := func(flag ReplyFlags, n *uint64) {
			if r.Flags&flag != 0 {
				*n = rapid.Uint64().Draw(t, "number")
			}
		}
		number(ReplyVersion, &r.Version)
		number(ReplyReceipt, &r.Term)
		number(ReplyTiming, &r.SyncNs)
		number(ReplyEpoch, &r.Epoch)
		number(ReplyIndex, &r.Index)
		if r.Flags&ReplyLeader != 0 {
			r.Leader = rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "leader")
		}
		encoded := r.Append(nil)
		frame, n, err := ParseFrame(encoded, 1<<20)
		if err != nil || n != len(encoded) {
			t.Fatal(n, err)
		}
		var got Response
		if err := got.Decode(frame); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Body, r.Body) || !bytes.Equal(got.Leader, r.Leader) {
			t.Fatalf("%+v, want %+v", got, r)
		}
		got.Body, r.Body, got.Leader, r.Leader = nil, nil, nil, nil
		if !reflect.DeepEqual(got, r) {
			t.Fatalf("%+v, want %+v", got, r)
		}
		for i := HeaderSize; i < len(frame)-len(r.Body); i++ {
			if i-HeaderSize < r.Flags.optionalSize() && got.Decode(frame[:i]) == nil {
				t.Fatalf("%d of %d bytes decode", i, len(frame))
			}
		}
	})
}

func TestNotLeaderSaysWhereToGo(t *testing.T) {
	for _, c := range []struct {
		leader string
		epoch  uint64
		flags  ReplyFlags
	}{{"h:1", 7, ReplyLeader | ReplyEpoch}, {"h:1", 0, ReplyLeader}, {"", 7, ReplyEpoch}, {"", 0, 0}} {
		encoded := AppendNotLeader(nil, 9, c.leader, c.epoch, "text")
		frame, n, _ := ParseFrame(encoded, 1<<20)
		var r Response
		if err := r.Decode(frame); err != nil || n != len(encoded) {
			t.Fatal(n, err)
		}
		if r.Status != NotLeader || r.ID != 9 || r.Flags != c.flags || string(r.Leader) != c.leader || r.Epoch != c.epoch || string(r.Body) != "text" {
			t.Errorf("%+v: %+v", c, r)
		}
	}
	long := AppendNotLeader(nil, 9, strings.Repeat("x", 5000), 0, "")
	var r Response
	if frame, _, _ := ParseFrame(long, 1<<20); r.Decode(frame) != nil || len(r.Leader) != maxHelloString {
		t.Errorf("%d bytes of address", len(r.Leader))
	}
}

func TestTopologyWithoutLaterFieldsMeansAllActive(t *testing.T) {
	full := Topology{Epoch: 3, Nodes: []TopologyNode{{ID: "a", State: StateDown}, {ID: "b"}},
		Partitions: []TopologyPartition{{Leader: 1, Replicas: []uint16{0, 1}, Term: 9}}}
	encoded := full.Append(nil)
	for cut, want := range map[int]bool{0: true, 1: false, 8: true, 9: false, 10: true} {
		var got Topology
		err := got.Decode(encoded[:len(encoded)-cut])
		if (err == nil) != want {
			t.Errorf("without the last %d bytes: %v", cut, err)
		}
		if cut == 10 && (got.Nodes[0].State != StateActive || got.Partitions[0].Term != 0) {
			t.Errorf("%+v", got)
		}
	}
	var got Topology
	if err := got.Decode(append(encoded, "more"...)); err != nil || !reflect.DeepEqual(got, full) {
		t.Errorf("%+v %v", got, err)
	}
}

func TestCommandsThatReadDoNotWrite(t *testing.T) {
	for _, c := range []struct {
		r    Request
		want bool
	}{{Request{Op: OpCommand}, true}, {Request{Op: OpCommand, OpFlags: CommandReads}, false},
		{Request{Op: OpPut, OpFlags: WriteIfAbsent}, true}, {Request{Op: OpGet, OpFlags: GetMeta}, false}} {
		if c.r.Writes() != c.want {
			t.Errorf("%v with flags %d writes: %v", c.r.Op, c.r.OpFlags, c.r.Writes())
		}
	}
}

func TestWriteBodiesRoundTrip(t *testing.T) {
	lim := DefaultLimits()
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "key")
		value := rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(t, "value")
		flags := rapid.SampledFrom([]uint8{0, WriteTTL, WriteExpireAt, WriteKeepTTL, WriteIfVersion,
			WriteIfVersion | WriteTTL, WriteIfAbsent | WriteExpireAt, WriteReturnOld | WriteIfPresent}).Draw(t, "flags")
		var want PutBody
		want.Key, want.Value = key, value
		if flags&(WriteTTL|WriteExpireAt) != 0 {
			want.Expiry = rapid.Uint64Range(1, maxExpireAt).Draw(t, "expiry")
		}
		if flags&WriteIfVersion != 0 {
			want.IfVersion = rapid.Uint64().Draw(t, "version")
		}
		encoded := AppendPut(nil, flags, string(key), value, want.Expiry, want.IfVersion)
		var got PutBody
		if err := got.Decode(flags, encoded, &lim); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Key, key) || !bytes.Equal(got.Value, value) || got.Expiry != want.Expiry || got.IfVersion != want.IfVersion {
			t.Fatalf("%+v, want %+v", got, want)
		}
		// No prefix of the fixed part decodes to something else.
		fixed := len(encoded) - len(value)
		for i := range fixed {
			if err := got.Decode(flags, encoded[:i], &lim); err == nil {
				t.Fatalf("%d of %d bytes decode", i, fixed)
			}
		}
	})
}

func TestKeyOfFindsTheKeyThatTheDecodersFind(t *testing.T) {
	lim := DefaultLimits()
	rapid.Check(t, func(t *rapid.T) {
		op := rapid.SampledFrom([]Op{OpGet, OpPersist, OpPut, OpDelete, OpIncrement, OpExpire}).Draw(t, "op")
		flags := rapid.Uint8().Draw(t, "flags") & uint8(op.flagMask())
		b := vectorBody{Key: rapid.String().Draw(t, "key"), Value: rapid.String().Draw(t, "value"),
			Expiry: 5, IfVersion: 6, Delta: 7}
		body := b.encode(op, flags, nil)
		decoded, err := decodeBody(op, flags, body, &lim)
		key := KeyOf(op, flags, body)
		if err == nil && string(key) != decoded.Key {
			t.Fatalf("%v with flags %d: %q, want %q", op, flags, key, decoded.Key)
		}
		item := BeginWriteItem(nil, op, flags)
		item = append(item, body...)
		FinishWriteItem(item, 0)
		if got := KeyOfItem(item); string(got) != string(key) {
			t.Fatalf("as an item: %q, want %q", got, key)
		}
		for i := range body {
			KeyOf(op, flags, body[:i])
		}
	})
	if KeyOf(OpScan, 0, []byte("x")) != nil || KeyOfItem([]byte{1, 2}) != nil {
		t.Error("a key where there is none")
	}
}
