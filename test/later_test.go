//go:build unix

package test

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prakashpandey/vegadb/internal/clustertest"
	"github.com/prakashpandey/vegadb/internal/vfs"
	"github.com/prakashpandey/vegadb/internal/wal"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// versioned is a file whose header has another version, and the checksum that belongs to it.
func versioned(text string, at, sumAt int, version uint32) string {
	b := []byte(text)
	binary.LittleEndian.PutUint32(b[at:], version)
	binary.LittleEndian.PutUint32(b[sumAt:], crc32.Checksum(b[:sumAt], castagnoli))
	return string(b)
}

// reworded is a text file with something else in it, and the checksum that belongs to it.
func reworded(text, old, fresh string) string {
	body, _, _ := strings.Cut(strings.Replace(text, old, fresh, 1), "crc32c ")
	return fmt.Sprintf("%scrc32c %08x\n", body, crc32.Checksum([]byte(body), castagnoli))
}

// appended adds a record to the log of a stopped server, by the log's own means.
func appended(t *testing.T, n *clustertest.Node, payload string) {
	t.Helper()
	var last wal.Record
	l, err := wal.Open(wal.Options{FS: vfs.OS(), Dir: filepath.Join(n.DataDir(), "log"), SegmentBytes: 4 << 20, MaxRecordBytes: 1 << 20}, func(r wal.Record) error {
		if r.Group > 0 {
			last = r
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	last.Index, last.Payload = last.Index+1, []byte(payload)
	if _, err := l.Append(&last); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestABuiltServerRefusesWhatALaterVersionWrote(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, clustertest.Options{})
	n := c.Node(1)
	all := snapshotRounds(t, c, 1, 100)
	n.Kill()
	whole := readFiles(t, n.DataDir())
	snap := whole.newest()[0]
	for what, later := range map[string]struct {
		file, text, says string
	}{
		"the manifest":        {"VEGA", reworded(whole["VEGA"], "vega-data 1", "vega-data 99"), "newer format"},
		"the floors":          {"FLOORS", reworded(whole["FLOORS"], "vega-floors 1", "vega-floors 99"), "newer format"},
		"a file of the log":   {firstSegment, versioned(whole[firstSegment], 8, 4092, 99), "version 99"},
		"a snapshot":          {snap, versioned(whole[snap], 8, 124, 99), "version 99"},
		"an entry of the log": {"", "\xee from a later version, long enough for a header", "index "},
	} {
		t.Log(what)
		if later.file != "" {
			whole.but(later.file, later.text).write(t, n.DataDir())
		} else {
			whole.write(t, n.DataDir())
			appended(t, n, later.text)
			if err := n.Launch(); err != nil { // it ends what it has opened of the log by a mark, once
				t.Fatal(err)
			}
			if _, err := n.ExpectExit(within(t)); err != nil {
				t.Fatal(err)
			}
		}
		refused(t, n, later.says)
	}
	whole.write(t, n.DataDir())
	if err := n.Start(within(t)); err != nil {
		t.Fatal(err)
	}
	shows(t, n, all)
}
