package datadir

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/prakashpandey/vegadb/internal/vfs"
)

// MaxDamaged bounds the files in damaged/ that a server adds to by itself. A disk that has
// damaged so many is to be looked at by a person.
const MaxDamaged = 1000

// ErrManyDamaged: damaged/ holds so many files that no server adds further ones.
var ErrManyDamaged = errors.New("so many files have been damaged that the disk is not to be trusted")

// DamagedDir is where files are moved that are of no use and that nobody but a person deletes.
func (d *Dir) DamagedDir() string { return d.file(damagedDir) }

// MakeDamagedDir makes sure that damaged/ is there and has room for so many more files. The error
// matches ErrManyDamaged if it has not.
func (d *Dir) MakeDamagedDir(more int) error {
	if err := mkdirDurably(d.fs, d.DamagedDir()); err != nil {
		return err
	}
	names, err := d.fs.List(d.DamagedDir())
	if err != nil {
		return err
	}
	if len(names)+more > MaxDamaged {
		return fmt.Errorf("%s holds %d files, and %d more are damaged: %w; replace the disk, or move the files elsewhere", d.DamagedDir(), len(names), more, ErrManyDamaged)
	}
	return nil
}

// KeepDamaged moves files to damaged/, and returns when that is durable.
func (d *Dir) KeepDamaged(paths ...string) error {
	for _, path := range paths {
		if err := keepAside(d.fs, d.path, path); err != nil {
			return fmt.Errorf("data directory %s: %w", d.path, err)
		}
	}
	return nil
}

// keepAside moves a file to damaged/, under a name that is not taken.
func keepAside(fs vfs.FS, root, path string) error {
	dir := filepath.Join(root, damagedDir)
	if err := mkdirDurably(fs, dir); err != nil {
		return err
	}
	to := filepath.Join(dir, filepath.Base(path))
	for n := 2; ; n++ {
		_, err := fs.Stat(to)
		if errors.Is(err, os.ErrNotExist) {
			break
		}
		if err != nil {
			return err
		}
		to = filepath.Join(dir, fmt.Sprintf("%s.%d", filepath.Base(path), n))
	}
	if err := fs.Rename(path, to); err != nil {
		return err
	}
	// The new name first: between the two syncs the file has both or one.
	if err := fs.SyncDir(dir); err != nil {
		return err
	}
	return fs.SyncDir(filepath.Dir(path))
}
