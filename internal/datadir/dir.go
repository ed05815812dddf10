package datadir

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/prakashpandey/vegadb/internal/snapshot"
	"github.com/prakashpandey/vegadb/internal/vfs"
	"github.com/prakashpandey/vegadb/internal/wal"
)

const (
	manifestFile = "VEGA"
	lockFile     = "LOCK"
	floorsFile   = "FLOORS"
	logDir       = "log"
	snapshotsDir = "snapshots"
	damagedDir   = "damaged"
)

var (
	// ErrInUse: another server holds the directory.
	ErrInUse = errors.New("in use by another vega-server")
	// ErrForeign: the directory has contents that are not VegaDB's.
	ErrForeign = errors.New("not a VegaDB data directory, and not empty")
	// ErrCluster: the directory is another cluster's than wanted.
	ErrCluster = errors.New("a data directory belongs to one cluster for good")
	// ErrLogLost: the log has been in use, and there is none. What the node has
	// acknowledged, and for whom it has voted, is gone with it.
	ErrLogLost = errors.New("the log is gone")
	// ErrPartitions: the directory has another number of partitions than wanted.
	ErrPartitions = errors.New("the number of partitions is fixed when a data directory is created")
)

// Want is what the caller asks of a data directory, and what it lends.
type Want struct {
	// Partitions to create with, and to insist on if the directory exists. 0
	// takes what is there, and DefaultPartitions for a new one.
	Partitions int
	// Cluster to join: a new directory is created as a member's of it, and one that
	// exists must be its. Zero takes what is there, and a new id for a new one.
	Cluster ID
	Rand    io.Reader        // crypto/rand.Reader, outside of tests
	Now     func() time.Time // time.Now, outside of tests
}

// Dir is an open, locked data directory.
type Dir struct {
	Manifest
	Created bool // by this very Open

	fs   vfs.FS
	path string
	lock io.Closer

	mu     sync.Mutex
	floors floors // guarded by mu; as on disk
	marked bool   // guarded by mu; FLOORS is on disk
}

// Open creates or opens the data directory at path and locks it until Close.
// After an error nothing in a directory that had contents has been changed.
func Open(fs vfs.FS, path string, want Want) (*Dir, error) {
	if want.Partitions < 0 || want.Partitions > MaxPartitions {
		return nil, fmt.Errorf("%d partitions are outside 1 to %d", want.Partitions, MaxPartitions)
	}
	// Judged before the lock file, which would be a change, is made, and again
	// under the lock, because another process may have been at it in between.
	d := &Dir{fs: fs, path: path}
	if _, err := d.judge(want); err != nil {
		return nil, err
	}
	if err := mkdirDurably(fs, path); err != nil {
		return nil, fmt.Errorf("create data directory %s: %w", path, err)
	}
	lock, err := takeLock(fs, path)
	if err != nil {
		return nil, err
	}
	d.lock = lock
	if err := d.openLocked(want); err != nil {
		lock.Close()
		return nil, err
	}
	return d, nil
}

// judge reads the manifest if there is one and refuses a directory that is not
// as wanted. It changes nothing.
func (d *Dir) judge(want Want) (exists bool, err error) {
	if exists, err = holdsData(d.fs, d.path); !exists || err != nil {
		return exists, err
	}
	if d.Manifest, err = readManifest(d.fs, d.file(manifestFile)); err != nil {
		return true, fmt.Errorf("data directory %s: %w", d.path, err)
	}
	if want.Partitions != 0 && want.Partitions != d.Partitions {
		return true, fmt.Errorf("data directory %s has %d partitions, %d were asked for: %w; leave --partitions out, or name another --data-dir",
			d.path, d.Partitions, want.Partitions, ErrPartitions)
	}
	if want.Cluster != (ID{}) && want.Cluster != d.Cluster {
		return true, fmt.Errorf("data directory %s belongs to cluster %s, and the node is to join cluster %s: %w; name an empty directory with --data-dir, or leave --join out",
			d.path, d.Cluster, want.Cluster, ErrCluster)
	}
	lost, err := logLost(d.fs, d.path)
	if err != nil {
		return true, fmt.Errorf("data directory %s: %w", d.path, err)
	}
	if lost {
		return true, fmt.Errorf("data directory %s: %w: %s or a snapshot says that it has been in use, and %s holds no segment of it; "+
			"if the node is one of a cluster, start it with a new, empty --data-dir and --join: it gets a new identity, and its data from the others; "+
			"if it is alone, restore %s from a copy, or see what 'vega-server repair' can do",
			d.path, ErrLogLost, floorsFile, logDir, logDir)
	}
	return true, nil
}

