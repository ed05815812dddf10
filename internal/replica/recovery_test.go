package replica

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/prakashpandey/vegadb/internal/wal"
)

// took is what a recovery handed out, in order.
type took []string

// feed gives records to a recovery as a shell does.
func (k *took) feed(r *Recovery, recs ...wal.Record) error {
	for i := range recs {
		rec := &recs[i]
		if r.Voids(rec) {
			*k = nil
		}
		apply, err := r.Add(rec)
		if err != nil {
			return err
		}
		if apply {
			*k = append(*k, fmt.Sprintf("%d@%d", rec.Index, rec.Term))
		}
		for e := r.Next(); e != nil; e = r.Next() {
			*k = append(*k, fmt.Sprintf("%d@%d", e.Index, e.Term))
		}
	}
	return nil
}

func (k took) String() string { return strings.Join(k, " ") }

// run makes records of one term from a list of indexes.
func run(term uint64, indexes ...uint64) (recs []wal.Record) {
	for _, i := range indexes {
		recs = append(recs, wal.Record{Group: 1, Type: RecordEntry, Term: term, Index: i, Payload: fmt.Appendf(nil, "%d@%d", i, term)})
	}
	return recs
}

func state(replica, term, commit uint64) wal.Record {
	return StateRecord(1, HardState{Replica: replica, Term: term, Commit: commit})
}

func join(parts ...[]wal.Record) (all []wal.Record) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

func one(r wal.Record) []wal.Record { return []wal.Record{r} }

func TestALoneNodesSnapshotAndLogMustJoinUp(t *testing.T) {
	for name, c := range map[string]struct {
		snapshot, mustReach uint64
		log                 []uint64
		applied             int
		gap                 string // in the error; empty: none
	}{
		"nothing at all":                        {},
		"log alone":                             {log: []uint64{1, 2, 3}, applied: 3},
		"snapshot alone":                        {snapshot: 5},
		"log goes on where the snapshot ends":   {snapshot: 5, log: []uint64{6, 7}, applied: 2},
		"log overlaps the snapshot":             {snapshot: 5, log: []uint64{3, 4, 5, 6}, applied: 1},
		"log ends before the snapshot":          {snapshot: 5, log: []uint64{3, 4}},
		"log has a hole the snapshot covers":    {snapshot: 5, log: []uint64{1, 2, 6, 7}, applied: 2},
		"log begins too late":                   {log: []uint64{2}, gap: "no snapshot reaches index 0 and the log goes on at 2"},
		"log begins too late for the snapshot":  {snapshot: 5, log: []uint64{7}, gap: "reaches index 5 and the log goes on at 7"},
		"a record is missing":                   {snapshot: 5, log: []uint64{6, 8, 9}, applied: 1, gap: "reaches index 6 and the log goes on at 8"},
		"a record is there twice":               {snapshot: 5, log: []uint64{6, 6, 7}, applied: 1, gap: "twice or in the wrong place"},
		"a covered record is there twice":       {snapshot: 5, log: []uint64{4, 4, 6}, applied: 1},
		"the log goes back":                     {snapshot: 5, log: []uint64{6, 7, 5}, applied: 2, gap: "twice or in the wrong place"},
		"index zero":                            {log: []uint64{0}, gap: "without an index"},
		"fell back and the log reaches":         {snapshot: 5, mustReach: 8, log: []uint64{6, 7, 8}, applied: 3},
		"fell back and the log ends early":      {snapshot: 5, mustReach: 8, log: []uint64{6, 7}, applied: 2, gap: "reach index 7, but the group had reached at least 8"},
		"fell back and the log is gone":         {snapshot: 5, mustReach: 8, gap: "at least 8"},
		"truncated and the snapshot is gone":    {mustReach: 9, gap: "at least 9"},
		"truncated as far as the snapshot goes": {snapshot: 9, mustReach: 9, log: []uint64{10}, applied: 1},
	} {
		t.Run(name, func(t *testing.T) {
			base := Base{Index: c.snapshot, Term: 1, MustReach: c.mustReach}
			if c.snapshot > 0 {
				base.Source = "the snapshot"
			}
			r := NewRecovery(1, base)
			var got took
			if err := got.feed(r, run(1, c.log...)...); err != nil {
				t.Fatal(err)
			}
			err := r.Finish()
			if len(got) != c.applied {
				t.Errorf("applied %s", got)
			}
			if _, raft := r.Raft(); raft {
				t.Error("it became a Raft group")
			}
			if c.gap == "" {
				if want := c.snapshot + uint64(c.applied); err != nil || r.Applied() != want || r.Last() != want {
					t.Errorf("applied up to %d, last %d, want %d; %v", r.Applied(), r.Last(), want, err)
				}
			} else if !errors.Is(err, ErrGap) || !strings.Contains(err.Error(), c.gap) || !strings.Contains(err.Error(), "group 1") {
				t.Errorf("error is %v", err)
			}
		})
	}
}

