package snapshot

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/prakashpandey/vegadb/internal/vfs"
)

const (
	suffix    = ".snap"
	tmpSuffix = ".tmp" // being written, received or sent; never published
	badSuffix = ".bad" // set aside
)

// FileName is the base name of the snapshot of group at index.
func FileName(group uint32, index uint64) string {
	return fmt.Sprintf("p%05d-%020d%s", group, index, suffix)
}

// parseName is FileName's inverse. Names that FileName would not give back are
// not snapshots.
func parseName(name string) (group uint32, index uint64, ok bool) {
	body, found := strings.CutSuffix(name, suffix)
	body, isP := strings.CutPrefix(body, "p")
	g, i, dash := strings.Cut(body, "-")
	if !found || !isP || !dash {
		return 0, 0, false
	}
	g64, err1 := strconv.ParseUint(g, 10, 32)
	i64, err2 := strconv.ParseUint(i, 10, 64)
	if err1 != nil || err2 != nil || FileName(uint32(g64), i64) != name {
		return 0, 0, false
	}
	return uint32(g64), i64, true
}

// receivedName is the temporary name of a file that is being received, or sent. tag makes
// it this transfer's own: the same snapshot may arrive twice at once.
func receivedName(group uint32, index uint64, tag [8]byte) string {
	return fmt.Sprintf("%s.%x%s", FileName(group, index), tag, tmpSuffix)
}

// parseUnfinished says whether name is the temporary name of a snapshot that is, or
// was, being written or received, and of which group.
func parseUnfinished(name string) (group uint32, ok bool) {
	base, isTmp := strings.CutSuffix(name, tmpSuffix)
	if !isTmp {
		return 0, false
	}
	if at := strings.LastIndexByte(base, '.'); at >= 0 {
		if tag, err := hex.DecodeString(base[at+1:]); err == nil && len(tag) == 8 {
			base = base[:at]
		}
	}
	group, _, ok = parseName(base)
	return group, ok
}

// parseBadName takes apart the name of a file that SetAside moved.
func parseBadName(name string) (group uint32, index uint64, ok bool) {
	at := strings.LastIndex(name, badSuffix)
	if at < 0 {
		return 0, 0, false
	}
	if n := name[at+len(badSuffix):]; n != "" {
		if _, err := strconv.ParseUint(strings.TrimPrefix(n, "."), 10, 32); err != nil || n[0] != '.' {
			return 0, 0, false
		}
	}
	return parseName(name[:at])
}

// SetAside renames a file that proved bad to *.bad (*.bad.2, … if that name is
// taken), so that it is neither used again nor lost. It returns the new path.
func SetAside(fs vfs.FS, path string) (string, error) {
	to := path + badSuffix
	for n := 2; ; n++ {
		_, err := fs.Stat(to)
		if errors.Is(err, os.ErrNotExist) {
			break
		}
		if err != nil {
			return "", fmt.Errorf("snapshot: set %s aside: %w", path, err)
		}
		to = fmt.Sprintf("%s%s.%d", path, badSuffix, n)
	}
	if err := fs.Rename(path, to); err != nil {
		return "", fmt.Errorf("snapshot: set %s aside: %w", path, err)
	}
	if err := fs.SyncDir(filepath.Dir(path)); err != nil {
		return "", fmt.Errorf("snapshot: set %s aside: %w", path, err)
	}
	return to, nil
}

// Clean prepares dir at start: it removes what unfinished writes and receptions
// left behind (*.tmp files of snapshots, which never were published) and syncs the
// directory. A process that was killed may have renamed a snapshot and not synced
// yet; the log must not be truncated for the sake of a name that a power cut
// could still take back.
func Clean(fs vfs.FS, dir string) error {
	names, err := fs.List(dir)
	if err != nil {
		return fmt.Errorf("snapshot: list %s: %w", dir, err)
	}
	for _, name := range names {
		if _, ok := parseUnfinished(name); !ok {
			continue
		}
		if err := fs.Remove(filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("snapshot: remove an unfinished file: %w", err)
		}
	}
	if err := fs.SyncDir(dir); err != nil {
		return fmt.Errorf("snapshot: sync %s: %w", dir, err)
	}
	return nil
}
