package wire

import (
	"encoding/hex"
	"reflect"
	"runtime"
	"testing"
)

// seed adds every published message, and every refused one, to a fuzz target.
func seed(f *testing.F) {
	var vectors []vector
	readVectors(f, "vectors.json", &vectors)
	for _, v := range vectors {
		data, _ := hex.DecodeString(v.Hex)
		f.Add(data)
	}
	var refusals []refusal
	readVectors(f, "refusals.json", &refusals)
	for _, v := range refusals {
		data, _ := hex.DecodeString(v.Hex)
		f.Add(data)
	}
}

// within fails the test if fn allocates more than ceiling bytes. The count is
// the process's, so that other goroutines add a little noise; the fuzzer's
// own workers are processes of their own.
func within(t *testing.T, ceiling uint64, fn func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	fn()
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > ceiling {
		t.Fatalf("allocated %d bytes, the ceiling is %d", got, ceiling)
	}
}

// noise is what the runtime and the fuzzer may allocate in between.
const noise = 256 << 10

func FuzzParseFrame(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		within(t, noise, func() {
			const limit = 1 << 16
			frame, n, err := ParseFrame(data, limit)
			switch {
			case err != nil:
				if n != 0 || frame != nil {
					t.Fatal("an error with a frame")
				}
			case n == 0:
				if want := FrameSize(data); want != 0 && want <= uint64(len(data)) {
					t.Fatalf("asks for more, but the %d bytes of the frame are there", want)
				}
			default:
				if n != len(frame)+lengthSize || n > len(data) || len(frame) > limit || len(frame) < HeaderSize {
					t.Fatalf("frame of %d bytes takes %d of %d", len(frame), n, len(data))
				}
			}
		})
	})
}

// walkRequest decodes a request as far as there is something to decode. It
// returns the count of things seen.
func walkRequest(frame []byte, lim *Limits) (seen int, err error) {
	var r Request
	if err := r.Decode(frame); err != nil {
		return 0, err
	}
	switch r.Op {
	case OpGetBatch:
		var keys Keys
		if err := keys.Decode(r.Body, lim); err != nil {
			return 0, err
		}
		for {
			if _, ok, err := keys.Next(lim); !ok {
				return seen, err
			}
			seen++
		}
	case OpWriteBatch:
		var items WriteItems
		if err := items.Decode(r.Body, lim); err != nil {
			return 0, err
		}
		var item WriteItem
		for {
			if ok, err := items.Next(&item); !ok {
				return seen, err
			}
			if err := walkBody(item.Op, item.OpFlags, item.Body, lim); err != nil {
				return seen, err
			}
			seen++
		}
	case OpBackup:
		var b BackupBody
		if err := b.Decode(r.OpFlags, r.Body); err != nil {
			return 0, err
		}
		return 1, nil
	case OpCommand:
		var args CommandArgs
		if err := args.Decode(r.Body); err != nil {
			return 0, err
		}
		for {
			if _, ok, err := args.Next(); !ok {
				return seen, err
			}
			seen++
		}
	}
	return 1, walkBody(r.Op, r.OpFlags, r.Body, lim)
}

func walkBody(op Op, flags uint8, body []byte, lim *Limits) error {
	switch op {
	case OpPut:
		var p PutBody
		return p.Decode(flags, body, lim)
	case OpDelete:
		var d DeleteBody
		return d.Decode(flags, body, lim)
	case OpIncrement:
		var i IncrementBody
		return i.Decode(flags, body, lim)
	case OpExpire:
		var e ExpireBody
		return e.Decode(flags, body, lim)
	case OpScan:
		var s ScanBody
		return s.Decode(body, lim)
	}
	return CheckKey(body, lim)
}

