package replica

import (
	"slices"
	"testing"

	"github.com/prakashpandey/vegadb/internal/command"
)

func TestEntriesAreNamedBeforeTheyAreAppliedAFewAtATime(t *testing.T) {
	b := newByHand(t, voters(3), nil)
	b.lead()
	b.acksOf(2)
	const n = 2*command.FetchAtOnce + 1
	for range n {
		b.h.Propose(testGroup, putEntry("k", "v"), nil, false)
	}
	b.work()
	b.acksOf(2)
	if want := []int{command.FetchAtOnce, command.FetchAtOnce}; len(b.applied) != n || !slices.Equal(b.fetched, want) {
		t.Errorf("%d entries applied, named %v at a time, want %v: one alone gains nothing", len(b.applied), b.fetched, want)
	}
}
