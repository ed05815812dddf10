package endurance

import (
	"fmt"
	"slices"
	"strings"
)

// Kept says whether everything was as it has to be: every bound kept, every history legal, no call failed.
func (r *Result) Kept() bool {
	return !slices.ContainsFunc(r.Bounds, func(b Bound) bool { return !b.Kept }) &&
		r.Checks.Illegal == 0 && r.Checks.Unknown == 0 && r.Checks.Legal > 0 && r.Load.Failed == 0
}

// Markdown is the result as the docs show it.
func (r *Result) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %d calls of load, %d failed; %d operations checked in %d runs: %d legal, %d illegal, %d unknown; longest time without an answer %.1f s.\n\n",
		minutes(r.Seconds), r.Load.Calls, r.Load.Failed, r.Checks.Ops, r.Checks.Legal+r.Checks.Illegal+r.Checks.Unknown,
		r.Checks.Legal, r.Checks.Illegal, r.Checks.Unknown, r.Checks.Silence)
	b.WriteString("| trouble | times | until whole again, median (longest) |\n| --- | --- | --- |\n")
	for _, t := range r.kinds() {
		fmt.Fprintf(&b, "| %s | %d | %.1f s (%.1f) |\n", t.what, len(t.took), t.took[len(t.took)/2], t.took[len(t.took)-1])
	}
	b.WriteString("\n| the most that any node used | second third | last third | allowed | |\n| --- | --- | --- | --- | --- |\n")
	for _, q := range r.Bounds {
		verdict := "bounded"
		if !q.Kept {
			verdict = "**grew**"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", q.What, q.show(q.Second), q.show(q.Last), q.show(q.Limit), verdict)
	}
	snapshots, segments := r.work()
	fmt.Fprintf(&b, "\nMeanwhile the nodes took %.0f snapshots and gave up %.0f segments of their logs, of 8 MiB each.\n", snapshots, segments)
	return b.String()
}

func (b Bound) show(v float64) string {
	if b.Unit == "bytes" {
		return mib(v)
	}
	return fmt.Sprintf("%.0f", v)
}

type kindOfTrouble struct {
	what string
	took []float64 // ascending
}

func (r *Result) kinds() (out []kindOfTrouble) {
	for _, t := range r.Troubles {
		i := slices.IndexFunc(out, func(k kindOfTrouble) bool { return k.what == t.What })
		if i < 0 {
			i = len(out)
			out = append(out, kindOfTrouble{what: t.What})
		}
		out[i].took = append(out[i].took, t.To-t.From)
	}
	for _, k := range out {
		slices.Sort(k.took)
	}
	return out
}

// work adds up the nodes' counters, which begin anew with each of their starts.
func (r *Result) work() (snapshots, segments float64) {
	last := map[string]Sample{}
	grown := func(was, is float64) float64 {
		if is < was {
			return is
		}
		return is - was
	}
	for _, s := range r.Samples {
		was := last[s.Node]
		snapshots += grown(was.Snapshots, s.Snapshots)
		segments += grown(was.Segments, s.Segments)
		last[s.Node] = s
	}
	return snapshots, segments
}
