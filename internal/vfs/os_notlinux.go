//go:build !linux

package vfs

import (
	"errors"
	"fmt"
	"os"
)

// syncData leaves the choice of call to the standard library (on macOS it asks the drive to flush too).
func syncData(f *os.File) error { return f.Sync() }

func allocate(f *os.File, _, _ int64) error {
	return fmt.Errorf("allocate %s: %w", f.Name(), errors.ErrUnsupported)
}
