package datadir

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/prakashpandey/vegadb/internal/vfs"
)

const (
	floorsName = "vega-floors"
	// floorsAlone is the version of a file that does not say that the node has had
	// company, floorsClustered of one that does.
	floorsAlone     = 1
	floorsClustered = 2
)

// floors is what FLOORS says.
type floors struct {
	byGroup   map[uint32]uint64 // the index up to which the log has been given up
	clustered bool              // the node has, or has had, company
}

func (f *floors) encode() string {
	groups := make([]uint32, 0, len(f.byGroup))
	for g := range f.byGroup {
		groups = append(groups, g)
	}
	slices.SortFunc(groups, cmp.Compare[uint32])
	var b strings.Builder
	if f.clustered {
		fmt.Fprintf(&b, "%s %d\nclustered yes\n", floorsName, floorsClustered)
	} else {
		fmt.Fprintf(&b, "%s %d\n", floorsName, floorsAlone)
	}
	for _, g := range groups {
		fmt.Fprintf(&b, "group %d %d\n", g, f.byGroup[g])
	}
	return sealText(b.String())
}

func decodeFloors(path, text string) (floors, error) {
	f := floors{byGroup: make(map[uint32]uint64)}
	version, lines, err := openText(path, text, floorsName, floorsClustered)
	if err != nil {
		return floors{}, err
	}
	for _, l := range lines {
		if version == floorsClustered && !f.clustered && l.key == "clustered" && l.value == "yes" {
			f.clustered = true
			continue
		}
		group, index, _ := strings.Cut(l.value, " ")
		g, err1 := strconv.ParseUint(group, 10, 32)
		i, err2 := strconv.ParseUint(index, 10, 64)
		_, double := f.byGroup[uint32(g)]
		if err := errors.Join(err1, err2); l.key != "group" || err != nil || double {
			return floors{}, fmt.Errorf("%s: %w at offset %d: not a group's floor: %q", path, ErrDamaged, l.off, l.key+" "+l.value)
		}
		f.byGroup[uint32(g)] = i
	}
	if version == floorsClustered && !f.clustered {
		return floors{}, fmt.Errorf("%s: %w at offset %d: a line is missing", path, ErrDamaged, len(text))
	}
	return f, nil
}

// readFloors: no file is no floors. That there is one means more than what it says:
// the log has been in use.
func readFloors(fs vfs.FS, path string) (f floors, there bool, err error) {
	text, err := readText(fs, path)
	if errors.Is(err, os.ErrNotExist) {
		return floors{byGroup: map[uint32]uint64{}}, false, nil
	}
	if err != nil {
		return floors{}, true, err
	}
	f, err = decodeFloors(path, text)
	return f, true, err
}
