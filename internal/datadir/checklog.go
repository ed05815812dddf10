package datadir

import (
	"errors"
	"fmt"
	"slices"

	"github.com/prakashpandey/vegadb/internal/replica"
	"github.com/prakashpandey/vegadb/internal/snapshot"
	"github.com/prakashpandey/vegadb/internal/vfs"
	"github.com/prakashpandey/vegadb/internal/wal"
)

// metaGroup is the group of all nodes of a cluster. A node has it as soon as it could
// have company.
const metaGroup = 0

// groupCheck follows one group through its snapshots and the log.
type groupCheck struct {
	loaded   snapshot.Loaded   // of its newest snapshot that verifies
	recovery *replica.Recovery // from there on; nil if the log is of an unknown version
	damage   *replica.Damage   // should that fail; nil: no snapshot of the group is damaged
	term     uint64            // of its last entry in the log
	last     uint64            // index of that
	records  uint64            // in the log
	gapAt    uint64            // index of the first entry that cannot be applied
	unusable int               // entries that cannot be, that one included
	// unreadable is the error of a record that this program does not know.
	unreadable error
	// replica: the log says that the group had a replica here, perhaps behind what does not join up.
	replica bool
}

// id is the group's number.
func (g *groupCheck) id() uint32 { return g.loaded.Group }

// lone reports whether the group is that of a lone node: nothing of it is known to
// anybody else, and nobody has been voted for.
func (g *groupCheck) lone() bool {
	_, raft := g.recovery.Raft()
	return g.id() != metaGroup && !raft && !g.replica && g.recovery.Gone() == 0 && !g.loaded.Meta.Raft
}

// group returns a group that this directory has, or nil.
func (in *inspection) group(id uint32) *groupCheck {
	if int64(id) >= int64(len(in.groups)) {
		return nil
	}
	return in.groups[id]
}

// log checks the log and feeds its records, up to damage if there is any, to the
// groups.
func (in *inspection) log() error {
	dir := in.file(logDir)
	there, err := wal.Exists(in.fs, dir)
	if err != nil {
		return err
	}
	if !there {
		in.startRecovery()
		in.noLog(dir)
		return nil
	}
	rep, err := wal.Check(in.fs, dir)
	if errors.Is(err, wal.ErrVersion) {
		in.add(Finding{Severity: SevDamaged, File: dir, What: err.Error(), Advice: "use the version of VegaDB that wrote it, or a later one"})
		return nil
	}
	if err != nil {
		return err
	}
	in.report.Log = LogState{Segments: len(rep.Segments), Records: rep.Records, TornBytes: rep.TornBytes}
	for _, s := range rep.Segments {
		in.report.Log.Bytes += s.Bytes
	}
	if rep.TornBytes > 0 {
		in.add(Finding{Severity: Note, File: dir, What: fmt.Sprintf("%d bytes after the last complete batch: a write that a crash cut short, never acknowledged as durable; a server cuts them", rep.TornBytes)})
	}
	// Up to the damage, if there is any: what can be done about it depends on whose
	// records these are.
	in.startRecovery()
	if err := in.feed(dir); err != nil || rep.Damage == nil {
		return err
	}
	return in.logDamage(dir, rep.Damage)
}

// startAnew is what is left to the node of a cluster that has lost what it had
// acknowledged or voted for: were it to go on as the node it was, it could vote or
// acknowledge twice.
const startAnew = "start the node with a new, empty --data-dir and --join: it gets a new identity, and its data from the others; then remove the old node from the cluster"

// letOthersReplace is what is left to do about a replica of which nothing but snapshots is damaged.
const letOthersReplace = "start the node with its peers: they replace this replica, if most of the group's others are well; nothing of it is given up before they have agreed"

// noLog: there is no segment. That is how a new directory is, until it has been
// in use.
func (in *inspection) noLog(dir string) {
	f := Finding{Severity: SevDamaged, File: dir, What: "the log is gone: " + floorsFile + " or a snapshot says that it has been in use"}
	switch {
	case !in.inUse:
		in.add(Finding{Severity: Note, File: dir, What: "there is no log yet; a server would begin one"})
	case in.clustered():
		f.Advice = startAnew
		in.add(f)
	default:
		f.Repair = []string{"begin a new, empty log"}
		f.Lost = "every write that is not in a snapshot"
		f.Advice = "restore " + logDir + " from a copy, if there is one, and nothing is lost"
		in.add(f, in.beginLog(dir))
	}
}

// beginLog returns the step that gives the directory an empty log if it has none.
func (in *inspection) beginLog(dir string) step {
	return func(fs vfs.FS) error {
		if there, err := wal.Exists(fs, dir); there || err != nil {
			return err
		}
		if err := mkdirDurably(fs, dir); err != nil {
			return err
		}
		return wal.Begin(fs, dir, in.manifest.Created)
	}
}

