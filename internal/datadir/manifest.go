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
	manifestName = "vega-data"
	// manifestAlone is the version of a manifest without a time of joining, which a
	// program that knows no clusters can use. manifestJoined has one.
	manifestAlone  = 1
	manifestJoined = 2

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
	// Joined is when the directory was created for a node that joins a cluster; zero
	// for one that was created alone, whatever has become of it.
	Joined time.Time
}

// newManifest draws the node's id and, for a node that is created alone, its
// cluster's: it is a cluster of its own.
func newManifest(partitions int, cluster ID, random io.Reader, now time.Time) (Manifest, error) {
	m := Manifest{Partitions: partitions, Created: now.UTC().Truncate(time.Second)}
	draw := []*ID{&m.Node, &m.Cluster}
	if cluster != (ID{}) {
		m.Cluster, m.Joined = cluster, m.Created
		draw = draw[:1]
	}
	for _, id := range draw {
		if _, err := io.ReadFull(random, id[:]); err != nil {
			return m, fmt.Errorf("draw an id: %w", err)
		}
	}
	return m, nil
}

func (m *Manifest) encode() string {
	var b strings.Builder
	version := manifestAlone
	if !m.Joined.IsZero() {
		version = manifestJoined
	}
	fmt.Fprintf(&b, "%s %d\n", manifestName, version)
	fmt.Fprintf(&b, "node %s\ncluster %s\npartitions %d\n", m.Node, m.Cluster, m.Partitions)
	fmt.Fprintf(&b, "created %s\n", m.Created.UTC().Format(time.RFC3339))
	if version == manifestJoined {
		fmt.Fprintf(&b, "joined %s\n", m.Joined.UTC().Format(time.RFC3339))
	}
	return sealText(b.String())
}

func decodeManifest(path, text string) (Manifest, error) {
	var m Manifest
	version, lines, err := openText(path, text, manifestName, manifestJoined)
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
			m.Created, err = parseTime(l.value)
		case "joined":
			m.Joined, err = parseTime(l.value)
			if err == nil && (m.Joined.IsZero() || version != manifestJoined) {
				err = fmt.Errorf("%q does not belong here", l.value)
			}
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
	if want := map[uint64]int{manifestAlone: 4, manifestJoined: 5}[version]; len(seen) != want {
		return m, fmt.Errorf("%s: %w at offset %d: a line is missing", path, ErrDamaged, len(text))
	}
	return m, nil
}

// parseTime reads a time as it is written in a manifest.
func parseTime(s string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, s)
	return t.UTC(), err
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
