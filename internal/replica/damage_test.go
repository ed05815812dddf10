package replica

import (
	"testing"

	"github.com/prakashpandey/vegadb/internal/wal"
)

// TestDamageIsOnlyTheSnapshotsWhenTheLogIsWhole: every case is a group whose newest snapshot, at
// index 20, is damaged.
func TestDamageIsOnlyTheSnapshotsWhenTheLogIsWhole(t *testing.T) {
	reset := func(index uint64) []wal.Record { return one(ResetRecord(1, index, 3)) }
	gone := func(id uint64) []wal.Record { return one(GoneRecord(1, id)) }
	cases := []struct {
		name      string
		recs      []wal.Record
		mustReach uint64
		replica   uint64 // that is lost; 0: more is missing than the snapshot
	}{
		{name: "the log goes on from it", recs: join(one(state(2, 3, 18)), run(3, 19, 20, 21, 22)), replica: 2},
		{name: "whatever term it ends with", recs: join(run(3, 19, 20), one(state(2, 5, 18)), run(5, 21, 22)), replica: 2},
		{name: "the log begins right after it", recs: join(one(state(2, 3, 20)), run(3, 21, 22)), replica: 2},
		{name: "it holds all that there was", recs: join(one(state(2, 3, 20))), replica: 2},
		{name: "it was received, as the log says", recs: join(run(2, 3, 4), one(state(2, 3, 4)), reset(20), run(3, 21)), replica: 2},
		{name: "one before it was received", recs: join(one(state(2, 3, 4)), reset(15), run(3, 16, 17, 18, 19, 20)), replica: 2},
		{name: "an earlier replica is gone", recs: join(one(state(2, 3, 4)), run(3, 5), gone(2), one(state(4, 6, 0)), one(ResetRecord(1, 20, 6)), run(6, 21)), replica: 4},
		{name: "the newest hard state counts", recs: join(one(state(2, 3, 20)), run(3, 21), one(state(2, 9, 21))), replica: 2},

		{name: "no hard state", recs: run(3, 19, 20, 21)},
		{name: "nothing at all"},
		{name: "a lone node's group", recs: run(1, 21, 22)},
		{name: "records are missing behind it", recs: join(one(state(2, 3, 20)), run(3, 22))},
		{name: "records are missing further on", recs: join(one(state(2, 3, 20)), run(3, 21, 24))},
		{name: "a snapshot received later is missing", recs: join(one(state(2, 3, 20)), run(3, 21), reset(40))},
		{name: "what was committed is missing", recs: join(run(3, 21), one(state(2, 3, 25)))},
		{name: "the group had come further", recs: join(one(state(2, 3, 20)), run(3, 21)), mustReach: 30},
		{name: "the log has lost its end", recs: join(one(state(2, 3, 10)), run(3, 11, 12, 13))},
		{name: "the log has lost its end, and an earlier replica is gone", recs: join(one(state(2, 3, 4)), run(3, 20, 21), gone(2), one(state(4, 6, 0)))},
		{name: "the term goes back", recs: join(one(state(2, 5, 20)), one(state(2, 4, 20)))},
		{name: "a replica that was removed comes back", recs: join(gone(2), one(state(2, 5, 20)))},
		{name: "a record of a newer version", recs: join(one(state(2, 3, 20)), one(wal.Record{Group: 1, Type: 77}))},
		{name: "a reset that cannot be read", recs: join(one(state(2, 3, 20)), one(wal.Record{Group: 1, Type: RecordReset, Payload: []byte("odd")}))},
	}
	for _, c := range cases {
		d := NewDamage(1, 20, max(c.mustReach, 20))
		var newest HardState
		for i := range c.recs {
			if c.recs[i].Type == RecordState {
				newest, _ = decodeHardState(&c.recs[i])
			}
			d.Add(&c.recs[i])
		}
		hard, only := d.Lost()
		if only != (c.replica != 0) || only && (hard.Replica != c.replica || hard != newest) {
			t.Errorf("%s: only the snapshot %v, hard state %+v", c.name, only, hard)
		}
	}
}