func TestEntriesOfARaftGroupWaitUntilTheyAreCommitted(t *testing.T) {
	for name, c := range map[string]struct {
		base    Base
		recs    []wal.Record
		applied string
		tail    string
		hard    HardState
		gap     string
		apart   bool
	}{
		"nothing is committed": {
			recs: join(one(state(1, 1, 0)), run(1, 1, 2)), tail: "1@1 2@1", hard: HardState{Replica: 1, Term: 1},
		},
		"some are": {
			recs:    join(one(state(1, 1, 0)), run(1, 1, 2, 3), one(state(1, 1, 2)), run(1, 4)),
			applied: "1@1 2@1", tail: "3@1 4@1", hard: HardState{Replica: 1, Term: 1, Commit: 2},
		},
		"what was not is overwritten": {
			recs:    join(one(state(2, 1, 0)), run(1, 1, 2, 3, 4), one(state(2, 1, 2)), run(3, 3), one(state(2, 3, 3))),
			applied: "1@1 2@1 3@3", hard: HardState{Replica: 2, Term: 3, Commit: 3},
		},
		"what was is not": {
			recs:    join(one(state(2, 1, 0)), run(1, 1, 2, 3), one(state(2, 1, 2)), run(3, 2)),
			applied: "1@1 2@1", gap: "from index 3 to 2",
		},
		"a lone node's group gets company": {
			recs:    join(run(1, 1, 2, 3), one(state(1, 1, 3)), run(1, 4, 5), one(state(1, 1, 4))),
			applied: "1@1 2@1 3@1 4@1", tail: "5@1", hard: HardState{Replica: 1, Term: 1, Commit: 4},
		},
		"the records that said it was one have been given up": {
			base:    Base{Index: 9, Term: 1, Raft: true},
			recs:    join(run(1, 8, 9, 10, 11), run(2, 11), one(state(1, 2, 10))),
			applied: "10@1", tail: "11@2", hard: HardState{Replica: 1, Term: 2, Commit: 10},
		},
		"a snapshot that came replaces what was there": {
			base: Base{Index: 50, Term: 4, Raft: true},
			recs: join(one(state(3, 1, 0)), run(1, 1, 2, 3), one(ResetRecord(1, 50, 4)), one(state(3, 4, 50)), run(4, 51, 52)),
			tail: "51@4 52@4", hard: HardState{Replica: 3, Term: 4, Commit: 50},
		},
		"a snapshot that came reaches into what was there": {
			base: Base{Index: 2, Term: 4, Raft: true},
			recs: join(one(state(3, 1, 0)), run(1, 1, 2, 3, 4), one(ResetRecord(1, 2, 4)), one(state(3, 4, 2)), run(4, 3)),
			tail: "3@4", hard: HardState{Replica: 3, Term: 4, Commit: 2},
		},
		"a snapshot that came ends what was behind it": {
			base: Base{Index: 2, Term: 1, Raft: true},
			recs: join(one(state(3, 1, 0)), run(1, 1, 2, 3, 4), one(ResetRecord(1, 2, 1)), one(state(3, 4, 2))),
			hard: HardState{Replica: 3, Term: 4, Commit: 2},
		},
		"a snapshot came, and a crash before it was recorded": {
			base: Base{Index: 50, Term: 4, Raft: true},
			recs: join(one(state(3, 1, 0)), run(1, 1, 2, 3), one(state(3, 4, 2))),
			hard: HardState{Replica: 3, Term: 4, Commit: 2},
		},
		"the snapshot that came is not there": {
			recs: join(one(state(3, 1, 0)), run(1, 1), one(ResetRecord(1, 50, 4)), run(4, 51)),
			gap:  "a snapshot at index 50 was installed: it is missing",
		},
		"the snapshot that came is not there, and nothing came after it": {
			base:    Base{Index: 1, Term: 1, Raft: true},
			recs:    join(one(state(3, 1, 0)), run(1, 1, 2), one(state(3, 4, 2)), one(ResetRecord(1, 50, 4))),
			applied: "2@1", gap: "a snapshot at index 50 was installed: it is missing",
		},
		"a snapshot came, and a crash before it was recorded left entries of another history": {
			base: Base{Index: 3, Term: 4, Raft: true},
			recs: join(one(state(3, 1, 0)), run(1, 1, 2, 3, 4, 5), one(state(3, 4, 0))),
			hard: HardState{Replica: 3, Term: 4}, apart: true,
		},
		"of another history, the record of the snapshot's own index is gone": {
			base: Base{Index: 3, Term: 4, Raft: true},
			recs: join(run(1, 4, 5), one(state(3, 4, 0))),
			hard: HardState{Replica: 3, Term: 4}, apart: true,
		},
		"another history of a higher term": {
			base: Base{Index: 3, Term: 4, Raft: true},
			recs: join(run(1, 1, 2, 3), run(5, 4, 5), one(state(3, 5, 0))),
			hard: HardState{Replica: 3, Term: 5}, apart: true,
		},
		"nothing behind the snapshot, but another history before it": {
			base: Base{Index: 3, Term: 4, Raft: true},
			recs: join(run(1, 1, 2, 3), one(state(3, 4, 0))),
			hard: HardState{Replica: 3, Term: 4}, apart: true,
		},
		"a start has recorded that the snapshot replaces another history": {
			base:    Base{Index: 3, Term: 4, Raft: true},
			recs:    join(run(1, 1, 2, 3, 4), one(state(3, 4, 0)), one(ResetRecord(1, 3, 4)), run(4, 4), one(state(3, 4, 4))),
			applied: "4@4", hard: HardState{Replica: 3, Term: 4, Commit: 4},
		},
		"the leader has overwritten another history before the snapshot was needed": {
			base:    Base{Index: 3, Term: 4, Raft: true},
			recs:    join(run(1, 1, 2, 3, 4), run(4, 2, 3, 4), one(state(3, 4, 4))),
			applied: "4@4", hard: HardState{Replica: 3, Term: 4, Commit: 4},
		},
		"committed and not there": {
			recs:    join(one(state(1, 1, 0)), run(1, 1, 2), one(state(1, 1, 3))),
			applied: "1@1 2@1", gap: "index 3 was committed here",
		},
		"the term goes back": {
			recs: join(one(state(1, 5, 0)), one(state(1, 4, 0))), gap: "the term goes from 5 back to 4",
		},
		"one is missing": {
			recs: join(one(state(1, 1, 0)), run(1, 1, 3)), gap: "the log goes on at 3",
		},
		"a replica was removed": {
			recs: join(one(state(5, 1, 0)), run(1, 1, 2), one(state(5, 1, 2)), one(GoneRecord(1, 5))),
		},
		"another came after it": {
			recs: join(one(state(5, 1, 0)), run(1, 1, 2), one(state(5, 1, 2)), one(GoneRecord(1, 5)),
				one(state(6, 2, 0)), run(2, 1), one(state(6, 2, 1))),
			applied: "1@2", hard: HardState{Replica: 6, Term: 2, Commit: 1},
		},
		"the same came after it": {
			recs: join(one(state(5, 1, 0)), one(GoneRecord(1, 5)), one(state(5, 2, 0))), gap: "replica 5, which was removed before",
		},
		"another came after it as a snapshot": {
			base: Base{Index: 70, Term: 6, Raft: true, MustReach: 900}, // as the one that was removed had
			recs: join(one(state(5, 1, 0)), run(1, 1, 2), one(state(5, 1, 2)), one(GoneRecord(1, 5)),
				one(state(6, 6, 0)), one(ResetRecord(1, 70, 6)), run(6, 71), one(state(6, 6, 71))),
			applied: "71@6", hard: HardState{Replica: 6, Term: 6, Commit: 71},
		},
		"of the one that was removed only the end is left": {
			recs: join(run(1, 150, 151), one(state(5, 1, 150)), one(GoneRecord(1, 5)), one(state(6, 2, 0)), run(2, 1), one(state(6, 2, 1))),

			applied: "1@2", hard: HardState{Replica: 6, Term: 2, Commit: 1},
		},
		"of one that was not only the end is left": {
			recs: join(run(1, 150, 151), one(state(5, 1, 150))), gap: "the log goes on at 150",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := NewRecovery(1, c.base)
			var got took
			if err := got.feed(r, c.recs...); err != nil {
				t.Fatal(err)
			}
			err := r.Finish()
			if got.String() != c.applied {
				t.Errorf("applied %q, want %q", got, c.applied)
			}
			if c.gap != "" {
				if !errors.Is(err, ErrGap) || !strings.Contains(err.Error(), c.gap) {
					t.Errorf("error is %v", err)
				}
				return
			}
			var tail took
			for _, e := range r.Tail() {
				tail = append(tail, string(e.Payload))
			}
			hard, raft := r.Raft()
			if err != nil || tail.String() != c.tail || hard != c.hard || raft != (c.hard.Replica != 0) {
				t.Errorf("tail %q, hard state %+v (raft: %v), %v", tail, hard, raft, err)
			}
			if r.Apart() != c.apart {
				t.Errorf("the log and the snapshot are of different histories: %v", r.Apart())
			}
		})
	}
}

