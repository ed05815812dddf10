package loader

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"
)

// csvReader reads the format csv (RFC 4180). encoding/csv is not used because
// it turns CR LF inside quotes into LF and knows no limit: here every byte of
// a value counts, and one missing quote must not swallow the memory.
type csvReader struct {
	lines *lineReader
	o     Options
	cols  columns
	known bool

	text  []byte   // the lines of the record being read, line breaks included
	open  bool     // text has an odd number of quotes: the record goes on in the next line
	row   [][]byte // fields; views into plain
	plain []byte   // the fields' bytes, quotes taken off
	ends  []int    // where in plain each field ends

	// queued holds the lines after the first of a record that turned out to be
	// bad, to be read again as records of their own.
	queued     []byte
	queuedLine int64
}

var errOpenQuote = errors.New(`the quote " is never closed`)

func (c *csvReader) Read(r *Record) error {
	for {
		line, err := c.record()
		if err != nil {
			return err
		}
		if len(c.row) == 1 && len(c.row[0]) == 0 {
			continue // an empty line
		}
		*r = Record{Line: line}
		if !c.known {
			cols, header, err := resolveColumns(c.o, c.row)
			if err != nil {
				return fmt.Errorf("%s: %w", c.lines.name, err)
			}
			c.cols, c.known = cols, true
			if header {
				continue
			}
		}
		if err := c.cols.record(c.row, r); err != nil {
			return c.bad(line, err)
		}
		return nil
	}
}

func (c *csvReader) bad(line int64, err error) error {
	return &LineError{File: c.lines.name, Line: line, Err: err}
}

// record reads one record into c.row and returns the number of its first line.
func (c *csvReader) record() (line int64, err error) {
	c.text, c.open = c.text[:0], false
	if line, err = c.nextLine(); err != nil {
		return line, err
	}
	for c.open && len(c.text) <= c.lines.max {
		if _, err := c.nextLine(); err == io.EOF {
			return line, c.giveUp(line, errOpenQuote)
		} else if err != nil {
			return line, err
		}
	}
	text := trimBreak(c.text)
	if len(text) > c.lines.max {
		return line, c.giveUp(line, fmt.Errorf("%w of %d bytes; is a quote left open?", ErrTooLong, c.lines.max))
	}
	if err := c.parse(text); err != nil {
		return line, c.giveUp(line, err)
	}
	return line, nil
}

// giveUp drops a record's first line and keeps the rest for another look.
func (c *csvReader) giveUp(first int64, err error) error {
	if i := bytes.IndexByte(c.text, '\n'); i >= 0 {
		rest := c.text[i+1:]
		c.queued = append(bytes.Clone(rest), c.queued...)
		c.queuedLine = first + 1
	}
	return c.bad(first, err)
}

// nextLine appends one line with its line break to c.text and returns its number.
func (c *csvReader) nextLine() (int64, error) {
	if len(c.queued) > 0 {
		end := len(c.queued)
		if i := bytes.IndexByte(c.queued, '\n'); i >= 0 {
			end = i + 1
		}
		c.take(c.queued[:end])
		c.queued = c.queued[end:]
		c.queuedLine++
		return c.queuedLine - 1, nil
	}
	part, err := c.lines.r.ReadSlice('\n')
	if err == bufio.ErrBufferFull {
		part, err = c.lines.gather(part)
	}
	if err == io.EOF && len(part) > 0 {
		err = nil
	}
	if err != nil {
		return 0, err
	}
	c.lines.line++
	c.take(part)
	return c.lines.line, nil
}

func (c *csvReader) take(line []byte) {
	c.text = append(c.text, line...)
	if bytes.Count(line, []byte{'"'})%2 == 1 {
		c.open = !c.open
	}
}

// parse splits a whole record into c.row.
func (c *csvReader) parse(b []byte) error {
	c.plain, c.ends = c.plain[:0], c.ends[:0]
	for {
		var err error
		if b, err = c.field(b); err != nil {
			return fmt.Errorf("column %d: %w", len(c.ends)+1, err)
		}
		c.ends = append(c.ends, len(c.plain))
		if len(b) == 0 {
			break
		}
		b = b[1:] // the comma
	}
	c.row = c.row[:0]
	start := 0
	for _, end := range c.ends {
		c.row = append(c.row, c.plain[start:end:end])
		start = end
	}
	return nil
}

// field takes one field off the front of b; what is left starts with the
// comma, if there is one.
func (c *csvReader) field(b []byte) (rest []byte, err error) {
	if len(b) == 0 || b[0] != '"' {
		end := bytes.IndexByte(b, ',')
		if end < 0 {
			end = len(b)
		}
		if bytes.IndexByte(b[:end], '"') >= 0 {
			return nil, errors.New(`a quote " inside a field that does not start with one`)
		}
		c.plain = append(c.plain, b[:end]...)
		return b[end:], nil
	}
	b = b[1:]
	for {
		i := bytes.IndexByte(b, '"')
		if i < 0 {
			return nil, errOpenQuote
		}
		c.plain = append(c.plain, b[:i]...)
		b = b[i+1:]
		if len(b) == 0 || b[0] == ',' {
			return b, nil
		}
		if b[0] != '"' {
			return nil, errors.New(`text after the closing quote "`)
		}
		c.plain = append(c.plain, '"')
		b = b[1:]
	}
}

// csvWriter writes the format csv.
type csvWriter struct {
	w      *bufio.Writer
	header bool
	line   []byte
}

func (c *csvWriter) Write(r *Record) error {
	c.line = c.line[:0]
	if !c.header {
		c.header = true
		c.line = append(c.line, columnKey+","+columnValue+","+columnExpireAt+","+columnVersion+","+columnEncoding+"\r\n"...)
	}
	encoding := ""
	if utf8.Valid(r.Key) && utf8.Valid(r.Value) {
		c.line = appendQuoted(c.line, r.Key)
		c.line = append(c.line, ',')
		c.line = appendQuoted(c.line, r.Value)
	} else {
		encoding = encodingBase64
		c.line = base64.StdEncoding.AppendEncode(c.line, r.Key)
		c.line = append(c.line, ',')
		c.line = base64.StdEncoding.AppendEncode(c.line, r.Value)
	}
	c.line = append(c.line, ',')
	if r.ExpireAt != 0 {
		c.line = strconv.AppendInt(c.line, r.ExpireAt, 10)
	}
	c.line = append(c.line, ',')
	c.line = strconv.AppendUint(c.line, r.Version, 10)
	c.line = append(c.line, ',')
	c.line = append(c.line, encoding...)
	c.line = append(c.line, "\r\n"...)
	_, err := c.w.Write(c.line)
	return err
}

// appendQuoted quotes b where RFC 4180 asks for it.
func appendQuoted(dst, b []byte) []byte {
	if !bytes.ContainsAny(b, "\",\r\n") {
		return append(dst, b...)
	}
	dst = append(dst, '"')
	for _, ch := range b {
		if ch == '"' {
			dst = append(dst, '"')
		}
		dst = append(dst, ch)
	}
	return append(dst, '"')
}

func (c *csvWriter) Flush() error { return c.w.Flush() }
