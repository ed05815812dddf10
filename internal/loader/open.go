package loader

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Input is an open source of records.
type Input struct {
	Reader
	// Format is the one that is read, also where Auto was asked for.
	Format Format

	counter *countingReader
	closers []func() error
}

// Consumed returns how many bytes of the source have been read so far: of the
// compressed ones, where it is compressed. It may be called from any goroutine.
func (in *Input) Consumed() int64 { return in.counter.n.Load() }

// Close releases what decompression holds. The source itself stays open.
func (in *Input) Close() error {
	var errs []error
	for _, c := range in.closers {
		errs = append(errs, c())
	}
	return errors.Join(errs...)
}

// NewInput reads the records in src. Compression is recognised by the first
// bytes. With Format Auto the extension of Options.Name decides and, where it
// says nothing, the first byte: '{' means jsonl, anything else lines.
func NewInput(src io.Reader, o Options) (*Input, error) {
	in := &Input{counter: &countingReader{r: src}}
	plain, err := in.decompress(bufio.NewReaderSize(in.counter, 64<<10))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.Name, err)
	}
	if head, _ := plain.Peek(3); bytes.Equal(head, []byte("\xEF\xBB\xBF")) {
		_, _ = plain.Discard(3) // the byte order mark that some editors leave
	}
	in.Format = o.Format
	if in.Format == "" || in.Format == Auto {
		in.Format = DetectFormat(o.Name)
	}
	if in.Format == Auto {
		in.Format = Lines
		if head, _ := plain.Peek(1); len(head) == 1 && head[0] == '{' {
			in.Format = JSONL
		}
	}
	in.Reader, err = newReader(plain, in.Format, o)
	return in, err
}

func newReader(plain io.Reader, f Format, o Options) (Reader, error) {
	switch f {
	case JSONL:
		return newJSONLReader(plain, o), nil
	case TSV:
		return &tsvReader{lines: newLineReader(plain, o.Name, o.MaxRecordBytes), o: o}, nil
	case CSV:
		return &csvReader{lines: newLineReader(plain, o.Name, o.MaxRecordBytes), o: o}, nil
	case Lines:
		return &plainReader{lines: newLineReader(plain, o.Name, o.MaxRecordBytes), empty: o.EmptyValues}, nil
	}
	return nil, fmt.Errorf("cannot read the format %q: use jsonl, tsv, csv or lines", f)
}

func (in *Input) decompress(r *bufio.Reader) (*bufio.Reader, error) {
	head, _ := r.Peek(4)
	switch {
	case bytes.HasPrefix(head, []byte{0x1F, 0x8B}):
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, err
		}
		in.closers = append(in.closers, z.Close)
		return bufio.NewReaderSize(z, 64<<10), nil
	case bytes.Equal(head, []byte{0x28, 0xB5, 0x2F, 0xFD}):
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(128<<20))
		if err != nil {
			return nil, err
		}
		in.closers = append(in.closers, func() error { z.Close(); return nil })
		return bufio.NewReaderSize(z, 64<<10), nil
	}
	return r, nil
}

type countingReader struct {
	r io.Reader
	n atomic.Int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	return n, err
}
