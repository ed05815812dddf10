package vfs

import (
	"io"
	"os"
	"syscall"
)

// memNode is a file's contents, whatever its name. Guarded by Mem.mu.
type memNode struct {
	data    []byte     // what programs see
	durable []byte     // what a power cut keeps for certain
	pending []memWrite // changes since the last Sync, oldest first
	links   int        // directory entries that programs see
	open    int        // open files
	gone    bool       // space given back; contents are of no more interest
}

// memWrite is a change of contents or, if data is nil, of the size.
type memWrite struct {
	off  int64
	data []byte
	size int64
}

// apply returns contents after the change.
func (w memWrite) apply(contents []byte) []byte {
	if w.data == nil {
		return setLen(contents, w.size)
	}
	if end := w.off + int64(len(w.data)); end > int64(len(contents)) {
		contents = setLen(contents, end)
	}
	copy(contents[w.off:], w.data)
	return contents
}

// setLen cuts b or extends it by zeros.
func setLen(b []byte, n int64) []byte {
	if n <= int64(cap(b)) {
		old := int64(len(b))
		b = b[:n]
		if n > old {
			clear(b[old:])
		}
		return b
	}
	grown := make([]byte, n, n+n/4)
	copy(grown, b)
	return grown
}

// do applies a change to what programs see, if there is space, and remembers that it is not synced.
// Requires m.mu.
func (m *Mem) do(n *memNode, w memWrite) error {
	end := w.size
	if w.data != nil {
		end = max(w.off+int64(len(w.data)), int64(len(n.data)))
	}
	grow := end - int64(len(n.data))
	if grow > 0 && m.used+grow > m.limit {
		return syscall.ENOSPC
	}
	n.data = w.apply(n.data)
	n.pending = append(n.pending, w)
	if !n.gone {
		m.used += grow
	}
	return nil
}

func (m *Mem) resize(n *memNode, size int64) error {
	if size == int64(len(n.data)) {
		return nil
	}
	return m.do(n, memWrite{size: size})
}

func (n *memNode) sync() {
	for _, w := range n.pending {
		n.durable = w.apply(n.durable)
	}
	n.pending = nil
}

// memFile is an open file. The offset for Read and Write is its own; the node is shared.
type memFile struct {
	fs     *Mem
	node   *memNode
	name   string
	write  bool
	off    int64 // guarded by fs.mu
	closed bool  // guarded by fs.mu
}

func (f *memFile) Name() string { return f.name }

// begin locks the file system and checks that the file may be used so. The caller unlocks.
func (f *memFile) begin(op string, write bool) error {
	f.fs.mu.Lock()
	switch {
	case f.closed:
		return pathError(op, f.name, os.ErrClosed)
	case write && !f.write:
		return pathError(op, f.name, syscall.EBADF)
	}
	return nil
}

func (f *memFile) Read(p []byte) (int, error) {
	err := f.begin("read", false)
	defer f.fs.mu.Unlock()
	if err != nil {
		return 0, err
	}
	if len(p) == 0 {
		return 0, nil
	}
	if f.off >= int64(len(f.node.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.node.data[f.off:])
	f.off += int64(n)
	return n, nil
}

func (f *memFile) ReadAt(p []byte, off int64) (int, error) {
	err := f.begin("read", false)
	defer f.fs.mu.Unlock()
	if err != nil {
		return 0, err
	}
	if off < 0 {
		return 0, pathError("read", f.name, syscall.EINVAL)
	}
	n := 0
	if off < int64(len(f.node.data)) {
		n = copy(p, f.node.data[off:])
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memFile) Write(p []byte) (int, error) {
	err := f.begin("write", true)
	defer f.fs.mu.Unlock()
	if err != nil {
		return 0, err
	}
	n, err := f.writeAt(p, f.off)
	f.off += int64(n)
	return n, err
}

func (f *memFile) WriteAt(p []byte, off int64) (int, error) {
	err := f.begin("write", true)
	defer f.fs.mu.Unlock()
	if err != nil {
		return 0, err
	}
	if off < 0 {
		return 0, pathError("write", f.name, syscall.EINVAL)
	}
	return f.writeAt(p, off)
}

func (f *memFile) writeAt(p []byte, off int64) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	data := append(make([]byte, 0, len(p)), p...)
	if err := f.fs.do(f.node, memWrite{off: off, data: data}); err != nil {
		return 0, pathError("write", f.name, err)
	}
	return len(p), nil
}

func (f *memFile) Sync() error {
	err := f.begin("sync", false)
	defer f.fs.mu.Unlock()
	if err != nil {
		return err
	}
	f.node.sync()
	return nil
}

func (f *memFile) Truncate(size int64) error {
	err := f.begin("truncate", true)
	defer f.fs.mu.Unlock()
	if err != nil {
		return err
	}
	if size < 0 {
		return pathError("truncate", f.name, syscall.EINVAL)
	}
	if err := f.fs.resize(f.node, size); err != nil {
		return pathError("truncate", f.name, err)
	}
	return nil
}

// Allocate reserves by growing: every byte of a Mem file is paid for when the file grows over it.
func (f *memFile) Allocate(off, n int64) error {
	err := f.begin("allocate", true)
	defer f.fs.mu.Unlock()
	if err != nil {
		return err
	}
	if off < 0 || n <= 0 {
		return pathError("allocate", f.name, syscall.EINVAL)
	}
	if off+n <= int64(len(f.node.data)) {
		return nil
	}
	if err := f.fs.resize(f.node, off+n); err != nil {
		return pathError("allocate", f.name, err)
	}
	return nil
}

func (f *memFile) Size() (int64, error) {
	err := f.begin("size", false)
	defer f.fs.mu.Unlock()
	if err != nil {
		return 0, err
	}
	return int64(len(f.node.data)), nil
}

func (f *memFile) Close() error {
	err := f.begin("close", false)
	defer f.fs.mu.Unlock()
	if err != nil {
		return err
	}
	f.closed = true
	f.node.open--
	f.fs.release(f.node)
	return nil
}
