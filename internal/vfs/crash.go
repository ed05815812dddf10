package vfs

import "math/rand"

// sectorBytes is the unit in which a disk writes: a sector is old or new, never a mix.
const sectorBytes = 512

// CrashClone returns the file system as a power cut at this instant may leave it. What was synced is kept. Of the
// rest, rng decides what is there; with a nil rng nothing of it is: the strictest outcome. The same state
// and the same rng give the same clone. The original is not changed and shares nothing with the clone.
func (m *Mem) CrashClone(rng *rand.Rand) *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := &crash{rng: rng, out: NewMem(), dirs: map[*memDir]map[string]any{}, nodes: map[*memNode]*memNode{}}
	c.out.limit = m.limit
	for _, op := range m.ops {
		if c.coin() {
			op.makeDurable(c.survivors)
		}
	}
	c.out.root = c.cloneDir(m.root)
	return c.out
}

// crash is one clone in the making.
type crash struct {
	rng   *rand.Rand
	out   *Mem
	dirs  map[*memDir]map[string]any // surviving entries of directories with unsynced changes that survive
	nodes map[*memNode]*memNode      // clones of files: a file may survive under two names
}

func (c *crash) coin() bool { return c.rng != nil && c.rng.Intn(2) == 0 }

// survivors returns the entries of d that survive, to be changed.
func (c *crash) survivors(d *memDir) map[string]any {
	s, ok := c.dirs[d]
	if !ok {
		s = make(map[string]any, len(d.durable))
		for name, child := range d.durable {
			s[name] = child
		}
		c.dirs[d] = s
	}
	return s
}

func (c *crash) cloneDir(d *memDir) *memDir {
	clone := newMemDir()
	entries := c.survivors(d)
	for _, name := range sortedKeys(entries) {
		switch child := entries[name].(type) {
		case *memDir:
			sub := c.cloneDir(child)
			clone.entries[name], clone.durable[name] = sub, sub
		case *memNode:
			n := c.cloneNode(child)
			n.links++
			clone.entries[name], clone.durable[name] = n, n
		}
	}
	return clone
}

func (c *crash) cloneNode(n *memNode) *memNode {
	if clone, ok := c.nodes[n]; ok {
		return clone
	}
	contents := append([]byte(nil), n.durable...)
	for _, w := range n.pending {
		contents = c.survive(w, contents)
	}
	clone := &memNode{data: contents, durable: append([]byte(nil), contents...)}
	c.nodes[n] = clone
	c.out.used += int64(len(contents))
	return clone
}

// survive applies what survives of an unsynced change: all, nothing, or some sectors.
func (c *crash) survive(w memWrite, contents []byte) []byte {
	if c.rng == nil {
		return contents
	}
	switch outcome := c.rng.Intn(3); {
	case outcome == 0:
		return contents
	case outcome == 1 || w.data == nil:
		return w.apply(contents)
	}
	if end := w.off + int64(len(w.data)); end > int64(len(contents)) && c.coin() {
		contents = setLen(contents, end) // the size is there, whether or not the data is
	}
	for from := int64(0); from < int64(len(w.data)); {
		to := min(int64(len(w.data)), from+sectorBytes-(w.off+from)%sectorBytes)
		if c.coin() {
			contents = memWrite{off: w.off + from, data: w.data[from:to]}.apply(contents)
		}
		from = to
	}
	return contents
}
