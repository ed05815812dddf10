//go:build unix

package faultfs

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"

	"github.com/prakashpandey/vegadb/internal/vfs"
)

// ShadowDir is where what a power cut would leave of a data directory is kept.
func ShadowDir(root string) string { return root + ".shadow" }

// The parts of a shadow: see the package comment.
const (
	liveDir = "live"
	keptDir = "kept"
	treeDir = "tree"
)

// shadow is a file system that remembers what of one directory has been synced.
type shadow struct {
	vfs.FS
	root, dir string
	after     func(vfs.Op) // told of each sync, change of names that is synced, and rename that has succeeded

	mu     sync.Mutex // orders changes of names, and what is done in dir about them
	states map[uint64]*state
}

// state is what is not yet synced of a file, whatever its name.
type state struct {
	syncing sync.Mutex // one at a time: who returns has its bytes in the shadow

	mu     sync.Mutex
	lo, hi int64 // what has been written since the last sync lies between; guarded by mu
}

func (s *state) dirty(lo, hi int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lo == s.hi {
		s.lo, s.hi = lo, hi
	}
	s.lo, s.hi = min(s.lo, lo), max(s.hi, hi)
}

func (s *state) take() (lo, hi int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	lo, hi = s.lo, s.hi
	s.lo, s.hi = 0, 0
	return lo, hi
}

// wholeFile is the end of what may have changed in a file that an earlier process has had.
const wholeFile = 1 << 62

// openShadow returns fs with a memory of what is synced below root. What is there already is taken to be, unless an earlier
// process has left a shadow.
func openShadow(fs vfs.FS, root string, after func(vfs.Op)) (*shadow, error) {
	s := &shadow{FS: fs, root: root, dir: ShadowDir(root), after: after, states: map[uint64]*state{}}
	if _, err := os.Stat(s.dir); err == nil {
		return s, nil
	}
	begun := s.dir + ".new"
	if err := os.RemoveAll(begun); err != nil {
		return nil, err
	}
	for _, part := range []string{liveDir, keptDir, treeDir} {
		if err := os.MkdirAll(filepath.Join(begun, part), 0o700); err != nil {
			return nil, err
		}
	}
	s.dir = begun
	if _, err := os.Stat(root); err == nil {
		if err := s.adopt("."); err != nil {
			return nil, err
		}
	}
	s.dir = ShadowDir(root)
	return s, os.Rename(begun, s.dir)
}

// adopt takes a directory and all that is in it to be durable.
func (s *shadow) adopt(within string) error {
	entries, err := os.ReadDir(filepath.Join(s.root, within))
	if err != nil {
		return err
	}
	for _, e := range entries {
		at := filepath.Join(within, e.Name())
		if e.IsDir() {
			if err := os.Mkdir(filepath.Join(s.dir, treeDir, at), 0o700); err != nil {
				return err
			}
			if err := s.adopt(at); err != nil {
				return err
			}
			continue
		}
		id, err := s.id(filepath.Join(s.root, at))
		if err != nil {
			return err
		}
		content, err := os.ReadFile(filepath.Join(s.root, at))
		if err == nil {
			err = os.WriteFile(s.path(keptDir, id), content, 0o600)
		}
		if err == nil {
			err = os.Link(s.path(keptDir, id), filepath.Join(s.dir, treeDir, at))
		}
		if err != nil {
			return err
		}
		s.states[id] = &state{}
	}
	return nil
}

func (s *shadow) path(part string, id uint64) string {
	return filepath.Join(s.dir, part, strconv.FormatUint(id, 10))
}

// id returns the number of the file of a name. One that is new has nothing that is durable.
func (s *shadow) id(name string) (uint64, error) {
	id, err := inode(name)
	if err != nil {
		return 0, err
	}
	live := s.path(liveDir, id)
	if _, err := os.Lstat(live); err == nil {
		return id, nil
	}
	if err := os.WriteFile(s.path(keptDir, id), nil, 0o600); err != nil {
		return 0, err
	}
	s.states[id] = &state{hi: wholeFile}
	return id, os.Link(name, live)
}

func inode(name string) (uint64, error) {
	info, err := os.Lstat(name)
	if err != nil {
		return 0, err
	}
	return info.Sys().(*syscall.Stat_t).Ino, nil
}

// state returns that of a file. Requires mu.
func (s *shadow) state(id uint64) *state {
	st := s.states[id]
	if st == nil { // an earlier process has had it
		st = &state{hi: wholeFile}
		s.states[id] = st
	}
	return st
}

// Create implements [vfs.FS].
func (s *shadow) Create(name string) (vfs.File, error) {
	return s.open(name, func() (vfs.File, error) { return s.FS.Create(name) }, true)
}

// Open implements [vfs.FS].
func (s *shadow) Open(name string) (vfs.File, error) {
	return s.open(name, func() (vfs.File, error) { return s.FS.Open(name) }, false)
}

// OpenReadWrite implements [vfs.FS].
func (s *shadow) OpenReadWrite(name string) (vfs.File, error) {
	return s.open(name, func() (vfs.File, error) { return s.FS.OpenReadWrite(name) }, false)
}

