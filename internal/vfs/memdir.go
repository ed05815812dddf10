package vfs

import "sort"

// memDir is a directory. A child is a *memDir or a *memNode.
type memDir struct {
	entries map[string]any // what programs see
	durable map[string]any // what a power cut keeps
}

// dirChange is one change of directory entries, which happens as a whole or not at all.
type dirChange struct{ links []link }

// link says that a name in a directory now means child, or nothing if child is nil.
type link struct {
	dir   *memDir
	name  string
	child any
}

func newMemDir() *memDir {
	return &memDir{entries: map[string]any{}, durable: map[string]any{}}
}

// change applies a directory change to what programs see and remembers that it is not synced. Requires mu.
func (m *Mem) change(links ...link) {
	for _, l := range links {
		if old, ok := l.dir.entries[l.name].(*memNode); ok && old != l.child {
			old.links--
			m.release(old)
		}
		if l.child == nil {
			delete(l.dir.entries, l.name)
			continue
		}
		l.dir.entries[l.name] = l.child
		if n, ok := l.child.(*memNode); ok {
			n.links++
		}
	}
	m.ops = append(m.ops, &dirChange{links: links})
}

// SyncDir implements [FS].
func (m *Mem) SyncDir(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	d, err := m.dir(dir)
	if err != nil {
		return pathError("syncdir", dir, err)
	}
	kept := m.ops[:0]
	for _, op := range m.ops {
		if op.concerns(d) {
			op.makeDurable(func(d *memDir) map[string]any { return d.durable })
		} else {
			kept = append(kept, op)
		}
	}
	m.ops = kept
	return nil
}

func (c *dirChange) concerns(d *memDir) bool {
	for _, l := range c.links {
		if l.dir == d {
			return true
		}
	}
	return false
}

// makeDurable applies the change to the durable entries of its directories, as entries finds them.
func (c *dirChange) makeDurable(entries func(*memDir) map[string]any) {
	for _, l := range c.links {
		if l.child == nil {
			delete(entries(l.dir), l.name)
		} else {
			entries(l.dir)[l.name] = l.child
		}
	}
}

func sortedKeys(entries map[string]any) []string {
	names := make([]string, 0, len(entries))
	for name := range entries {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}
