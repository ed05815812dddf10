package loader

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strconv"
)

// lineReader splits input into lines of bounded length.
type lineReader struct {
	r    *bufio.Reader
	name string
	max  int
	line int64  // lines returned so far
	long []byte // gathers a line that is longer than r's buffer
}

func newLineReader(r io.Reader, name string, max int) *lineReader {
	if max <= 0 {
		max = DefaultMaxRecordBytes
	}
	return &lineReader{r: bufio.NewReaderSize(r, 64<<10), name: name, max: max}
}

// next returns the next line without its line break, valid until the next call.
func (l *lineReader) next() ([]byte, error) {
	part, err := l.r.ReadSlice('\n')
	if err == bufio.ErrBufferFull {
		part, err = l.gather(part)
	}
	if err != nil && err != io.EOF {
		return nil, err
	}
	if err == io.EOF && len(part) == 0 {
		return nil, io.EOF
	}
	l.line++
	if part = trimBreak(part); len(part) > l.max {
		return nil, l.bad(fmt.Errorf("%w of %d bytes", ErrTooLong, l.max))
	}
	return part, nil
}

// trimBreak takes the line break off: LF or CR LF.
func trimBreak(b []byte) []byte {
	b = bytes.TrimSuffix(b, []byte{'\n'})
	return bytes.TrimSuffix(b, []byte{'\r'})
}

// gather reads the rest of a long line. What is above the limit is read and
// thrown away; a result above the limit, its line break taken off, tells that
// it happened.
func (l *lineReader) gather(part []byte) ([]byte, error) {
	l.long = append(l.long[:0], part...)
	for {
		part, err := l.r.ReadSlice('\n')
		if room := l.max + 3 - len(l.long); room > 0 {
			l.long = append(l.long, part[:min(room, len(part))]...)
		}
		if err == bufio.ErrBufferFull {
			continue
		}
		if err == io.EOF {
			err = nil // the line's text comes first; the next call finds the end
		}
		return l.long, err
	}
}

// bad names the line last returned.
func (l *lineReader) bad(err error) error {
	return &LineError{File: l.name, Line: l.line, Err: err}
}

// plainReader reads the format lines.
type plainReader struct {
	lines *lineReader
	empty bool
	value []byte
}

func (p *plainReader) Read(r *Record) error {
	for {
		line, err := p.lines.next()
		if err != nil {
			return err
		}
		if len(line) == 0 {
			continue // nothing to name a key with
		}
		p.value = p.value[:0]
		if !p.empty {
			p.value = strconv.AppendInt(p.value, p.lines.line, 10)
		}
		*r = Record{Key: line, Value: p.value, Line: p.lines.line}
		return nil
	}
}
