package loader

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"
)

// tsvReader reads the format tsv.
type tsvReader struct {
	lines *lineReader
	o     Options
	cols  columns
	known bool // cols are resolved
	row   [][]byte
}

func (t *tsvReader) Read(r *Record) error {
	for {
		line, err := t.lines.next()
		if err != nil {
			return err
		}
		if len(line) == 0 {
			continue
		}
		*r = Record{Line: t.lines.line}
		if err := t.split(line); err != nil {
			return t.lines.bad(err)
		}
		if !t.known {
			cols, header, err := resolveColumns(t.o, t.row)
			if err != nil {
				return fmt.Errorf("%s: %w", t.lines.name, err)
			}
			t.cols, t.known = cols, true
			if header {
				continue
			}
		}
		if err := t.cols.record(t.row, r); err != nil {
			return t.lines.bad(err)
		}
		return nil
	}
}

func (t *tsvReader) split(line []byte) error {
	t.row = t.row[:0]
	for {
		field, rest, more := bytes.Cut(line, []byte{'\t'})
		if !t.o.Raw {
			var err error
			if field, err = unescape(field); err != nil {
				return fmt.Errorf("column %d: %w (use --raw if backslashes mean themselves)", len(t.row)+1, err)
			}
		}
		t.row = append(t.row, field)
		if !more {
			return nil
		}
		line = rest
	}
}

// unescape decodes b in place.
func unescape(b []byte) ([]byte, error) {
	first := bytes.IndexByte(b, '\\')
	if first < 0 {
		return b, nil
	}
	out := b[:first]
	for i := first; i < len(b); i++ {
		if b[i] != '\\' {
			out = append(out, b[i])
			continue
		}
		if i++; i == len(b) {
			return nil, errors.New("ends in a single backslash")
		}
		switch b[i] {
		case 't':
			out = append(out, '\t')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case '\\':
			out = append(out, '\\')
		case 'x':
			if i+2 >= len(b) {
				return nil, errors.New(`\x needs two hexadecimal digits`)
			}
			v, err := strconv.ParseUint(string(b[i+1:i+3]), 16, 8)
			if err != nil {
				return nil, fmt.Errorf(`\x%s: not two hexadecimal digits`, b[i+1:i+3])
			}
			out = append(out, byte(v))
			i += 2
		default:
			return nil, fmt.Errorf(`unknown escape \%c`, b[i])
		}
	}
	return out, nil
}

// AppendEscaped appends b as a field of TSV, the opposite of unescape. Text stays readable: only what
// separates columns and lines and what is not UTF-8 is escaped.
func AppendEscaped(dst, b []byte) []byte {
	text := utf8.Valid(b)
	for _, c := range b {
		switch {
		case c == '\t':
			dst = append(dst, '\\', 't')
		case c == '\n':
			dst = append(dst, '\\', 'n')
		case c == '\r':
			dst = append(dst, '\\', 'r')
		case c == '\\':
			dst = append(dst, '\\', '\\')
		case c < ' ' || c == 0x7F || (c >= utf8.RuneSelf && !text):
			dst = fmt.Appendf(dst, `\x%02x`, c)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// tsvWriter writes the format tsv.
type tsvWriter struct {
	w      *bufio.Writer
	header bool
	line   []byte
}

func (t *tsvWriter) Write(r *Record) error {
	t.line = t.line[:0]
	if !t.header {
		t.header = true
		t.line = append(t.line, columnKey+"\t"+columnValue+"\t"+columnExpireAt+"\t"+columnVersion+"\n"...)
	}
	t.line = AppendEscaped(t.line, r.Key)
	t.line = append(t.line, '\t')
	t.line = AppendEscaped(t.line, r.Value)
	t.line = append(t.line, '\t')
	if r.ExpireAt != 0 {
		t.line = strconv.AppendInt(t.line, r.ExpireAt, 10)
	}
	t.line = append(t.line, '\t')
	t.line = strconv.AppendUint(t.line, r.Version, 10)
	t.line = append(t.line, '\n')
	_, err := t.w.Write(t.line)
	return err
}

func (t *tsvWriter) Flush() error { return t.w.Flush() }

// NewWriter returns a writer of format f, which may not be Auto or Lines.
func NewWriter(w io.Writer, f Format) (Writer, error) {
	switch f {
	case JSONL:
		return newJSONLWriter(w), nil
	case TSV:
		return &tsvWriter{w: bufio.NewWriterSize(w, 64<<10)}, nil
	case CSV:
		return &csvWriter{w: bufio.NewWriterSize(w, 64<<10)}, nil
	}
	return nil, fmt.Errorf("cannot write the format %q: use jsonl, tsv or csv", f)
}
