package loader

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
)

// Record is one key with its value, as read from or written to a file.
type Record struct {
	Key   []byte
	Value []byte
	// ExpireAt is when the record ends, in unix milliseconds; 0: never.
	ExpireAt int64
	// TTL is the time to live in milliseconds, counted from when the record is
	// stored; 0: none. Only files that were not dumped by VegaDB have it.
	TTL int64
	// Version is the version the record had when it was dumped; 0: not known.
	Version uint64
	// Line is the number of the record's first line, from 1.
	Line int64
}

// Format names a file format.
type Format string

// The formats. Auto is replaced by DetectFormat before a file is read.
const (
	Auto  Format = "auto"
	JSONL Format = "jsonl"
	TSV   Format = "tsv"
	CSV   Format = "csv"
	Lines Format = "lines"
)

// ParseFormat returns the format that s names.
func ParseFormat(s string) (Format, error) {
	switch f := Format(strings.ToLower(s)); f {
	case Auto, JSONL, TSV, CSV, Lines:
		return f, nil
	case "ndjson", "json":
		return JSONL, nil
	case "txt", "plain":
		return Lines, nil
	}
	return "", fmt.Errorf("unknown format %q: use auto, jsonl, tsv, csv or lines", s)
}

// DetectFormat judges by the extension of name, below any .gz or .zst. Auto
// comes back when the extension says nothing.
func DetectFormat(name string) Format {
	base := strings.ToLower(filepath.Base(name))
	base = strings.TrimSuffix(strings.TrimSuffix(base, ".gz"), ".zst")
	switch filepath.Ext(base) {
	case ".jsonl", ".ndjson", ".json":
		return JSONL
	case ".tsv", ".tab":
		return TSV
	case ".csv":
		return CSV
	case ".txt", ".lst", ".words":
		return Lines
	}
	return Auto
}

// ErrTooLong is in the chain of a LineError about a line or record above the limit.
var ErrTooLong = errors.New("longer than the limit")

// LineError is about one line or record of the input. The reader that returned
// it can go on with the next one.
type LineError struct {
	File string // as the user named it
	Line int64  // the record's first line, from 1
	Err  error
}

func (e *LineError) Error() string { return fmt.Sprintf("%s:%d: %v", e.File, e.Line, e.Err) }

// Unwrap gives the reason.
func (e *LineError) Unwrap() error { return e.Err }

// Reader reads records. Read fills r, whose slices are valid until the next
// call. It returns io.EOF at the end, a *LineError for a bad record (the next
// call goes on after it), and any other error when it cannot go on.
type Reader interface {
	Read(r *Record) error
}

// Writer writes records. Flush must be called at the end.
type Writer interface {
	Write(r *Record) error
	Flush() error
}

// Options say how input is read.
type Options struct {
	Name   string // for messages
	Format Format
	// KeyColumn and ValueColumn choose the columns of TSV and CSV (by name of
	// the header, or by number from 1) and the fields of JSONL. Empty: "key" and
	// "value" if there is such a header, otherwise 1 and 2. For JSONL a
	// ValueColumn of "." takes the whole line.
	KeyColumn, ValueColumn string
	// Header says whether the first row of TSV and CSV names the columns.
	Header HeaderMode
	// Raw takes the bytes of TSV as they are, without escapes.
	Raw bool
	// EmptyValues gives the records of plain lines empty values instead of
	// their line numbers.
	EmptyValues bool
	// MaxRecordBytes bounds a line or record; 0: DefaultMaxRecordBytes.
	MaxRecordBytes int
}

// DefaultMaxRecordBytes leaves room for a value of 64 MiB in base64 with its key.
const DefaultMaxRecordBytes = 96 << 20

// HeaderMode says whether the first row names the columns.
type HeaderMode string

// The header modes: HeaderAuto takes the first row as a header if it has the
// columns that are asked for by name, or "key" and "value".
const (
	HeaderAuto HeaderMode = "auto"
	HeaderYes  HeaderMode = "yes"
	HeaderNo   HeaderMode = "no"
)
