package loader

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Output is a file being written. It gets its name only when it is complete,
// so that a dump that broke off is never taken for a whole one.
type Output struct {
	Writer

	compress io.Closer // nil: not compressed
	file     *os.File  // nil: not ours to publish
	name     string
}

// Create starts a dump to the file name, compressed if it ends in .gz or .zst.
func Create(name string, f Format) (*Output, error) {
	file, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*.tmp")
	if err != nil {
		return nil, fmt.Errorf("create a file beside %s: %w", name, err)
	}
	o, err := NewOutput(file, name, f)
	if err != nil {
		return nil, errors.Join(err, file.Close(), os.Remove(file.Name()))
	}
	o.file, o.name = file, name
	return o, nil
}

// NewOutput writes to w. name only says, by its end, whether to compress.
func NewOutput(w io.Writer, name string, f Format) (*Output, error) {
	o := &Output{}
	switch {
	case strings.HasSuffix(name, ".gz"):
		z := gzip.NewWriter(w)
		w, o.compress = z, z
	case strings.HasSuffix(name, ".zst"):
		z, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
		if err != nil {
			return nil, err
		}
		w, o.compress = z, z
	}
	var err error
	o.Writer, err = NewWriter(w, f)
	return o, err
}

// Commit makes the output whole: everything is written, on disk, and has its name.
func (o *Output) Commit() error {
	if err := o.Flush(); err != nil {
		return errors.Join(err, o.Abort())
	}
	if o.compress != nil {
		if err := o.compress.Close(); err != nil {
			return errors.Join(err, o.Abort())
		}
	}
	if o.file == nil {
		return nil
	}
	if err := errors.Join(o.file.Chmod(0o600), o.file.Sync()); err != nil {
		return errors.Join(err, o.Abort())
	}
	temporary := o.file.Name()
	if err := errors.Join(o.file.Close(), os.Rename(temporary, o.name)); err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	return nil
}

// Abort throws away what was written.
func (o *Output) Abort() error {
	if o.file == nil {
		return nil
	}
	return errors.Join(o.file.Close(), os.Remove(o.file.Name()))
}
