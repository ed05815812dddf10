package rows

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/prakashpandey/vegadb/bench/internal/peer"
)

type named string

func (n named) Name() string { return string(n) }
func (n named) Start(context.Context, string, peer.Durability) (*peer.Server, error) {
	return nil, errors.New("not in this test")
}

func TestRoundsAlternateWhoGoesFirst(t *testing.T) {
	env := &Env{Rounds: 3}
	sides := []*side{{kind: named("ours"), ours: true}, {kind: named("theirs")}}
	var order []string
	var p pair
	err := env.alternate(sides, func(round int, s *side) error {
		order = append(order, s.kind.Name())
		p.add(s, float64(round))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"ours", "theirs", "theirs", "ours", "ours", "theirs"}; !slices.Equal(order, want) {
		t.Errorf("order %v, want %v", order, want)
	}
	if len(p.ours) != 3 || !slices.Equal(p.ours, p.theirs) {
		t.Errorf("rounds were mixed up: %v", p)
	}
}

func TestAFailingRoundIsNamed(t *testing.T) {
	env := &Env{Rounds: 2}
	sides := []*side{{kind: named("ours"), ours: true}, {kind: named("theirs")}}
	err := env.alternate(sides, func(round int, s *side) error {
		if round == 1 && s.ours {
			return errors.New("connection refused")
		}
		return nil
	})
	if err == nil || !strings.Contains(err.Error(), "round 2, ours: connection refused") {
		t.Errorf("err = %v", err)
	}
}

func TestEveryRowIsNamedOnce(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range All() {
		if r.Name == "" || r.Title == "" || r.Run == nil || seen[r.Name] {
			t.Errorf("row %+v is incomplete or named twice", r.Name)
		}
		seen[r.Name] = true
	}
	// The plan's table has twelve rows; memcached is ours.
	if len(seen) != 13 {
		t.Errorf("%d rows, want 13", len(seen))
	}
}

func TestInfoFieldsAreFoundByTheirWholeName(t *testing.T) {
	info := "# Persistence\r\nloading:0\r\nrdb_bgsave_in_progress:1\r\nrdb_last_bgsave_status:ok\r\n"
	if got, err := infoField(info, "rdb_bgsave_in_progress"); err != nil || got != "1" {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := infoField(info, "bgsave_in_progress"); err == nil {
		t.Error("the end of a name is not the name")
	}
}

func TestTheLongestPauseIsReadFromTheMetrics(t *testing.T) {
	metrics := `# TYPE go_gc_duration_seconds summary
go_gc_duration_seconds{quantile="0.75"} 5.1e-05
go_gc_duration_seconds{quantile="1"} 0.000213
go_gc_duration_seconds_sum 0.0009
`
	if got, err := parseGCPause(strings.NewReader(metrics)); err != nil || fmt.Sprintf("%.3f", got) != "0.213" {
		t.Errorf("got %v ms, %v", got, err)
	}
	if _, err := parseGCPause(strings.NewReader("up 1\n")); err == nil {
		t.Error("metrics without the runtime's summary must be an error")
	}
}
