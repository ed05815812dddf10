package snapshot

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/s2"

	"github.com/prakashpandey/vegadb/internal/store"
)

// blocksOf cuts a file's blocks apart.
func blocksOf(file []byte) [][]byte {
	var out [][]byte
	for rest := file[headerBytes : len(file)-footerBytes]; len(rest) > 0; {
		n := blockHeaderBytes + int(binary.LittleEndian.Uint32(rest[8:]))
		out = append(out, rest[:n:n])
		rest = rest[n:]
	}
	return out
}

// incompressible makes a Source of a few blocks, some of them stored.
func incompressible(n, size int, seed byte) *entries {
	s := &entries{}
	x := uint64(seed) + 1
	for i := range n {
		v := make([]byte, size)
		for j := range v {
			x ^= x << 13
			x ^= x >> 7
			x ^= x << 17
			v[j] = byte(x)
		}
		s.all = append(s.all, store.Entry{Key: fmt.Appendf(nil, "k%d", i), Value: v, Version: 1})
	}
	return s
}

// refused asserts that Load and Verify fail as corrupt, and name the file.
func refused(t *testing.T, what string, file []byte) *FileError {
	t.Helper()
	fs := newMem(t)
	path := pathOf(1, 40)
	writeFileBytes(t, fs, path, file)
	_, err := Verify(fs, path)
	var fe *FileError
	if !errors.Is(err, ErrCorrupt) || !errors.As(err, &fe) {
		t.Errorf("%s: Verify gives %v", what, err)
		return &FileError{}
	}
	if fe.Path != path || fe.Offset < 0 || fe.Offset > int64(len(file)) {
		t.Errorf("%s: the error says %s at %d", what, fe.Path, fe.Offset)
	}
	if _, _, err := collect(fs, path); !errors.Is(err, ErrCorrupt) {
		t.Errorf("%s: Load gives %v", what, err)
	}
	return fe
}

// wholeFiles are small ones of every make: with and without entries and state, and
// one of the version before.
func wholeFiles(t *testing.T) map[string][]byte {
	old, err := os.ReadFile("testdata/version1.snap")
	check(t, err)
	fs := newMem(t)
	return map[string][]byte{
		"entries":           readFile(t, fs, write(t, fs, testMeta(1, 40), numbered(40)).Path),
		"state and entries": readFile(t, fs, write(t, fs, withState(testMeta(1, 40), 200), numbered(5)).Path),
		"state alone":       readFile(t, fs, write(t, fs, withState(testMeta(1, 40), 200), nil).Path),
		"nothing":           readFile(t, fs, write(t, fs, testMeta(1, 40), nil).Path),
		"version 1":         old,
	}
}

func TestEveryFlippedBitIsFoundWhereItIs(t *testing.T) {
	for name, file := range wholeFiles(t) {
		t.Run(name, func(t *testing.T) { everyFlippedBit(t, file) })
	}
}

func everyFlippedBit(t *testing.T, file []byte) {
	for i := range file {
		bad := bytes.Clone(file)
		bad[i] ^= 1 << (i % 8)
		fe := refused(t, fmt.Sprintf("bit %d of byte %d", i%8, i), bad)
		// The error points at the header, the block or the footer it is in.
		var from, to int64
		switch {
		case i < headerBytes:
			from, to = 0, headerBytes
		case i >= len(file)-footerBytes:
			from, to = int64(len(file)-footerBytes), int64(len(file))
		default:
			from, to = headerBytes, int64(len(file)-footerBytes)
		}
		if fe.Offset < from || fe.Offset >= to {
			t.Errorf("byte %d: the error names offset %d", i, fe.Offset)
		}
	}
}

func TestEveryTruncationIsRefused(t *testing.T) {
	for name, file := range wholeFiles(t) {
		for n := range file {
			refused(t, fmt.Sprintf("%s cut to %d bytes", name, n), file[:n])
		}
		refused(t, name+", one byte more", append(bytes.Clone(file), 0))
		refused(t, name+" twice", append(bytes.Clone(file), file...))
	}
}

