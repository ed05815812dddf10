package datadir

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/prakashpandey/vegadb/internal/vfs"
)

const (
	manifestName    = "vega-data"
	manifestVersion = 1

	// DefaultPartitions is what a new directory gets if nothing else is wanted.
	DefaultPartitions = 64
	// MaxPartitions is the number of slots: a partition is at least one slot.
	MaxPartitions = 16384
)

// ID is a node's or a cluster's identity: 128 random bits.
type ID [16]byte

func (id ID) String() string { return hex.EncodeToString(id[:]) }

// parseID takes exactly what String gives.
func parseID(s string) (ID, error) {
	var id ID
	if len(s) != 2*len(id) {
		return id, fmt.Errorf("%q is not an id of %d hexadecimal digits", s, 2*len(id))
	}
	if _, err := hex.Decode(id[:], []byte(s)); err != nil {
		return id, fmt.Errorf("%q is not an id of %d hexadecimal digits", s, 2*len(id))
	}
	return id, nil
}

// Manifest is a data directory's identity. It never changes.
type Manifest struct {
	Node       ID
	Cluster    ID
	Partitions int
	Created    time.Time // UTC, whole seconds
}

// newManifest draws both ids: a node that is created alone is a cluster of its
// own.
func newManifest(partitions int, random io.Reader, now time.Time) (Manifest, error) {
	m := Manifest{Partitions: partitions, Created: now.UTC().Truncate(time.Second)}
	for _, id := range []*ID{&m.Node, &m.Cluster} {
		if _, err := io.ReadFull(random, id[:]); err != nil {
			return m, fmt.Errorf("draw an id: %w", err)
		}
	}
	return m, nil
}

func (m *Manifest) encode() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %d\n", manifestName, manifestVersion)
	fmt.Fprintf(&b, "node %s\ncluster %s\npartitions %d\n", m.Node, m.Cluster, m.Partitions)
	fmt.Fprintf(&b, "created %s\n", m.Created.UTC().Format(time.RFC3339))
	return sealText(b.String())
}

func decodeManifest(path, text string) (Manifest, error) {
	var m Manifest
	lines, err := openText(path, text, manifestName, manifestVersion)
	if err != nil {
		return m, err
	}
	seen := make(map[string]bool)
	for _, l := range lines {
		err := error(nil)
		switch l.key {
		case "node":
			m.Node, err = parseID(l.value)
		case "cluster":
			m.Cluster, err = parseID(l.value)
		case "partitions":
			m.Partitions, err = strconv.Atoi(l.value)
			if err == nil && (m.Partitions < 1 || m.Partitions > MaxPartitions) {
				err = fmt.Errorf("%d partitions are outside 1 to %d", m.Partitions, MaxPartitions)
			}
		case "created":
			m.Created, err = time.Parse(time.RFC3339, l.value)
			m.Created = m.Created.UTC()
		default:
			err = fmt.Errorf("unknown key %q", l.key)
		}
		if err == nil && seen[l.key] {
			err = fmt.Errorf("key %q is there twice", l.key)
		}
		if err != nil {
			return m, fmt.Errorf("%s: %w at offset %d: %w", path, ErrDamaged, l.off, err)
		}
		seen[l.key] = true
	}
	if len(seen) != 4 {
		return m, fmt.Errorf("%s: %w at offset %d: a line is missing", path, ErrDamaged, len(text))
	}
	return m, nil
}

// readManifest returns os.ErrNotExist (errors.Is) if there is none.
func readManifest(fs vfs.FS, path string) (Manifest, error) {
	text, err := readText(fs, path)
	if err != nil {
		return Manifest{}, err
	}
	return decodeManifest(path, text)
}

func removeIfThere(fs vfs.FS, path string) error {
	if err := fs.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
