package router

import (
	"bytes"
	"math"
	"runtime"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/prakashpandey/vegadb/internal/resp"
)

// drawValue writes a random reply of every kind a node may send.
func drawValue(t *rapid.T, w *resp.Writer, depth int) {
	kinds := 11
	if depth > 0 {
		kinds = 14
	}
	switch rapid.IntRange(0, kinds-1).Draw(t, "kind") {
	case 0:
		w.OK()
	case 1:
		w.Int(rapid.Int64().Draw(t, "int"))
	case 2, 3:
		w.Bulk(rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "bulk"))
	case 4:
		w.Null()
	case 5:
		w.NullArray()
	case 6:
		w.Bool(rapid.Bool().Draw(t, "bool"))
	case 7:
		w.Double(rapid.Float64().Draw(t, "double"))
	case 8:
		w.BigNumber("123456789012345678901234567890")
	case 9:
		w.Verbatim("txt", "a\r\nb")
	case 10:
		w.Errorf("ERR", "%s", rapid.String().Draw(t, "error"))
	case 11:
		n := rapid.IntRange(0, 4).Draw(t, "elements")
		w.Array(n)
		for range n {
			drawValue(t, w, depth-1)
		}
	case 12:
		n := rapid.IntRange(0, 4).Draw(t, "elements")
		w.Set(n)
		for range n {
			drawValue(t, w, depth-1)
		}
	case 13:
		n := rapid.IntRange(0, 3).Draw(t, "pairs")
		w.Map(n)
		for range 2 * n {
			drawValue(t, w, depth-1)
		}
	}
}

func TestEveryReplyOfANodeIsMeasuredRight(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := resp.Writer{Proto: rapid.IntRange(2, 3).Draw(t, "proto")}
		drawValue(t, &w, 3)
		behind := rapid.SliceOfN(rapid.Byte(), 0, 5).Draw(t, "behind")
		if n, ok := valueBytes(append(bytes.Clone(w.Buf), behind...), maxReplyDepth); !ok || n != len(w.Buf) {
			t.Fatalf("%q takes %d bytes (%v), not %d", w.Buf, n, ok, len(w.Buf))
		}
		cut := rapid.IntRange(0, len(w.Buf)-1).Draw(t, "cut")
		if n, ok := valueBytes(w.Buf[:cut], maxReplyDepth); ok && n > cut {
			t.Fatalf("%q takes %d bytes", w.Buf[:cut], n)
		}
	})
}

func TestMalformedRepliesAreRefused(t *testing.T) {
	for _, bad := range []string{
		"", "\r\n", "$", "$5\r\n", "$5\r\nab\r\n", "$-2\r\n", "$99999999999999999999\r\n", "$2\r\nabXX", "*2\r\n:1\r\n", "*-2\r\n", "?1\r\n",
		"*1000000\r\n:1\r\n", "%1\r\n:1\r\n", "$a\r\n", strings.Repeat("*1\r\n", maxReplyDepth+1) + ":1\r\n",
	} {
		if n, ok := valueBytes([]byte(bad), maxReplyDepth); ok {
			t.Errorf("%q is taken for a value of %d bytes", bad, n)
		}
	}
	for _, bad := range []string{"", ":", ":1", ":x\r\n", "+1\r\n", ":1\r\n:2\r\n", ":9223372036854775808\r\n"} {
		if n, ok := intReply([]byte(bad)); ok {
			t.Errorf("%q is taken for the integer %d", bad, n)
		}
	}
	if n, ok := intReply([]byte(":-9223372036854775808\r\n")); !ok || n != math.MinInt64 {
		t.Error("the least integer is refused")
	}
}

// FuzzReplyValue promises that no reply of a node makes the router panic, look beyond
// it, or allocate.
func FuzzReplyValue(f *testing.F) {
	f.Add([]byte("*2\r\n$3\r\nabc\r\n_\r\n"))
	f.Add([]byte("%1\r\n+a\r\n*1\r\n:1\r\n"))
	f.Add([]byte(strings.Repeat("*1\r\n", 9)))
	f.Fuzz(func(t *testing.T, data []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		n, ok := valueBytes(data, maxReplyDepth)
		runtime.ReadMemStats(&after)
		if ok && (n < 3 || n > len(data)) {
			t.Fatalf("%q takes %d bytes of %d", data, n, len(data))
		}
		if spent := after.TotalAlloc - before.TotalAlloc; spent > 64<<10 { // whatever else the process does
			t.Fatalf("%d bytes allocated", spent)
		}
		intReply(data)
		if n, rest, ok := arrayReply(data); ok && (n > len(rest) || len(rest) >= len(data)) {
			t.Fatalf("%q has %d elements in %d bytes", data, n, len(rest))
		}
	})
}
