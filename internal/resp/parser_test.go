package resp

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"pgregory.net/rapid"
)

// outcome feeds input in the pieces whose ends are given and describes what the
// parser made of it. Between calls that consume nothing the bytes move to a
// buffer of their own, as they may.
func outcome(limits Limits, input []byte, ends ...int) string {
	p := Parser{Limits: limits}
	var out strings.Builder
	var args [][]byte
	var unread []byte
	from := 0
	for _, end := range append(ends, len(input)) {
		unread = append(bytes.Clone(unread), input[from:end]...)
		from = end
		for {
			var n int
			var err error
			args, n, err = p.Next(unread, args[:0])
			if err != nil {
				fmt.Fprintf(&out, "%v\n", err)
				return out.String()
			}
			if n == 0 {
				break
			}
			if len(args) == 0 {
				out.WriteString("empty\n")
			} else {
				out.WriteString(quoted(args))
			}
			unread = unread[n:]
		}
	}
	if len(unread) > 0 {
		if !p.Pending() {
			return "bytes are left and the parser does not know\n"
		}
		out.WriteString("more\n")
	} else if p.Pending() {
		return "the parser waits for the rest of nothing\n"
	}
	return out.String()
}

func quoted(args [][]byte) string {
	words := make([]string, len(args))
	for i, arg := range args {
		words[i] = strconv.Quote(string(arg))
	}
	return strings.Join(words, " ") + "\n"
}

func everyByte(n int) (ends []int) {
	for i := 1; i < n; i++ {
		ends = append(ends, i)
	}
	return ends
}

func TestRequestsAreReadAsDocumented(t *testing.T) {
	datadriven.RunTest(t, "testdata/requests.txt", func(t *testing.T, d *datadriven.TestData) string {
		limits := DefaultLimits()
		if d.HasArg("unauthenticated") {
			limits = UnauthenticatedLimits()
		}
		if d.HasArg("small") {
			limits = Limits{MaxArgs: 3, MaxBulk: 5, MaxQuery: 30, MaxInline: 8}
		}
		var out strings.Builder
		for line := range strings.Lines(d.Input) {
			text := strings.ReplaceAll(strings.TrimSuffix(line, "\n"), `"`, `\"`)
			unquoted, err := strconv.Unquote(`"` + text + `"`)
			if err != nil {
				d.Fatalf(t, "%s: %v", text, err)
			}
			input := []byte(unquoted)
			want := outcome(limits, input)
			for i := 1; i < len(input); i++ {
				if got := outcome(limits, input, i); got != want {
					d.Fatalf(t, "%q split at %d: %s, whole: %s", input, i, got, want)
				}
			}
			if got := outcome(limits, input, everyByte(len(input))...); got != want {
				d.Fatalf(t, "%q byte by byte: %s, whole: %s", input, got, want)
			}
			out.WriteString(strings.ReplaceAll(strings.TrimSuffix(want, "\n"), "\n", " ; ") + "\n")
		}
		return out.String()
	})
}

// encode writes a command as clients do.
func encode(args ...[]byte) []byte {
	var w Writer
	w.Array(len(args))
	for _, arg := range args {
		w.Bulk(arg)
	}
	return w.Buf
}

// request draws a command, mostly sound, sometimes with a byte changed.
func request(t *rapid.T) []byte {
	args := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 40), 0, 6).Draw(t, "args")
	b := encode(args...)
	if rapid.Bool().Draw(t, "inline") {
		b = []byte(rapid.StringMatching(`[a-z"'\\ ]{0,20}\r?\n`).Draw(t, "line"))
	}
	if rapid.IntRange(0, 4).Draw(t, "damage") == 0 {
		i := rapid.IntRange(0, len(b)-1).Draw(t, "at")
		b[i] = rapid.Byte().Draw(t, "byte")
	}
	return b
}

func TestOutcomeDoesNotDependOnPieces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var input []byte
		for range rapid.IntRange(1, 5).Draw(t, "requests") {
			input = append(input, request(t)...)
		}
		limits := Limits{MaxArgs: 5, MaxBulk: 30, MaxQuery: 120, MaxInline: 15}
		if rapid.Bool().Draw(t, "roomy") {
			limits = DefaultLimits()
		}
		var ends []int
		for at := 0; at < len(input); at += rapid.IntRange(1, 20).Draw(t, "piece") {
			ends = append(ends, at)
		}
		want := outcome(limits, bytes.Clone(input))
		if got := outcome(limits, input, ends...); got != want {
			t.Fatalf("%q in pieces %v:\n%swhole:\n%s", input, ends, got, want)
		}
	})
}

