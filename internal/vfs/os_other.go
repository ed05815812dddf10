//go:build !unix && !windows

package vfs

import (
	"errors"
	"os"
)

// lockFile refuses: without a lock two servers could share a directory.
func lockFile(*os.File) error { return errors.ErrUnsupported }

func syncDir(string) error { return nil }
