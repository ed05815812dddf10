package resp

import "bytes"

// maxHeader bounds the digits of a length's line. The longest sensible one is
// that of -9223372036854775808.
const maxHeader = 32

// Parser takes requests off a buffer. The zero value with Limits set is ready.
// A Parser serves one connection and one goroutine.
type Parser struct {
	Limits Limits

	// State of a command that has begun to arrive and is not complete. Offsets
	// count from the command's first byte, because the buffer may move.
	pending  bool
	inline   bool   // an inline line of which scanned bytes hold no newline
	pos      int    // next byte to look at
	left     int    // arguments still missing
	bulk     int    // length of the argument at pos, -1 when its header is still missing
	complete []span // arguments that are complete
}

type span struct{ from, to int }

// maxKeptSpans bounds the memory a Parser keeps after one huge command that
// arrived in pieces.
const maxKeptSpans = 1024

// Next takes one command off the front of buf. It appends the command's
// arguments to args and returns them with the number of bytes consumed.
//
// n == 0 means that the command is incomplete. n > 0 with no arguments is an
// empty command: skip it. The arguments are valid as long as buf's bytes are;
// those of an inline command are unquoted in place, which overwrites part of the
// n consumed bytes.
//
// An error is either an *Error to send before closing the connection, or ErrHTTP.
func (p *Parser) Next(buf []byte, args [][]byte) (out [][]byte, n int, err error) {
	if !p.pending {
		if len(buf) == 0 {
			return args, 0, nil
		}
		if buf[0] != '*' {
			return p.nextInline(buf, args)
		}
		if out, n = p.whole(buf, args); n > 0 {
			return out, n, nil
		}
		// Incomplete or unusual: the careful path decides, from the start.
		p.begin()
	} else if p.inline {
		return p.nextInline(buf, args)
	}
	return p.resume(buf, args)
}

// Pending reports whether a command has begun to arrive and is incomplete. It
// is what a deadline for a whole command looks at.
func (p *Parser) Pending() bool { return p.pending }

// Reset forgets a partial command, for a parser that is to serve another
// connection.
func (p *Parser) Reset() { p.finish() }

func (p *Parser) begin() {
	p.pending, p.inline = true, false
	p.pos, p.left, p.bulk = 0, -1, -1
	p.complete = p.complete[:0]
}

func (p *Parser) finish() {
	p.pending, p.inline = false, false
	p.pos = 0
	if cap(p.complete) > maxKeptSpans {
		p.complete = nil
	}
}

// whole parses a command that lies completely in buf and is written the way
// every client writes it. n == 0 means anything else; nothing is decided then,
// not even that it is wrong.
func (p *Parser) whole(buf []byte, args [][]byte) (out [][]byte, n int) {
	count, i := smallLength(buf, 1)
	if i == 0 || count == 0 || count > p.Limits.MaxArgs {
		return args, 0
	}
	out = args
	for range count {
		if i >= len(buf) || buf[i] != '$' {
			return args, 0
		}
		size, start := smallLength(buf, i+1)
		if start == 0 || size > p.Limits.MaxBulk {
			return args, 0
		}
		end := start + size
		if len(buf)-end < 2 || buf[end] != '\r' || buf[end+1] != '\n' {
			return args, 0
		}
		out = append(out, buf[start:end:end])
		i = end + 2
	}
	if i > p.Limits.MaxQuery {
		return args, 0
	}
	return out, i
}

// smallLength reads a length of one to seven digits without a leading zero and
// its CR LF. next is the offset after them, 0 when there is no such thing.
func smallLength(buf []byte, i int) (v, next int) {
	if len(buf)-i < 3 {
		return 0, 0
	}
	c := uint(buf[i]) - '0'
	if c > 9 {
		return 0, 0
	}
	if buf[i+1] == '\r' { // one digit, the most frequent case
		if buf[i+2] != '\n' {
			return 0, 0
		}
		return int(c), i + 3
	}
	if c == 0 {
		return 0, 0
	}
	value := c
	for j := i + 1; j < len(buf)-1 && j < i+8; j++ {
		c = uint(buf[j]) - '0'
		if c > 9 {
			if buf[j] != '\r' || buf[j+1] != '\n' {
				return 0, 0
			}
			return int(value), j + 2
		}
		value = value*10 + c
	}
	return 0, 0
}

