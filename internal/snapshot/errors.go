package snapshot

import (
	"errors"
	"fmt"
)

var (
	// ErrCorrupt: the file is not what Write wrote. Errors that match it are
	// *FileError and say where.
	ErrCorrupt = errors.New("snapshot is corrupt")
	// ErrVersion: the file is intact but of a format version this program does
	// not know. It is not damage: nothing is set aside.
	ErrVersion = errors.New("snapshot has an unknown format version")
	// ErrForeign: the file is intact but belongs to another cluster, or to a
	// data directory with another number of partitions.
	ErrForeign = errors.New("snapshot belongs to another data directory")
)

// FileError says what is wrong with one file and where. It matches (errors.Is)
// its Kind: ErrCorrupt, ErrVersion or ErrForeign.
type FileError struct {
	Path   string
	Offset int64
	Kind   error
	Reason string
}

func (e *FileError) Error() string {
	return fmt.Sprintf("%s: %v: at offset %d: %s", e.Path, e.Kind, e.Offset, e.Reason)
}

func (e *FileError) Unwrap() error { return e.Kind }

func corrupt(path string, off int64, format string, args ...any) error {
	return &FileError{Path: path, Offset: off, Kind: ErrCorrupt, Reason: fmt.Sprintf(format, args...)}
}
