package vfs

import (
	"errors"
	"os"
	"path/filepath"
)

// MkdirAllSync makes a directory and its parents, and makes the names of those it created durable, and that of
// the directory itself in any case: an earlier process may have been killed between creating and syncing it.
func MkdirAllSync(fs FS, dir string) error {
	dir = filepath.Clean(dir)
	parents := []string{filepath.Dir(dir)}
	for at := parents[0]; ; at = filepath.Dir(at) {
		_, err := fs.Stat(at)
		if err == nil || at == filepath.Dir(at) {
			break
		}
		if !errors.Is(err, os.ErrNotExist) {
			return err
		}
		parents = append(parents, filepath.Dir(at))
	}
	if err := fs.MkdirAll(dir); err != nil {
		return err
	}
	for i := len(parents) - 1; i >= 0; i-- {
		if err := fs.SyncDir(parents[i]); err != nil {
			return err
		}
	}
	return nil
}
