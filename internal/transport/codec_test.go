package transport

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"unicode"

	"pgregory.net/rapid"

	"github.com/prakashpandey/vegadb/internal/ring"
)

func drawID(t *rapid.T, name string) ring.NodeID {
	return ring.NodeID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, name))
}

func TestHellosAndAnswersDecodeToWhatWasEncoded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := hello{
			lowest: rapid.Byte().Draw(t, "lowest"), highest: rapid.Byte().Draw(t, "highest"),
			purpose: purpose(rapid.Byte().Draw(t, "purpose")), cluster: drawID(t, "cluster"), from: drawID(t, "from"),
			to: drawID(t, "to"), boot: rapid.Uint64().Draw(t, "boot"),
		}
		b := h.append(nil)
		if got, err := readHello(bytes.NewReader(b)); err != nil || got != h || len(b) != helloSize {
			t.Fatalf("%+v, %v in %d bytes", got, err, len(b))
		}
		a := answer{
			version: rapid.Byte().Draw(t, "version"), code: RefusalCode(rapid.Uint16().Draw(t, "code")),
			node: drawID(t, "node"), cluster: drawID(t, "answerer's cluster"), boot: rapid.Uint64().Draw(t, "answerer's boot"),
			text: strings.Repeat("t", rapid.IntRange(0, maxText).Draw(t, "text")),
		}
		if got, err := readAnswer(bytes.NewReader(a.append(nil))); err != nil || got != a {
			t.Fatalf("%+v, %v", got, err)
		}
		b[rapid.IntRange(0, helloSize-1).Draw(t, "damaged byte")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "damaged bit")
		if _, err := readHello(bytes.NewReader(b)); err == nil {
			t.Fatal("a damaged hello was taken")
		}
	})
}

func TestTheHelloIsLaidOutAsDocumented(t *testing.T) {
	h := hello{lowest: 1, highest: 2, purpose: purposeCall, cluster: ring.NodeID{0xaa}, from: ring.NodeID{0xbb}, to: ring.NodeID{0xcc}, boot: 0x0102030405060708}
	want := "5650454552" + "010203" + "aa" + strings.Repeat("00", 15) + "bb" + strings.Repeat("00", 15) + "cc" + strings.Repeat("00", 15) + "0807060504030201"
	if got := fmt.Sprintf("%x", h.append(nil)[:64]); got != want {
		t.Errorf("%s\ninstead of\n%s", got, want)
	}
	a := answer{version: 1, code: Busy, node: ring.NodeID{0xaa}, cluster: ring.NodeID{0xbb}, boot: 1, text: "no"}
	want = "5650454552" + "01" + "0900" + "aa" + strings.Repeat("00", 15) + "bb" + strings.Repeat("00", 15) + "0100000000000000" + "0200" + "0000"
	if got := a.append(nil); fmt.Sprintf("%x", got[:52]) != want || string(got[56:]) != "no" {
		t.Errorf("%x\ninstead of\n%s", got, want)
	}
}

func TestTextsFromTheNetworkAreFitForALog(t *testing.T) {
	a := answer{version: 1, code: Busy, text: "two\nlines\x1b[31m and \xff" + strings.Repeat("x", 1000)}
	got, err := readAnswer(bytes.NewReader(a.append(nil)))
	if err != nil || len(got.text) != maxText || strings.ContainsFunc(got.text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		t.Errorf("%q, %v", got.text, err)
	}
}

func TestFramesAreReadHoweverTheyAreCut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sizes := rapid.SliceOfN(rapid.OneOf(rapid.IntRange(0, 40), rapid.IntRange(0, 3*readBuffer)), 0, 12).Draw(t, "sizes")
		var stream []byte
		for i, size := range sizes {
			stream = appendFrame(stream, bytes.Repeat([]byte{byte(i)}, size))
		}
		var src io.Reader = bytes.NewReader(stream)
		switch rapid.IntRange(0, 3).Draw(t, "cut") {
		case 1:
			src = iotest.HalfReader(src)
		case 2:
			src = iotest.DataErrReader(src)
		case 3:
			src = &stutter{src, rapid.IntRange(1, 5000).Draw(t, "piece")}
		}
		frames := frameReader{src: src, max: 3 * readBuffer}
		for i, size := range sizes {
			got, err := frames.next()
			if err != nil || !bytes.Equal(got, bytes.Repeat([]byte{byte(i)}, size)) {
				t.Fatalf("frame %d of %d bytes: got %d, %v", i, size, len(got), err)
			}
		}
		if _, err := frames.next(); err != io.EOF {
			t.Fatalf("at the end: %v", err)
		}
	})
}

// stutter gives at most n bytes at a time.
type stutter struct {
	src io.Reader
	n   int
}

func (s *stutter) Read(b []byte) (int, error) { return s.src.Read(b[:min(len(b), s.n)]) }

