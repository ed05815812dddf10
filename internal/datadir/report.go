package datadir

import (
	"fmt"
	"slices"
	"time"
)

// Verdict sums a report up.
type Verdict string

const (
	// OK: a server starts on the directory and nothing is missing.
	OK Verdict = "ok"
	// Repairable: something is damaged, and Repair brings everything back.
	Repairable Verdict = "repairable"
	// Damaged: writes are lost, or the directory cannot be opened. What Repair
	// can do about it, if anything, is in the findings.
	Damaged Verdict = "damaged"
)

// Severity of one finding. A note is nothing to act on.
type Severity string

const (
	Note          Severity = "note"
	SevRepairable Severity = "repairable"
	SevDamaged    Severity = "damaged"
)

// Finding is one thing that a check found.
type Finding struct {
	Severity Severity `json:"severity"`
	File     string   `json:"file,omitempty"`
	Offset   int64    `json:"offset"`
	Group    uint32   `json:"group,omitempty"` // 0: not about one group
	What     string   `json:"what"`
	Repair   []string `json:"repair,omitempty"` // what Repair does, or did, about it
	Lost     string   `json:"lost,omitempty"`   // what stays lost after that
	Advice   string   `json:"advice,omitempty"` // what a person can do
}

// SnapshotState is one snapshot file as a check found it.
type SnapshotState struct {
	File    string    `json:"file"`
	Group   uint32    `json:"group"`
	Index   uint64    `json:"index"`
	Bytes   int64     `json:"bytes"`
	Entries uint64    `json:"entries"`
	Created time.Time `json:"created,omitzero"`
	Error   string    `json:"error,omitempty"`
}

// LogState is the log as a check found it.
type LogState struct {
	Segments  int    `json:"segments"`
	Bytes     int64  `json:"bytes"`
	Records   uint64 `json:"records"`
	TornBytes int64  `json:"tornBytes"` // of a last write that a crash cut short
}

// GroupKind says what this node has of a group.
type GroupKind string

const (
	// Solo: the group of a lone node, with one replica that never voted.
	Solo GroupKind = "solo"
	// Raft: one replica of a group that has, or had, several.
	Raft GroupKind = "raft"
	// None: no replica; one was removed.
	None GroupKind = "none"
)

// GroupState is how far one group's state can be restored, and what the node has
// promised the group's others.
type GroupState struct {
	Group     uint32    `json:"group"`
	Kind      GroupKind `json:"kind"`
	Replica   uint64    `json:"replica,omitempty"` // its id within the group
	Term      uint64    `json:"term"`
	Commit    uint64    `json:"commit"`    // known to be committed up to here
	Applied   uint64    `json:"applied"`   // a start applies up to here
	Last      uint64    `json:"last"`      // the newest entry; of those after Applied the group decides
	Snapshot  uint64    `json:"snapshot"`  // index of the newest that verifies
	Reached   uint64    `json:"reached"`   // with the log
	MustReach uint64    `json:"mustReach"` // known to have been reached before
}

func (g *GroupState) line() string {
	switch g.Kind {
	case Solo:
		return fmt.Sprintf("group %d: solo, index %d", g.Group, g.Last)
	case None:
		return fmt.Sprintf("group %d: no replica any more", g.Group)
	}
	return fmt.Sprintf("group %d: raft, replica %d, term %d, commit %d, applied %d, last %d",
		g.Group, g.Replica, g.Term, g.Commit, g.Applied, g.Last)
}

// Report is what Check found and what Repair would do or has done.
type Report struct {
	Dir        string          `json:"dir"`
	Verdict    Verdict         `json:"verdict"`
	Applied    bool            `json:"applied"` // Repair has done what Findings say
	Startable  bool            `json:"startable"`
	Node       string          `json:"node,omitempty"`
	Cluster    string          `json:"cluster,omitempty"`
	Partitions int             `json:"partitions,omitempty"`
	Log        LogState        `json:"log"`
	Snapshots  []SnapshotState `json:"snapshots"`
	Groups     []GroupState    `json:"groups"`
	Findings   []Finding       `json:"findings"`
}

// Lines is the report for people to read.
func (r *Report) Lines() []string {
	var out []string
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	add("data directory %s", r.Dir)
	if r.Node != "" {
		add("  node %s of cluster %s, %d partitions", r.Node, r.Cluster, r.Partitions)
	}
	bad := 0
	var bytes int64
	var entries uint64
	for _, s := range r.Snapshots {
		bytes += s.Bytes
		entries += s.Entries
		if s.Error != "" {
			bad++
		}
	}
	add("  snapshots: %d files, %d bad, %d entries, %d bytes", len(r.Snapshots), bad, entries, bytes)
	add("  log: %d segments, %d records, %d bytes", r.Log.Segments, r.Log.Records, r.Log.Bytes)
	// Of a lone node's groups there is nothing to say that the log does not.
	if slices.ContainsFunc(r.Groups, func(g GroupState) bool { return g.Kind != Solo }) {
		for i := range r.Groups {
			add("  %s", r.Groups[i].line())
		}
	}
	for _, f := range r.Findings {
		place := f.File
		if place != "" && f.Severity != Note {
			place = fmt.Sprintf("%s, offset %d", f.File, f.Offset)
		}
		if place != "" {
			place += ": "
		}
		add("%s: %s%s", f.Severity, place, f.What)
		for _, step := range f.Repair {
			if r.Applied {
				add("    done: %s", step)
			} else {
				add("    repair would: %s", step)
			}
		}
		if f.Lost != "" {
			add("    lost: %s", f.Lost)
		}
		if f.Advice != "" {
			add("    you can: %s", f.Advice)
		}
	}
	add("verdict: %s", r.summary())
	return out
}

func (r *Report) summary() string {
	switch {
	case r.Applied && r.Startable:
		return string(r.Verdict) + "; repaired: a server starts on it again"
	case r.Verdict == OK:
		return "ok"
	case r.Verdict == Repairable:
		return "repairable: 'vega-server repair --apply' brings everything back"
	case r.Startable:
		return "damaged: 'vega-server repair --apply' makes it start again, without what is listed as lost; make a copy of the directory first"
	}
	return "damaged: it cannot be repaired as it is; see what you can do above"
}