func TestBlocksMustBeTheirFilesOwnAndInPlace(t *testing.T) {
	fs := newMem(t)
	a := readFile(t, fs, write(t, fs, withState(testMeta(1, 40), 200_000), incompressible(600, 1000, 1)).Path)
	b := readFile(t, fs, write(t, fs, withState(testMeta(1, 39), 200_000), incompressible(600, 1000, 1)).Path)
	blocks, others := blocksOf(a), blocksOf(b)
	if len(blocks) < 6 || blocks[1][4] != kindState || blocks[2][4] != kindEntries {
		t.Fatalf("%d blocks, not two of state and then four of entries", len(blocks))
	}
	join := func(blocks ...[]byte) []byte {
		return bytes.Join(append(append([][]byte{a[:headerBytes]}, blocks...), a[len(a)-footerBytes:]), nil)
	}
	if !bytes.Equal(join(blocks...), a) {
		t.Fatal("the blocks do not make the file")
	}
	with := func(i int, block []byte) []byte {
		changed := append([][]byte(nil), blocks...)
		changed[i] = block
		return join(changed...)
	}
	swapped := append([][]byte(nil), blocks...)
	for i := range len(blocks) - 1 {
		swapped[i], swapped[i+1] = swapped[i+1], swapped[i]
		refused(t, fmt.Sprintf("blocks %d and %d swapped", i, i+1), join(swapped...))
		swapped[i], swapped[i+1] = swapped[i+1], swapped[i]
	}
	refused(t, "a block twice", with(1, blocks[0]))
	refused(t, "another snapshot's block of state", with(1, others[1]))
	refused(t, "another snapshot's block of entries", with(3, others[3]))
	refused(t, "a block left out", join(blocks[1:]...))
	refused(t, "all blocks left out", join())
	refused(t, "another snapshot's blocks", join(others...))
	refused(t, "another snapshot's header", append(bytes.Clone(b[:headerBytes]), a[headerBytes:]...))
	refused(t, "zeros where a block was", with(1, make([]byte, len(blocks[1]))))
}

func TestAFileUnderAnotherSnapshotsNameIsRefused(t *testing.T) {
	fs := newMem(t)
	info := write(t, fs, testMeta(2, 40), numbered(40))
	for _, path := range []string{pathOf(1, 40), pathOf(2, 41)} {
		writeFileBytes(t, fs, path, readFile(t, fs, info.Path))
		if _, err := Verify(fs, path); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "holds group 2 at index 40") {
			t.Errorf("%s: %v", filepath.Base(path), err)
		}
	}
	// A copy under a name of its own, say a backup, is not held against it.
	writeFileBytes(t, fs, testDir+"/backup", readFile(t, fs, info.Path))
	if _, err := Verify(fs, testDir+"/backup"); err != nil {
		t.Error(err)
	}
}

func TestWhatIsNotASnapshotIsSaidAsSuch(t *testing.T) {
	for name, file := range map[string][]byte{
		"nothing": {},
		"text":    []byte(strings.Repeat("this is a text file\n", 50)),
		"zeros":   make([]byte, 4096),
	} {
		refused(t, name, file)
	}
}

func TestANewerFormatVersionIsNotCalledDamage(t *testing.T) {
	fs := newMem(t)
	info := write(t, fs, testMeta(1, 40), numbered(40))
	file := readFile(t, fs, info.Path)
	binary.LittleEndian.PutUint32(file[8:], formatVersion+1)
	binary.LittleEndian.PutUint32(file[headerCRCOff:], crc32.Checksum(file[:headerCRCOff], castagnoli))
	// Whatever else that version has changed.
	file = append(file[:headerBytes], make([]byte, 500)...)
	writeFileBytes(t, fs, info.Path, file)
	_, err := Verify(fs, info.Path)
	if !errors.Is(err, ErrVersion) || errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "version 3; this program reads versions 1 to 2") {
		t.Errorf("error is %v", err)
	}
}

// forge makes a file with valid checksums around the blocks given: what only a
// faulty writer could have produced.
func forge(blocks []blockHeader, bodies [][]byte, change func(*footer)) []byte {
	return forgeState(0, blocks, bodies, change)
}

