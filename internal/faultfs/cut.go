//go:build unix

package faultfs

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
)

// sectorBytes is the unit in which a disk writes.
const sectorBytes = 512

// Cut puts a data directory back to what a power cut would have left of it: what was synced, and what rng picks of the rest;
// nothing of it without an rng. The process that had it must have ended. What is left counts as synced then.
func Cut(root string, rng *rand.Rand) error {
	c := &cut{root: root, dir: ShadowDir(root), out: root + ".cut", rng: rng, ids: map[uint64]uint64{}, done: map[uint64][]byte{}}
	err := os.RemoveAll(c.out)
	if err == nil {
		err = c.readIDs()
	}
	if err == nil {
		err = c.directory(".", true, true)
	}
	if err != nil {
		return fmt.Errorf("cut the power of %s: %w", root, err)
	}
	return errors.Join(os.RemoveAll(root), os.RemoveAll(c.dir), os.Rename(c.out, root))
}

// cut is a power cut in the making.
type cut struct {
	root, dir, out string
	rng            *rand.Rand
	ids            map[uint64]uint64 // of files, by the inodes of what is kept of them
	done           map[uint64][]byte // contents that were decided: a file may have two names
}

func (c *cut) readIDs() error {
	kept, err := os.ReadDir(filepath.Join(c.dir, keptDir))
	if err != nil {
		return err
	}
	for _, e := range kept {
		its, err := inode(filepath.Join(c.dir, keptDir, e.Name()))
		if err != nil {
			return err
		}
		if c.ids[its], err = strconv.ParseUint(e.Name(), 10, 64); err != nil {
			return err
		}
	}
	return nil
}

func (c *cut) coin() bool { return c.rng != nil && c.rng.IntN(2) == 0 }

// names are a directory's files, by the number of each, and its directories.
type names struct {
	files map[string]uint64
	dirs  map[string]bool
	all   []string // sorted
}

// list reads a directory, which may be missing. What is kept has other inodes than the files themselves.
func (c *cut) list(dir string, kept bool) (names, error) {
	n := names{files: map[string]uint64{}, dirs: map[string]bool{}}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return n, err
	}
	for _, e := range entries {
		n.all = append(n.all, e.Name())
		if e.IsDir() {
			n.dirs[e.Name()] = true
			continue
		}
		id, err := inode(filepath.Join(dir, e.Name()))
		if err != nil {
			return n, err
		}
		if kept {
			id = c.ids[id]
		}
		n.files[e.Name()] = id
	}
	return n, nil
}

// directory decides about a directory that survives: what is in it as it was synced, and as it is.
func (c *cut) directory(within string, synced, there bool) error {
	if err := os.MkdirAll(filepath.Join(c.out, within), 0o700); err != nil {
		return err
	}
	var was, is names
	var err error
	if synced {
		if was, err = c.list(filepath.Join(c.dir, treeDir, within), true); err != nil {
			return err
		}
	}
	if there {
		if is, err = c.list(filepath.Join(c.root, within), false); err != nil {
			return err
		}
	}
	if err := c.files(within, was, is); err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, name := range append(was.all, is.all...) {
		if seen[name] || !was.dirs[name] && !is.dirs[name] {
			continue
		}
		seen[name] = true
		if was.dirs[name] != is.dirs[name] && c.coin() != is.dirs[name] {
			continue // its coming or going decides
		}
		if err := c.directory(filepath.Join(within, name), was.dirs[name], is.dirs[name]); err != nil {
			return err
		}
	}
	return nil
}

// files decides which names of files survive. Names that have been one file's, one after the other, change together.
func (c *cut) files(within string, was, is names) error {
	group := map[string]string{} // a name's next, towards its group's head
	var head func(string) string
	head = func(name string) string {
		if next, ok := group[name]; ok {
			return head(next)
		}
		return name
	}
	first := map[uint64]string{}
	for _, n := range []names{was, is} {
		for _, name := range n.all {
			id, ok := n.files[name]
			if !ok {
				continue
			}
			if _, ok := first[id]; !ok {
				first[id] = name
			}
			if a, b := head(first[id]), head(name); a != b {
				group[a] = b
			}
		}
	}
	changed := map[string]bool{}
	decided := map[string]bool{}
	seen := map[string]bool{}
	for _, name := range append(was.all, is.all...) {
		if seen[name] || was.dirs[name] || is.dirs[name] {
			continue
		}
		seen[name] = true
		g := head(name)
		if !decided[g] {
			decided[g], changed[g] = true, c.coin()
		}
		from := was
		if changed[g] {
			from = is
		}
		if id, ok := from.files[name]; ok {
			if err := c.file(filepath.Join(within, name), id); err != nil {
				return err
			}
		}
	}
	return nil
}

// file writes what survives of a file under a name that does.
func (c *cut) file(within string, id uint64) error {
	content, ok := c.done[id]
	if !ok {
		var err error
		if content, err = c.content(within, id); err != nil {
			return err
		}
		c.done[id] = content
	}
	return os.WriteFile(filepath.Join(c.out, within), content, 0o600)
}

// content decides what survives of a file: what was synced, all, or some sectors.
func (c *cut) content(within string, id uint64) ([]byte, error) {
	synced, err := os.ReadFile(filepath.Join(c.dir, keptDir, strconv.FormatUint(id, 10)))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	if c.rng == nil {
		return synced, nil
	}
	all, err := os.ReadFile(filepath.Join(c.dir, liveDir, strconv.FormatUint(id, 10)))
	if errors.Is(err, os.ErrNotExist) { // it was made a moment ago
		all, err = os.ReadFile(filepath.Join(c.root, within))
	}
	if err != nil {
		return nil, err
	}
	switch c.rng.IntN(3) {
	case 0:
		return synced, nil
	case 1:
		return all, nil
	}
	size := len(synced)
	if c.coin() {
		size = len(all)
	}
	mixed := make([]byte, size)
	for at := 0; at < size; at += sectorBytes {
		from := synced
		if c.coin() {
			from = all
		}
		if at < len(from) {
			copy(mixed[at:min(size, at+sectorBytes)], from[at:])
		}
	}
	return mixed, nil
}
