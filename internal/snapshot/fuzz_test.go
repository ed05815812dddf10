package snapshot

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"runtime"
	"testing"

	"github.com/klauspost/compress/s2"

	"github.com/prakashpandey/vegadb/internal/store"
)

// fuzzAllocBytes is what reading a file may allocate beside what is put together
// from its blocks and a small multiple of its own length: two block buffers, each
// at most grown once, and the read window.
const fuzzAllocBytes = 6 << 20

// gatheredBytes is how much the blocks that are there hold of what is put
// together: state and large entries. It takes several times that to grow to it.
func gatheredBytes(file []byte) uint64 {
	sum := uint64(0)
	for rest := file[min(headerBytes, len(file)):]; len(rest) >= blockHeaderBytes; {
		h, err := decodeBlockHeader(rest)
		if n := blockHeaderBytes + int(h.stored); err == nil && n <= len(rest) {
			if h.kind != kindEntries {
				sum += uint64(h.decoded)
			}
			rest = rest[n:]
			continue
		}
		break
	}
	return sum
}

// FuzzFile reads arbitrary bytes as a file. So that the fuzzer gets past the
// checksums, each input is read as it is and with its checksums made right.
func FuzzFile(f *testing.F) {
	fs := newMem(f)
	for i, src := range []*entries{{}, numbered(1), numbered(30), incompressible(3, 500, 1)} {
		info := write(f, fs, testMeta(1, 40), src)
		f.Add(readFile(f, fs, info.Path), i%2 == 0)
	}
	for _, m := range []Meta{withState(testMeta(1, 40), 10), withState(testMeta(0, 40), 300_000)} {
		f.Add(readFile(f, fs, write(f, fs, m, numbered(2)).Path), true)
		f.Add(readFile(f, fs, write(f, fs, m, nil).Path), true)
	}
	zeros := bytes.Repeat([]byte{0}, MaxBlockBytes) // small in the file
	packed := blockHeader{kind: kindState, codec: codecS2, decoded: MaxBlockBytes}
	f.Add(forgeState(3<<20, []blockHeader{packed, packed, packed}, [][]byte{s2.Encode(nil, zeros), s2.Encode(nil, zeros), s2.Encode(nil, zeros)}, nil), true)
	old, err := os.ReadFile("testdata/version1.snap")
	check(f, err)
	f.Add(old, true)
	entry := append(appendPrefix(nil, 40, &store.Entry{Key: []byte("k"), Value: []byte("v")}), "kv"...)
	f.Add(forge([]blockHeader{{kind: kindEntries, codec: codecS2, decoded: uint32(len(entry)), entries: 1}}, [][]byte{s2.Encode(nil, entry)}, nil), true)
	f.Add(forge([]blockHeader{{kind: kindFirst, entries: 1}, {kind: kindFurther}}, [][]byte{entry, entry}, nil), true)
	f.Fuzz(func(t *testing.T, file []byte, mend bool) {
		if mend {
			file = mended(file)
		}
		fs := newMem(t)
		path := testDir + "/any"
		writeFileBytes(t, fs, path, file)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		var given, handed uint64
		var state int
		m, err := Load(fs, path, func(m Meta) (Sink, error) {
			given, state = m.Entries, len(m.State)
			return func(e *store.Entry) error {
				handed++
				if e.Version > m.Index {
					t.Errorf("an entry has version %d in a snapshot at %d", e.Version, m.Index)
				}
				return nil
			}, nil
		})
		runtime.ReadMemStats(&after)
		if got, most := after.TotalAlloc-before.TotalAlloc, uint64(fuzzAllocBytes+8*len(file))+6*gatheredBytes(file); got > most {
			t.Errorf("a file of %d bytes made reading allocate %d", len(file), got)
		}
		if err == nil && (m.Entries != handed || given != handed || state != len(m.State)) {
			t.Errorf("%d entries were handed out, %d announced, %d counted; %d bytes of state given to open, %d returned",
				handed, given, m.Entries, state, len(m.State))
		}
		var fe *FileError
		if err != nil && !errors.As(err, &fe) {
			t.Errorf("the error has no place: %v", err)
		}
	})
}

// mended returns file with checksums, and the counts they depend on, made right
// as far as its structure goes.
func mended(file []byte) []byte {
	file = bytes.Clone(file)
	if len(file) < headerBytes+footerBytes {
		return file
	}
	le := binary.LittleEndian
	copy(file, headerMagic[:])
	le.PutUint32(file[headerCRCOff:], crc32.Checksum(file[:headerCRCOff], castagnoli))
	s := sums{seed: le.Uint32(file[headerCRCOff:])}
	number := uint64(0)
	for rest := file[headerBytes : len(file)-footerBytes]; len(rest) >= blockHeaderBytes; number++ {
		n := uint64(le.Uint32(rest[8:])) + blockHeaderBytes
		if n > uint64(len(rest)) {
			break
		}
		le.PutUint32(rest, s.block(rest[:n], number))
		rest = rest[n:]
	}
	end := file[len(file)-footerBytes:]
	copy(end, footerMagic[:])
	le.PutUint64(end[32:], uint64(len(file)))
	le.PutUint32(end[48:], s.seed)
	le.PutUint32(end[52:], s.chain)
	le.PutUint32(end[footerCRCOff:], crc32.Checksum(end[:footerCRCOff], castagnoli))
	return file
}

// FuzzEntry decodes arbitrary bytes as an entry; what it takes, it writes back
// to the same bytes' worth of meaning.
func FuzzEntry(f *testing.F) {
	for _, e := range []store.Entry{{}, {Key: []byte("k"), Value: []byte("v"), Version: 3}, {Key: []byte("k"), ExpireAt: -5, Kind: 9}} {
		f.Add(append(append(appendPrefix(nil, 100, &e), e.Key...), e.Value...))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var e, again store.Entry
		n, err := decodeEntry(b, 100, &e)
		if err != nil {
			return
		}
		if n > len(b) || len(e.Key)+len(e.Value) > n {
			t.Fatalf("took %d of %d bytes for %d and %d", n, len(b), len(e.Key), len(e.Value))
		}
		back := append(append(appendPrefix(nil, 100, &e), e.Key...), e.Value...)
		if uint64(len(back)) != entryLen(100, &e) {
			t.Fatalf("entryLen says %d for %d bytes", entryLen(100, &e), len(back))
		}
		if _, err := decodeEntry(back, 100, &again); err != nil || !equalEntries([]store.Entry{e}, []store.Entry{again}) {
			t.Fatalf("%+v comes back as %+v, %v", e, again, err)
		}
	})
}
