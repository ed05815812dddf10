package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"

	"github.com/prakashpandey/vegadb/internal/snapshot"
	"github.com/prakashpandey/vegadb/internal/store"
	"github.com/prakashpandey/vegadb/internal/vfs"
)

// Verify reads all of every file and returns what is wrong with each that is
// damaged or missing (errors that match ErrDamaged and name the file), or cannot be
// read. progress may be nil.
func (b *Backup) Verify(ctx context.Context, progress func(Progress)) (problems []error, err error) {
	done := Progress{Of: b.Partitions}
	tell := func(n int64) {
		done.Bytes += n
		if progress != nil {
			progress(done)
		}
	}
	for i := range b.Files {
		f := &b.Files[i]
		err := checkFile(ctx, b.fs, b.dir, &b.Manifest, f, tell)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil {
			problems = append(problems, err)
		}
		done.Partitions++
		done.Entries += f.Entries
		tell(0)
	}
	return problems, nil
}

// checkFile compares a file with the manifest, byte by byte, and verifies it as
// a snapshot. read, which may be nil, is told of bytes read.
func checkFile(ctx context.Context, fs vfs.FS, dir string, m *Manifest, f *File, read func(int64)) error {
	path := filepath.Join(dir, f.Name)
	in, err := fs.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s is missing: %w", path, ErrDamaged)
	}
	if err != nil {
		return err
	}
	defer in.Close()
	sum := sha256.New()
	buf := make([]byte, 256<<10)
	total := int64(0)
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		n, err := in.Read(buf)
		sum.Write(buf[:n])
		total += int64(n)
		if read != nil {
			read(int64(n))
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("read %s at offset %d: %w", path, total, err)
		}
	}
	if total != f.Bytes {
		return fmt.Errorf("%s is %w: it has %d bytes, the manifest says %d", path, ErrDamaged, total, f.Bytes)
	}
	// Where in the file it is damaged, the snapshot's own checksums tell.
	if err := checkSnapshot(fs, path, m, f); err != nil {
		return err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != f.SHA256 {
		return fmt.Errorf("%s is %w: its SHA-256 is %s, the manifest says %s", path, ErrDamaged, got, f.SHA256)
	}
	return nil
}

// checkSnapshot verifies a file as the snapshot that it should be.
func checkSnapshot(fs vfs.FS, path string, m *Manifest, f *File) error {
	info, err := snapshot.Verify(fs, path)
	if errors.Is(err, snapshot.ErrCorrupt) {
		return fmt.Errorf("%s is %w: %w", path, ErrDamaged, err)
	}
	if err != nil {
		return err
	}
	return checkMeta(path, &info.Meta, m, f)
}

// checkMeta compares a snapshot's header with the manifest.
func checkMeta(path string, s *snapshot.Meta, m *Manifest, f *File) error {
	cluster := hex.EncodeToString(s.Cluster[:])
	switch {
	case cluster != m.ClusterID:
		return fmt.Errorf("%s is %w: it belongs to cluster %s, the backup to %s", path, ErrDamaged, cluster, m.ClusterID)
	case int(s.Group) != f.Partition+1 || int(s.Partitions) != m.Partitions:
		return fmt.Errorf("%s is %w: it holds partition %d of %d, not %d of %d", path, ErrDamaged, int(s.Group)-1, s.Partitions, f.Partition, m.Partitions)
	case s.Index != f.Index || s.Entries != f.Entries:
		return fmt.Errorf("%s is %w: it holds %d entries at index %d, the manifest says %d at %d", path, ErrDamaged, s.Entries, s.Index, f.Entries, f.Index)
	}
	return nil
}

// Entry is one entry of a backup, with where it is from.
type Entry struct {
	Key, Value []byte // views, until the next entry
	ExpireAt   int64  // unix ms; 0: never
	Version    uint64 // that it had
	File       string
}

// errStop ends a walk that its consumer has had enough of.
var errStop = errors.New("stop")

// All walks all entries, file after file. It ends with the first error: a file
// that is damaged, or an entry of a kind that this program does not know.
func (b *Backup) All(ctx context.Context) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for i := range b.Files {
			err := b.walk(ctx, &b.Files[i], yield)
			if err == errStop {
				return
			}
			if err != nil {
				yield(Entry{}, err)
				return
			}
		}
	}
}

func (b *Backup) walk(ctx context.Context, f *File, yield func(Entry, error) bool) error {
	path := filepath.Join(b.dir, f.Name)
	_, err := snapshot.Load(b.fs, path, func(s snapshot.Meta) (snapshot.Sink, error) {
		if err := checkMeta(path, &s, &b.Manifest, f); err != nil {
			return nil, err
		}
		return func(e *store.Entry) error {
			switch {
			case ctx.Err() != nil:
				return context.Cause(ctx)
			case e.Kind != 0:
				return fmt.Errorf("%s holds an entry of kind %d, which this program does not know: use a newer one", path, e.Kind)
			case !yield(Entry{Key: e.Key, Value: e.Value, ExpireAt: e.ExpireAt, Version: e.Version, File: f.Name}, nil):
				return errStop
			}
			return nil
		}, nil
	})
	return err
}
