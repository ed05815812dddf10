package wal

import (
	"errors"
	"runtime"
	"testing"

	"github.com/prakashpandey/vegadb/internal/vfs"
)

// FuzzSegment gives recovery a segment of arbitrary bytes behind a sound header. It must end with records or a
// clear error, never with a panic, and must not allocate by what damaged lengths claim. With seal, the bytes
// are closed with a commit record that verifies, so that what lies behind the checksum is reached too.
func FuzzSegment(f *testing.F) {
	m := builtLog(f, simpleBatches(6, 60))
	for _, e := range extents(f, m) {
		f.Add(contents(f, m, e.file)[headerBytes:e.end], false)
		f.Add(contents(f, m, e.file)[e.start:e.end-commitBytes], true)
	}
	f.Add([]byte{}, true)
	f.Add(make([]byte, 100), false)
	f.Fuzz(func(t *testing.T, body []byte, seal bool) {
		if len(body) > 1<<20 {
			return
		}
		id := newIdentity(1, 99)
		if seal {
			body = appendCommit(body[:len(body)/recordAlign*recordAlign:len(body)], id, headerBytes, 1, 0)
		}
		m := vfs.NewMem()
		if err := vfs.MkdirAllSync(m, testDir); err != nil {
			t.Fatal(err)
		}
		file, err := m.Create(segmentName(testDir, 1))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = file.Write(header{identity: id}.encode())
		_, _ = file.Write(body)
		file.Close()

		before := allocated()
		payload := 0
		_, err = walkLog(m, testDir, func(r Record) error { payload += len(r.Payload); return nil })
		if err != nil {
			t.Fatal(err)
		}
		if payload > len(body) {
			t.Fatalf("%d bytes of payload from %d bytes", payload, len(body))
		}
		if got, limit := allocated()-before, uint64(16*(headerBytes+len(body))+64<<10); got > limit {
			t.Fatalf("%d bytes allocated for a segment of %d, ceiling %d", got, len(body), limit)
		}
		if _, err := Repair(m, testDir, false); err != nil {
			t.Fatal(err)
		}
		if rep, err := Check(m, testDir); err != nil || rep.Damage != nil {
			t.Fatalf("after repair: %v, %v", rep.Damage, err)
		}
	})
}

// FuzzHeader gives recovery a file of arbitrary bytes.
func FuzzHeader(f *testing.F) {
	f.Add(header{identity: newIdentity(1, 2)}.encode())
	f.Add([]byte(headerMagic))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, err := decodeHeader(b, "f", 1)
		if err != nil && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrVersion) {
			t.Fatal(err)
		}
	})
}

func allocated() uint64 {
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return s.TotalAlloc
}
