package resp

import (
	"math"
	"strconv"
)

// Writer appends replies to Buf in the protocol version Proto, 2 or 3. It holds
// no other state, so a caller may keep a mark (len(w.Buf)) and cut back to it.
// Types that RESP2 does not have are written as what Redis writes in their place.
type Writer struct {
	Buf   []byte
	Proto int
}

// OK writes the reply of a command that has nothing else to say.
func (w *Writer) OK() { w.Buf = append(w.Buf, "+OK\r\n"...) }

// Simple writes a simple string. s must not contain CR or LF.
func (w *Writer) Simple(s string) {
	w.Buf = append(w.Buf, '+')
	w.Buf = append(w.Buf, s...)
	w.crlf()
}

// Int writes an integer.
func (w *Writer) Int(v int64) { w.header(':', v) }

// Bulk writes a binary-safe string.
func (w *Writer) Bulk(b []byte) {
	w.header('$', int64(len(b)))
	w.Buf = append(w.Buf, b...)
	w.crlf()
}

// BulkString is Bulk for a string.
func (w *Writer) BulkString(s string) {
	w.header('$', int64(len(s)))
	w.Buf = append(w.Buf, s...)
	w.crlf()
}

// BulkInt writes an integer as a string.
func (w *Writer) BulkInt(v int64) {
	var digits [20]byte
	w.Bulk(strconv.AppendInt(digits[:0], v, 10))
}

// Null writes the absence of a string.
func (w *Writer) Null() {
	if w.Proto >= 3 {
		w.Buf = append(w.Buf, "_\r\n"...)
		return
	}
	w.Buf = append(w.Buf, "$-1\r\n"...)
}

// NullArray writes the absence of an array.
func (w *Writer) NullArray() {
	if w.Proto >= 3 {
		w.Buf = append(w.Buf, "_\r\n"...)
		return
	}
	w.Buf = append(w.Buf, "*-1\r\n"...)
}

// Array begins an array; n values follow.
func (w *Writer) Array(n int) { w.header('*', int64(n)) }

// Map begins a map; n pairs of values follow. RESP2: an array of 2n.
func (w *Writer) Map(n int) {
	if w.Proto >= 3 {
		w.header('%', int64(n))
		return
	}
	w.header('*', 2*int64(n))
}

// Set begins a set; n values follow. RESP2: an array.
func (w *Writer) Set(n int) { w.aggregate('~', n) }

// Push begins a message that answers no request; n values follow. RESP2: an
// array.
func (w *Writer) Push(n int) { w.aggregate('>', n) }

func (w *Writer) aggregate(kind byte, n int) {
	if w.Proto < 3 {
		kind = '*'
	}
	w.header(kind, int64(n))
}

// Bool writes a boolean. RESP2: 1 or 0.
func (w *Writer) Bool(v bool) {
	switch {
	case w.Proto >= 3 && v:
		w.Buf = append(w.Buf, "#t\r\n"...)
	case w.Proto >= 3:
		w.Buf = append(w.Buf, "#f\r\n"...)
	case v:
		w.Int(1)
	default:
		w.Int(0)
	}
}

// Double writes a floating-point number in its shortest form that reads back as
// the same. RESP2: the same digits as a string.
func (w *Writer) Double(v float64) {
	var room [32]byte
	digits := appendDouble(room[:0], v)
	if w.Proto < 3 {
		w.Bulk(digits)
		return
	}
	w.Buf = append(w.Buf, ',')
	w.Buf = append(w.Buf, digits...)
	w.crlf()
}

func appendDouble(dst []byte, v float64) []byte {
	switch {
	case math.IsInf(v, 1):
		return append(dst, "inf"...)
	case math.IsInf(v, -1):
		return append(dst, "-inf"...)
	case math.IsNaN(v):
		return append(dst, "nan"...)
	}
	return strconv.AppendFloat(dst, v, 'g', -1, 64)
}

// BigNumber writes an integer of any size, given as its decimal digits. RESP2:
// a string.
func (w *Writer) BigNumber(digits string) {
	if w.Proto < 3 {
		w.BulkString(digits)
		return
	}
	w.Buf = append(w.Buf, '(')
	w.Buf = append(w.Buf, digits...)
	w.crlf()
}

// Verbatim writes text whose format (three letters, as "txt" or "mkd") a client
// may use to show it. RESP2: a string.
func (w *Writer) Verbatim(format, text string) {
	if w.Proto < 3 {
		w.BulkString(text)
		return
	}
	w.header('=', int64(len(text))+4)
	w.Buf = append(w.Buf, format[:3]...)
	w.Buf = append(w.Buf, ':')
	w.Buf = append(w.Buf, text...)
	w.crlf()
}

// Error writes an error. A CR or LF in its text, which may quote what a client
// sent, becomes a space: it must not be able to begin another reply.
func (w *Writer) Error(e *Error) {
	w.Buf = append(w.Buf, '-')
	w.errorText(e.Code)
	w.Buf = append(w.Buf, ' ')
	w.errorText(e.Text)
	w.crlf()
}

// Errorf writes an error whose text is formatted.
func (w *Writer) Errorf(code, format string, args ...any) {
	w.Error(Errorf(code, format, args...))
}

func (w *Writer) errorText(s string) {
	for i := range len(s) {
		c := s[i]
		if c == '\r' || c == '\n' {
			c = ' '
		}
		w.Buf = append(w.Buf, c)
	}
}

func (w *Writer) crlf() { w.Buf = append(w.Buf, '\r', '\n') }

// header writes a type's byte, an integer and CR LF. Lengths and counts are
// small far more often than not.
func (w *Writer) header(kind byte, v int64) {
	if uint64(v) < 10 {
		w.Buf = append(w.Buf, kind, '0'+byte(v), '\r', '\n')
		return
	}
	if uint64(v) < 100 {
		w.Buf = append(w.Buf, kind, '0'+byte(v/10), '0'+byte(v%10), '\r', '\n')
		return
	}
	w.Buf = append(w.Buf, kind)
	w.Buf = strconv.AppendInt(w.Buf, v, 10)
	w.crlf()
}
