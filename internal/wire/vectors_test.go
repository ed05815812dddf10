package wire

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

// update rewrites the bytes in testdata from the fields beside them. Look at the
// difference before you commit it: a published vector never changes.
var update = flag.Bool("update", false, "rewrite the hex of testdata/*.json")

// vector is one message: its meaning in fields and its bytes. Exactly one of the
// four pointers is set. docs/protocol.md describes the fields.
type vector struct {
	Name        string         `json:"name"`
	ClientHello *ClientHello   `json:"client_hello,omitempty"`
	ServerHello *ServerHello   `json:"server_hello,omitempty"`
	Request     *vectorRequest `json:"request,omitempty"`
	Reply       *vectorReply   `json:"reply,omitempty"`
	Hex         string         `json:"hex"`
}

type vectorRequest struct {
	Op             string `json:"op"`
	OpFlags        uint8  `json:"op_flags,omitempty"`
	Flags          Flags  `json:"flags,omitempty"`
	ID             uint32 `json:"id"`
	DeadlineMs     uint32 `json:"deadline_ms,omitempty"`
	Consistency    uint8  `json:"consistency,omitempty"`
	ConsistencyArg uint64 `json:"consistency_arg,omitempty"`
	Acks           uint8  `json:"acks,omitempty"`
	Durability     uint8  `json:"durability,omitempty"`
	Epoch          uint64 `json:"epoch,omitempty"`
	Session        string `json:"session_hex,omitempty"`
	Sequence       uint64 `json:"sequence,omitempty"`
	Acknowledged   uint64 `json:"acknowledged,omitempty"`
	vectorBody
	Keys   []string     `json:"keys,omitempty"`
	Items  []vectorItem `json:"items,omitempty"`
	Backup *BackupBody  `json:"backup,omitempty"`
	RESP   uint8        `json:"resp_version,omitempty"`
	Args   []string     `json:"args,omitempty"`
}

// vectorBody holds what the bodies of single operations hold.
type vectorBody struct {
	Key       string `json:"key,omitempty"`
	Value     string `json:"value,omitempty"`
	Expiry    uint64 `json:"expiry,omitempty"`
	IfVersion uint64 `json:"if_version,omitempty"`
	Delta     int64  `json:"delta,omitempty"`
	Cursor    uint64 `json:"cursor,omitempty"`
	Limit     uint32 `json:"limit,omitempty"`
}

type vectorItem struct {
	Op      string `json:"op"`
	OpFlags uint8  `json:"op_flags,omitempty"`
	vectorBody
}

type vectorReply struct {
	To           string         `json:"to"` // the request's operation
	ToOpFlags    uint8          `json:"to_op_flags,omitempty"`
	Kind         uint8          `json:"kind,omitempty"`
	Status       string         `json:"status"`
	Flags        ReplyFlags     `json:"flags,omitempty"`
	ID           uint32         `json:"id"`
	Version      uint64         `json:"version,omitempty"`
	Term         uint64         `json:"term,omitempty"`
	Consistency  uint8          `json:"consistency,omitempty"`
	Acks         uint8          `json:"acks,omitempty"`
	Durability   uint8          `json:"durability,omitempty"`
	QueueNs      uint64         `json:"queue_ns,omitempty"`
	ApplyNs      uint64         `json:"apply_ns,omitempty"`
	SyncNs       uint64         `json:"sync_ns,omitempty"`
	RetryAfterMs uint32         `json:"retry_after_ms,omitempty"`
	Epoch        uint64         `json:"epoch,omitempty"`
	Leader       string         `json:"leader,omitempty"`
	Index        uint64         `json:"index,omitempty"`
	Text         string         `json:"text,omitempty"`
	Value        string         `json:"value,omitempty"`
	Old          *string        `json:"old_value,omitempty"`
	NoOld        bool           `json:"no_old_value,omitempty"`
	Int          *int64         `json:"int,omitempty"`
	Meta         *EntryMeta     `json:"meta,omitempty"`
	Items        []vectorResult `json:"items,omitempty"`
	NextCursor   uint64         `json:"next_cursor,omitempty"`
	Entries      []vectorEntry  `json:"entries,omitempty"`
	Topology     *Topology      `json:"topology,omitempty"`
	Piece        *BackupPiece   `json:"piece,omitempty"` // its data is the value
}

