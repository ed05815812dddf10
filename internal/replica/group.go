package replica

import (
	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/invariants"
	"github.com/prakashpandey/vegadb/internal/mutant"
	"github.com/prakashpandey/vegadb/internal/store"
	"github.com/prakashpandey/vegadb/internal/wal"
)

// firstTerm is the term of a group that has never held an election.
const firstTerm = 1

// Group is what one node's replica of a partition has agreed on and applied: the
// replicated state beside the table. Of a lone node's group it also gives out the
// indexes: such a group needs no election and no messages, and an entry is committed
// as soon as the log has it as durably as the write asked for.
//
// Not safe for concurrent use: its user holds one lock per group.
type Group struct {
	// ID names the group: its partition's number plus one (0 is the meta group).
	id uint32
	// term of the entries that a lone node's group accepts.
	term uint64
	// last is the index of the newest entry that has been accepted.
	// Invariant: last ≥ applied.
	last uint64
	// applied is the index of the newest entry whose effect is in the table, and
	// appliedTerm its term.
	applied, appliedTerm uint64
	// stamp is the log time of the newest accepted entry, in unix ms.
	// Invariant: it never goes back.
	stamp int64
	// appliedStamp is the log time of the newest applied entry.
	// Invariant: appliedStamp ≤ stamp.
	appliedStamp int64

	sessions *Sessions
	conf     *Configuration
	applier  command.Applier
}

// State is what a group is made from again: by a snapshot, or by recovery.
type State struct {
	Term, Index uint64 // of the entry applied last
	Stamp       int64
}

// NewGroup returns the group id in the given state; the zero State is a group
// that has never had an entry.
func NewGroup(id uint32, s State) *Group {
	return &Group{
		id: id, term: max(s.Term, firstTerm), last: s.Index, applied: s.Index, appliedTerm: s.Term, stamp: s.Stamp, appliedStamp: s.Stamp,
		sessions: NewSessions(), conf: &Configuration{},
	}
}

// RestoreGroup returns the group of a snapshot: replicated is what AppendState gave
// when it was taken.
func RestoreGroup(id uint32, s State, replicated []byte) (*Group, error) {
	conf, sessions, err := decodeState(replicated)
	if err != nil {
		return nil, err
	}
	g := NewGroup(id, s)
	g.conf, g.sessions = conf, sessions
	return g, nil
}

// AppendState appends the replicated state beside the table: who belongs to the
// group, and the sessions.
func (g *Group) AppendState(dst []byte) []byte { return appendState(dst, g.conf, g.sessions) }

// ID returns the group's number.
func (g *Group) ID() uint32 { return g.id }

// Last returns the index of the newest accepted entry.
func (g *Group) Last() uint64 { return g.last }

// Term returns the term of the newest entry that is known.
func (g *Group) Term() uint64 { return g.term }

// Stamp returns the log time of the newest accepted entry, in unix ms.
func (g *Group) Stamp() int64 { return g.stamp }

// Configuration returns who belongs to the group as of what has been applied.
func (g *Group) Configuration() *Configuration { return g.conf }

// Sessions returns how many sessions the group remembers.
func (g *Group) Sessions() int { return g.sessions.Len() }

// State returns what has been applied: a snapshot taken now covers exactly this.
func (g *Group) State() State {
	return State{Term: g.appliedTerm, Index: g.applied, Stamp: g.appliedStamp}
}

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

// Apply changes t as the next entry says, once: of an entry that a session has sent
// before, sink gets what it brought then. On an error nothing has changed, and the
// node must halt.
func (g *Group) Apply(t *store.Table, index, term uint64, entry []byte, sink command.Sink) error {
	invariants.Check(index == g.applied+1, "group %d applies its entries one by one: %d after %d", g.id, index, g.applied)
	execute := true
	session, sent := command.EntrySession(entry)
	sent = sent && !mutant.On(mutant.RetryWithoutSession) // every entry is taken for a new write
	if sent {
		sink, execute = g.sessions.begin(session, max(command.Stamp(entry), g.appliedStamp), command.Count(entry), sink)
	}
	if execute {
		if err := g.applier.Apply(t, index, entry, sink); err != nil {
			return err
		}
	}
	if sent {
		g.sessions.end()
	}
	g.Advance(index, term, nil)
	g.stamp = max(g.stamp, command.Stamp(entry))
	g.appliedStamp = max(g.appliedStamp, command.Stamp(entry))
	return nil
}

// Advance notes that the entry at index, which changed no data, counts as applied;
// conf is the configuration it made, or nil.
func (g *Group) Advance(index, term uint64, conf *Configuration) {
	g.applied, g.appliedTerm = index, term
	g.last, g.term = max(g.last, index), max(g.term, term)
	if conf != nil {
		g.conf = conf
	}
}

// SetConfiguration says who belongs to a group that was created here.
func (g *Group) SetConfiguration(c *Configuration) { g.conf = c }
