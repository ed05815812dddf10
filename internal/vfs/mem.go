package vfs

import (
	"fmt"
	"io"
	"math"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
)

// Mem is a file system in memory that knows, for each byte and each directory entry, whether a power cut
// would keep it. See the package comment for the model, and [Mem.CrashClone].
type Mem struct {
	mu    sync.Mutex // guards everything below, and the nodes
	root  *memDir
	ops   []*dirChange    // directory changes not yet synced, oldest first
	locks map[string]bool // names of files that are locked
	limit int64           // bytes that all files together may hold
	used  int64           // bytes that all files together hold
}

// NewMem returns an empty file system whose root directory exists.
func NewMem() *Mem {
	return &Mem{root: newMemDir(), locks: map[string]bool{}, limit: math.MaxInt64}
}

// SetLimit bounds the bytes that all files together may hold: growth beyond it returns ENOSPC, as a full
// disk does.
func (m *Mem) SetLimit(bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.limit = bytes
}

// Used returns the bytes that all files together hold.
func (m *Mem) Used() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.used
}

func pathError(op, name string, err error) error {
	return &os.PathError{Op: op, Path: name, Err: err}
}

// split cuts a name into its path's parts; the root has none.
func split(name string) []string {
	clean := path.Clean("/" + filepath.ToSlash(name))
	if clean == "/" {
		return nil
	}
	return strings.Split(clean[1:], "/")
}

// lookup finds a directory or file. Requires mu.
func (m *Mem) lookup(name string) (any, error) {
	var at any = m.root
	for _, part := range split(name) {
		d, ok := at.(*memDir)
		if !ok {
			return nil, syscall.ENOTDIR
		}
		if at, ok = d.entries[part]; !ok {
			return nil, os.ErrNotExist
		}
	}
	return at, nil
}

// parent finds the directory that holds name, and name's last part. Requires mu.
func (m *Mem) parent(name string) (*memDir, string, error) {
	parts := split(name)
	if len(parts) == 0 {
		return nil, "", syscall.EISDIR
	}
	at, err := m.lookup(strings.Join(parts[:len(parts)-1], "/"))
	if err != nil {
		return nil, "", err
	}
	d, ok := at.(*memDir)
	if !ok {
		return nil, "", syscall.ENOTDIR
	}
	return d, parts[len(parts)-1], nil
}

// release gives back the space of a file that has neither name nor opener. Requires mu.
func (m *Mem) release(n *memNode) {
	if n.links == 0 && n.open == 0 {
		m.used -= int64(len(n.data))
		n.gone = true
	}
}

// Create implements [FS].
func (m *Mem) Create(name string) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir, base, err := m.parent(name)
	if err != nil {
		return nil, pathError("create", name, err)
	}
	switch old := dir.entries[base].(type) {
	case *memDir:
		return nil, pathError("create", name, syscall.EISDIR)
	case *memNode:
		if err := m.resize(old, 0); err != nil {
			return nil, pathError("create", name, err)
		}
		return m.open(old, name, true), nil
	}
	n := &memNode{}
	m.change(link{dir, base, n})
	return m.open(n, name, true), nil
}

// Open implements [FS].
func (m *Mem) Open(name string) (File, error) { return m.openExisting(name, false) }

// OpenReadWrite implements [FS].
func (m *Mem) OpenReadWrite(name string) (File, error) { return m.openExisting(name, true) }

func (m *Mem) openExisting(name string, write bool) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	at, err := m.lookup(name)
	if err != nil {
		return nil, pathError("open", name, err)
	}
	n, ok := at.(*memNode)
	if !ok {
		return nil, pathError("open", name, syscall.EISDIR)
	}
	return m.open(n, name, write), nil
}

func (m *Mem) open(n *memNode, name string, write bool) File {
	n.open++
	return &memFile{fs: m, node: n, name: name, write: write}
}

// Remove implements [FS].
func (m *Mem) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir, base, err := m.parent(name)
	if err != nil {
		return pathError("remove", name, err)
	}
	if _, ok := dir.entries[base]; !ok {
		return pathError("remove", name, os.ErrNotExist)
	}
	if d, ok := dir.entries[base].(*memDir); ok && len(d.entries) > 0 {
		return pathError("remove", name, syscall.ENOTEMPTY)
	}
	m.change(link{dir, base, nil})
	return nil
}

// Rename implements [FS].
func (m *Mem) Rename(oldname, newname string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	from, oldbase, err := m.parent(oldname)
	if err != nil {
		return pathError("rename", oldname, err)
	}
	to, newbase, err := m.parent(newname)
	if err != nil {
		return pathError("rename", newname, err)
	}
	child, ok := from.entries[oldbase]
	if !ok {
		return pathError("rename", oldname, os.ErrNotExist)
	}
	if d, ok := to.entries[newbase].(*memDir); ok && d != child {
		return pathError("rename", newname, syscall.EISDIR)
	}
	if to.entries[newbase] == child {
		return nil
	}
	m.change(link{to, newbase, child}, link{from, oldbase, nil})
	return nil
}

// MkdirAll implements [FS].
func (m *Mem) MkdirAll(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	at := m.root
	for _, part := range split(dir) {
		switch next := at.entries[part].(type) {
		case nil:
			d := newMemDir()
			m.change(link{at, part, d})
			at = d
		case *memDir:
			at = next
		default:
			return pathError("mkdir", dir, syscall.ENOTDIR)
		}
	}
	return nil
}

// List implements [FS].
func (m *Mem) List(dir string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d, err := m.dir(dir)
	if err != nil {
		return nil, pathError("list", dir, err)
	}
	return sortedKeys(d.entries), nil
}

// dir finds a directory. Requires mu.
func (m *Mem) dir(name string) (*memDir, error) {
	at, err := m.lookup(name)
	if err != nil {
		return nil, err
	}
	d, ok := at.(*memDir)
	if !ok {
		return nil, syscall.ENOTDIR
	}
	return d, nil
}

// Stat implements [FS].
func (m *Mem) Stat(name string) (Info, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	at, err := m.lookup(name)
	if err != nil {
		return Info{}, pathError("stat", name, err)
	}
	if n, ok := at.(*memNode); ok {
		return Info{Size: int64(len(n.data))}, nil
	}
	return Info{IsDir: true}, nil
}

// Lock implements [FS]. Locks are not part of what a crash clone keeps: the processes that held them are gone.
func (m *Mem) Lock(name string) (io.Closer, error) {
	key := strings.Join(split(name), "/")
	m.mu.Lock()
	held := m.locks[key]
	m.locks[key] = true
	m.mu.Unlock()
	if held {
		return nil, fmt.Errorf("lock %s: %w", name, ErrLocked)
	}
	if _, err := m.Stat(name); err != nil {
		f, err := m.Create(name)
		if err != nil {
			m.unlock(key)
			return nil, err
		}
		f.Close()
	}
	return &memLock{fs: m, key: key}, nil
}

func (m *Mem) unlock(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.locks, key)
}

type memLock struct {
	fs   *Mem
	key  string
	once sync.Once
}

func (l *memLock) Close() error {
	l.once.Do(func() { l.fs.unlock(l.key) })
	return nil
}

// Free implements [FS].
func (m *Mem) Free(string) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return uint64(max(0, m.limit-m.used)), nil
}
