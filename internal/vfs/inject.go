package vfs

import "io"

// Kind names an operation on a file system or a file.
type Kind uint8

// The operations a hook of [Inject] sees.
const (
	OpCreate Kind = iota + 1
	OpOpen
	OpRemove
	OpRename
	OpMkdir
	OpList
	OpStat
	OpSyncDir
	OpLock
	OpFree
	OpRead
	OpWrite
	OpSync
	OpTruncate
	OpAllocate
	OpClose
)

var kindNames = [...]string{
	OpCreate: "create", OpOpen: "open", OpRemove: "remove", OpRename: "rename", OpMkdir: "mkdir",
	OpList: "list", OpStat: "stat", OpSyncDir: "syncdir", OpLock: "lock", OpFree: "free", OpRead: "read",
	OpWrite: "write", OpSync: "sync", OpTruncate: "truncate", OpAllocate: "allocate", OpClose: "close",
}

func (k Kind) String() string {
	if int(k) < len(kindNames) && kindNames[k] != "" {
		return kindNames[k]
	}
	return "unknown"
}

// Changes tells whether the operation can change what a power cut leaves: where a crash before it differs
// from a crash after it.
func (k Kind) Changes() bool {
	switch k {
	case OpCreate, OpRemove, OpRename, OpMkdir, OpSyncDir, OpWrite, OpSync, OpTruncate, OpAllocate:
		return true
	}
	return false
}

// Op is an operation about to happen.
type Op struct {
	Kind Kind
	Name string // the file or directory; of a rename, the old name
	To   string // of a rename, the new name
	Off  int64  // of a positioned read or write, an allocation or a truncation; -1 if sequential
	Len  int    // bytes to read, write or allocate
}

// Inject returns a view of fs that calls hook before each operation, in the goroutine that asked for it and
// holding no lock. If the hook returns an error, the operation does not happen and returns that error. The hook
// may block, which is how a disk stalls.
func Inject(fs FS, hook func(Op) error) FS { return &injectFS{fs: fs, hook: hook} }

type injectFS struct {
	fs   FS
	hook func(Op) error
}

func (i *injectFS) Create(name string) (File, error) {
	if err := i.hook(Op{Kind: OpCreate, Name: name}); err != nil {
		return nil, err
	}
	return i.wrap(i.fs.Create(name))
}

func (i *injectFS) Open(name string) (File, error) {
	if err := i.hook(Op{Kind: OpOpen, Name: name}); err != nil {
		return nil, err
	}
	return i.wrap(i.fs.Open(name))
}

func (i *injectFS) OpenReadWrite(name string) (File, error) {
	if err := i.hook(Op{Kind: OpOpen, Name: name}); err != nil {
		return nil, err
	}
	return i.wrap(i.fs.OpenReadWrite(name))
}

func (i *injectFS) Remove(name string) error {
	if err := i.hook(Op{Kind: OpRemove, Name: name}); err != nil {
		return err
	}
	return i.fs.Remove(name)
}

func (i *injectFS) Rename(oldname, newname string) error {
	if err := i.hook(Op{Kind: OpRename, Name: oldname, To: newname}); err != nil {
		return err
	}
	return i.fs.Rename(oldname, newname)
}

func (i *injectFS) MkdirAll(dir string) error {
	if err := i.hook(Op{Kind: OpMkdir, Name: dir}); err != nil {
		return err
	}
	return i.fs.MkdirAll(dir)
}

func (i *injectFS) List(dir string) ([]string, error) {
	if err := i.hook(Op{Kind: OpList, Name: dir}); err != nil {
		return nil, err
	}
	return i.fs.List(dir)
}

func (i *injectFS) Stat(name string) (Info, error) {
	if err := i.hook(Op{Kind: OpStat, Name: name}); err != nil {
		return Info{}, err
	}
	return i.fs.Stat(name)
}

func (i *injectFS) SyncDir(dir string) error {
	if err := i.hook(Op{Kind: OpSyncDir, Name: dir}); err != nil {
		return err
	}
	return i.fs.SyncDir(dir)
}

func (i *injectFS) Lock(name string) (io.Closer, error) {
	if err := i.hook(Op{Kind: OpLock, Name: name}); err != nil {
		return nil, err
	}
	return i.fs.Lock(name)
}

func (i *injectFS) Free(dir string) (uint64, error) {
	if err := i.hook(Op{Kind: OpFree, Name: dir}); err != nil {
		return 0, err
	}
	return i.fs.Free(dir)
}

func (i *injectFS) wrap(f File, err error) (File, error) {
	if err != nil {
		return nil, err
	}
	return &injectFile{File: f, hook: i.hook}, nil
}

// injectFile embeds the file for what needs no hook: Name and Size.
type injectFile struct {
	File
	hook func(Op) error
}

func (f *injectFile) Read(p []byte) (int, error) {
	if err := f.hook(Op{Kind: OpRead, Name: f.Name(), Off: -1, Len: len(p)}); err != nil {
		return 0, err
	}
	return f.File.Read(p)
}

func (f *injectFile) ReadAt(p []byte, off int64) (int, error) {
	if err := f.hook(Op{Kind: OpRead, Name: f.Name(), Off: off, Len: len(p)}); err != nil {
		return 0, err
	}
	return f.File.ReadAt(p, off)
}

func (f *injectFile) Write(p []byte) (int, error) {
	if err := f.hook(Op{Kind: OpWrite, Name: f.Name(), Off: -1, Len: len(p)}); err != nil {
		return 0, err
	}
	return f.File.Write(p)
}

func (f *injectFile) WriteAt(p []byte, off int64) (int, error) {
	if err := f.hook(Op{Kind: OpWrite, Name: f.Name(), Off: off, Len: len(p)}); err != nil {
		return 0, err
	}
	return f.File.WriteAt(p, off)
}

func (f *injectFile) Sync() error {
	if err := f.hook(Op{Kind: OpSync, Name: f.Name()}); err != nil {
		return err
	}
	return f.File.Sync()
}

func (f *injectFile) Truncate(size int64) error {
	if err := f.hook(Op{Kind: OpTruncate, Name: f.Name(), Off: size}); err != nil {
		return err
	}
	return f.File.Truncate(size)
}

func (f *injectFile) Allocate(off, n int64) error {
	if err := f.hook(Op{Kind: OpAllocate, Name: f.Name(), Off: off, Len: int(n)}); err != nil {
		return err
	}
	return f.File.Allocate(off, n)
}

func (f *injectFile) Close() error {
	if err := f.hook(Op{Kind: OpClose, Name: f.Name()}); err != nil {
		return err
	}
	return f.File.Close()
}
