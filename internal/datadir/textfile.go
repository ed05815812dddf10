package datadir

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/prakashpandey/vegadb/internal/vfs"
)

// maxTextBytes bounds a text file: FLOORS with a line for each of the most
// partitions there can be takes less than half of it.
const maxTextBytes = 2 << 20

var (
	// ErrDamaged: a file of the directory is not what was written.
	ErrDamaged = errors.New("damaged")
	// ErrNewerFormat: the directory is of a format this program does not know.
	ErrNewerFormat = errors.New("of a newer format")
)

// castagnoli is never written to.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// textLine is one "key value" line and where it begins in its file.
type textLine struct {
	off        int
	key, value string
}

// sealText appends the checksum line.
func sealText(body string) string {
	return fmt.Sprintf("%scrc32c %08x\n", body, crc32.Checksum([]byte(body), castagnoli))
}

// openText verifies a sealed text whose first line is "name version", with a
// version of 1 to newest, and returns that and the lines between it and the checksum.
func openText(path, text, name string, newest uint64) (version uint64, lines []textLine, err error) {
	damaged := func(off int, format string, args ...any) error {
		return fmt.Errorf("%s: %w at offset %d: %s", path, ErrDamaged, off, fmt.Sprintf(format, args...))
	}
	body, hasEnd := strings.CutSuffix(text, "\n")
	at := strings.LastIndexByte(body, '\n') + 1
	sum, isSum := strings.CutPrefix(body[at:], "crc32c ")
	if !hasEnd || !isSum {
		return 0, nil, damaged(len(text), "it does not end in a checksum line: cut short")
	}
	if want := fmt.Sprintf("%08x", crc32.Checksum([]byte(text[:at]), castagnoli)); sum != want {
		return 0, nil, damaged(at, "checksum is %q, computed %s", sum, want)
	}
	for off := 0; off < at; {
		line, _, _ := strings.Cut(text[off:at], "\n")
		key, value, ok := strings.Cut(line, " ")
		if !ok {
			return 0, nil, damaged(off, "a line without a value: %q", line)
		}
		lines = append(lines, textLine{off, key, value})
		off += len(line) + 1
	}
	if len(lines) == 0 || lines[0].key != name {
		return 0, nil, damaged(0, "it does not begin with %q", name)
	}
	version, err = strconv.ParseUint(lines[0].value, 10, 32)
	if err != nil || version == 0 {
		return 0, nil, damaged(0, "version %q is not a number from 1 on", lines[0].value)
	}
	if version > newest {
		return 0, nil, fmt.Errorf("%s: %w: version %d; this program knows versions up to %d: use the version of VegaDB that wrote it, or a later one",
			path, ErrNewerFormat, version, newest)
	}
	return version, lines[1:], nil
}

// readText reads a whole small file. Its size is checked before anything is
// allocated for it.
func readText(fs vfs.FS, path string) (string, error) {
	f, err := fs.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return "", err
	}
	if size > maxTextBytes {
		return "", fmt.Errorf("%s: %w at offset %d: it has %d bytes, at most %d are expected", path, ErrDamaged, maxTextBytes, size, maxTextBytes)
	}
	b := make([]byte, size)
	if n, err := f.ReadAt(b, 0); n != len(b) && err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read %s: %w", path, err)
	} else {
		b = b[:n]
	}
	return string(b), nil
}

// writeText replaces a file so that after a crash it is the old or the new one.
func writeText(fs vfs.FS, path, text string) (err error) {
	tmp := path + ".tmp"
	f, err := fs.Create(tmp)
	if err != nil {
		return fmt.Errorf("create %s: %w", tmp, err)
	}
	_, err = f.Write([]byte(text))
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = fs.Rename(tmp, path)
	}
	if err != nil {
		// The old file still stands; of the new one nothing is to stay.
		return errors.Join(fmt.Errorf("write %s: %w", path, err), removeIfThere(fs, tmp))
	}
	if err := fs.SyncDir(filepath.Dir(path)); err != nil {
		return fmt.Errorf("sync the directory of %s: %w", path, err)
	}
	return nil
}
