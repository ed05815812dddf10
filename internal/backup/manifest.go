package backup

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/prakashpandey/vegadb/internal/vfs"
)

const (
	formatName    = "vegadb-backup"
	formatVersion = 1

	manifestName = "BACKUP.json"
	partialName  = "BACKUP.partial.json"
	tmpSuffix    = ".tmp"

	// maxManifest bounds a manifest: 16384 partitions take a quarter of it.
	maxManifest   = 16 << 20
	maxPartitions = 16384
)

// File is one partition in a backup.
type File struct {
	Partition int       `json:"partition"`
	Name      string    `json:"name"`
	Index     uint64    `json:"index"` // of the partition's log, up to which everything is in the file
	Entries   uint64    `json:"entries"`
	Bytes     int64     `json:"bytes"`
	SHA256    string    `json:"sha256"` // hexadecimal
	Taken     time.Time `json:"taken"`
}

// Manifest describes a backup.
type Manifest struct {
	Format     string    `json:"format"`
	Version    int       `json:"version"`
	ClusterID  string    `json:"cluster_id"`
	Epoch      uint64    `json:"epoch"`
	Partitions int       `json:"partitions"`
	Begun      time.Time `json:"begun"`
	Completed  time.Time `json:"completed,omitzero"`
	Program    string    `json:"program,omitempty"`
	Entries    uint64    `json:"entries"`
	Bytes      int64     `json:"bytes"`
	Files      []File    `json:"files"` // by partition
}

var (
	// ErrNoBackup: the directory holds no backup, complete or not.
	ErrNoBackup = errors.New("holds no backup")
	// ErrIncomplete: the backup was interrupted.
	ErrIncomplete = errors.New("holds an incomplete backup")
	// ErrComplete: the backup is complete, and no other can be taken there.
	ErrComplete = errors.New("holds a complete backup already")
	// ErrNotEmpty: the directory holds something else.
	ErrNotEmpty = errors.New("is not empty")
	// ErrDamaged: something is not as it was written, or is missing.
	ErrDamaged = errors.New("damaged")
	// ErrNewer: the backup is of a later format.
	ErrNewer = errors.New("of a newer format")
)

// fileName is the name of a partition's file.
func fileName(partition int) string { return fmt.Sprintf("partition-%05d.snap", partition) }

// readManifest reads and checks a manifest.
func readManifest(fs vfs.FS, path string) (*Manifest, error) {
	f, err := fs.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxManifest+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	m, err := parseManifest(text)
	if err != nil {
		return nil, fmt.Errorf("%s is %w", path, err)
	}
	return m, nil
}

// parseManifest decodes a manifest. Fields that it does not know are ignored: a
// later program may have written some.
func parseManifest(text []byte) (*Manifest, error) {
	damaged := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s", ErrDamaged, fmt.Sprintf(format, args...))
	}
	if len(text) > maxManifest {
		return nil, damaged("longer than a manifest can be")
	}
	m := &Manifest{}
	dec := json.NewDecoder(bytes.NewReader(text))
	if err := dec.Decode(m); err != nil {
		return nil, damaged("not a manifest: %v", err)
	}
	switch {
	case len(bytes.TrimSpace(text[dec.InputOffset():])) > 0:
		return nil, damaged("there is something behind the manifest")
	case m.Format != formatName:
		return nil, damaged("its format is %.40q, not %q", m.Format, formatName)
	case m.Version > formatVersion:
		return nil, fmt.Errorf("%w: version %d, this program knows up to %d", ErrNewer, m.Version, formatVersion)
	case m.Version < 1, m.Partitions < 1, m.Partitions > maxPartitions:
		return nil, damaged("version %d with %d partitions cannot be", m.Version, m.Partitions)
	}
	if id, err := hex.DecodeString(m.ClusterID); err != nil || len(id) != 16 {
		return nil, damaged("%.40q is no cluster id", m.ClusterID)
	}
	last := -1
	for i := range m.Files {
		f := &m.Files[i]
		sum, err := hex.DecodeString(f.SHA256)
		if f.Partition <= last || f.Partition >= m.Partitions || f.Name != fileName(f.Partition) || f.Bytes < 0 || err != nil || len(sum) != 32 {
			return nil, damaged("entry %d of its files cannot be: partition %d, %.40q", i, f.Partition, f.Name)
		}
		last = f.Partition
	}
	return m, nil
}

