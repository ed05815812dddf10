package sim

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/prakashpandey/vegadb/internal/history"
)

// Figures are what runs have done, in sums: of one run, or of many.
//
// Faults counts what took place, not what was drawn: a link that was cut already, or the pause of a node that does not run,
// is none.
type Figures struct {
	Seeds       int            `json:"seeds"`
	Members     int            `json:"with_membership"` // of the seeds
	Failed      int            `json:"failed"`          // of the seeds
	SimulatedMs int64          `json:"simulated_ms"`
	Events      uint64         `json:"events"`
	Lives       int            `json:"lives"` // of nodes: each start is one
	Faults      map[string]int `json:"faults"`
	Operations  map[string]int `json:"operations"`
	Outcomes    map[string]int `json:"outcomes"` // of operations: ok, failed, unknown
	Verdicts    map[string]int `json:"verdicts"` // of histories: legal, illegal, unknown
	Worlds      map[string]int `json:"worlds"`   // runs in which something particular was done

	Applied   int `json:"applied"` // entries, each counted once however many replicas apply it
	Elections int `json:"elections"`
	Installed int `json:"snapshots_installed"`
	Joined    int `json:"joined"`
	Removed   int `json:"removed"`
	Changes   int `json:"configurations"`
}

// count counts something in one of the maps.
func count(m *map[string]int, what string, n int) {
	if *m == nil {
		*m = make(map[string]int)
	}
	(*m)[what] += n
}

// strikes counts a fault that takes place.
func (s *Sim) strikes(what string) { count(&s.figures.Faults, what, 1) }

// Add adds the figures of other runs.
func (f *Figures) Add(o *Figures) {
	f.Seeds, f.Members, f.Failed = f.Seeds+o.Seeds, f.Members+o.Members, f.Failed+o.Failed
	f.SimulatedMs, f.Events, f.Lives = f.SimulatedMs+o.SimulatedMs, f.Events+o.Events, f.Lives+o.Lives
	f.Applied, f.Elections, f.Installed = f.Applied+o.Applied, f.Elections+o.Elections, f.Installed+o.Installed
	f.Joined, f.Removed, f.Changes = f.Joined+o.Joined, f.Removed+o.Removed, f.Changes+o.Changes
	for _, m := range []struct {
		into *map[string]int
		from map[string]int
	}{
		{&f.Faults, o.Faults}, {&f.Operations, o.Operations}, {&f.Outcomes, o.Outcomes}, {&f.Verdicts, o.Verdicts}, {&f.Worlds, o.Worlds},
	} {
		for what, n := range m.from {
			count(m.into, what, n)
		}
	}
}

// String is a page for people.
func (f *Figures) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-12s %d clusters (%d with membership), %d failed, %.1f simulated hours, %d events\n", "seeds",
		f.Seeds, f.Members, f.Failed, float64(f.SimulatedMs)/3_600_000, f.Events)
	fmt.Fprintf(&b, "%-12s %d lives, %d elections, %d entries applied, %d snapshots installed\n", "nodes", f.Lives, f.Elections, f.Applied, f.Installed)
	fmt.Fprintf(&b, "%-12s %d joins, %d removals, %d changes of configurations\n", "membership", f.Joined, f.Removed, f.Changes)
	for _, line := range []struct {
		name string
		m    map[string]int
	}{{"worlds", f.Worlds}, {"faults", f.Faults}, {"operations", f.Operations}, {"outcomes", f.Outcomes}, {"verdicts", f.Verdicts}} {
		fmt.Fprintf(&b, "%-12s %s\n", line.name, listed(line.m))
	}
	return b.String()
}

// listed shows what was counted, the most first.
func listed(m map[string]int) string {
	total := 0
	var parts []string
	for _, what := range slices.SortedFunc(maps.Keys(m), func(a, b string) int {
		if m[a] != m[b] {
			return m[b] - m[a]
		}
		return strings.Compare(a, b)
	}) {
		total += m[what]
		parts = append(parts, fmt.Sprintf("%s %d", what, m[what]))
	}
	if len(parts) < 2 {
		return strings.Join(parts, "")
	}
	return fmt.Sprintf("%d: %s", total, strings.Join(parts, ", "))
}

// JSON is all of it on one line.
func (f *Figures) JSON() []byte {
	b, err := json.Marshal(f)
	if err != nil {
		panic(err) // there is nothing in it that could not be encoded
	}
	return b
}

// tally fills in what is known when a run is over.
func (s *Sim) tally(r *Result) Figures {
	f := s.figures
	f.Seeds, f.SimulatedMs, f.Events, f.Lives = 1, r.Ended, r.Events, r.Starts
	if s.cfg.Membership {
		f.Members = 1
	}
	if r.Failed() {
		f.Failed = 1
	}
	f.Applied, f.Elections, f.Installed = r.Applied, r.Elections, r.Installed
	f.Joined, f.Removed, f.Changes = r.Joined, r.Removed, r.Changes
	count(&f.Verdicts, string(r.Verdict), 1)
	return f
}

// operated counts an operation of a client that is over.
func (s *Sim) operated(op history.Op, extra *extra, how history.Outcome) {
	kind := string(op.Kind)
	switch {
	case extra != nil:
		kind = extra.name
	case op.Kind == history.Get:
		level := op.Level
		if level == history.Linearizable {
			level = "linearizable"
		}
		kind += " " + string(level)
	}
	count(&s.figures.Operations, kind, 1)
	count(&s.figures.Outcomes, string(how), 1)
}