func TestMillionPipelinedCommandsInOneWrite(t *testing.T) {
	const n = 1_000_000
	one := encode([]byte("SET"), []byte("key:000000000001"), []byte("xxx"))
	input := bytes.Repeat(one, n)
	p := Parser{Limits: DefaultLimits()}
	var args [][]byte
	for i := range n {
		var used int
		var err error
		args, used, err = p.Next(input, args[:0])
		if err != nil || used != len(one) || len(args) != 3 {
			t.Fatalf("command %d: %d arguments in %d bytes, %v", i, len(args), used, err)
		}
		input = input[used:]
	}
	if len(input) != 0 {
		t.Fatalf("%d bytes are left", len(input))
	}
}

// What has been looked at is wiped before the next call: a parser that looked
// again would stumble, so this shows that a command in many pieces costs no more
// than its bytes.
func TestPiecesAreLookedAtOnce(t *testing.T) {
	var args [][]byte
	for i := range 20_000 {
		args = append(args, fmt.Appendf(nil, "argument %d", i))
	}
	input := encode(args...)
	p := Parser{Limits: DefaultLimits()}
	scratch := make([]byte, len(input))
	for end := 4096; ; end += 4096 {
		end = min(end, len(input))
		copy(scratch, input[:end])
		for i := range min(p.pos, end) {
			scratch[i] = 0xEE
		}
		got, n, err := p.Next(scratch[:end], nil)
		if err != nil {
			t.Fatal(err)
		}
		if n > 0 {
			if len(got) != len(args) || n != len(input) {
				t.Fatalf("%d arguments in %d bytes, want %d in %d", len(got), n, len(args), len(input))
			}
			return
		}
		if p.pos < end-64 {
			t.Fatalf("of %d bytes only %d have been looked at", end, p.pos)
		}
	}
}

