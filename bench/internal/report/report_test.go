package report

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prakashpandey/vegadb/bench/internal/stats"
)

func example(name string) Row {
	return Row{
		Name: name, Title: "a title", Date: "2026-01-02T03:04:05Z", Rounds: 3, Command: "make bench-peers",
		Machine: Machine{CPU: "A CPU", CPUs: 2, MemoryGiB: 8, Kernel: "6.1", Disk: "ext4", Go: "go1.26", VegaDB: "abc", Redis: "7.0.15"},
		Results: []stats.Result{
			{Row: name, Work: "RESP GET", Metric: "throughput", Unit: "op/s", Peer: "Redis", Ours: stats.Series{120, 130, 125},
				Theirs: stats.Series{100, 100, 100}, Promise: stats.Promise{Kind: stats.RatioAtLeast, Limit: 1.3}},
			{Row: name, Work: "growth", Metric: "slowest", Unit: "ms", Ours: stats.Series{2}, Promise: stats.Promise{Kind: stats.AtMost, Limit: 5}},
		},
	}
}

func TestTheTableShowsMediansRangesAndVerdicts(t *testing.T) {
	got := Markdown([]Row{example("a"), example("b")})
	for _, want := range []string{
		"| RESP GET | throughput (op/s) | 125 (120–130) | Redis 100 (100–100) | 1.25 (1.20–1.30) | ≥ 1.3 × | **missed** |",
		"| growth | slowest (ms) | 2.00 | – | – | ≤ 5 ms | met |",
		"- 2026-01-02 · 2 × A CPU, 8 GiB",
		": `a`, `b`\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

func TestOnlyThoseWhoTookPartAreNamed(t *testing.T) {
	if got, want := (Machine{VegaDB: "abc", Etcd: "v3.7.3"}).versions(), "VegaDB abc, etcd v3.7.3"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAPlaceNamesTheTargetThatWritesIt(t *testing.T) {
	for place, target := range map[Place]string{TablePlace: "make bench-peers ", ClusterTablePlace: "make bench-cluster "} {
		if begin, _ := place.markers(); !strings.Contains(begin, target) {
			t.Errorf("%q does not name %q", begin, target)
		}
	}
}

func TestQuickRunsCannotPassForRealOnes(t *testing.T) {
	row := example("a")
	row.Quick = true
	if got := Markdown([]Row{row}); !strings.Contains(got, "not to be quoted") {
		t.Errorf("not marked:\n%s", got)
	}
}

func TestRowsComeBackInTheOrderOfThePlan(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "results")
	for _, name := range []string{"b", "a"} {
		if err := Save(dir, example(name)); err != nil {
			t.Fatal(err)
		}
	}
	rows, err := Load(dir, []string{"a", "missing", "b"})
	if err != nil || len(rows) != 2 || rows[0].Name != "a" || rows[1].Name != "b" {
		t.Fatalf("rows = %+v, %v", rows, err)
	}
	if Markdown(rows) != Markdown([]Row{example("a"), example("b")}) {
		t.Error("the table differs after a trip through the files")
	}
	if err := os.WriteFile(filepath.Join(dir, "b.json"), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(dir, []string{"b"}); err == nil || !strings.Contains(err.Error(), "b.json") {
		t.Errorf("a damaged file must be named: %v", err)
	}
}

func TestOnlyWhatIsBetweenTheMarkersChanges(t *testing.T) {
	begin, end := TablePlace.markers()
	doc := "before\n" + begin + "\nold\n" + end + "\nafter\n"
	want := "before\n" + begin + "\n\nnew\n\n" + end + "\nafter\n"
	got, err := splice(doc, TablePlace, "new\n")
	if err != nil || got != want {
		t.Errorf("got %q, %v", got, err)
	}
	if again, err := splice(got, TablePlace, "new\n"); err != nil || again != want {
		t.Errorf("a second time: %q, %v", again, err)
	}
	for _, bad := range []string{"", begin, end + begin} {
		if _, err := splice(bad, TablePlace, "x"); err == nil {
			t.Errorf("splice(%q) must fail", bad)
		}
	}
}

func TestTheDocsHaveTheirPlaces(t *testing.T) {
	for place, path := range map[Place]string{
		SummaryPlace: "../../../README.md", TablePlace: "../../../docs/performance.md",
		ClusterSummaryPlace: "../../../README.md", ClusterTablePlace: "../../../docs/performance.md",
	} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := splice(string(text), place, "x"); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestTheSummaryShowsPromisesOnly(t *testing.T) {
	row := example("a")
	row.Results = append(row.Results, stats.Result{Work: "extra", Metric: "m", Ours: stats.Series{1}})
	want := "| work | measured | promised | |\n| --- | --- | --- | --- |\n" +
		"| RESP GET: throughput | 1.25 × Redis | ≥ 1.3 × | **missed** |\n" +
		"| growth: slowest | 2.00 ms | ≤ 5 ms | met |\n"
	if got := Summary([]Row{row}); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestTheMachineIsDescribed(t *testing.T) {
	m := ThisMachine(t.TempDir())
	if m.CPUs < 1 || m.MemoryGiB < 1 || m.Disk == "unknown" || !strings.HasPrefix(m.Go, "go") {
		t.Errorf("%+v", m)
	}
	if got := release("6.1.0-13-amd64\n"); got != "6.1.0" {
		t.Errorf("kernel %q", got)
	}
	if got := fieldOf("processor\t: 0\nmodel name\t: A CPU\n", "model name", "?"); got != "A CPU" {
		t.Errorf("CPU %q", got)
	}
}
