package replica

import (
	"errors"
	"fmt"

	"github.com/prakashpandey/vegadb/internal/wal"
)

// ErrGap is matched by errors that say that a part of a group's history is missing
// or in the wrong place.
var ErrGap = errors.New("the snapshot and the log do not join up")

// ErrStateLost is matched by the error of a replica whose hard state is gone: it does not
// know for whom it has voted. It must not take part again, and least of all as a lone
// node's group.
var ErrStateLost = errors.New("a replica's term and vote are lost")

// Base is what a group's recovery starts from: the snapshot that was loaded.
type Base struct {
	Index, Term uint64 // 0: there was none
	// Raft: the group was a Raft group when the snapshot was taken. Its entries then
	// wait for a hard state from the first one on: the records that the log began with
	// may have been given up with what the snapshot covers.
	Raft bool
	// Alone: nobody else has ever relied on this replica. It may be without a hard state:
	// the snapshot with which a cluster begins comes before that.
	Alone  bool
	Source string // the snapshot's path, for errors; "": none
	// MustReach is the index that the group is known to have reached before: the log
	// up to it was given up, or a damaged snapshot said so. Less than that after
	// recovery means that writes are missing.
	MustReach uint64
}

// Recovery puts one group's history together again from its snapshot and the log's
// records, in the order of the log. It keeps what may not be applied yet.
//
//	for each record of the group:
//	    apply, err := r.Add(&rec)         // apply: this very record may be applied
//	    for e := r.Next(); e != nil; …    // so may these, which had waited
//	err := r.Finish()
//
// That records are missing is said by Finish, because they may be those of a replica
// that proves to have been removed: its snapshots went with it, and of the log before
// it whatever could go. Nothing is handed out from there on.
//
// Entries of a lone node's group are committed by being there. Those of a Raft
// group wait until a hard state says so, and may be overwritten until then; what is
// left at the end is the uncommitted tail that Raft goes on with.
type Recovery struct {
	group uint32
	base  Base

	raft bool      // a hard state was met
	hard HardState // the newest
	gone uint64    // highest id of a replica that was removed

	// met is the term of the newest record of the snapshot's own index, 0 if there is none.
	// Another term than the snapshot's: it was received, and what the log holds is of another
	// history. apart says so of what the log holds behind the snapshot, which is left out.
	met   uint64
	apart bool

	anyTerm bool // of what entry the snapshot ends with is not known: see Damage

	handed uint64 // index up to which entries may have been applied
	last   uint64 // index of the newest entry
	seen   uint64 // the highest index met since the base, for MustReach
	gap    error  // the first record that does not join up; matches ErrGap
	// tail holds the entries from handed+1 to last.
	tail []Entry
}

// Entry is one entry of a group's log.
type Entry struct {
	Type        uint8 // RecordEntry, RecordConf or RecordEmpty
	Term, Index uint64
	Payload     []byte
}

// NewRecovery begins the recovery of a group.
func NewRecovery(group uint32, base Base) *Recovery {
	return &Recovery{group: group, base: base, raft: base.Raft, handed: base.Index, last: base.Index, seen: base.Index}
}

// Add takes the group's next record. apply says that it is an entry to apply now
// and that Next has nothing before it; the payload is not kept in that case, and
// copied otherwise.
//
// The error is for records that this program cannot read.
func (r *Recovery) Add(rec *wal.Record) (apply bool, err error) {
	switch {
	case rec.Type == RecordGone:
		err = r.remove(rec)
	case r.gap != nil:
	case IsEntry(rec.Type):
		apply, err = r.entry(rec)
	case rec.Type == RecordState:
		err = r.state(rec)
	case rec.Type == RecordReset:
		err = r.reset(rec)
	default:
		err = unknown(rec)
	}
	if errors.Is(err, ErrGap) {
		r.gap, err = err, nil
	}
	return apply, err
}

func unknown(rec *wal.Record) error {
	return fmt.Errorf("group %d, index %d: log record of unknown type %d: written by a newer version? Start that version", rec.Group, rec.Index, rec.Type)
}

func (r *Recovery) entry(rec *wal.Record) (apply bool, err error) {
	switch {
	case rec.Index == 0:
		return false, r.fault("an entry without an index")
	case rec.Index <= r.base.Index && r.handed == r.base.Index:
		// The snapshot holds its effect; so would what it overwrites.
		return false, r.covered(rec)
	case r.otherHistory(rec):
		return false, nil
	case rec.Index <= r.handed:
		return false, r.fault("the log goes from index %d to %d: a part of it is there twice or in the wrong place", r.last, rec.Index)
	case rec.Index > r.last+1:
		return false, r.fault("%s reaches index %d and the log goes on at %d: the records between them are missing; %s", r.source(), r.last, rec.Index, advice)
	case !r.raft && rec.Index <= r.last:
		return false, r.fault("the log goes from index %d to %d: a part of it is there twice or in the wrong place", r.last, rec.Index)
	}
	r.seen = max(r.seen, rec.Index)
	if !r.raft {
		r.last, r.handed = rec.Index, rec.Index
		return true, nil
	}
	r.tail = append(r.tail[:rec.Index-r.handed-1], Entry{rec.Type, rec.Term, rec.Index, append([]byte(nil), rec.Payload...)})
	r.last = rec.Index
	return false, nil
}

// covered deals with an entry that the snapshot reaches past. What lay behind it
// was overwritten when it was written.
func (r *Recovery) covered(rec *wal.Record) error {
	r.tail, r.last = r.tail[:0], r.handed
	r.met, r.apart = 0, false
	if rec.Index == r.base.Index {
		r.met = rec.Term
	}
	return nil
}

