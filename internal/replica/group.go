package replica

import (
	"fmt"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/invariants"
	"github.com/prakashpandey/vegadb/internal/wal"
)

// RecordEntry is the type of a log record whose payload is an entry as package
// command encodes it.
const RecordEntry uint8 = 1

// firstTerm is the term of a group that has never held an election.
const firstTerm = 1

// Group is one replica of one partition, and the only voter of its group.
// Not safe for concurrent use: its user holds one lock per group.
type Group struct {
	// ID names the group: its partition's number plus one (0 is the meta group).
	id uint32
	// term of the entries that are proposed now.
	term uint64
	// last is the index of the newest entry that has been accepted.
	// Invariant: last ≥ applied.
	last uint64
	// applied is the index of the newest entry whose effect is in the table.
	applied uint64
	// stamp is the log time of the newest accepted entry, in unix ms.
	// Invariant: it never goes back.
	stamp int64
	// appliedStamp is the log time of the newest applied entry.
	// Invariant: appliedStamp ≤ stamp.
	appliedStamp int64
}

// State is what a group is made from again: by a snapshot, or by recovery.
type State struct {
	Term, Index uint64
	Stamp       int64
}

// NewGroup returns the group id in the given state; the zero State is a group
// that has never had an entry.
func NewGroup(id uint32, s State) *Group {
	return &Group{id: id, term: max(s.Term, firstTerm), last: s.Index, applied: s.Index, stamp: s.Stamp, appliedStamp: s.Stamp}
}

// ID returns the group's number.
func (g *Group) ID() uint32 { return g.id }

// Last returns the index of the newest accepted entry.
func (g *Group) Last() uint64 { return g.last }

// State returns what has been applied: a snapshot taken now covers exactly this.
func (g *Group) State() State { return State{Term: g.term, Index: g.applied, Stamp: g.appliedStamp} }

// Prepare stamps entry with the log time (now, in unix ms, or the last stamp if
// the clock went back) and returns the record to append. The group changes only
// when Accept follows.
func (g *Group) Prepare(now int64, entry []byte) wal.Record {
	command.SetStamp(entry, max(now, g.stamp))
	return wal.Record{Group: g.id, Type: RecordEntry, Term: g.term, Index: g.last + 1, Payload: entry}
}

// Accept takes the index that Prepare named: the log has the record in its queue.
func (g *Group) Accept(entry []byte) {
	g.last++
	g.stamp = command.Stamp(entry)
}

// Applied notes that entry, accepted at index, is in the table.
func (g *Group) Applied(index uint64, entry []byte) {
	invariants.Check(index == g.applied+1 && index <= g.last, "group applies its entries one by one")
	g.applied, g.appliedStamp = index, command.Stamp(entry)
}

// Recover judges a record read back from the log: apply says whether it is the
// next one to apply; a record that the snapshot covers already is skipped. A gap
// is an error: something between the snapshot and this record is missing. Once it
// has been applied, Recovered follows.
func (g *Group) Recover(rec *wal.Record) (apply bool, err error) {
	switch {
	case rec.Type != RecordEntry:
		return false, fmt.Errorf("group %d, index %d: log record of unknown type %d: written by a newer version? Start that version", g.id, rec.Index, rec.Type)
	case rec.Index <= g.applied:
		return false, nil
	case rec.Index != g.applied+1:
		return false, fmt.Errorf("group %d: the log goes on at index %d but the snapshot ends at %d: entries between them are missing", g.id, rec.Index, g.applied)
	}
	return true, nil
}

// Recovered notes that a record which Recover wanted applied is in the table. Its
// payload is known to be an entry by then: what is not cannot be applied.
func (g *Group) Recovered(rec *wal.Record) {
	g.term, g.last, g.applied = max(g.term, rec.Term), rec.Index, rec.Index
	g.stamp = max(g.stamp, command.Stamp(rec.Payload))
	g.appliedStamp = g.stamp
}