type vectorResult struct {
	Status  string `json:"status"`
	Version uint64 `json:"version,omitempty"`
	Value   string `json:"value,omitempty"`
	Int     *int64 `json:"int,omitempty"`
}

type vectorEntry struct {
	Key      string `json:"key"`
	Value    string `json:"value,omitempty"`
	Version  uint64 `json:"version,omitempty"`
	ExpireAt uint64 `json:"expire_at,omitempty"`
}

func opByName(t *testing.T, name string) Op {
	t.Helper()
	for _, op := range Ops() {
		if op.Name() == name {
			return op
		}
	}
	t.Fatalf("no operation %q", name)
	return 0
}

func statusByName(t *testing.T, name string) Status {
	t.Helper()
	for _, s := range Statuses() {
		if s.Name == name {
			return s.Status
		}
	}
	t.Fatalf("no status %q", name)
	return 0
}

func (b *vectorBody) encode(op Op, flags uint8, dst []byte) []byte {
	switch op {
	case OpGet, OpPersist:
		return append(dst, b.Key...)
	case OpPut:
		return AppendPut(dst, flags, b.Key, b.Value, b.Expiry, b.IfVersion)
	case OpDelete:
		return AppendDelete(dst, flags, b.Key, b.IfVersion)
	case OpIncrement:
		return AppendIncrement(dst, flags, b.Key, b.Delta, b.Expiry)
	case OpExpire:
		return AppendExpire(dst, b.Key, b.Expiry)
	case OpScan:
		return AppendScan(dst, b.Cursor, b.Limit, b.Key)
	}
	return append(dst, b.Value...)
}

// decodeBody is the way back; judging errors is the caller's part.
func decodeBody(op Op, flags uint8, body []byte, lim *Limits) (b vectorBody, err error) {
	switch op {
	case OpGet, OpPersist:
		return vectorBody{Key: string(body)}, CheckKey(body, lim)
	case OpPut:
		var p PutBody
		err = p.Decode(flags, body, lim)
		return vectorBody{Key: string(p.Key), Value: string(p.Value), Expiry: p.Expiry, IfVersion: p.IfVersion}, err
	case OpDelete:
		var d DeleteBody
		err = d.Decode(flags, body, lim)
		return vectorBody{Key: string(d.Key), IfVersion: d.IfVersion}, err
	case OpIncrement:
		var i IncrementBody
		err = i.Decode(flags, body, lim)
		return vectorBody{Key: string(i.Key), Delta: i.Delta, Expiry: i.Expiry}, err
	case OpExpire:
		var e ExpireBody
		err = e.Decode(flags, body, lim)
		return vectorBody{Key: string(e.Key), Expiry: e.Expiry}, err
	case OpScan:
		var s ScanBody
		err = s.Decode(body, lim)
		return vectorBody{Key: string(s.Prefix), Cursor: s.Cursor, Limit: s.Limit}, err
	case OpPing, OpAdmin:
		return vectorBody{Value: string(body)}, nil
	}
	return vectorBody{}, CheckEmpty(body)
}

func (v *vectorRequest) encode(t *testing.T) []byte {
	op := opByName(t, v.Op)
	r := Request{Op: op, OpFlags: v.OpFlags, Flags: v.Flags, ID: v.ID, DeadlineMs: v.DeadlineMs,
		Consistency: Consistency(v.Consistency), ConsistencyArg: v.ConsistencyArg,
		Acks: Acks(v.Acks), Durability: Durability(v.Durability), Epoch: v.Epoch,
		Sequence: v.Sequence, Acknowledged: v.Acknowledged}
	hex.Decode(r.Session[:], []byte(v.Session))
	dst := r.AppendHeader(nil)
	start := len(dst)
	switch op {
	case OpGetBatch:
		dst = BeginBatch(dst)
		for _, key := range v.Keys {
			dst = AppendBatchKey(dst, key)
		}
		FinishBatch(dst, start, len(v.Keys))
	case OpWriteBatch:
		dst = BeginBatch(dst)
		for _, item := range v.Items {
			itemOp, at := opByName(t, item.Op), len(dst)
			dst = BeginWriteItem(dst, itemOp, item.OpFlags)
			dst = item.encode(itemOp, item.OpFlags, dst)
			FinishWriteItem(dst, at)
		}
		FinishBatch(dst, start, len(v.Items))
	case OpBackup:
		dst = v.Backup.Append(dst)
	case OpCommand:
		dst = BeginCommand(dst, v.RESP)
		for _, arg := range v.Args {
			dst = AppendCommandArg(dst, arg)
		}
		FinishCommand(dst, start, len(v.Args))
	default:
		dst = v.vectorBody.encode(op, v.OpFlags, dst)
	}
	FinishFrame(dst, 0)
	return dst
}