func FuzzRequest(f *testing.F) {
	seed(f)
	lim := DefaultLimits()
	f.Fuzz(func(t *testing.T, data []byte) {
		within(t, noise, func() {
			frame, n, err := ParseFrame(data, lim.MaxFrame)
			if err != nil || n == 0 {
				return
			}
			seen, err := walkRequest(frame, &lim)
			if seen > len(data) {
				t.Fatalf("%d items in %d bytes", seen, len(data))
			}
			if err != nil {
				if s := StatusOf(err); s == OK || s == Internal {
					t.Fatalf("refused with %v: %v", s, err)
				}
				return
			}
			// What decodes encodes to the same bytes, as far as the header goes.
			var r Request
			r.Decode(frame)
			if key := KeyOf(r.Op, r.OpFlags, r.Body); len(key) > len(r.Body) {
				t.Fatalf("key of %d bytes in %d", len(key), len(r.Body))
			}
			if again := r.Append(nil); string(again) != string(data[:n]) {
				t.Fatalf("encodes to %x, was %x", again, data[:n])
			}
		})
	})
}

func FuzzResponse(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		within(t, noise, func() {
			frame, n, err := ParseFrame(data, 1<<20)
			if err != nil || n == 0 {
				return
			}
			var r Response
			if r.Decode(frame) != nil {
				return
			}
			if again := r.Append(nil); r.Kind == KindReply && r.Flags&ReplyReceipt == 0 && string(again) != string(data[:n]) {
				t.Fatalf("encodes to %x, was %x", again, data[:n])
			}
			var piece BackupPiece
			if piece.Decode(r.Body) == nil && string(append(piece.AppendHeader(nil), piece.Data...)) != string(r.Body) {
				t.Fatalf("a piece comes back otherwise: %+v", piece)
			}
			var items ItemResults
			if items.Decode(r.Body) == nil {
				var item ItemResult
				for ok, _ := items.Next(&item); ok; ok, _ = items.Next(&item) {
				}
			}
			for _, flags := range []uint8{0, ScanKeysOnly} {
				var page ScanPage
				if page.Decode(flags, r.Body) == nil {
					var e ScanEntry
					for ok, _ := page.Next(&e); ok; ok, _ = page.Next(&e) {
					}
				}
			}
			var meta EntryMeta
			meta.Decode(r.Body)
			DecodeInt(r.Body)
			DecodeOld(r.Body)
		})
	})
}

func FuzzTopology(f *testing.F) {
	topology := Topology{Epoch: 1, ClusterID: "c", Nodes: []TopologyNode{{ID: "n", Address: "a:1"}},
		Partitions: []TopologyPartition{{Leader: 0, Replicas: []uint16{0}}, {Leader: NoLeader}}}
	f.Add(topology.Append(nil))
	topology.Nodes[0].State, topology.Partitions[0].Term = StateDraining, 7
	f.Add(topology.Append(nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		// A node takes 56 bytes and a partition 40 for 6 and 3 on the wire.
		within(t, noise+uint64(len(data))*16, func() {
			var got Topology
			if got.Decode(data) != nil {
				return
			}
			var again Topology
			if err := again.Decode(got.Append(nil)); err != nil || !reflect.DeepEqual(again, got) {
				t.Fatalf("%+v comes back as %+v (%v)", got, again, err)
			}
		})
	})
}

func FuzzHello(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		within(t, noise, func() {
			payload, n, err := ParseHello(data)
			if err != nil || n == 0 {
				return
			}
			if n > HelloPreamble+MaxHello {
				t.Fatalf("hello of %d bytes", n)
			}
			var c ClientHello
			if c.Decode(payload) == nil {
				var again ClientHello
				p, _, err := ParseHello(c.Append(nil))
				if err != nil || again.Decode(p) != nil || again != c {
					t.Fatalf("%+v comes back as %+v (%v)", c, again, err)
				}
			}
			var s ServerHello
			if s.Decode(payload) == nil {
				var again ServerHello
				p, _, err := ParseHello(s.Append(nil))
				if err != nil || again.Decode(p) != nil || again != s {
					t.Fatalf("%+v comes back as %+v (%v)", s, again, err)
				}
			}
		})
	})
}
