package datadir

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/prakashpandey/vegadb/internal/snapshot"
	"github.com/prakashpandey/vegadb/internal/vfs"
)

// Check reads everything in a data directory and says whether a server would
// start on it with nothing missing. It changes nothing. The error is for what
// kept it from looking: no such directory, a running server, a failing disk.
func Check(fs vfs.FS, dir string) (Report, error) {
	return Repair(fs, dir, Options{})
}

// inspection is one check in progress. It sees the directory through readOnly.
type inspection struct {
	fs       vfs.FS
	dir      string
	report   Report
	manifest Manifest
	floors   floors
	inUse    bool          // the log has been: FLOORS is there, or a snapshot
	groups   []*groupCheck // by group: the meta group, then the partitions'
	plan     []step
	stuck    bool // something that no repair gets over
}

// step is one change that Repair makes.
type step func(fs vfs.FS) error

// add notes a finding and what repairs it. A finding that is more than a note
// and has no steps is one that no repair gets over.
func (in *inspection) add(f Finding, steps ...step) {
	if f.Severity != Note && len(steps) == 0 {
		in.stuck = true
	}
	in.report.Findings = append(in.report.Findings, f)
	in.plan = append(in.plan, steps...)
}

// inspect looks at everything. fs must be read-only.
func inspect(fs vfs.FS, dir string) (*inspection, error) {
	in := &inspection{fs: fs, dir: dir, report: Report{Dir: dir, Snapshots: []SnapshotState{}, Groups: []GroupState{}, Findings: []Finding{}}}
	if _, err := fs.List(dir); err != nil {
		return nil, fmt.Errorf("data directory %s: %w", dir, err)
	}
	known, err := in.identity()
	if err != nil {
		return nil, err
	}
	if known {
		for _, look := range []func() error{in.readFloors, in.snapshots, in.log, in.joins, in.strangers} {
			if err := look(); err != nil {
				return nil, fmt.Errorf("data directory %s: %w", dir, err)
			}
		}
	}
	in.judge()
	return in, nil
}

func (in *inspection) file(elem ...string) string {
	return filepath.Join(append([]string{in.dir}, elem...)...)
}

func (in *inspection) judge() {
	r := &in.report
	r.Verdict, r.Startable = OK, !in.stuck
	for _, f := range r.Findings {
		switch f.Severity {
		case SevDamaged:
			r.Verdict = Damaged
		case SevRepairable:
			if r.Verdict == OK {
				r.Verdict = Repairable
			}
		}
	}
}

// identity reads the manifest. Without it nothing else can be judged.
func (in *inspection) identity() (known bool, err error) {
	path := in.file(manifestFile)
	if exists, err := holdsData(in.fs, in.dir); err != nil {
		in.add(Finding{Severity: SevDamaged, File: path, What: err.Error(), Advice: "restore " + manifestFile + " from a copy of this directory, or name the right directory"})
		return false, nil
	} else if !exists {
		in.add(Finding{Severity: Note, What: "the directory holds no data; a server would make a new node in it"})
		return false, nil
	}
	m, err := readManifest(in.fs, path)
	switch {
	case errors.Is(err, ErrNewerFormat):
		in.add(Finding{Severity: SevDamaged, File: path, What: err.Error(), Advice: "use the version of VegaDB that wrote it, or a later one"})
		return false, nil
	case errors.Is(err, ErrDamaged):
		in.add(Finding{Severity: SevDamaged, File: path, What: err.Error(), Advice: "restore " + manifestFile + " from a copy of this directory: it never changes, so any copy will do"})
		return false, nil
	case err != nil:
		return false, fmt.Errorf("data directory %s: %w", in.dir, err)
	}
	in.manifest = m
	in.report.Node, in.report.Cluster, in.report.Partitions = m.Node.String(), m.Cluster.String(), m.Partitions
	return true, nil
}

func (in *inspection) readFloors() error {
	path := in.file(floorsFile)
	floors, inUse, err := readFloors(in.fs, path)
	switch {
	case errors.Is(err, ErrNewerFormat):
		in.add(Finding{Severity: SevDamaged, File: path, What: err.Error(), Advice: "use the version of VegaDB that wrote it, or a later one"})
	case errors.Is(err, ErrDamaged):
		in.add(Finding{
			Severity: SevRepairable, File: path, What: err.Error(),
			Repair: []string{"move it to " + damagedDir + "/; the next snapshot makes a new one"},
		}, in.moveAside(path), in.markClustered)
	case err != nil:
		return err
	}
	in.floors, in.inUse = floors, inUse
	return nil
}

