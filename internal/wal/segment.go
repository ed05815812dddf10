package wal

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/prakashpandey/vegadb/internal/vfs"
)

const (
	segmentSuffix = ".wal"
	tmpSuffix     = ".tmp"
	cutSuffix     = ".cut" // what a repair set aside
)

// segment is one file of the log. Which lock guards a field is said beside it; the names are those of Log.
type segment struct {
	identity              // immutable
	name     string       // path; immutable
	capacity int64        // bytes of the file, all of them allocated; immutable
	f        vfs.File     // nil once the segment needs no more writing; guarded by mu
	zeroed   int64        // from here on the blocks are reserved but not yet written; guarded by mu
	firstSeq uint64       // number of its first batch written, 0 if none; guarded by mu
	lastSeq  uint64       // number of its newest batch written; guarded by mu
	lastPos  uint64       // position of the last Append in that batch; guarded by mu
	indexes  groupIndexes // what it holds; guarded by indexMu
}

func segmentName(dir string, number uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%016d%s", number, segmentSuffix))
}

// segmentNumber reads the number from a base name; false if it is not the name of a segment.
func segmentNumber(base string) (uint64, bool) {
	digits, ok := strings.CutSuffix(base, segmentSuffix)
	if !ok || len(digits) != 16 {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	return n, err == nil && n > 0
}

// createSegment makes an empty segment whose blocks are all allocated. Its name appears only after its header
// and its size are durable, and is durable itself on return: a segment with a damaged header is damage, not
// a creation cut short.
func createSegment(fs vfs.FS, dir string, number uint64, size int64, now time.Time) (*segment, error) {
	var salt [8]byte
	if _, err := rand.Read(salt[:]); err != nil {
		return nil, fmt.Errorf("salt for a log segment: %w", err)
	}
	s := &segment{
		identity: newIdentity(number, binary.LittleEndian.Uint64(salt[:])),
		name:     segmentName(dir, number),
		capacity: size,
		zeroed:   headerBytes,
	}
	tmp := s.name + tmpSuffix
	f, err := fs.Create(tmp)
	if err != nil {
		return nil, fmt.Errorf("create log segment: %w", err)
	}
	err = f.Allocate(0, size)
	if errors.Is(err, errors.ErrUnsupported) {
		s.zeroed = size
		err = writeZeros(f, headerBytes, size, make([]byte, zeroChunkBytes))
	}
	if err == nil {
		_, err = f.WriteAt(header{identity: s.identity, created: now.UnixMilli()}.encode(), 0)
	}
	if err == nil {
		err = f.Sync()
	}
	f.Close()
	if err == nil {
		err = fs.Rename(tmp, s.name)
	}
	if err == nil {
		err = fs.SyncDir(dir)
	}
	if err == nil {
		s.f, err = fs.OpenReadWrite(s.name)
	}
	if err != nil {
		_ = fs.Remove(tmp) // best effort: Open removes what is left
		return nil, fmt.Errorf("prepare log segment %s: %w", s.name, err)
	}
	return s, nil
}

// writeZeros overwrites [from, to) with zeros, of which it is given some.
func writeZeros(f vfs.File, from, to int64, zeros []byte) error {
	for from < to {
		n := min(to-from, int64(len(zeros)))
		if _, err := f.WriteAt(zeros[:n], from); err != nil {
			return err
		}
		from += n
	}
	return nil
}

// groupIndexes holds the highest index of each group. Group numbers are small and dense in practice, so they index
// a slice; a large one goes to a map.
type groupIndexes struct {
	dense  []uint64
	sparse map[uint32]uint64
}

const denseGroups = 1 << 10

// raise makes the group's index at least index.
func (g *groupIndexes) raise(group uint32, index uint64) {
	if group >= denseGroups {
		if g.sparse == nil {
			g.sparse = map[uint32]uint64{}
		}
		g.sparse[group] = max(g.sparse[group], index)
		return
	}
	for int(group) >= len(g.dense) {
		g.dense = append(g.dense, 0)
	}
	g.dense[group] = max(g.dense[group], index)
}

func (g *groupIndexes) drop(group uint32) {
	delete(g.sparse, group)
	if int(group) < len(g.dense) {
		g.dense[group] = 0
	}
}

func (g *groupIndexes) get(group uint32) uint64 {
	if group >= denseGroups {
		return g.sparse[group]
	}
	if int(group) >= len(g.dense) {
		return 0
	}
	return g.dense[group]
}

// above returns the groups, ascending, whose index here is higher than in floor.
func (g *groupIndexes) above(floor *groupIndexes) []uint32 {
	var groups []uint32
	for group, index := range g.dense {
		if index > floor.get(uint32(group)) {
			groups = append(groups, uint32(group))
		}
	}
	large := len(groups)
	for group, index := range g.sparse {
		if index > floor.get(group) {
			groups = append(groups, group)
		}
	}
	sortGroups(groups[large:])
	return groups
}
