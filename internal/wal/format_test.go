package wal

import (
	"bytes"
	"errors"
	"testing"

	"pgregory.net/rapid"
)

func TestRecordsReadBackAsWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var buf []byte
		var want []Record
		for range rapid.IntRange(1, 5).Draw(t, "records") {
			r := Record{
				Group:   rapid.Uint32().Draw(t, "group"),
				Type:    uint8(rapid.IntRange(1, 255).Draw(t, "type")),
				Term:    rapid.Uint64Range(0, 1<<56-1).Draw(t, "term"),
				Index:   rapid.Uint64().Draw(t, "index"),
				Payload: rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(t, "payload"),
			}
			before := len(buf)
			buf = appendRecord(buf, &r)
			if got := int64(len(buf) - before); got != recordSize(len(r.Payload)) {
				t.Fatalf("%d bytes, announced %d", got, recordSize(len(r.Payload)))
			}
			want = append(want, r)
		}
		for _, w := range want {
			r, size := decodeRecord(buf)
			if !sameRecord(r, w) {
				t.Fatalf("read %+v, wrote %+v", r, w)
			}
			if cap(r.Payload) != len(r.Payload) {
				t.Fatal("appending to a payload would overwrite the next record")
			}
			buf = buf[size:]
		}
	})
}

// What verifies at one place must verify nowhere else: not at another offset, not in another segment, not in
// an earlier life of the file.
func TestABatchVerifiesInItsOwnPlaceOnly(t *testing.T) {
	id := newIdentity(3, 0xABCDEF)
	const off = headerBytes + 64
	records := appendRecord(nil, rec(1, 1, 50))
	n := int64(len(records))
	b := appendCommit(bytes.Clone(records), id, off, 9, 8)
	for name, place := range map[string]struct {
		id  identity
		off int64
		ok  bool
	}{
		"its own":         {id, off, true},
		"another offset":  {id, off + recordAlign, false},
		"far away":        {id, off + 1<<30, false},
		"another segment": {newIdentity(4, 0xABCDEF), off, false},
		"another life":    {newIdentity(3, 0xABCDEE), off, false},
	} {
		c, head := decodeCommit(b[n:], place.id, place.off+n)
		whole := verifyBatch(b, place.id, place.off)
		if head != place.ok || whole != place.ok {
			t.Errorf("%s: commit record %v, batch %v, want %v", name, head, whole, place.ok)
		}
		if place.ok && (c != commit{bytes: uint32(n), seq: 9, synced: 8}) {
			t.Errorf("read %+v", c)
		}
	}
}

func TestHeadersReadBackAsWritten(t *testing.T) {
	want := header{identity: newIdentity(42, 4711), created: 1_700_000_000_000}
	b := want.encode()
	got, err := decodeHeader(b, "f", 42)
	if err != nil || got != want {
		t.Fatalf("%+v, %v, want %+v", got, err, want)
	}
	for name, bad := range map[string][]byte{
		"short": b[:headerBytes-1], "empty": nil, "zeros": make([]byte, headerBytes),
	} {
		if _, err := decodeHeader(bad, "f", 42); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v, want ErrCorrupt", name, err)
		}
	}
	if _, err := decodeHeader(b, "f", 43); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a header under another name: %v, want ErrCorrupt", err)
	}
}

// TestTheLayoutStaysTheSame fails when the bytes on disk change: that needs a new format version.
func TestTheLayoutStaysTheSame(t *testing.T) {
	id := newIdentity(1, 2)
	b := appendCommit(appendRecord(nil, &Record{Group: 3, Type: 4, Term: 5, Index: 6, Payload: []byte("abc")}), id, headerBytes, 7, 6)
	want := []byte{
		3, 0, 0, 0, 3, 0, 0, 0, // length, group
		4, 5, 0, 0, 0, 0, 0, 0, // type, term
		6, 0, 0, 0, 0, 0, 0, 0, // index
		'a', 'b', 'c', 0, 0, 0, 0, 0, // payload, padded
		0x70, 0x17, 0x44, 0xC0, 32, 0, 0, 0, // marker, bytes
		7, 0, 0, 0, 0, 0, 0, 0, // batch
		6, 0, 0, 0, 0, 0, 0, 0, // durable batch
	}
	if !bytes.Equal(b[:len(want)], want) || len(b) != len(want)+8 {
		t.Fatalf("the layout has changed:\n%x\nwant\n%x", b[:len(want)], want)
	}
	if got := le.Uint32(b[len(b)-4:]); got != 0xc2e99da1 {
		t.Fatalf("the batch's checksum has changed: %#x", got)
	}
}