func TestArgumentsCannotTouchEachOther(t *testing.T) {
	for _, input := range []string{"*2\r\n$1\r\na\r\n$1\r\nb\r\n", "a b\r\n"} {
		p := Parser{Limits: DefaultLimits()}
		args, _, err := p.Next([]byte(input), nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = append(args[0], "overrun"...)
		if string(args[1]) != "b" {
			t.Errorf("%q: appending to one argument changed the next to %q", input, args[1])
		}
	}
}

func TestArgumentsAreAppended(t *testing.T) {
	for _, pieces := range [][]string{{"*1\r\n$1\r\nb\r\n"}, {"*1\r\n$1", "\r\nb\r\n"}, {"b\r\n"}} {
		p := Parser{Limits: DefaultLimits()}
		args := [][]byte{[]byte("a")}
		var buf []byte
		for _, piece := range pieces {
			buf = append(buf, piece...)
			args, _, _ = p.Next(buf, args)
		}
		if got := quoted(args); got != `"a" "b"`+"\n" {
			t.Errorf("%q: %s", pieces, got)
		}
	}
}

func TestNextDoesNotAllocate(t *testing.T) {
	args := make([][]byte, 0, 16)
	whole := encode([]byte("SET"), []byte("key:000000000001"), []byte("xxx"))
	inline := []byte("SET key \"a b\"\r\n")
	line := make([]byte, len(inline))
	p := Parser{Limits: DefaultLimits()}
	p.Next(whole[:20], args)
	p.Next(whole, args) // grows the parser's memory of a partial command once
	allocs := testing.AllocsPerRun(100, func() {
		args, _, _ = p.Next(whole, args[:0])
		args, _, _ = p.Next(whole[:20], args[:0])
		args, _, _ = p.Next(whole, args[:0])
		copy(line, inline)
		args, _, _ = p.Next(line, args[:0])
	})
	if allocs != 0 {
		t.Fatalf("%v allocations", allocs)
	}
}

func TestAnnouncedLengthsAllocateNothing(t *testing.T) {
	for _, input := range []string{"*1048576\r\n", "*1\r\n$536870912\r\n", "*1048576\r\n$536870912\r\n"} {
		const runs = 100
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range runs {
			p := Parser{Limits: DefaultLimits()}
			if _, n, err := p.Next([]byte(input), nil); n != 0 || err != nil {
				t.Fatal(n, err)
			}
		}
		runtime.ReadMemStats(&after)
		bytesAllocated := (after.TotalAlloc - before.TotalAlloc) / runs
		if bytesAllocated > 1024 {
			t.Errorf("%q made the parser allocate %d bytes", input, bytesAllocated)
		}
	}
}

func TestParserForgetsALargeCommand(t *testing.T) {
	args := make([][]byte, 100_000)
	input := encode(args...)
	p := Parser{Limits: DefaultLimits()}
	p.Next(input[:len(input)-1], nil)
	if _, n, err := p.Next(input, nil); n != len(input) || err != nil {
		t.Fatal(n, err)
	}
	if cap(p.complete) > maxKeptSpans {
		t.Fatalf("room for %d arguments is kept", cap(p.complete))
	}
}

func TestErrorsTellProtocolFaultsFromOthers(t *testing.T) {
	p := Parser{Limits: DefaultLimits()}
	_, _, err := p.Next([]byte("*x\r\n"), nil)
	if !IsProtocolError(fmt.Errorf("connection 7: %w", err)) {
		t.Errorf("%v is a protocol error", err)
	}
	if IsProtocolError(&Error{"ERR", "syntax error"}) || IsProtocolError(ErrHTTP) || IsProtocolError(errors.New("x")) || IsProtocolError(nil) {
		t.Error("not every error is a protocol error")
	}
}

func FuzzNext(f *testing.F) {
	for _, seed := range []string{"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n", "SET k \"a\\x41\"\r\n", "*-1\r\n*0\r\n", "*1\r\n$536870912\r\n", "GET / HTTP/1.1\r\n", "*3\r\n$1\r\na"} {
		f.Add([]byte(seed), uint8(3))
	}
	f.Fuzz(func(t *testing.T, input []byte, piece uint8) {
		var ends []int
		for at := int(piece); at < len(input) && piece > 0; at += int(piece) {
			ends = append(ends, at)
		}
		want := outcome(DefaultLimits(), bytes.Clone(input))
		if got := outcome(DefaultLimits(), bytes.Clone(input), ends...); got != want {
			t.Fatalf("in pieces of %d:\n%swhole:\n%s", piece, got, want)
		}
		checkAllocation(t, input)
	})
}

// checkAllocation: parsing may take memory for an argument's view (24 bytes) for
// every 2 bytes given (inline words), doubled by growth, and no more, whatever
// lengths the bytes announce.
func checkAllocation(t *testing.T, input []byte) {
	p := Parser{Limits: DefaultLimits()}
	var args [][]byte
	taken := 0
	for rest := bytes.Clone(input); ; {
		var n int
		var err error
		args, n, err = p.Next(rest, args[:0])
		taken = max(taken, cap(args)*24+cap(p.complete)*16)
		if n == 0 || err != nil {
			break
		}
		rest = rest[n:]
	}
	if ceiling := 1024 + 2*24*len(input); taken > ceiling {
		t.Fatalf("%d bytes of input took %d bytes of memory, ceiling %d", len(input), taken, ceiling)
	}
}

func BenchmarkNext(b *testing.B) {
	for _, bench := range []struct {
		name string
		args []string
	}{
		{"SET", []string{"SET", "key:000000000001", "xxx"}},
		{"GET", []string{"GET", "key:000000000001"}},
		{"SET1K", []string{"SET", "key:000000000001", strings.Repeat("x", 1024)}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			var args [][]byte
			for _, arg := range bench.args {
				args = append(args, []byte(arg))
			}
			const pipeline = 128
			one := encode(args...)
			input := bytes.Repeat(one, pipeline)
			p := Parser{Limits: DefaultLimits()}
			b.SetBytes(int64(len(one)))
			b.ReportAllocs()
			rest := input
			for b.Loop() {
				var n int
				args, n, _ = p.Next(rest, args[:0])
				if rest = rest[n:]; len(rest) == 0 {
					rest = input
				}
			}
		})
	}
}
