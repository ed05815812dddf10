package admin

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/metrics.md anew")

// What docs/operations.md tells people to watch has to exist.
func TestMetricsInTheDocumentationExist(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	metrics := get(t, newHandler(options(busyNode())), "/metrics", "", "").Body.String()
	named := regexp.MustCompile(`vegadb_[a-z_]+`).FindAllString(string(text), -1)
	if len(named) == 0 {
		t.Error("docs/operations.md names no metric")
	}
	for _, name := range named {
		if !strings.Contains(metrics, "# TYPE "+name+" ") {
			t.Errorf("docs/operations.md names %s, which does not exist", name)
		}
	}
}

const metricsHead = `# Metrics

<!-- Generated from what /metrics says: change the texts in internal/admin, then run
     go test ./internal/admin -run TestMetricsAreAllDocumented -update -->

Every metric of ` + "`vega-server`" + `, as its admin address serves them at ` + "`/metrics`" + ` for Prometheus; those of the Go runtime (` + "`go_…`" + `) and
of the process (` + "`process_…`" + `) come with them. What deserves an alert, and why, is in [operations.md](operations.md#watch); the router's
metrics are in [router.md](router.md). What concerns a cluster is there on nodes with peers only.

| metric | type | labels | is |
| --- | --- | --- | --- |
`

// metricsTable is the documentation of every metric of the node's in text, which is
// what Prometheus reads.
func metricsTable(text string) string {
	type metric struct {
		kind, help string
		labels     []string
	}
	metrics := map[string]*metric{}
	var names []string
	sample := regexp.MustCompile(`^(vegadb_[a-z0-9_]+?)(?:_bucket|_sum|_count)?(?:\{(.*)\})? [^ ]+$`)
	label := regexp.MustCompile(`(?:^|,)([a-z_]+)="`)
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if rest, ok := strings.CutPrefix(line, "# HELP vegadb_"); ok {
			name, help, _ := strings.Cut(rest, " ")
			names = append(names, "vegadb_"+name)
			metrics["vegadb_"+name] = &metric{help: help}
		} else if rest, ok := strings.CutPrefix(line, "# TYPE vegadb_"); ok {
			name, kind, _ := strings.Cut(rest, " ")
			metrics["vegadb_"+name].kind = kind
		} else if m := sample.FindStringSubmatch(line); m != nil {
			of := metrics[strings.TrimRight(line[:strings.IndexAny(line, "{ ")], " ")]
			if of == nil {
				of = metrics[m[1]] // a histogram's
			}
			for _, l := range label.FindAllStringSubmatch(m[2], -1) {
				if l[1] != "le" && !slices.Contains(of.labels, l[1]) {
					of.labels = append(of.labels, l[1])
				}
			}
		}
	}
	slices.Sort(names)
	var b strings.Builder
	for _, name := range names {
		m := metrics[name]
		labels := ""
		if len(m.labels) > 0 {
			labels = "`" + strings.Join(m.labels, "`, `") + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", name, m.kind, labels, m.help)
	}
	return b.String()
}

func TestMetricsAreAllDocumented(t *testing.T) {
	want := metricsHead + metricsTable(get(t, newHandler(options(busyNode())), "/metrics", "", "").Body.String())
	name := filepath.Join("..", "..", "docs", "metrics.md")
	if *update {
		if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("docs/metrics.md is not what /metrics says; run: go test ./internal/admin -run TestMetricsAreAllDocumented -update")
	}
}