// logLost says whether the log has been in use and is not there any more.
//
// FLOORS is on disk since the log was opened for the first time, before anything in
// it was relied on (MarkInUse), and a log always has a segment. FLOORS is looked for
// first: while a server starts for the first time the log is there before it. Should it
// be gone with the log, a snapshot says the same: none is published without a log.
func logLost(fs vfs.FS, path string) (bool, error) {
	used, err := logUsed(fs, path)
	if err != nil || !used {
		return false, err
	}
	there, err := wal.Exists(fs, filepath.Join(path, logDir))
	return !there, err
}

// logUsed says whether the log has been in use.
func logUsed(fs vfs.FS, path string) (bool, error) {
	if _, err := fs.Stat(filepath.Join(path, floorsFile)); !errors.Is(err, os.ErrNotExist) {
		return err == nil, err
	}
	published, err := snapshot.List(fs, filepath.Join(path, snapshotsDir))
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return len(published) > 0, err
}

// holdsData says whether a directory has a manifest. If it has none it is an
// error for it to hold anything else.
func holdsData(fs vfs.FS, path string) (exists bool, err error) {
	names, err := fs.List(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("data directory %s: %w", path, err)
	}
	if slices.Contains(names, manifestFile) {
		return true, nil
	}
	lost := func(held string) error {
		return fmt.Errorf("data directory %s: %s is missing and there is %s: without its manifest the directory has no identity; restore %s from a copy, or name another --data-dir",
			path, manifestFile, held, manifestFile)
	}
	// What a creation that was cut off leaves behind, and nothing in it.
	for _, name := range names {
		switch name {
		case lockFile, manifestFile + ".tmp", "lost+found":
		case logDir, snapshotsDir:
			inside, err := fs.List(filepath.Join(path, name))
			if err != nil {
				return false, fmt.Errorf("data directory %s: %w", path, err)
			}
			if len(inside) > 0 {
				return false, lost(filepath.Join(name, inside[0]))
			}
		case floorsFile, damagedDir:
			return false, lost(name)
		default:
			return false, fmt.Errorf("data directory %s: %w: it holds %q; nothing was changed; name an empty directory with --data-dir", path, ErrForeign, name)
		}
	}
	return false, nil
}

// mkdirDurably makes path and syncs the directories that got a new entry.
func mkdirDurably(fs vfs.FS, path string) error {
	var changed []string
	for p := filepath.Clean(path); ; p = filepath.Dir(p) {
		if _, err := fs.Stat(p); err == nil || p == filepath.Dir(p) {
			break
		} else if !errors.Is(err, os.ErrNotExist) {
			return err
		}
		changed = append(changed, filepath.Dir(p))
	}
	if err := fs.MkdirAll(path); err != nil {
		return err
	}
	for _, p := range changed {
		if err := fs.SyncDir(p); err != nil {
			return err
		}
	}
	return nil
}

func takeLock(fs vfs.FS, path string) (io.Closer, error) {
	lock, err := fs.Lock(filepath.Join(path, lockFile))
	if errors.Is(err, vfs.ErrLocked) {
		return nil, fmt.Errorf("data directory %s: %w; stop it, or name another --data-dir", path, ErrInUse)
	}
	if err != nil {
		return nil, fmt.Errorf("lock data directory %s: %w", path, err)
	}
	return lock, nil
}

func (d *Dir) openLocked(want Want) error {
	exists, err := d.judge(want)
	if err != nil {
		return err
	}
	if !exists {
		return d.create(want)
	}
	// A process that was killed may have renamed VEGA or FLOORS and not synced:
	// what this one reads must not be gone after the next power cut.
	if err := d.fs.SyncDir(d.path); err != nil {
		return fmt.Errorf("data directory %s: %w", d.path, err)
	}
	if d.floors, d.marked, err = readFloors(d.fs, d.file(floorsFile)); err != nil {
		return fmt.Errorf("data directory %s: %w", d.path, err)
	}
	// Both stand since before the manifest, unless somebody removed an empty one.
	for _, sub := range []string{d.LogDir(), d.SnapshotDir()} {
		if err := mkdirDurably(d.fs, sub); err != nil {
			return fmt.Errorf("data directory %s: %w", d.path, err)
		}
	}
	return nil
}

