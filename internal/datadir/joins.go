package datadir

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/prakashpandey/vegadb/internal/snapshot"
	"github.com/prakashpandey/vegadb/internal/vfs"
)

// joins judges, group by group, what snapshots and log together give.
func (in *inspection) joins() error {
	lowered := false
	for _, g := range in.groups {
		if g.recovery == nil {
			return nil // the log is of an unknown version
		}
		in.report.Groups = append(in.report.Groups, in.state(g)...)
		ends := g.recovery.Finish()
		whole := g.unreadable == nil && ends == nil
		if err := in.badSnapshots(g, whole); err != nil {
			return err
		}
		switch {
		case whole:
		case g.unreadable != nil:
			in.add(Finding{Severity: SevDamaged, File: in.file(logDir), Group: g.id(), What: g.unreadable.Error(),
				Advice: "use the version of VegaDB that wrote it, or a later one"})
		case !g.lone():
			in.lost(g, ends)
		case g.recovery.Gap() != nil:
			in.gap(g)
		default:
			in.behind(g)
			lowered = lowered || in.floors.byGroup[g.id()] > g.recovery.Applied()
		}
	}
	if lowered {
		in.plan = append(in.plan, in.lowerFloors)
	}
	return nil
}

// state describes a group, if there is anything of it.
func (in *inspection) state(g *groupCheck) []GroupState {
	r := g.recovery
	s := GroupState{
		Group: g.id(), Kind: Solo, Snapshot: g.loaded.Meta.Index, Reached: r.Applied(), MustReach: in.mustReach(g),
		Term: max(g.term, g.loaded.Meta.Term), Commit: r.Applied(), Applied: r.Applied(), Last: r.Last(),
	}
	if hard, raft := r.Raft(); raft {
		s.Kind, s.Replica, s.Term, s.Commit = Raft, hard.Replica, hard.Term, max(hard.Commit, s.Applied)
	} else if !g.lone() {
		s.Kind = None
		if r.Gone() == 0 { // it came as a snapshot, and has not voted yet
			s.Kind = Raft
		}
	}
	if s.MustReach == 0 && s.Last == 0 && g.records == 0 {
		return nil
	}
	return []GroupState{s}
}

// lost: what a replica of a Raft group has acknowledged or voted is missing.
func (in *inspection) lost(g *groupCheck, err error) {
	f := Finding{Severity: SevDamaged, File: in.file(logDir), Group: g.id(), What: err.Error(), Advice: startAnew}
	if g.damage != nil && in.clustered() {
		if _, only := g.damage.Lost(); only {
			f.Advice = letOthersReplace
		}
	}
	if !in.clustered() {
		f.Advice = "restore the missing snapshots or log segments from a copy, if there is one"
	}
	in.add(f)
}

// badSnapshots finds what to do with a group's bad files. Where the rest of the
// group is whole without them nothing is lost.
func (in *inspection) badSnapshots(g *groupCheck, whole bool) error {
	for _, p := range g.loaded.Problems {
		f := Finding{Severity: SevDamaged, File: p.Path, Group: g.id(), What: p.Err.Error()}
		var at *snapshot.FileError
		if errors.As(p.Err, &at) {
			f.Offset, f.What = at.Offset, fmt.Sprintf("%v: %s", at.Kind, at.Reason)
		}
		if !errors.Is(p.Err, snapshot.ErrCorrupt) {
			f.Advice = "move the file out of the directory, if it does not belong here"
			if errors.Is(p.Err, snapshot.ErrVersion) {
				f.Advice = "use the version of VegaDB that wrote it, or a later one"
			}
			in.add(f)
			continue
		}
		if whole {
			f.Severity = SevRepairable
			if p.Path > g.loaded.Path {
				f.What += "; the one before it and the log make up for it"
			}
		}
		f.Repair = []string{"move it to " + damagedDir + "/"}
		in.add(f, in.moveAside(p.Path))
	}
	if whole {
		return nil
	}
	// They are evidence that more had been there; repair gives that up.
	return in.asideEarlier(g.id())
}

// asideEarlier plans to move a group's *.bad files, so that the next start does
// not insist on reaching them.
func (in *inspection) asideEarlier(group uint32) error {
	names, err := in.fs.List(in.file(snapshotsDir))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	prefix := strings.SplitAfter(snapshot.FileName(group, 0), "-")[0]
	for _, name := range names {
		if strings.HasPrefix(name, prefix) && strings.Contains(name, ".bad") {
			path := in.file(snapshotsDir, name)
			in.add(Finding{Severity: SevDamaged, File: path, Group: group, What: "set aside earlier because it was bad, and nothing has made up for it since",
				Repair: []string{"move it to " + damagedDir + "/"}}, in.moveAside(path))
		}
	}
	return nil
}

// gap: the log has records of the group that do not continue its state. Only a
// server knows what records mean, so repair cannot apply those before the gap:
// it goes back to the snapshot.
func (in *inspection) gap(g *groupCheck) {
	id, from, to := g.id(), g.loaded.Meta.Index, max(g.last, in.mustReach(g))
	in.add(Finding{
		Severity: SevDamaged, File: in.file(logDir), Group: id, What: g.recovery.Gap().Error(),
		Repair: []string{fmt.Sprintf("write a snapshot of group %d with the state as of index %d, and declare it index %d, so that a server passes over the records it cannot apply",
			id, from, to)},
		Lost: fmt.Sprintf("group %d: writes %d to %d; %d records from index %d on stay in the log until it is truncated",
			id, from+1, to, g.unusable, g.gapAt),
		Advice: "restore the missing snapshots or log segments from a copy, if there is one, and nothing is lost; else keep a copy of the directory as it is",
	}, in.rebase(g, to))
}

// behind: snapshots and log join up and end before what is known to have been.
func (in *inspection) behind(g *groupCheck) {
	id, reached, must := g.id(), g.recovery.Applied(), in.mustReach(g)
	in.add(Finding{
		Severity: SevDamaged, Group: id,
		What:   fmt.Sprintf("group %d: snapshots and log reach index %d; it is known to have reached %d", id, reached, must),
		Repair: []string{fmt.Sprintf("declare the state at index %d to be the newest", reached)},
		Lost:   fmt.Sprintf("group %d: writes %d to at least %d", id, reached+1, must),
		Advice: "restore the missing snapshots or log segments from a copy, if there is one, and nothing is lost",
	}, func(vfs.FS) error { return nil }) // moving the bad files and lowering the floors does it
}

// lowerFloors writes FLOORS so that no group has to reach more than it can.
func (in *inspection) lowerFloors(fs vfs.FS) error {
	next := floors{byGroup: make(map[uint32]uint64, len(in.floors.byGroup)), clustered: in.floors.clustered}
	for id, floor := range in.floors.byGroup {
		if g := in.group(id); g != nil && g.recovery.Gap() == nil {
			floor = min(floor, g.recovery.Applied())
		}
		next.byGroup[id] = floor
	}
	return writeText(fs, in.file(floorsFile), next.encode())
}

// moveAside returns the step that moves a file to damaged/.
func (in *inspection) moveAside(path string) step {
	return func(fs vfs.FS) error { return keepAside(fs, in.dir, path) }
}

func sortedGroups[V any](m map[uint32]V) []uint32 {
	ids := make([]uint32, 0, len(m))
	for id := range m {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, cmp.Compare[uint32])
	return ids
}
