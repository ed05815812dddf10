package suite

import (
	"strings"
	"testing"

	"github.com/prakashpandey/vegadb/bench/internal/rows"
)

func TestRowsAreChosenByNameInTheOrderGiven(t *testing.T) {
	all := rows.All()
	got, err := choose(all, "memory, resp-p1")
	if err != nil || len(got) != 2 || got[0].Name != "memory" || got[1].Name != "resp-p1" {
		t.Errorf("%v, %v", names(got), err)
	}
	if got, err := choose(all, "all"); err != nil || len(got) != len(all) {
		t.Errorf("all gives %d of %d rows, %v", len(got), len(all), err)
	}
	if _, err := choose(all, "resp-p17"); err == nil || !strings.Contains(err.Error(), "resp-p16") {
		t.Errorf("a wrong name must be answered with the right ones: %v", err)
	}
}
