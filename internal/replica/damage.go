package replica

import "github.com/prakashpandey/vegadb/internal/wal"

// Damage judges a group whose Recovery fails and of which a snapshot is damaged: whether all
// that is missing is what that snapshot held. Then the log is whole, and with it what this
// node has promised in other groups; and the others of this one can replace the replica.
// Where anything else is missing, more than one group may have lost votes.
//
//	for each record of the group: d.Add(&rec)    // as they are given to the Recovery
//	hard, only := d.Lost()
type Damage struct {
	r     *Recovery
	index uint64 // of the damaged snapshot
	// reached is how far the group had come as the log knows it: what is in the snapshot had
	// been in the log before, or the log says that it was received. A log that does not reach
	// it has lost its end.
	reached uint64
	err     error
}

// NewDamage begins to judge. index is the highest of a damaged snapshot of the group;
// mustReach see Base.
func NewDamage(group uint32, index, mustReach uint64) *Damage {
	r := NewRecovery(group, Base{Index: index, Raft: true, Source: "the damaged snapshot", MustReach: mustReach})
	r.anyTerm = true
	return &Damage{r: r, index: index}
}

// Add takes the group's next record.
func (d *Damage) Add(rec *wal.Record) {
	if d.err != nil {
		return
	}
	judged := *rec
	switch {
	case IsEntry(rec.Type):
		judged.Payload = nil // nothing is applied
		d.reached = max(d.reached, rec.Index)
	case rec.Type == RecordReset:
		index, err := decodeNumber(rec)
		d.reached, d.err = max(d.reached, index), err
	case rec.Type == RecordGone:
		d.reached = 0 // it was another replica's
	}
	if d.err != nil {
		return
	}
	if _, d.err = d.r.Add(&judged); d.err != nil {
		return
	}
	for d.r.Next() != nil {
	}
}

// Lost is called after the last record. It reports whether the damaged snapshot would make
// the group whole, and what the replica that is lost with it had promised: its hard state.
func (d *Damage) Lost() (HardState, bool) {
	hard, raft := d.r.Raft()
	return hard, d.err == nil && raft && max(d.reached, hard.Commit) >= d.index && d.r.Finish() == nil
}