// resume goes on with a command that arrives in pieces, or that whole did not
// want to judge.
func (p *Parser) resume(buf []byte, args [][]byte) ([][]byte, int, error) {
	if p.left < 0 {
		count, next, err := p.arrayHeader(buf)
		if err != nil || next == 0 {
			return args, 0, err
		}
		p.pos = next
		if count <= 0 { // "*0" and every negative count: nothing was asked
			p.finish()
			return args, next, nil
		}
		p.left = int(count)
	}
	for p.left > 0 {
		if p.bulk < 0 {
			size, next, err := p.bulkHeader(buf)
			if err != nil || next == 0 {
				return args, 0, err
			}
			p.bulk, p.pos = size, next
		}
		end := p.pos + p.bulk
		if len(buf)-end < 2 {
			return args, 0, nil
		}
		if buf[end] != '\r' || buf[end+1] != '\n' {
			return args, 0, protocolError("expected CRLF after bulk")
		}
		p.complete = append(p.complete, span{p.pos, end})
		p.pos, p.bulk = end+2, -1
		p.left--
	}
	for _, s := range p.complete {
		args = append(args, buf[s.from:s.to:s.to])
	}
	n := p.pos
	p.finish()
	return args, n, nil
}

// arrayHeader reads "*count\r\n". next == 0: incomplete.
func (p *Parser) arrayHeader(buf []byte) (count int64, next int, err error) {
	line, next, ok := headerLine(buf, 1)
	if !ok {
		return 0, 0, protocolError("too big mbulk count string")
	}
	if next == 0 {
		return 0, 0, nil
	}
	count, ok = ParseInt(line)
	switch {
	case !ok || count > int64(p.Limits.MaxArgs) && !p.Limits.Unauthenticated:
		return 0, 0, protocolError("invalid multibulk length")
	case count > int64(p.Limits.MaxArgs):
		return 0, 0, protocolError("unauthenticated multibulk length")
	}
	return count, next, nil
}

// bulkHeader reads "$size\r\n" at pos. next == 0: incomplete.
func (p *Parser) bulkHeader(buf []byte) (size, next int, err error) {
	if p.pos >= len(buf) {
		return 0, 0, nil
	}
	if buf[p.pos] != '$' {
		return 0, 0, protocolError("expected '$', got '" + printable(buf[p.pos]) + "'")
	}
	line, next, ok := headerLine(buf, p.pos+1)
	if !ok {
		return 0, 0, protocolError("too big bulk count string")
	}
	if next == 0 {
		return 0, 0, nil
	}
	length, ok := ParseInt(line)
	switch {
	case !ok || length < 0 || length > int64(p.Limits.MaxBulk) && !p.Limits.Unauthenticated:
		return 0, 0, protocolError("invalid bulk length")
	case length > int64(p.Limits.MaxBulk):
		return 0, 0, protocolError("unauthenticated bulk length")
	case length+2 > int64(p.Limits.MaxQuery)-int64(next):
		return 0, 0, protocolError("too big query")
	}
	return int(length), next, nil
}

// headerLine finds the line that starts at from. next is the offset after its
// CR LF, 0 when it has not arrived. ok is false when it is too long to be a
// number or its CR is not followed by LF.
func headerLine(buf []byte, from int) (line []byte, next int, ok bool) {
	window := buf[from:min(len(buf), from+maxHeader)]
	cr := bytes.IndexByte(window, '\r')
	if cr < 0 {
		return nil, 0, len(window) < maxHeader
	}
	if from+cr+1 >= len(buf) {
		return nil, 0, true
	}
	if buf[from+cr+1] != '\n' {
		return nil, 0, false
	}
	return window[:cr], from + cr + 2, true
}

// printable keeps an error's text on one line whatever byte it quotes.
func printable(c byte) string {
	if c < ' ' || c > '~' {
		return " "
	}
	return string(rune(c))
}