// decodeRequest is the way back from a frame to the vector's fields.
func decodeRequest(frame []byte, lim *Limits) (v vectorRequest, err error) {
	var r Request
	if err := r.Decode(frame); err != nil {
		return v, err
	}
	v = vectorRequest{Op: r.Op.Name(), OpFlags: r.OpFlags, Flags: r.Flags, ID: r.ID, DeadlineMs: r.DeadlineMs,
		Consistency: uint8(r.Consistency), ConsistencyArg: r.ConsistencyArg,
		Acks: uint8(r.Acks), Durability: uint8(r.Durability), Epoch: r.Epoch,
		Sequence: r.Sequence, Acknowledged: r.Acknowledged}
	if r.Flags&FlagSession != 0 {
		v.Session = hex.EncodeToString(r.Session[:])
	}
	switch r.Op {
	case OpGetBatch:
		var keys Keys
		if err := keys.Decode(r.Body, lim); err != nil {
			return v, err
		}
		for {
			key, ok, err := keys.Next(lim)
			if !ok {
				return v, err
			}
			v.Keys = append(v.Keys, string(key))
		}
	case OpWriteBatch:
		var items WriteItems
		if err := items.Decode(r.Body, lim); err != nil {
			return v, err
		}
		var item WriteItem
		for {
			ok, err := items.Next(&item)
			if !ok {
				return v, err
			}
			b, err := decodeBody(item.Op, item.OpFlags, item.Body, lim)
			if err != nil {
				return v, err
			}
			v.Items = append(v.Items, vectorItem{Op: item.Op.Name(), OpFlags: item.OpFlags, vectorBody: b})
		}
	}
	if r.Op == OpBackup {
		v.Backup = new(BackupBody)
		return v, v.Backup.Decode(r.OpFlags, r.Body)
	}
	if r.Op == OpCommand {
		var args CommandArgs
		if err := args.Decode(r.Body); err != nil {
			return v, err
		}
		v.RESP = args.RESPVersion
		for {
			arg, ok, err := args.Next()
			if !ok {
				return v, err
			}
			v.Args = append(v.Args, string(arg))
		}
	}
	v.vectorBody, err = decodeBody(r.Op, r.OpFlags, r.Body, lim)
	return v, err
}

func (v *vectorReply) encode(t *testing.T) []byte {
	r := Response{Kind: v.Kind, Status: statusByName(t, v.Status), Flags: v.Flags, ID: v.ID, Version: v.Version, Term: v.Term,
		Consistency: Consistency(v.Consistency), Acks: Acks(v.Acks), Durability: Durability(v.Durability),
		QueueNs: v.QueueNs, ApplyNs: v.ApplyNs, SyncNs: v.SyncNs, RetryAfterMs: v.RetryAfterMs, Epoch: v.Epoch,
		Leader: []byte(v.Leader), Index: v.Index}
	dst := r.AppendHeader(nil)
	dst = v.encodeBody(t, dst)
	FinishFrame(dst, 0)
	return dst
}