func (in *inspection) logDamage(dir string, damage *wal.CorruptError) error {
	f := Finding{Severity: SevDamaged, File: damage.File, Offset: damage.Offset, What: "the log is damaged: " + damage.Reason}
	if in.clustered() {
		f.Advice = startAnew
		in.add(f)
		return nil
	}
	would, err := wal.Repair(in.fs, dir, true)
	if err != nil {
		return err
	}
	f.Repair = would.Actions
	f.Lost = "every write from there on that is not in a snapshot; the bytes are kept in files ending in .cut"
	f.Advice = "restore the file from a copy, if there is one, and nothing is lost"
	in.add(f, func(fs vfs.FS) error {
		_, err := wal.Repair(fs, dir, false)
		return err
	}, in.beginLog(dir))
	return nil
}

// clustered says whether the node has, or has had, company. FLOORS says so; should
// that be damaged, so does a partition with peers. The meta group is there as soon
// as a node could have company.
func (in *inspection) clustered() bool {
	return in.floors.clustered || !in.manifest.Joined.IsZero() || slices.ContainsFunc(in.groups, func(g *groupCheck) bool {
		return g.id() != metaGroup && !g.lone()
	})
}

// markClustered is the step after FLOORS was moved aside: that the node has had
// company must not be forgotten with the floors.
func (in *inspection) markClustered(fs vfs.FS) error {
	if !in.clustered() {
		return nil
	}
	f := floors{clustered: true}
	return writeText(fs, in.file(floorsFile), f.encode())
}

// mustReach is the index that a group is known to have reached before.
func (in *inspection) mustReach(g *groupCheck) uint64 {
	return max(g.loaded.MustReach, in.floors.byGroup[g.id()], g.loaded.Meta.Index)
}

func (in *inspection) startRecovery() {
	alone := !in.floors.clustered && in.manifest.Joined.IsZero() &&
		!slices.ContainsFunc(in.groups, func(g *groupCheck) bool { return g.id() != metaGroup && g.loaded.Meta.Raft })
	for _, g := range in.groups {
		m := &g.loaded.Meta
		g.recovery = replica.NewRecovery(g.id(), replica.Base{
			Index: m.Index, Term: m.Term, Raft: m.Raft, Alone: g.id() == metaGroup && alone, Source: g.loaded.Path, MustReach: in.mustReach(g),
		})
		if g.loaded.Bad > m.Index && g.id() != metaGroup {
			g.damage = replica.NewDamage(g.id(), g.loaded.Bad, in.mustReach(g))
		}
	}
}

// feed runs the log's own recovery, so that the check sees what a start would
// see. It ends with the first change that recovery wants to make, which is after
// the last record, or with the damage that has been noted.
func (in *inspection) feed(dir string) error {
	strays := make(map[uint32]int)
	log, err := wal.Open(wal.Options{FS: in.fs, Dir: dir}, func(r wal.Record) error {
		if g := in.group(r.Group); g != nil {
			g.add(&r)
		} else {
			strays[r.Group]++
		}
		return nil
	})
	for _, group := range sortedGroups(strays) {
		in.add(Finding{Severity: SevDamaged, File: dir, Group: group,
			What:   fmt.Sprintf("%d records of group %d, which a directory of %d partitions does not have", strays[group], group, in.manifest.Partitions),
			Advice: "look whether the log, or " + manifestFile + ", came here from another directory"})
	}
	if err == nil {
		return errors.Join(errors.New("the log was opened without a change, which cannot be"), log.Close())
	}
	if errors.Is(err, errReadOnly) || errors.Is(err, wal.ErrCorrupt) {
		return nil
	}
	return err
}

// add takes the group's next record of the log.
func (g *groupCheck) add(r *wal.Record) {
	g.records++
	if g.unreadable != nil {
		return
	}
	g.replica = g.replica || r.Type == replica.RecordState || r.Type == replica.RecordReset
	if g.damage != nil {
		g.damage.Add(r)
	}
	if _, g.unreadable = g.recovery.Add(r); g.unreadable != nil {
		return
	}
	for g.recovery.Next() != nil { // a check applies nothing
	}
	if !replica.IsEntry(r.Type) {
		return
	}
	g.term, g.last = max(g.term, r.Term), max(g.last, r.Index)
	if g.recovery.Gap() == nil {
		g.unusable = 0 // also when those before prove to be a removed replica's
		return
	}
	if g.unusable++; g.unusable == 1 {
		g.gapAt = r.Index
	}
}
