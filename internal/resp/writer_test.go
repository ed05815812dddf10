package resp

import (
	"math"
	"testing"
)

func TestRepliesInBothVersions(t *testing.T) {
	for _, c := range []struct {
		name       string
		write      func(w *Writer)
		two, three string
	}{
		{"OK", func(w *Writer) { w.OK() }, "+OK\r\n", "+OK\r\n"},
		{"simple", func(w *Writer) { w.Simple("PONG") }, "+PONG\r\n", "+PONG\r\n"},
		{"int 0", func(w *Writer) { w.Int(0) }, ":0\r\n", ":0\r\n"},
		{"int 9", func(w *Writer) { w.Int(9) }, ":9\r\n", ":9\r\n"},
		{"int 10", func(w *Writer) { w.Int(10) }, ":10\r\n", ":10\r\n"},
		{"int 99", func(w *Writer) { w.Int(99) }, ":99\r\n", ":99\r\n"},
		{"int 100", func(w *Writer) { w.Int(100) }, ":100\r\n", ":100\r\n"},
		{"int -1", func(w *Writer) { w.Int(-1) }, ":-1\r\n", ":-1\r\n"},
		{"int min", func(w *Writer) { w.Int(math.MinInt64) }, ":-9223372036854775808\r\n", ":-9223372036854775808\r\n"},
		{"int max", func(w *Writer) { w.Int(math.MaxInt64) }, ":9223372036854775807\r\n", ":9223372036854775807\r\n"},
		{"bulk", func(w *Writer) { w.Bulk([]byte("a\r\n\x00")) }, "$4\r\na\r\n\x00\r\n", "$4\r\na\r\n\x00\r\n"},
		{"empty bulk", func(w *Writer) { w.Bulk(nil) }, "$0\r\n\r\n", "$0\r\n\r\n"},
		{"bulk string", func(w *Writer) { w.BulkString("ab") }, "$2\r\nab\r\n", "$2\r\nab\r\n"},
		{"bulk int", func(w *Writer) { w.BulkInt(-12) }, "$3\r\n-12\r\n", "$3\r\n-12\r\n"},
		{"null", func(w *Writer) { w.Null() }, "$-1\r\n", "_\r\n"},
		{"null array", func(w *Writer) { w.NullArray() }, "*-1\r\n", "_\r\n"},
		{"array", func(w *Writer) { w.Array(12) }, "*12\r\n", "*12\r\n"},
		{"map", func(w *Writer) { w.Map(7) }, "*14\r\n", "%7\r\n"},
		{"set", func(w *Writer) { w.Set(2) }, "*2\r\n", "~2\r\n"},
		{"push", func(w *Writer) { w.Push(3) }, "*3\r\n", ">3\r\n"},
		{"true", func(w *Writer) { w.Bool(true) }, ":1\r\n", "#t\r\n"},
		{"false", func(w *Writer) { w.Bool(false) }, ":0\r\n", "#f\r\n"},
		{"double", func(w *Writer) { w.Double(1.5) }, "$3\r\n1.5\r\n", ",1.5\r\n"},
		{"whole double", func(w *Writer) { w.Double(10) }, "$2\r\n10\r\n", ",10\r\n"},
		{"inf", func(w *Writer) { w.Double(math.Inf(1)) }, "$3\r\ninf\r\n", ",inf\r\n"},
		{"-inf", func(w *Writer) { w.Double(math.Inf(-1)) }, "$4\r\n-inf\r\n", ",-inf\r\n"},
		{"nan", func(w *Writer) { w.Double(math.NaN()) }, "$3\r\nnan\r\n", ",nan\r\n"},
		{"big number", func(w *Writer) { w.BigNumber("123") }, "$3\r\n123\r\n", "(123\r\n"},
		{"verbatim", func(w *Writer) { w.Verbatim("txt", "hi") }, "$2\r\nhi\r\n", "=6\r\ntxt:hi\r\n"},
		{"error", func(w *Writer) { w.Error(&Error{"WRONGTYPE", "no"}) }, "-WRONGTYPE no\r\n", "-WRONGTYPE no\r\n"},
		{"errorf", func(w *Writer) { w.Errorf("ERR", "%d of %s", 1, "x") }, "-ERR 1 of x\r\n", "-ERR 1 of x\r\n"},
		{"error with line ends", func(w *Writer) { w.Error(&Error{"E\n", "a\r\n+OK\r\nb"}) }, "-E  a  +OK  b\r\n", "-E  a  +OK  b\r\n"},
	} {
		for proto, want := range map[int]string{2: c.two, 3: c.three} {
			w := Writer{Proto: proto}
			if c.write(&w); string(w.Buf) != want {
				t.Errorf("%s in RESP%d: %q, want %q", c.name, proto, w.Buf, want)
			}
		}
	}
}

func TestWriterDoesNotAllocate(t *testing.T) {
	w := Writer{Proto: 3, Buf: make([]byte, 0, 4096)}
	fault := &Error{"ERR", "text"}
	value := make([]byte, 100)
	allocs := testing.AllocsPerRun(100, func() {
		w.Buf = w.Buf[:0]
		w.OK()
		w.Int(1234567)
		w.Bulk(value)
		w.BulkInt(-5)
		w.Null()
		w.Double(3.25)
		w.Error(fault)
	})
	if allocs != 0 {
		t.Fatalf("%v allocations", allocs)
	}
}

func BenchmarkBulk(b *testing.B) {
	w := Writer{Buf: make([]byte, 0, 4096)}
	value := make([]byte, 64)
	b.ReportAllocs()
	for b.Loop() {
		w.Buf = w.Buf[:0]
		w.Bulk(value)
	}
}