func TestRecordsThatCannotBeReadAreNoGap(t *testing.T) {
	for name, rec := range map[string]wal.Record{
		"unknown type": {Group: 1, Type: 77},
		"hard state":   {Group: 1, Type: RecordState, Payload: make([]byte, 23)},
		"reset":        {Group: 1, Type: RecordReset, Payload: make([]byte, 9)},
		"gone":         {Group: 1, Type: RecordGone},
	} {
		if _, err := NewRecovery(1, Base{}).Add(&rec); err == nil || errors.Is(err, ErrGap) || !strings.Contains(err.Error(), "group 1") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestRecoveryOfALoneNodesGroupNeverLosesSilently compares with what was written:
// whichever snapshot is used and whichever records the log still has, either every
// index up to the last acknowledged one is restored exactly once, or there is an error.
func TestRecoveryOfALoneNodesGroupNeverLosesSilently(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		last := rapid.Uint64Range(1, 30).Draw(t, "last")
		published := rapid.Uint64Range(0, last).Draw(t, "newest published")
		used := rapid.Uint64Range(0, published).Draw(t, "used")
		floor := rapid.Uint64Range(0, published).Draw(t, "floor")
		restored := used
		r := NewRecovery(1, Base{Index: used, Term: 1, MustReach: max(published, floor)})
		for i := uint64(1); i <= last; i++ {
			// Truncation takes whole segments: any record up to the floor may be gone.
			if i <= floor && rapid.Bool().Draw(t, "truncated") {
				continue
			}
			rec := run(1, i)[0]
			apply, err := r.Add(&rec)
			if err != nil {
				t.Fatal(err)
			}
			if apply {
				if i != restored+1 {
					t.Fatalf("index %d is applied after %d", i, restored)
				}
				restored = i
			}
		}
		err := r.Finish()
		if err == nil && restored != last {
			t.Fatalf("restored %d of %d without an error", restored, last)
		}
		if used >= floor && err != nil {
			t.Fatalf("nothing is missing, but %v", err)
		}
	})
}

