package history

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

// Report is the judgement of a history.
type Report struct {
	Verdict      Verdict   `json:"verdict"`
	Keys         int       `json:"keys"`
	Ops          int       `json:"ops"`
	OK           int       `json:"ok"`
	Failed       int       `json:"failed"`
	Unknown      int       `json:"unknown"`
	Problems     []Problem `json:"problems,omitempty"`
	MoreProblems int       `json:"moreProblems,omitempty"` // found and left out
	Undecided    []string  `json:"undecided,omitempty"`    // keys whose search was given up
}

// Problem is one broken promise with the operations that show it.
type Problem struct {
	Promise string  `json:"promise"`
	Key     string  `json:"key"`
	Text    string  `json:"text"`
	Start   State   `json:"start"` // what the key held before the operations
	Ops     History `json:"ops"`
}

// String shows the report to people: one line if all is well, otherwise every problem with its smallest history.
func (r Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d operations on %d keys, %d ok, %d failed, %d of unknown outcome\n", r.Verdict, r.Ops, r.Keys, r.OK, r.Failed, r.Unknown)
	for _, p := range r.Problems {
		b.WriteString(p.String())
	}
	if r.MoreProblems > 0 {
		fmt.Fprintf(&b, "and %d problems more\n", r.MoreProblems)
	}
	if len(r.Undecided) > 0 {
		fmt.Fprintf(&b, "the search was given up for: %s\n", strings.Join(r.Undecided, ", "))
	}
	return b.String()
}

// String shows the problem on several lines, the operations in order of their calls.
func (p Problem) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "broken: %s\n  key %s: %s\n", p.Promise, p.Key, p.Text)
	if p.Promise == promiseLinearizable {
		fmt.Fprintf(&b, "  at the start: %s\n", p.Start)
	}
	ops := slices.Clone(p.Ops)
	slices.SortStableFunc(ops, func(a, b Op) int { return cmp.Compare(a.Call, b.Call) })
	for _, op := range ops {
		fmt.Fprintf(&b, "  %10s – %-10s  %s\n", moment(op.Call), moment(op.Return), op)
	}
	return b.String()
}

// JSON returns the report for programs.
func (r Report) JSON() ([]byte, error) { return json.MarshalIndent(r, "", "  ") }

// WriteHTML draws the problem's history with porcupine's visualization, for a browser.
func (p Problem) WriteHTML(w io.Writer) error {
	list := events(p.Ops, p.Start, true)
	m, _ := model(p.Start, Options{}.withDefaults().Steps)
	_, info := porcupine.CheckOperationsVerbose(m, operations(list), 10*time.Second)
	return porcupine.Visualize(m, info, w)
}

// moment shows a time in ms, to the µs.
func moment(ns int64) string {
	if ns == Open {
		return "…"
	}
	return strconv.FormatFloat(float64(ns)/1e6, 'f', 3, 64)
}

func formatInt(n int64) string { return strconv.FormatInt(n, 10) }