// otherHistory reports whether an entry behind the snapshot goes on from another entry
// than the one that the snapshot ends with: the snapshot was received from the leader and
// published, and the node ended before it was recorded that it replaces the log. Such
// entries cannot be committed any more. By its term alone an entry shows it if the log
// does not have the one before it.
func (r *Recovery) otherHistory(rec *wal.Record) bool {
	if !r.raft || r.base.Index == 0 || r.handed != r.base.Index || r.anyTerm {
		return false
	}
	if rec.Index == r.base.Index+1 {
		r.apart = r.met != 0 && r.met != r.base.Term || rec.Term < r.base.Term
	}
	return r.apart
}

func (r *Recovery) state(rec *wal.Record) error {
	h, err := decodeHardState(rec)
	if err != nil {
		return err
	}
	if h.Replica <= r.gone {
		return r.fault("a hard state of replica %d, which was removed before", h.Replica)
	}
	if r.raft && h.Term < r.hard.Term {
		return r.fault("the term goes from %d back to %d", r.hard.Term, h.Term)
	}
	r.raft, r.hard = true, h
	return nil
}

// reset voids what was recorded before a snapshot was installed. It was published before
// that, and is there, or a later one.
func (r *Recovery) reset(rec *wal.Record) error {
	index, err := decodeNumber(rec)
	if err != nil {
		return err
	}
	if index > r.base.Index {
		return r.fault("%s reaches index %d, but a snapshot at index %d was installed: it is missing; %s", r.source(), r.base.Index, index, advice)
	}
	r.tail = r.tail[:0]
	r.last = r.handed
	r.met, r.apart = 0, false
	return nil
}

// remove forgets a replica: what follows belongs to a later one.
func (r *Recovery) remove(rec *wal.Record) error {
	id, err := decodeNumber(rec)
	if err != nil {
		return err
	}
	gone, base, anyTerm := max(r.gone, id), r.base, r.anyTerm
	if r.Voids(rec) {
		base = Base{}
	}
	base.MustReach = base.Index // what else was known may have been of the one that is gone
	*r = *NewRecovery(r.group, base)
	r.gone, r.anyTerm = gone, anyTerm
	r.raft = true // a lone node's group is never removed
	return nil
}

// Voids reports whether a record to be added says that what has been applied so far
// counts no more: the replica was removed. A snapshot that nothing has been applied
// to is that of a later replica.
func (r *Recovery) Voids(rec *wal.Record) bool {
	return rec.Type == RecordGone && (r.handed > r.base.Index || r.base.Index == 0)
}

// Next returns the next entry that has waited and is known to be committed now;
// nil if there is none.
func (r *Recovery) Next() *Entry {
	if !r.raft || r.handed >= min(r.hard.Commit, r.last) {
		return nil
	}
	e := &r.tail[0]
	r.tail = r.tail[1:]
	r.handed = e.Index
	return e
}

// Finish is called after the last record. The error matches ErrGap or ErrStateLost.
func (r *Recovery) Finish() error {
	if r.gap != nil {
		return r.gap
	}
	// A snapshot of a replica that is gone may still be there. Any other was published after
	// the hard state was durable, and the log keeps that for as long as the replica is.
	if r.base.Raft && !r.base.Alone && r.hard.Replica == 0 && r.gone == 0 {
		return StateLost(r.group, fmt.Sprintf("%s is that of a group with several replicas, and the log says nothing of the one here", r.source()))
	}
	if r.seen < r.base.MustReach {
		return r.fault("%s and the log reach index %d, but the group had reached at least %d: the newest writes are missing; %s",
			r.source(), r.seen, r.base.MustReach, advice)
	}
	if r.raft && r.hard.Replica != 0 && r.hard.Commit > max(r.last, r.base.Index) {
		return r.fault("%s and the log reach index %d, but index %d was committed here: the newest writes are missing; %s",
			r.source(), r.last, r.hard.Commit, advice)
	}
	return nil
}

// Group is the group's number.
func (r *Recovery) Group() uint32 { return r.group }

// Gap is the error of the first record that does not join up, as Finish gives it; nil
// if there is none.
func (r *Recovery) Gap() error { return r.gap }

// Raft reports whether the group has a replica with a hard state, and which.
func (r *Recovery) Raft() (HardState, bool) { return r.hard, r.raft && r.hard.Replica != 0 }

// Apart reports whether the log holds another history than the snapshot. That the
// snapshot replaces it is then to be recorded, before anything else is.
func (r *Recovery) Apart() bool { return r.apart || r.raft && r.met != 0 && r.met != r.base.Term }

// Gone is the highest id of a replica that was removed; 0 if none was.
func (r *Recovery) Gone() uint64 { return r.gone }

// Last is the index of the newest entry.
func (r *Recovery) Last() uint64 { return r.last }

// Applied is the index up to which entries were handed out, or the snapshot's.
func (r *Recovery) Applied() uint64 { return r.handed }

// Tail returns the entries that are not known to be committed.
func (r *Recovery) Tail() []Entry { return r.tail }

const advice = "run 'vega-server check' on the data directory to see what is damaged, or restore a copy of the missing files"

// StateLost is the error of a group whose replica here has lost its hard state, as why
// shows. It matches ErrStateLost.
func StateLost(group uint32, why string) error {
	return fmt.Errorf("group %d: %w: %s: a part of the log is gone; restore it from a copy that is no older than the node's last moment, "+
		"or start the node with a new, empty data directory and --join: it gets a new identity, and its data from the others", group, ErrStateLost, why)
}

func (r *Recovery) source() string {
	if r.base.Source == "" {
		return "no snapshot"
	}
	return r.base.Source
}

func (r *Recovery) fault(format string, args ...any) error {
	return fmt.Errorf("%w: group %d: %s", ErrGap, r.group, fmt.Sprintf(format, args...))
}
