package vfs

import (
	"errors"
	"io"
)

// ErrLocked is returned by [FS.Lock] when somebody else holds the lock.
var ErrLocked = errors.New("locked by another process")

// FS is a file system. Names are paths in the form of the implementation's platform. All methods may be
// called at the same time from several goroutines. A missing file is reported so that
// errors.Is(err, os.ErrNotExist) holds.
type FS interface {
	// Create makes an empty file for reading and writing, emptying one that exists.
	Create(name string) (File, error)
	// Open opens a file for reading.
	Open(name string) (File, error)
	// OpenReadWrite opens a file that must exist for reading and writing.
	OpenReadWrite(name string) (File, error)
	// Remove removes a file.
	Remove(name string) error
	// Rename gives a file another name, replacing a file of that name, atomically.
	Rename(oldname, newname string) error
	// MkdirAll makes a directory and its parents; it is no error if it exists.
	MkdirAll(dir string) error
	// List returns the base names of a directory's entries, sorted.
	List(dir string) ([]string, error)
	// Stat describes a file or directory.
	Stat(name string) (Info, error)
	// SyncDir makes the entries of a directory durable: what was created in it, renamed or removed.
	SyncDir(dir string) error
	// Lock takes an exclusive lock on a file, which it creates if needed, until the result is closed or
	// the process ends. It does not wait: [ErrLocked] says that somebody else holds it.
	Lock(name string) (io.Closer, error)
	// Free returns the bytes available to this process on the file system that holds dir.
	Free(dir string) (uint64, error)
}

// File is an open file. Reads and writes at different offsets may run at the same time.
type File interface {
	io.Reader
	io.ReaderAt
	io.Writer
	io.WriterAt
	io.Closer
	// Sync makes the file's contents and size durable (fdatasync). It says nothing about the directory
	// entry: see [FS.SyncDir]. After an error nothing is known about what is on disk, and a second call
	// that succeeds proves nothing.
	Sync() error
	// Truncate sets the size; what is added reads as zeros.
	Truncate(size int64) error
	// Allocate reserves disk blocks for n bytes from off, so that writing there later cannot fail for lack
	// of space, and grows the file to cover them. Contents do not change; what was not written reads as
	// zeros. errors.ErrUnsupported says that the file system cannot: writing zeros has the same effect.
	Allocate(off, n int64) error
	// Size returns the size in bytes.
	Size() (int64, error)
	// Name returns the name the file was opened by.
	Name() string
}

// Info describes a file.
type Info struct {
	Size  int64
	IsDir bool
}
