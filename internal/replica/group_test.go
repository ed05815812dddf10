package replica

import (
	"testing"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/wal"
)

func entry() []byte { return command.AppendClock(command.Begin(nil)) }

func TestStampsNeverGoBackWhateverTheClockDoes(t *testing.T) {
	g := NewGroup(1, State{Term: 3, Index: 9, Stamp: 1000})
	for _, step := range []struct{ now, want int64 }{{900, 1000}, {1001, 1001}, {-5, 1001}, {5000, 5000}, {1400, 5000}} {
		e := entry()
		rec := g.Prepare(step.now, e)
		if got := command.Stamp(e); got != step.want {
			t.Errorf("at %d: stamp %d, want %d", step.now, got, step.want)
		}
		g.Accept(e)
		g.Applied(rec.Index, e)
		if s := g.State(); s.Stamp != step.want || s.Index != rec.Index || s.Term != 3 {
			t.Errorf("at %d: state %+v", step.now, s)
		}
	}
}

func TestARefusedRecordLeavesNoTrace(t *testing.T) {
	g := NewGroup(1, State{})
	first := g.Prepare(10_000, entry())
	e := entry()
	again := g.Prepare(10, e)
	if first.Index != 1 || again.Index != 1 || command.Stamp(e) != 10 || g.Last() != 0 {
		t.Errorf("indexes %d and %d, stamp %d, last %d", first.Index, again.Index, command.Stamp(e), g.Last())
	}
}

func TestRecoveryAppliesEachIndexOnceAndAcceptsNoGap(t *testing.T) {
	g := NewGroup(2, State{Term: 1, Index: 5, Stamp: 100})
	stamped := func(stamp int64) []byte {
		e := entry()
		command.SetStamp(e, stamp)
		return e
	}
	for _, step := range []struct {
		rec   wal.Record
		apply bool
		fails bool
	}{
		{rec: wal.Record{Type: RecordEntry, Index: 4}},
		{rec: wal.Record{Type: RecordEntry, Index: 5}},
		{rec: wal.Record{Type: RecordEntry, Index: 7, Payload: stamped(300)}, fails: true},
		{rec: wal.Record{Type: 9, Index: 6}, fails: true},
		{rec: wal.Record{Type: RecordEntry, Term: 2, Index: 6, Payload: stamped(200)}, apply: true},
		{rec: wal.Record{Type: RecordEntry, Term: 2, Index: 6, Payload: stamped(200)}},
		{rec: wal.Record{Type: RecordEntry, Term: 2, Index: 7, Payload: stamped(150)}, apply: true},
	} {
		apply, err := g.Recover(&step.rec)
		if apply != step.apply || (err != nil) != step.fails {
			t.Errorf("index %d: apply %v, %v", step.rec.Index, apply, err)
		}
		if apply {
			g.Recovered(&step.rec)
		}
	}
	if s := g.State(); s != (State{Term: 2, Index: 7, Stamp: 200}) || g.Last() != 7 {
		t.Errorf("recovered %+v, last %d", s, g.Last())
	}
}
