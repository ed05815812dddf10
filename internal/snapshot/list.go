package snapshot

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/prakashpandey/vegadb/internal/vfs"
)

// Info describes a snapshot file.
type Info struct {
	Meta
	Path    string
	Bytes   int64
	Created int64  // wall clock, unix ms
	Expired uint64 // entries left out because they had expired as of Stamp

	// Err, in what List gives: why header or footer do not hold. Of Meta, only
	// Group and Index are then set, from the name.
	Err error
}

// List describes the published snapshots of dir, by group, newest first. Header
// and footer of each are verified, blocks are not, and State is not read; a file that fails is listed
// with its Err.
func List(fs vfs.FS, dir string) ([]Info, error) {
	return list(fs, dir, func(uint32) bool { return true })
}

// ListGroup is List of one group alone: no other's files are looked into.
func ListGroup(fs vfs.FS, dir string, group uint32) ([]Info, error) {
	return list(fs, dir, func(g uint32) bool { return g == group })
}

func list(fs vfs.FS, dir string, wanted func(group uint32) bool) ([]Info, error) {
	names, err := fs.List(dir)
	if err != nil {
		return nil, fmt.Errorf("snapshot: list %s: %w", dir, err)
	}
	var infos []Info
	for _, name := range names {
		group, index, ok := parseName(name)
		if !ok || !wanted(group) {
			continue
		}
		path := filepath.Join(dir, name)
		r, err := openReader(fs, path)
		if err != nil {
			infos = append(infos, Info{Meta: Meta{Group: group, Index: index}, Path: path, Err: err})
			continue
		}
		infos = append(infos, r.info())
		r.Close()
	}
	slices.SortFunc(infos, func(a, b Info) int {
		return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(b.Index, a.Index))
	})
	return infos, nil
}

// Prune removes a group's oldest snapshots but keep (at least one). Files whose
// header or footer is bad are not counted among those kept and not removed:
// [LoadAll] sets them aside.
func Prune(fs vfs.FS, dir string, group uint32, keep int) error {
	infos, err := ListGroup(fs, dir, group)
	if err != nil {
		return err
	}
	keep = max(keep, 1)
	removed := false
	var failed []error
	for _, info := range infos {
		if info.Err != nil {
			continue
		}
		if keep--; keep >= 0 {
			continue
		}
		if err := fs.Remove(info.Path); err != nil {
			failed = append(failed, fmt.Errorf("snapshot: remove an old one: %w", err))
			continue
		}
		removed = true
	}
	// Not durable matters little: what comes back after a power cut is a valid
	// snapshot. Synced all the same, so that the space is accounted for.
	if removed {
		if err := fs.SyncDir(dir); err != nil {
			failed = append(failed, fmt.Errorf("snapshot: sync %s: %w", dir, err))
		}
	}
	return errors.Join(failed...)
}

// Bad returns the paths of a group's files that were set aside as *.bad.
func Bad(fs vfs.FS, dir string, group uint32) (paths []string, err error) {
	names, err := fs.List(dir)
	if err != nil {
		return nil, fmt.Errorf("snapshot: list %s: %w", dir, err)
	}
	for _, name := range names {
		if g, _, ok := parseBadName(name); ok && g == group {
			paths = append(paths, filepath.Join(dir, name))
		}
	}
	return paths, nil
}

// Drop removes everything there is of a group: its replica on this node is gone for
// good, and with it what its bad files are evidence of. The log must say durably that
// it is gone; a start that finds that repeats a Drop that was cut off.
func Drop(fs vfs.FS, dir string, group uint32) error {
	names, err := fs.List(dir)
	if err != nil {
		return fmt.Errorf("snapshot: list %s: %w", dir, err)
	}
	removed := false
	for _, name := range names {
		if g, ok := groupOf(name); !ok || g != group {
			continue
		}
		if err := fs.Remove(filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("snapshot: remove what there is of group %d: %w", group, err)
		}
		removed = true
	}
	if !removed {
		return nil
	}
	if err := fs.SyncDir(dir); err != nil {
		return fmt.Errorf("snapshot: sync %s: %w", dir, err)
	}
	return nil
}

// groupOf is the group that a file of any kind belongs to.
func groupOf(name string) (group uint32, ok bool) {
	if group, _, ok = parseName(name); ok {
		return group, true
	}
	if group, _, ok = parseBadName(name); ok {
		return group, true
	}
	return parseUnfinished(name)
}

// JoinIndex says up to which index the log of group may go without taking away
// the fallback: every snapshot that is kept must still join up with the log, so
// that all of them but one may turn out bad. It is the index of the keep-th
// newest good one, and 0 while there are fewer than keep: the log is then what is
// fallen back on. infos is what List gave.
//
// A group that is no longer written to would keep its log from going further,
// and with it everybody's: a second snapshot at the same index takes the place of
// the first. To release it, give it a record that changes nothing and snapshot it
// once more.
func JoinIndex(infos []Info, group uint32, keep int) uint64 {
	good := 0
	for _, info := range infos {
		if info.Group != group || info.Err != nil {
			continue
		}
		if good++; good >= keep {
			return info.Index
		}
	}
	return 0
}
