package snapshot

import (
	"fmt"

	"github.com/prakashpandey/vegadb/internal/vfs"
)

// Candidates are the snapshots that one group can be started from.
type Candidates struct {
	Group uint32
	// Files are in the order to try them: newest first. Headers and footers have
	// been verified (Info.Err); blocks are verified while loading.
	Files []Info
	// MustReach is the highest index of any snapshot published of the group, bad
	// ones and those set aside as *.bad included.
	MustReach uint64
	// Bad is the highest index of those set aside as *.bad; 0: there is none.
	Bad uint64
}

// Choose gives the candidates of each group, in the order of groups.
func Choose(fs vfs.FS, dir string, groups []uint32) ([]Candidates, error) {
	infos, err := List(fs, dir)
	if err != nil {
		return nil, err
	}
	names, err := fs.List(dir)
	if err != nil {
		return nil, fmt.Errorf("snapshot: list %s: %w", dir, err)
	}
	out := make([]Candidates, len(groups))
	byGroup := make(map[uint32]*Candidates, len(groups))
	for i, g := range groups {
		out[i].Group = g
		byGroup[g] = &out[i]
	}
	for _, info := range infos {
		if c := byGroup[info.Group]; c != nil {
			c.Files = append(c.Files, info)
			c.MustReach = max(c.MustReach, info.Index)
		}
	}
	for _, name := range names {
		if group, index, ok := parseBadName(name); ok && byGroup[group] != nil {
			byGroup[group].MustReach = max(byGroup[group].MustReach, index)
			byGroup[group].Bad = max(byGroup[group].Bad, index)
		}
	}
	return out, nil
}