func (v *vectorReply) encodeBody(t *testing.T, dst []byte) []byte {
	start := len(dst)
	switch {
	case v.Text != "":
		return append(dst, v.Text...)
	case v.Old != nil:
		return AppendOld(dst, true, []byte(*v.Old))
	case v.NoOld:
		return AppendOld(dst, false, nil)
	case v.Int != nil:
		return AppendInt(dst, *v.Int)
	case v.Meta != nil:
		return append(v.Meta.Append(dst), v.Value...)
	case v.Topology != nil:
		return v.Topology.Append(dst)
	case v.Piece != nil:
		return append(v.Piece.AppendHeader(dst), v.Value...)
	case v.To == "GETBATCH" || v.To == "WRITEBATCH":
		dst = BeginBatch(dst)
		for _, item := range v.Items {
			body := []byte(item.Value)
			if item.Int != nil {
				body = AppendInt(nil, *item.Int)
			}
			dst = AppendItem(dst, statusByName(t, item.Status), item.Version, body)
		}
		FinishBatch(dst, start, len(v.Items))
		return dst
	case v.To == "SCAN":
		dst = BeginScanPage(dst)
		for _, e := range v.Entries {
			if v.ToOpFlags&ScanKeysOnly != 0 {
				dst = AppendScanKey(dst, []byte(e.Key))
			} else {
				dst = AppendScanEntry(dst, []byte(e.Key), []byte(e.Value), e.Version, e.ExpireAt)
			}
		}
		FinishScanPage(dst, start, v.NextCursor, len(v.Entries))
		return dst
	}
	return append(dst, v.Value...)
}

// decode is the way back; of v only what is not in the frame is used: To,
// ToOpFlags, and for a WRITEBATCH which items are integers.
func (v *vectorReply) decode(frame []byte) (got vectorReply, err error) {
	var r Response
	if err := r.Decode(frame); err != nil {
		return got, err
	}
	got = vectorReply{To: v.To, ToOpFlags: v.ToOpFlags, Kind: r.Kind, Status: r.Status.Name(), Flags: r.Flags, ID: r.ID,
		Version: r.Version, Term: r.Term, Consistency: uint8(r.Consistency), Acks: uint8(r.Acks), Durability: uint8(r.Durability),
		QueueNs: r.QueueNs, ApplyNs: r.ApplyNs, SyncNs: r.SyncNs, RetryAfterMs: r.RetryAfterMs, Epoch: r.Epoch,
		Leader: string(r.Leader), Index: r.Index}
	if r.Status >= InvalidArgument {
		got.Text = string(r.Body)
		return got, nil
	}
	switch v.To {
	case "INCREMENT", "COUNT":
		n, err := DecodeInt(r.Body)
		got.Int = &n
		return got, err
	case "TOPOLOGY", "push":
		got.Topology = new(Topology)
		return got, got.Topology.Decode(r.Body)
	case "BACKUP":
		got.Piece = new(BackupPiece)
		err := got.Piece.Decode(r.Body)
		got.Value, got.Piece.Data = string(got.Piece.Data), nil
		return got, err
	case "GETBATCH", "WRITEBATCH":
		return got, v.decodeItems(&got, r.Body)
	case "SCAN":
		return got, got.decodePage(r.Body)
	}
	switch {
	case v.To == "GET" && v.ToOpFlags&GetMeta != 0 && r.Status == OK:
		got.Meta = new(EntryMeta)
		value, err := got.Meta.Decode(r.Body)
		got.Value = string(value)
		return got, err
	case (v.To == "PUT" || v.To == "DELETE") && v.ToOpFlags&WriteReturnOld != 0:
		existed, value, err := DecodeOld(r.Body)
		if old := string(value); existed {
			got.Old = &old
		} else {
			got.NoOld = true
		}
		return got, err
	}
	got.Value = string(r.Body)
	return got, nil
}

func (v *vectorReply) decodeItems(got *vectorReply, body []byte) error {
	var items ItemResults
	if err := items.Decode(body); err != nil {
		return err
	}
	var item ItemResult
	for i := 0; ; i++ {
		ok, err := items.Next(&item)
		if !ok {
			return err
		}
		result := vectorResult{Status: item.Status.Name(), Version: item.Version}
		if i < len(v.Items) && v.Items[i].Int != nil {
			n, err := DecodeInt(item.Body)
			if err != nil {
				return err
			}
			result.Int = &n
		} else {
			result.Value = string(item.Body)
		}
		got.Items = append(got.Items, result)
	}
}