func (s *shadow) open(name string, open func() (vfs.File, error), emptied bool) (vfs.File, error) {
	if _, ok := inside(s.root, name); !ok {
		return open()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f, err := open()
	if err != nil {
		return nil, err
	}
	id, err := s.id(name)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	st := s.state(id)
	if emptied {
		st.dirty(0, wholeFile)
	}
	return &shadowFile{File: f, shadow: s, id: id, state: st}, nil
}

// Remove implements [vfs.FS].
func (s *shadow) Remove(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.FS.Remove(name)
}

// Rename implements [vfs.FS].
func (s *shadow) Rename(oldname, newname string) error {
	s.mu.Lock()
	err := s.FS.Rename(oldname, newname)
	s.mu.Unlock()
	if err == nil {
		s.after(vfs.Op{Kind: vfs.OpRename, Name: oldname, To: newname})
	}
	return err
}

// SyncDir implements [vfs.FS].
func (s *shadow) SyncDir(dir string) error {
	within, ok := inside(s.root, dir)
	if !ok {
		return s.FS.SyncDir(dir)
	}
	if err := s.syncDir(dir, within); err != nil {
		return err
	}
	s.after(vfs.Op{Kind: vfs.OpSyncDir, Name: dir})
	return nil
}

func (s *shadow) syncDir(dir, within string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.FS.SyncDir(dir); err != nil {
		return err
	}
	tree := filepath.Join(s.dir, treeDir, within)
	had, err := os.ReadDir(tree)
	if err != nil {
		return fmt.Errorf("faultfs: a directory is synced whose own name is not: %w", err)
	}
	has, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	there := map[string]bool{}
	for _, e := range has {
		there[e.Name()] = true
		if err := s.keepName(dir, tree, e); err != nil {
			return err
		}
	}
	for _, e := range had {
		if !there[e.Name()] {
			if err := os.RemoveAll(filepath.Join(tree, e.Name())); err != nil {
				return err
			}
		}
	}
	return s.sweep()
}

// keepName makes a name durable.
func (s *shadow) keepName(dir, tree string, e os.DirEntry) error {
	at := filepath.Join(tree, e.Name())
	if e.IsDir() {
		return os.MkdirAll(at, 0o700)
	}
	id, err := s.id(filepath.Join(dir, e.Name()))
	if err != nil {
		return err
	}
	kept, err := inode(s.path(keptDir, id))
	if err != nil {
		return err
	}
	if now, err := inode(at); err == nil && now == kept {
		return nil
	}
	next := filepath.Join(s.dir, "next")
	if err := os.Remove(next); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.Link(s.path(keptDir, id), next); err != nil {
		return err
	}
	return os.Rename(next, at)
}

// sweep forgets files that have neither a name nor one that a power cut would bring back.
func (s *shadow) sweep() error {
	all, err := os.ReadDir(filepath.Join(s.dir, liveDir))
	if err != nil {
		return err
	}
	for _, e := range all {
		live, kept := filepath.Join(s.dir, liveDir, e.Name()), filepath.Join(s.dir, keptDir, e.Name())
		if links(live) > 1 || links(kept) > 1 {
			continue
		}
		if err := os.Remove(live); err != nil {
			return err
		}
		if err := os.Remove(kept); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if id, err := strconv.ParseUint(e.Name(), 10, 64); err == nil {
			delete(s.states, id)
		}
	}
	return nil
}

func links(name string) uint64 {
	info, err := os.Lstat(name)
	if err != nil {
		return 0
	}
	return uint64(info.Sys().(*syscall.Stat_t).Nlink)
}

// shadowFile is an open file below the root.
type shadowFile struct {
	vfs.File
	shadow *shadow
	id     uint64
	state  *state
}

// Write implements [vfs.File]. Where it writes only the file knows.
func (f *shadowFile) Write(p []byte) (int, error) {
	defer f.state.dirty(0, wholeFile)
	return f.File.Write(p)
}

// WriteAt implements [vfs.File].
func (f *shadowFile) WriteAt(p []byte, off int64) (int, error) {
	defer f.state.dirty(off, off+int64(len(p))) // then, not before: a sync under way may have passed the place by
	return f.File.WriteAt(p, off)
}

// Truncate implements [vfs.File].
func (f *shadowFile) Truncate(size int64) error {
	defer f.state.dirty(size, wholeFile)
	return f.File.Truncate(size)
}

// Sync implements [vfs.File].
func (f *shadowFile) Sync() error {
	if err := f.sync(); err != nil {
		return err
	}
	f.shadow.after(vfs.Op{Kind: vfs.OpSync, Name: f.Name()})
	return nil
}

func (f *shadowFile) sync() error {
	f.state.syncing.Lock()
	defer f.state.syncing.Unlock()
	lo, hi := f.state.take()
	size, err := f.Size()
	if err == nil {
		err = f.File.Sync()
	}
	if err == nil {
		err = f.keep(lo, min(hi, size), size)
	}
	if err != nil {
		f.state.dirty(lo, hi)
	}
	return err
}

// keep copies what lies between into the shadow, and the size.
func (f *shadowFile) keep(lo, hi, size int64) error {
	kept, err := os.OpenFile(f.shadow.path(keptDir, f.id), os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil // the file has been removed, for good
	}
	if err != nil {
		return err
	}
	if lo < hi {
		_, err = io.Copy(io.NewOffsetWriter(kept, lo), io.NewSectionReader(f.File, lo, hi-lo))
	}
	return errors.Join(err, kept.Truncate(size), kept.Close())
}
