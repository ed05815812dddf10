package datadir

import (
	"errors"
	"io"

	"github.com/prakashpandey/vegadb/internal/vfs"
)

// errReadOnly is what a change meets in a check.
var errReadOnly = errors.New("the check changes nothing")

// readOnly is a view of a file system through which nothing can be changed.
// That [Check] looks through it is why it can run the log's own recovery: it goes
// as far as reading, and stops at its first change.
type readOnly struct{ vfs.FS }

func (readOnly) Create(string) (vfs.File, error)        { return nil, errReadOnly }
func (readOnly) OpenReadWrite(string) (vfs.File, error) { return nil, errReadOnly }
func (readOnly) Remove(string) error                    { return errReadOnly }
func (readOnly) Rename(string, string) error            { return errReadOnly }
func (readOnly) Lock(string) (io.Closer, error)         { return nil, errReadOnly }

// MkdirAll and SyncDir do nothing, well: what they would do shows only in what
// comes after them.
func (readOnly) MkdirAll(string) error { return nil }
func (readOnly) SyncDir(string) error  { return nil }

func (r readOnly) Open(name string) (vfs.File, error) {
	f, err := r.FS.Open(name)
	if err != nil {
		return nil, err
	}
	return readOnlyFile{f}, nil
}

type readOnlyFile struct{ vfs.File }

func (readOnlyFile) Write([]byte) (int, error)          { return 0, errReadOnly }
func (readOnlyFile) WriteAt([]byte, int64) (int, error) { return 0, errReadOnly }
func (readOnlyFile) Truncate(int64) error               { return errReadOnly }
func (readOnlyFile) Allocate(int64, int64) error        { return errReadOnly }
func (readOnlyFile) Sync() error                        { return errReadOnly }
