package replica

import (
	"testing"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/store"
)

func entry() []byte { return command.AppendClock(command.Begin(nil)) }

func table(t testing.TB) *store.Table {
	table := store.New(store.Options{Stripes: 1, Memory: store.NewMemory(0)})
	t.Cleanup(table.Close)
	return table
}

func TestStampsNeverGoBackWhateverTheClockDoes(t *testing.T) {
	g := NewGroup(1, State{Term: 3, Index: 9, Stamp: 1000})
	tab := table(t)
	for _, step := range []struct{ now, want int64 }{{900, 1000}, {1001, 1001}, {-5, 1001}, {5000, 5000}, {1400, 5000}} {
		e := entry()
		rec := g.Prepare(step.now, e)
		if got := command.Stamp(e); got != step.want {
			t.Errorf("at %d: stamp %d, want %d", step.now, got, step.want)
		}
		g.Accept(e)
		if err := g.Apply(tab, rec.Index, rec.Term, e, nil); err != nil {
			t.Fatal(err)
		}
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
