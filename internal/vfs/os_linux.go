package vfs

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// syncData uses fdatasync: it leaves out the modification time, and with it a journal commit when only
// existing blocks were overwritten. A changed size is still made durable.
func syncData(f *os.File) error {
	fd := int(f.Fd())
	for {
		err := unix.Fdatasync(fd)
		if err == nil {
			return nil
		}
		// A signal is no verdict about the disk; any other error is, and is never retried.
		if !errors.Is(err, unix.EINTR) {
			return &os.PathError{Op: "fdatasync", Path: f.Name(), Err: err}
		}
	}
}

func allocate(f *os.File, off, n int64) error {
	fd := int(f.Fd())
	for {
		err := unix.Fallocate(fd, 0, off, n)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOSYS):
			return fmt.Errorf("allocate %s: %w", f.Name(), errors.ErrUnsupported)
		}
		return &os.PathError{Op: "fallocate", Path: f.Name(), Err: err}
	}
}