// TestRecoveryOfARaftGroupFindsWhatWasRecorded compares with a replica that records as
// Raft has it do, from any snapshot it took on its way, with as much of the log before
// that given up as may be: what is committed is handed out once, in order, and what is
// not comes back as it was.
func TestRecoveryOfARaftGroupFindsWhatWasRecorded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := HardState{Replica: 2, Term: 1}
		terms := []uint64{0} // of each entry; the log is terms[1:]
		recs := []wal.Record{StateRecord(1, h)}
		type image struct {
			base Base
			from int // records before it that may be given up
		}
		images := []image{{}}
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			last := uint64(len(terms) - 1)
			switch rapid.SampledFrom([]string{"append", "append", "lead", "commit", "snapshot", "install"}).Draw(t, "step") {
			case "lead":
				h.Term++
				h.Vote = rapid.Uint64Range(0, 3).Draw(t, "vote")
				last = rapid.Uint64Range(h.Commit, last).Draw(t, "kept")
				terms = terms[:last+1]
				fallthrough
			case "append":
				for range rapid.IntRange(1, 4).Draw(t, "entries") {
					last++
					terms = append(terms, h.Term)
					recs = append(recs, run(h.Term, last)...)
				}
				recs = append(recs, StateRecord(1, h))
			case "commit":
				h.Commit = rapid.Uint64Range(h.Commit, last).Draw(t, "commit")
				recs = append(recs, StateRecord(1, h))
			case "snapshot":
				// What the segments before hold is recorded anew before they go.
				images = append(images, image{Base{Index: h.Commit, Term: terms[h.Commit], Raft: true, MustReach: h.Commit}, len(recs)})
				recs = append(recs, StateRecord(1, h))
			case "install":
				h.Term++
				h.Vote = 0
				at := rapid.Uint64Range(h.Commit+1, last+5).Draw(t, "installed")
				terms = append(make([]uint64, at), h.Term)
				h.Commit = at
				recs = append(recs, ResetRecord(1, at, h.Term), StateRecord(1, h))
				images = []image{{Base{Index: at, Term: h.Term, Raft: true, MustReach: at}, len(recs) - 2}}
			}
		}
		used := rapid.SampledFrom(images).Draw(t, "used")
		// An entry that is needed keeps its segment, and so all records behind it.
		give := rapid.IntRange(0, used.from).Draw(t, "given up")
		for i, rec := range recs[:give] {
			if IsEntry(rec.Type) && rec.Index > used.base.Index {
				give = i
				break
			}
		}
		var got took
		r := NewRecovery(1, used.base)
		if err := got.feed(r, recs[give:]...); err != nil {
			t.Fatal(err)
		}
		if err := r.Finish(); err != nil {
			t.Fatal(err)
		}
		var want took
		for i := used.base.Index + 1; i <= h.Commit; i++ {
			want = append(want, fmt.Sprintf("%d@%d", i, terms[i]))
		}
		if got.String() != want.String() {
			t.Fatalf("handed out %q, committed were %q", got, want)
		}
		if hard, _ := r.Raft(); hard != h {
			t.Fatalf("hard state %+v, want %+v", hard, h)
		}
		tail := r.Tail()
		if r.Last() != uint64(len(terms)-1) || uint64(len(tail)) != r.Last()-h.Commit {
			t.Fatalf("last %d with a tail of %d, want %d, committed %d", r.Last(), len(tail), len(terms)-1, h.Commit)
		}
		for _, e := range tail {
			if e.Term != terms[e.Index] || string(e.Payload) != fmt.Sprintf("%d@%d", e.Index, e.Term) {
				t.Fatalf("tail has %d@%d %q, want term %d", e.Index, e.Term, e.Payload, terms[e.Index])
			}
		}
	})
}