func (d *Dir) create(want Want) error {
	partitions := want.Partitions
	if partitions == 0 {
		partitions = DefaultPartitions
	}
	var err error
	if d.Manifest, err = newManifest(partitions, want.Cluster, want.Rand, want.Now()); err != nil {
		return fmt.Errorf("create data directory %s: %w", d.path, err)
	}
	for _, sub := range []string{d.LogDir(), d.SnapshotDir()} {
		if err := d.fs.MkdirAll(sub); err != nil {
			return fmt.Errorf("create data directory %s: %w", d.path, err)
		}
	}
	// Makes the two durable before the manifest that vouches for them.
	if err := d.fs.SyncDir(d.path); err != nil {
		return fmt.Errorf("create data directory %s: %w", d.path, err)
	}
	// And the directory itself: a process killed before it came to that may have
	// made it. One that somebody else made in a place that is not ours to read
	// is theirs to have made durable.
	if err := d.fs.SyncDir(filepath.Dir(filepath.Clean(d.path))); err != nil && !errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("create data directory %s: %w", d.path, err)
	}
	if err := writeText(d.fs, d.file(manifestFile), d.encode()); err != nil {
		return fmt.Errorf("create data directory %s: %w", d.path, err)
	}
	d.floors.byGroup = map[uint32]uint64{}
	d.Created = true
	return nil
}

func (d *Dir) file(name string) string { return filepath.Join(d.path, name) }

// Path of the directory, as it was given.
func (d *Dir) Path() string { return d.path }

// LogDir is where package wal works.
func (d *Dir) LogDir() string { return d.file(logDir) }

// SnapshotDir is where package snapshot works.
func (d *Dir) SnapshotDir() string { return d.file(snapshotsDir) }

// Floors is, by group, the index up to which the log has been given up.
func (d *Dir) Floors() map[uint32]uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.floors.byGroup)
}

// SetFloors raises the floors of the groups given and returns when that is
// durable. Call it before the log is truncated. A floor is never lowered; if
// none rises, nothing is written.
func (d *Dir) SetFloors(byGroup map[uint32]uint64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	next := d.next()
	for g, i := range byGroup {
		next.byGroup[g] = max(next.byGroup[g], i)
	}
	if maps.Equal(next.byGroup, d.floors.byGroup) {
		return nil
	}
	return d.write(next)
}

// DropFloor returns when it is durable that nothing is known any more of how far a
// group was. Call it when this node's replica of the group is gone: a later replica of
// the group begins anew, and need not reach what that one had.
func (d *Dir) DropFloor(group uint32) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, has := d.floors.byGroup[group]; !has {
		return nil
	}
	next := d.next()
	delete(next.byGroup, group)
	return d.write(next)
}

// MarkInUse returns when it is durable that the log is in use: from then on an Open
// that finds no segment of it refuses (ErrLogLost). Call it after the log has been
// opened, and before anything is acknowledged or voted for.
func (d *Dir) MarkInUse() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.marked {
		return nil
	}
	return d.write(d.next())
}

// MarkClustered returns when it is durable that the node is one of several: call it
// before another node may rely on this one. Nothing takes it back. Repair does not give
// such a node's log up, because its votes are in it.
func (d *Dir) MarkClustered() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.floors.clustered {
		return nil
	}
	next := d.next()
	next.clustered = true
	return d.write(next)
}

// Clustered reports whether the node was created to join a cluster, or
// MarkClustered has been called, by this process or an earlier one.
func (d *Dir) Clustered() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.floors.clustered || !d.Joined.IsZero()
}

// next is a copy of what FLOORS says, to be changed. Requires mu.
func (d *Dir) next() floors {
	return floors{byGroup: maps.Clone(d.floors.byGroup), clustered: d.floors.clustered}
}

// write makes FLOORS durable. Requires mu.
func (d *Dir) write(next floors) error {
	if err := writeText(d.fs, d.file(floorsFile), next.encode()); err != nil {
		return fmt.Errorf("data directory %s: %w", d.path, err)
	}
	d.floors, d.marked = next, true
	return nil
}

// Close gives the lock back.
func (d *Dir) Close() error { return d.lock.Close() }
