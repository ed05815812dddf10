package resp

import "bytes"

// nextInline takes one inline command: a line of words.
func (p *Parser) nextInline(buf []byte, args [][]byte) ([][]byte, int, error) {
	if err := foreign(buf); err != nil {
		p.finish()
		return args, 0, err
	}
	// Only the part that was not looked at before is searched.
	from := p.pos
	window := buf[from:min(len(buf), p.Limits.MaxInline+1)]
	i := bytes.IndexByte(window, '\n')
	if i < 0 {
		if len(buf) > p.Limits.MaxInline {
			return args, 0, protocolError("too big inline request")
		}
		p.pending, p.inline, p.pos = true, true, len(buf)
		return args, 0, nil
	}
	end := from + i
	n := end + 1
	if end > 0 && buf[end-1] == '\r' {
		end--
	}
	p.finish()
	before := len(args)
	args, ok := splitWords(buf[:end], args, p.Limits.MaxArgs)
	switch {
	case !ok:
		return args[:before], 0, protocolError("unbalanced quotes in request")
	case len(args)-before > p.Limits.MaxArgs:
		return args[:before], 0, protocolError("invalid multibulk length")
	case looksLikeHTTP(args[before:]):
		return args[:before], 0, ErrHTTP
	}
	return args, n, nil
}

// foreign recognises the beginnings of two protocols that are for other ports. Both
// sides would wait for the other's next byte otherwise, and nobody would say why.
func foreign(buf []byte) error {
	const node = "VPEER" // begins a node's hello (package transport); a version of the protocol follows
	switch {
	case len(buf) > len(node) && string(buf[:len(node)]) == node && buf[len(node)] < '\t':
		return protocolError("this port is for clients, and a node has come: --join and --advertise-peer-addr want peer ports (8344 by default)")
	case len(buf) > 2 && buf[0] == 0x16 && buf[1] == 3 && buf[2] <= 4: // a record of the handshake
		return protocolError("this port does not speak TLS")
	}
	return nil
}

// looksLikeHTTP recognises the request line of HTTP and the header line with
// which a browser that was lured into speaking to us would smuggle commands in
// (the attack that made Redis treat POST and Host: specially).
func looksLikeHTTP(words [][]byte) bool {
	if len(words) == 0 {
		return false
	}
	if EqualFold(words[0], "post") || EqualFold(words[0], "host:") {
		return true
	}
	return len(words) == 3 && bytes.HasPrefix(words[2], []byte("HTTP/"))
}

// splitWords splits a line as Redis does: words are separated by white space;
// "double quotes" understand \xHH, \n, \r, \t, \b, \a and \ before any other
// byte; 'single quotes' understand only \'. A closing quote must end its word. A
// NUL ends the line. Words are unquoted in place, which never grows them. It
// stops after max+1 words. ok is false when quotes do not balance.
func splitWords(line []byte, args [][]byte, max int) (out [][]byte, ok bool) {
	out = args
	for i := 0; ; {
		for i < len(line) && isSpace(line[i]) {
			i++
		}
		if i >= len(line) || line[i] == 0 || len(out)-len(args) > max {
			return out, true
		}
		start, write := i, i
		for i < len(line) && !endsWord(line[i]) {
			c := line[i]
			if c != '"' && c != '\'' {
				line[write] = c
				write++
				i++
				continue
			}
			if i, write, ok = unquote(line, i+1, write, c); !ok {
				return out, false
			}
			break // a closing quote is followed by white space or the end
		}
		out = append(out, line[start:write:write])
	}
}

// unquote copies a quoted part that begins at i to write. It returns the offset
// after the closing quote and the new write offset.
func unquote(line []byte, i, write int, quote byte) (next, w int, ok bool) {
	for i < len(line) && line[i] != 0 {
		c := line[i]
		switch {
		case quote == '"' && c == '\\' && i+3 < len(line) && line[i+1] == 'x' && isHex(line[i+2]) && isHex(line[i+3]):
			c = hexValue(line[i+2])<<4 | hexValue(line[i+3])
			i += 4
		case quote == '"' && c == '\\' && i+1 < len(line) && line[i+1] != 0:
			c = unescape(line[i+1])
			i += 2
		case quote == '\'' && c == '\\' && i+1 < len(line) && line[i+1] == '\'':
			c = '\''
			i += 2
		case c == quote:
			i++
			return i, write, i >= len(line) || line[i] == 0 || isSpace(line[i])
		default:
			i++
		}
		line[write] = c
		write++
	}
	return i, write, false
}

func unescape(c byte) byte {
	switch c {
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	case 'b':
		return '\b'
	case 'a':
		return '\a'
	}
	return c
}

// endsWord tells which bytes end an unquoted word: fewer than isSpace, as in
// Redis.
func endsWord(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == 0 }

// isSpace is isspace of the C locale.
func isSpace(c byte) bool { return c == ' ' || c-'\t' < 5 }

func isHex(c byte) bool { return c-'0' < 10 || (c|0x20)-'a' < 6 }

func hexValue(c byte) byte {
	if c-'0' < 10 {
		return c - '0'
	}
	return (c | 0x20) - 'a' + 10
}

// EqualFold compares s with a word in lower case, ignoring ASCII case. It is how
// the words of a request are recognised.
func EqualFold(s []byte, lower string) bool {
	if len(s) != len(lower) {
		return false
	}
	for i, c := range s {
		if c-'A' < 26 {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}