// FuzzRecovery feeds arbitrary records: nothing panics, entries are handed out one by
// one, and of a lone node's group none twice.
func FuzzRecovery(f *testing.F) {
	f.Add([]byte{1, 1, 1, 1, 1, 2, 4, 1, 1, 1, 2, 3, 4, 2, 1}, uint8(0), false)
	f.Add([]byte{4, 1, 0, 1, 1, 1, 5, 1, 9, 6, 1, 2, 4, 3, 0}, uint8(3), true)
	f.Fuzz(func(t *testing.T, b []byte, base uint8, raft bool) {
		r := NewRecovery(1, Base{Index: uint64(base), Term: 1, Raft: raft})
		at := uint64(base)
		for ; len(b) >= 3; b = b[3:] {
			rec := wal.Record{Group: 1, Type: b[0] % 8, Term: uint64(b[1]), Index: uint64(b[2])}
			switch rec.Type {
			case RecordState:
				rec = state(uint64(b[1]), uint64(b[2]%16), uint64(b[2]))
			case RecordReset:
				rec = ResetRecord(1, uint64(b[2]), uint64(b[1]))
			case RecordGone:
				rec = GoneRecord(1, uint64(b[1]))
			}
			voids := r.Voids(&rec)
			apply, err := r.Add(&rec)
			if err != nil {
				continue
			}
			if voids {
				at = 0
			}
			if rec.Type == RecordGone {
				at = r.Applied()
			}
			if apply {
				if at++; rec.Index != at {
					t.Fatalf("index %d is applied after %d", rec.Index, at-1)
				}
			}
			for e := r.Next(); e != nil; e = r.Next() {
				if at++; e.Index != at {
					t.Fatalf("index %d is handed out after %d", e.Index, at-1)
				}
			}
			if r.Applied() != at || r.Last() < at || uint64(len(r.Tail())) != r.Last()-at {
				t.Fatalf("applied %d of %d, last %d with a tail of %d", at, r.Applied(), r.Last(), len(r.Tail()))
			}
		}
		_ = r.Finish()
	})
}
