package datadir

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/prakashpandey/vegadb/internal/vfs"
)

// Options of Repair.
type Options struct {
	// Apply makes the changes. Without it they are only described, by the same
	// findings, and nothing is changed.
	Apply bool
}

// Repair makes a damaged directory start again with as much as can be saved. It
// moves files to damaged/, or beside where they were, and deletes none. The
// report says, by file and offset, what was found, what is done about it and
// what is lost for good.
//
// Applied, it looks again at the end, and returns an error if a server would
// still not start. A crash in the middle leaves a directory to be repaired again.
func Repair(fs vfs.FS, dir string, o Options) (Report, error) {
	lock, err := lockIfThere(fs, dir)
	if err != nil {
		return Report{Dir: dir}, err
	}
	defer lock.Close()
	in, err := inspect(readOnly{fs}, dir)
	if err != nil {
		return Report{Dir: dir}, err
	}
	if !o.Apply || len(in.plan) == 0 {
		return in.report, nil
	}
	if in.stuck {
		return in.report, fmt.Errorf("data directory %s: nothing was changed: some of what was found cannot be repaired and is for a person to decide first", dir)
	}
	for _, change := range in.plan {
		if err := change(fs); err != nil {
			return in.report, fmt.Errorf("repair data directory %s: %w", dir, err)
		}
	}
	in.report.Applied = true
	after, err := inspect(readOnly{fs}, dir)
	if err != nil {
		return in.report, err
	}
	if after.report.Verdict != OK {
		in.report.Startable = false
		return in.report, fmt.Errorf("data directory %s: after the repair a check still says: %s", dir, after.report.Verdict)
	}
	return in.report, nil
}

// lockIfThere keeps a server from starting meanwhile, and refuses if one runs. A
// directory without a lock file, a copy say, is not given one: a check changes
// nothing.
func lockIfThere(fs vfs.FS, dir string) (io.Closer, error) {
	_, err := fs.Stat(filepath.Join(dir, lockFile))
	if errors.Is(err, os.ErrNotExist) {
		return io.NopCloser(nil), nil
	}
	if err != nil {
		return nil, fmt.Errorf("data directory %s: %w", dir, err)
	}
	return takeLock(fs, dir)
}