// snapshots verifies every snapshot file and chooses each group's newest.
func (in *inspection) snapshots() error {
	dir := in.file(snapshotsDir)
	ids := make([]uint32, 1+in.manifest.Partitions)
	for i := range ids {
		ids[i] = uint32(i)
	}
	if _, err := in.fs.List(dir); errors.Is(err, os.ErrNotExist) {
		in.add(Finding{Severity: Note, File: dir, What: "the directory is missing; a server would make it anew"})
		for _, id := range ids {
			in.groups = append(in.groups, &groupCheck{loaded: snapshot.Loaded{Group: id}})
		}
		return nil
	}
	chosen, err := snapshot.Choose(in.fs, dir, ids)
	if err != nil {
		return err
	}
	for _, c := range chosen {
		g := &groupCheck{loaded: snapshot.Loaded{Group: c.Group, MustReach: c.MustReach, Bad: c.Bad}}
		in.groups = append(in.groups, g)
		for _, file := range c.Files {
			info, err := snapshot.Verify(in.fs, file.Path)
			if err == nil {
				err = in.ours(info)
			}
			in.noteSnapshot(file, info, err)
			in.inUse = true
			if err == nil && g.loaded.Path == "" {
				g.loaded.Meta, g.loaded.Path = info.Meta, info.Path
			}
			if err != nil {
				g.loaded.Bad = max(g.loaded.Bad, file.Index)
				g.loaded.Problems = append(g.loaded.Problems, snapshot.Problem{Path: file.Path, Err: err})
			}
		}
	}
	return nil
}

// ours says whether a snapshot that verifies belongs to this directory.
func (in *inspection) ours(info snapshot.Info) error {
	m := &in.manifest
	if info.Cluster == m.Cluster && info.Partitions == uint32(m.Partitions) {
		return nil
	}
	return &snapshot.FileError{Path: info.Path, Offset: 40, Kind: snapshot.ErrForeign,
		Reason: fmt.Sprintf("it is of cluster %x with %d partitions", info.Cluster, info.Partitions)}
}

func (in *inspection) noteSnapshot(file, info snapshot.Info, err error) {
	s := SnapshotState{File: file.Path, Group: file.Group, Index: file.Index}
	if err != nil {
		s.Error = err.Error()
	} else {
		s.Bytes, s.Entries, s.Created = info.Bytes, info.Entries, time.UnixMilli(info.Created).UTC()
	}
	in.report.Snapshots = append(in.report.Snapshots, s)
}

// strangers notes what does not belong, and what earlier repairs left.
func (in *inspection) strangers() error {
	names, err := in.fs.List(in.dir)
	if err != nil {
		return err
	}
	ours := []string{manifestFile, lockFile, floorsFile, logDir, snapshotsDir, damagedDir, manifestFile + ".tmp", floorsFile + ".tmp", "lost+found"}
	for _, name := range names {
		if !slices.Contains(ours, name) {
			in.add(Finding{Severity: Note, File: in.file(name), What: "not VegaDB's; left alone"})
		}
	}
	if kept, err := in.fs.List(in.file(damagedDir)); err == nil && len(kept) > 0 {
		in.add(Finding{Severity: Note, File: in.file(damagedDir), What: fmt.Sprintf("%d files that were damaged: %s; a server adds to them until there are %d; remove them when they are of no more use",
			len(kept), someOf(kept), MaxDamaged)})
	}
	for _, sub := range []string{logDir, snapshotsDir} {
		names, err := in.fs.List(in.file(sub))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		for _, name := range names {
			switch {
			case strings.Contains(name, ".bad"), strings.HasSuffix(name, ".cut"):
				in.add(Finding{Severity: Note, File: in.file(sub, name), What: "set aside earlier because it was bad; remove it when it is of no more use"})
			case strings.HasSuffix(name, ".tmp"):
				in.add(Finding{Severity: Note, File: in.file(sub, name), What: "unfinished; a server removes it at start"})
			}
		}
	}
	return nil
}

// someOf lists a few names.
func someOf(names []string) string {
	const few = 4
	if len(names) > few {
		return strings.Join(names[:few], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}

// rebase returns the step that gives a group's state the index at.
func (in *inspection) rebase(g *groupCheck, at uint64) step {
	m := snapshot.Meta{
		Group: g.id(), Index: at, Term: max(g.term, g.loaded.Meta.Term), Stamp: g.loaded.Meta.Stamp,
		Partitions: uint32(in.manifest.Partitions), Cluster: in.manifest.Cluster,
	}
	return func(fs vfs.FS) error {
		_, err := snapshot.Rebase(context.Background(), fs, in.file(snapshotsDir), g.loaded.Path, m)
		return err
	}
}