// forgeState is forge of a file whose header announces so many bytes of state.
func forgeState(stateBytes uint32, blocks []blockHeader, bodies [][]byte, change func(*footer)) []byte {
	h := header{Meta: testMeta(1, 40), version: formatVersion, stateBytes: stateBytes}
	file := h.encode()
	f := footer{headerCRC: h.crc}
	s := sums{seed: h.crc}
	for i, body := range bodies {
		bh := blocks[i]
		b := append(make([]byte, blockHeaderBytes), body...)
		if bh.stored == 0 {
			bh.stored = uint32(len(body))
		}
		if bh.decoded == 0 {
			bh.decoded = bh.stored
		}
		s.seal(b, bh, uint64(i))
		f.blocks++
		f.bodyBytes += uint64(bh.decoded)
		f.entries += uint64(bh.entries)
		file = append(file, b...)
	}
	f.chain = s.chain
	f.fileBytes = uint64(len(file) + footerBytes)
	if change != nil {
		change(&f)
	}
	return append(file, f.encode()...)
}

// unknownFlags is a file without a block whose header has a flag too many.
func unknownFlags() []byte {
	file := forge(nil, nil, nil)
	file[44] = 2
	return mended(file)
}

func TestContradictionsWithValidChecksumsAreRefused(t *testing.T) {
	entry := appendPrefix(nil, 40, &store.Entry{Key: []byte("k"), Value: []byte("v"), Version: 7})
	entry = append(entry, "kv"...)
	one := blockHeader{kind: kindEntries, entries: 1}
	piece := bytes.Repeat([]byte{0}, MaxBlockBytes)
	copy(piece, appendPrefix(nil, 40, &store.Entry{Key: []byte("k"), Value: make([]byte, MaxBlockBytes+5)}))
	first := blockHeader{kind: kindFirst, entries: 1}
	tail := make([]byte, int(5+1+5+1)) // the prefix takes 1+1+3+1

	state, s := blockHeader{kind: kindState}, []byte("state")
	fs := newMem(t)
	good := forgeState(10, []blockHeader{state, state, one, first, {kind: kindFurther}}, [][]byte{s, s, entry, piece, tail[:12]}, nil)
	writeFileBytes(t, fs, pathOf(1, 40), good)
	if _, err := Verify(fs, pathOf(1, 40)); err != nil {
		t.Fatalf("the forgery without a fault is refused: %v", err)
	}
	for name, file := range map[string][]byte{
		"unknown kind":            forge([]blockHeader{{kind: 9, entries: 1}}, [][]byte{entry}, nil),
		"kind zero":               forge([]blockHeader{{kind: 0, entries: 1}}, [][]byte{entry}, nil),
		"unknown codec":           forge([]blockHeader{{kind: kindEntries, codec: 2, entries: 1}}, [][]byte{entry}, nil),
		"stored, lengths differ":  forge([]blockHeader{{kind: kindEntries, decoded: 99, entries: 1}}, [][]byte{entry}, nil),
		"block past the limit":    forge([]blockHeader{one}, [][]byte{make([]byte, MaxBlockBytes+1)}, nil),
		"decoded past the limit":  forge([]blockHeader{{kind: kindEntries, codec: codecS2, decoded: MaxBlockBytes + 1, entries: 1}}, [][]byte{s2.Encode(nil, make([]byte, MaxBlockBytes+1))}, nil),
		"S2 says another length":  forge([]blockHeader{{kind: kindEntries, codec: codecS2, decoded: 50, entries: 1}}, [][]byte{s2.Encode(nil, make([]byte, 60))}, nil),
		"S2 is no S2":             forge([]blockHeader{{kind: kindEntries, codec: codecS2, decoded: 5, entries: 1}}, [][]byte{{5, 0xFF, 0xFF}}, nil),
		"fewer entries than said": forge([]blockHeader{{kind: kindEntries, entries: 2}}, [][]byte{append(bytes.Clone(entry), entry[:3]...)}, nil),
		"count differs":           forge([]blockHeader{{kind: kindEntries, entries: 2}}, [][]byte{entry}, nil),
		"entry reaches out":       forge([]blockHeader{one}, [][]byte{entry[:len(entry)-1]}, nil),
		"unknown entry flags":     forge([]blockHeader{one}, [][]byte{append([]byte{0x80}, entry[1:]...)}, nil),
		"version below zero":      forge([]blockHeader{one}, [][]byte{{0, 1, 1, 41, 'k', 'v'}}, nil),
		"expiry zero":             forge([]blockHeader{one}, [][]byte{{1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 'k', 'v'}}, nil),
		"varint without end":      forge([]blockHeader{one}, [][]byte{bytes.Repeat([]byte{0xFF}, 40)[:40]}, nil),
		"huge length":             forge([]blockHeader{one}, [][]byte{append([]byte{0}, bytes.Repeat([]byte{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1}, 3)...)}, nil),
		"further piece first":     forge([]blockHeader{{kind: kindFurther}}, [][]byte{piece}, nil),
		"first piece twice":       forge([]blockHeader{first, first}, [][]byte{piece, piece}, nil),
		"large never ends":        forge([]blockHeader{first}, [][]byte{piece}, nil),
		"entries inside a large":  forge([]blockHeader{first, one}, [][]byte{piece, entry}, nil),
		"large one byte over":     forge([]blockHeader{first, {kind: kindFurther}}, [][]byte{piece, append(tail, 0, 0)}, nil),
		"short piece":             forge([]blockHeader{first, {kind: kindFurther}}, [][]byte{piece[:MaxBlockBytes-1], append(tail, 0)}, nil),
		"small entry as pieces":   forge([]blockHeader{first}, [][]byte{entry}, nil),
		"state not announced":     forge([]blockHeader{state, one}, [][]byte{s, entry}, nil),
		"more state than said":    forgeState(4, []blockHeader{state, one}, [][]byte{s, entry}, nil),
		"less state than said":    forgeState(6, []blockHeader{state, one}, [][]byte{s, entry}, nil),
		"state block too many":    forgeState(5, []blockHeader{state, state, one}, [][]byte{s, s, entry}, nil),
		"state after entries":     forgeState(5, []blockHeader{one, state}, [][]byte{entry, s}, nil),
		"state alone, too short":  forgeState(6, []blockHeader{state}, [][]byte{s}, nil),
		"state with an entry":     forgeState(5, []blockHeader{{kind: kindState, entries: 1}, one}, [][]byte{s, entry}, nil),
		"state inside a large":    forgeState(5, []blockHeader{state, first, state, {kind: kindFurther}}, [][]byte{s, piece, s, tail[:12]}, nil),
		"more state than allowed": forgeState(MaxStateBytes+1, []blockHeader{state, one}, [][]byte{s, entry}, nil),
		"state and no blocks":     forgeState(5, nil, nil, func(f *footer) { f.bodyBytes = 5 }),
		"entries of the state":    forgeState(8, []blockHeader{state, one}, [][]byte{make([]byte, 8), entry}, func(f *footer) { f.entries = 3 }),
		"unknown flags":           unknownFlags(),
		"footer: blocks":          forge([]blockHeader{one}, [][]byte{entry}, func(f *footer) { f.blocks = 2 }),
		"footer: no blocks":       forge([]blockHeader{one}, [][]byte{entry}, func(f *footer) { f.blocks = 0; f.bodyBytes = 0; f.entries = 0 }),
		"footer: many blocks":     forge([]blockHeader{one}, [][]byte{entry}, func(f *footer) { f.blocks = 1 << 60 }),
		"footer: entries":         forge([]blockHeader{one}, [][]byte{entry}, func(f *footer) { f.entries = 0 }),
		"footer: many entries":    forge([]blockHeader{one}, [][]byte{entry}, func(f *footer) { f.entries = 1 << 50 }),
		"footer: body":            forge([]blockHeader{one}, [][]byte{entry}, func(f *footer) { f.bodyBytes++ }),
		"footer: large body":      forge([]blockHeader{one}, [][]byte{entry}, func(f *footer) { f.bodyBytes = 1 << 60 }),
		"footer: length":          forge([]blockHeader{one}, [][]byte{entry}, func(f *footer) { f.fileBytes++ }),
		"footer: chain":           forge([]blockHeader{one}, [][]byte{entry}, func(f *footer) { f.chain++ }),
		"footer: header":          forge([]blockHeader{one}, [][]byte{entry}, func(f *footer) { f.headerCRC++ }),
	} {
		refused(t, name, file)
	}
}