func TestASnapshotsBodyIsCompleteOnlyWithItsEnd(t *testing.T) {
	piece := func(text string) []byte { return appendFrame(nil, []byte{bodyTag}, []byte(text)) }
	end := func(size uint64) []byte { return appendFrame(nil, []byte{endTag}, le.AppendUint64(nil, size)) }
	alive := appendFrame(nil)
	for name, test := range map[string]struct {
		size   int64
		stream [][]byte
		want   string // in the error; "": complete
	}{
		"complete":              {6, [][]byte{piece("abc"), alive, piece("def"), end(6)}, ""},
		"of unknown size":       {-1, [][]byte{piece("abc"), piece("def"), end(6)}, ""},
		"empty":                 {0, [][]byte{end(0)}, ""},
		"with an empty piece":   {3, [][]byte{piece(""), piece("abc"), end(3)}, ""},
		"cut":                   {6, [][]byte{piece("abc")}, "unexpected EOF"},
		"a piece is missing":    {-1, [][]byte{piece("abc"), end(6)}, "6 bytes 3 have come"},
		"shorter than it said":  {6, [][]byte{piece("abc"), end(3)}, "ended after 3"},
		"longer than it said":   {3, [][]byte{piece("abc"), piece("d"), end(4)}, "more have come"},
		"an end without a size": {3, [][]byte{piece("abc"), appendFrame(nil, []byte{endTag})}, "unknown tag"},
		"an unknown tag":        {3, [][]byte{appendFrame(nil, []byte{7})}, "unknown tag 7"},
	} {
		body := &bodyReader{frames: &frameReader{src: bytes.NewReader(bytes.Join(test.stream, nil)), max: 1 << 10}, size: test.size}
		switch _, err := io.ReadAll(body); {
		case test.want == "" && err != nil, test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAReaderLetsGoOfTheBufferOfALargeFrame(t *testing.T) {
	stream := appendFrame(appendFrame(nil, make([]byte, 5<<20)), []byte("small"))
	frames := frameReader{src: iotest.OneByteReader(bytes.NewReader(stream[len(stream)-13:])), max: 8 << 20}
	frames.src = io.MultiReader(bytes.NewReader(stream[:len(stream)-13]), frames.src)
	for range 2 {
		if _, err := frames.next(); err != nil {
			t.Fatal(err)
		}
	}
	if len(frames.buf) > keepBuffer {
		t.Errorf("it keeps %d bytes", len(frames.buf))
	}
}

// within fails the test if fn allocates more than ceiling bytes. The count is the process's, so that other goroutines
// add a little noise; the fuzzer's own workers are processes of their own.
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

func TestAnAnnouncedLengthAllocatesNothing(t *testing.T) {
	header := []byte{0xff, 0xff, 0xff, 0x03, 0, 0, 0, 0} // 64 MiB
	within(t, noise, func() {
		frames := frameReader{src: bytes.NewReader(header), max: 65 << 20}
		if _, err := frames.next(); err != io.ErrUnexpectedEOF {
			t.Fatal(err)
		}
	})
}

func FuzzHello(f *testing.F) {
	h := hello{lowest: 1, highest: 1, purpose: purposeFrames, boot: 1}
	a := answer{version: 1, code: Busy, text: "busy"}
	f.Add(h.append(nil))
	f.Add(a.append(nil))
	f.Add([]byte("GET / HTTP/1.1\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		within(t, noise, func() {
			if h, err := readHello(bytes.NewReader(data)); err == nil && !bytes.HasPrefix(data, h.append(nil)) {
				t.Fatal("a hello that encodes differently")
			}
			if a, err := readAnswer(bytes.NewReader(data)); err == nil && len(a.text) > 3*maxText {
				t.Fatal("a text beyond the limit")
			}
		})
	})
}

func FuzzFrames(f *testing.F) {
	f.Add(appendFrame(appendFrame(nil, []byte("one")), nil), uint16(3))
	f.Add([]byte{0xff, 0xff, 0x0f, 0, 0, 0, 0, 0}, uint16(0))
	f.Fuzz(func(t *testing.T, data []byte, piece uint16) {
		const limit = 1 << 20
		within(t, noise+4*uint64(len(data))+readBuffer, func() {
			frames := frameReader{src: &stutter{bytes.NewReader(data), int(piece) + 1}, max: limit}
			seen := 0
			for {
				frame, err := frames.next()
				if err != nil {
					break
				}
				if !bytes.HasPrefix(data[seen:], appendFrame(nil, frame)) {
					t.Fatal("a frame that is not in the data")
				}
				if seen += frameHeader + len(frame); len(frame) > 64<<10 {
					break // the check above allocates
				}
			}
		})
	})
}

func FuzzSnapshotBody(f *testing.F) {
	end := append([]byte{endTag}, 3, 0, 0, 0, 0, 0, 0, 0)
	f.Add(appendFrame(appendFrame(nil, []byte{bodyTag}, []byte("abc")), end), int64(3))
	f.Add(appendFrame(appendFrame(nil), end), int64(-1))
	f.Fuzz(func(t *testing.T, data []byte, size int64) {
		within(t, noise+4*uint64(len(data))+readBuffer, func() {
			body := &bodyReader{frames: &frameReader{src: bytes.NewReader(data), max: 1 + bodyPiece}, size: max(size, -1)}
			n, err := io.Copy(io.Discard, body)
			if err == nil && size >= 0 && n != size {
				t.Fatalf("%d bytes of %d taken for complete", n, size)
			}
			if _, again := body.Read(make([]byte, 1)); err == nil && again != io.EOF || err != nil && !errors.Is(again, err) {
				t.Fatalf("first %v, then %v", err, again)
			}
		})
	})
}