// file finds a partition's file; nil if it is not there.
func (m *Manifest) file(partition int) *File {
	for i := range m.Files {
		if m.Files[i].Partition == partition {
			return &m.Files[i]
		}
	}
	return nil
}

// add puts a file in its place.
func (m *Manifest) add(f File) {
	at := 0
	for at < len(m.Files) && m.Files[at].Partition < f.Partition {
		at++
	}
	if at < len(m.Files) && m.Files[at].Partition == f.Partition {
		m.Files[at] = f
		return
	}
	m.Files = append(m.Files, File{})
	copy(m.Files[at+1:], m.Files[at:])
	m.Files[at] = f
}

// remove takes a partition's file out.
func (m *Manifest) remove(partition int) {
	kept := m.Files[:0]
	for _, f := range m.Files {
		if f.Partition != partition {
			kept = append(kept, f)
		}
	}
	m.Files = kept
}

// sum brings the sums up to date.
func (m *Manifest) sum() {
	m.Entries, m.Bytes = 0, 0
	for i := range m.Files {
		m.Entries += m.Files[i].Entries
		m.Bytes += m.Files[i].Bytes
	}
}

// write makes the manifest durable under a name, in one step.
func (m *Manifest) write(fs vfs.FS, dir, name string) error {
	m.sum()
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	path := filepath.Join(dir, name)
	f, err := fs.Create(path + tmpSuffix)
	if err != nil {
		return err
	}
	_, err = f.Write(append(text, '\n'))
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = fs.Rename(path+tmpSuffix, path)
	}
	if err == nil {
		err = fs.SyncDir(dir)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// state is what a directory holds.
type state int

const (
	nothing    state = iota // it is not there, or empty
	strange                 // files that are not of a backup
	incomplete              // a backup that was interrupted
	complete
)

// look finds out what dir holds.
func look(fs vfs.FS, dir string) (state, error) {
	names, err := fs.List(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nothing, nil
	}
	if err != nil {
		return strange, fmt.Errorf("list %s: %w", dir, err)
	}
	found := nothing
	for _, name := range names {
		switch {
		case name == manifestName:
			return complete, nil
		case name == partialName:
			found = incomplete
		case name == partialName+tmpSuffix || strings.HasPrefix(name, "."): // an unborn one; what systems leave in directories
		case found != incomplete:
			found = strange
		}
	}
	return found, nil
}

// Backup is a complete backup.
type Backup struct {
	Manifest
	fs  vfs.FS
	dir string
}

// Open reads the manifest of dir. Errors: ErrNoBackup, ErrIncomplete, ErrDamaged,
// ErrNewer.
func Open(fs vfs.FS, dir string) (*Backup, error) {
	st, err := look(fs, dir)
	switch {
	case err != nil:
		return nil, err
	case st == incomplete:
		m, err := readManifest(fs, filepath.Join(dir, partialName))
		if err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("%s %w of %s: %d of %d partitions", dir, ErrIncomplete, m.Begun.Format(time.DateTime), len(m.Files), m.Partitions)
	case st != complete:
		return nil, fmt.Errorf("%s %w: there is no %s", dir, ErrNoBackup, manifestName)
	}
	path := filepath.Join(dir, manifestName)
	m, err := readManifest(fs, path)
	if err != nil {
		return nil, err
	}
	if len(m.Files) != m.Partitions {
		return nil, fmt.Errorf("%s is %w: it names %d files for %d partitions", path, ErrDamaged, len(m.Files), m.Partitions)
	}
	return &Backup{Manifest: *m, fs: fs, dir: dir}, nil
}

// ForeignError: a backup is to be restored into a cluster that it is not of. Whoever means that has to say so.
type ForeignError struct{ Backup, Cluster string }

func (e *ForeignError) Error() string {
	return fmt.Sprintf("the backup is of cluster %s, and this is cluster %s", e.Backup, e.Cluster)
}

// Fits returns a *ForeignError if the backup is of another cluster than that of the id.
func (b *Backup) Fits(clusterID string) error {
	if b.ClusterID != clusterID {
		return &ForeignError{b.ClusterID, clusterID}
	}
	return nil
}
