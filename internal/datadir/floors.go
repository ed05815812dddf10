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
	floorsName    = "vega-floors"
	floorsVersion = 1
)

func encodeFloors(floors map[uint32]uint64) string {
	groups := make([]uint32, 0, len(floors))
	for g := range floors {
		groups = append(groups, g)
	}
	slices.SortFunc(groups, cmp.Compare[uint32])
	var b strings.Builder
	fmt.Fprintf(&b, "%s %d\n", floorsName, floorsVersion)
	for _, g := range groups {
		fmt.Fprintf(&b, "group %d %d\n", g, floors[g])
	}
	return sealText(b.String())
}

func decodeFloors(path, text string) (map[uint32]uint64, error) {
	_, lines, err := openText(path, text, floorsName, floorsVersion)
	if err != nil {
		return nil, err
	}
	floors := make(map[uint32]uint64, len(lines))
	for _, l := range lines {
		group, index, _ := strings.Cut(l.value, " ")
		g, err1 := strconv.ParseUint(group, 10, 32)
		i, err2 := strconv.ParseUint(index, 10, 64)
		_, double := floors[uint32(g)]
		if err := errors.Join(err1, err2); l.key != "group" || err != nil || double {
			return nil, fmt.Errorf("%s: %w at offset %d: not a group's floor: %q", path, ErrDamaged, l.off, l.key+" "+l.value)
		}
		floors[uint32(g)] = i
	}
	return floors, nil
}

// readFloors: no file is no floors. That there is one means more than what it says:
// the log has been in use.
func readFloors(fs vfs.FS, path string) (floors map[uint32]uint64, there bool, err error) {
	text, err := readText(fs, path)
	if errors.Is(err, os.ErrNotExist) {
		return map[uint32]uint64{}, false, nil
	}
	if err != nil {
		return nil, true, err
	}
	floors, err = decodeFloors(path, text)
	return floors, true, err
}