func (v *vectorReply) decodePage(body []byte) error {
	var page ScanPage
	if err := page.Decode(v.ToOpFlags, body); err != nil {
		return err
	}
	v.NextCursor = page.NextCursor
	var e ScanEntry
	for {
		ok, err := page.Next(&e)
		if !ok {
			return err
		}
		v.Entries = append(v.Entries, vectorEntry{Key: string(e.Key), Value: string(e.Value), Version: e.Version, ExpireAt: e.ExpireAt})
	}
}

func readVectors(t testing.TB, name string, into any) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

func TestVectorsEncodeToTheirBytesAndDecodeToTheirFields(t *testing.T) {
	var vectors []vector
	readVectors(t, "vectors.json", &vectors)
	for i := range vectors {
		v := &vectors[i]
		t.Run(v.Name, func(t *testing.T) { v.check(t) })
	}
	if *update {
		data, err := json.MarshalIndent(vectors, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join("testdata", "vectors.json"), append(data, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func (v *vector) check(t *testing.T) {
	var encoded []byte
	switch {
	case v.ClientHello != nil:
		encoded = v.ClientHello.Append(nil)
	case v.ServerHello != nil:
		encoded = v.ServerHello.Append(nil)
	case v.Request != nil:
		encoded = v.Request.encode(t)
	case v.Reply != nil:
		encoded = v.Reply.encode(t)
	}
	if *update {
		v.Hex = hex.EncodeToString(encoded)
	}
	want, err := hex.DecodeString(v.Hex)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(encoded, want) {
		t.Fatalf("fields encode to\n%x, the vector says\n%x", encoded, want)
	}
	got := v.decoded(t, want)
	if !reflect.DeepEqual(got, *v) {
		a, _ := json.Marshal(got)
		b, _ := json.Marshal(v)
		t.Fatalf("bytes decode to\n%s, the vector says\n%s", a, b)
	}
}

func (v *vector) decoded(t *testing.T, data []byte) (got vector) {
	got = vector{Name: v.Name, Hex: v.Hex}
	lim := DefaultLimits()
	fail := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	if v.ClientHello != nil || v.ServerHello != nil {
		payload, n, err := ParseHello(data)
		fail(err)
		if n != len(data) {
			t.Fatalf("hello takes %d of %d bytes", n, len(data))
		}
		if v.ClientHello != nil {
			got.ClientHello = new(ClientHello)
			fail(got.ClientHello.Decode(payload))
		} else {
			got.ServerHello = new(ServerHello)
			fail(got.ServerHello.Decode(payload))
		}
		return got
	}
	frame, n, err := ParseFrame(data, lim.MaxFrame)
	fail(err)
	if n != len(data) {
		t.Fatalf("frame takes %d of %d bytes", n, len(data))
	}
	if v.Request != nil {
		r, err := decodeRequest(frame, &lim)
		fail(err)
		got.Request = &r
	} else {
		r, err := v.Reply.decode(frame)
		fail(err)
		got.Reply = &r
	}
	return got
}

// refusal is a request that a server must refuse.
type refusal struct {
	Name   string `json:"name"`
	Hex    string `json:"hex"`
	Status string `json:"status"` // of the reply
	Closes bool   `json:"closes"` // the connection cannot go on
}

func TestRefusalsGetTheirStatus(t *testing.T) {
	var refusals []refusal
	readVectors(t, "refusals.json", &refusals)
	lim := DefaultLimits()
	for _, v := range refusals {
		t.Run(v.Name, func(t *testing.T) {
			data, err := hex.DecodeString(v.Hex)
			if err != nil {
				t.Fatal(err)
			}
			frame, n, err := ParseFrame(data, lim.MaxFrame)
			if (err != nil) != v.Closes {
				t.Fatalf("ParseFrame: %v", err)
			}
			if err == nil {
				if n != len(data) {
					t.Fatalf("frame takes %d of %d bytes", n, len(data))
				}
				_, err = decodeRequest(frame, &lim)
			}
			if got := StatusOf(err).Name(); err == nil || got != v.Status {
				t.Fatalf("refused with %v (%s), want %s", err, got, v.Status)
			}
		})
	}
}
