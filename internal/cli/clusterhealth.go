package cli

import (
	"fmt"
	"sort"
	"strconv"
	"strings"

	"github.com/prakashpandey/vegadb/internal/wire"
)

// verdict is what a cluster's status comes down to.
type verdict int

const (
	whole       verdict = iota // every partition is served and has all its copies
	degraded                   // every partition is served; copies or nodes are missing
	unavailable                // some partition is not served
)

func (v verdict) String() string { return [...]string{"whole", "degraded", "unavailable"}[v] }

func (v verdict) paint(s style, text string) string {
	switch v {
	case unavailable:
		return s.red(text)
	case degraded:
		return s.yellow(text)
	}
	return s.green(text)
}

// health is a verdict with its reasons, the gravest first, and what else is
// worth knowing.
type health struct {
	verdict verdict
	reasons []reason
	notes   []string
}

type reason struct {
	verdict verdict // that it leads to by itself
	text    string
}

func (h *health) because(v verdict, format string, args ...any) {
	h.verdict = max(h.verdict, v)
	h.reasons = append(h.reasons, reason{v, fmt.Sprintf(format, args...)})
}

// line is all of it in one.
func (h *health) line() string {
	text, colon := h.verdict.String(), ": "
	for _, r := range h.reasons {
		text, colon = text+colon+r.text, "; "
	}
	for _, note := range h.notes {
		text, colon = text+colon+note, "; "
	}
	return text
}

func (h *health) note(format string, args ...any) {
	h.notes = append(h.notes, fmt.Sprintf(format, args...))
}

// judge looks a status over.
func judge(st *wire.ClusterStatus) health {
	var h health
	v := newView(st)
	h.judgePartitions(v)
	h.judgeNodes(v)
	if st.Meta.Leader == "" {
		h.because(degraded, "the meta group has no leader: data is served, members and settings cannot change")
	}
	h.notePlacement(v)
	return h
}

func (h *health) judgePartitions(v *view) {
	var leaderless, minority, fewer, behind []int
	for i := range v.status.Partitions {
		p := &v.status.Partitions[i]
		c := v.copies(p)
		switch {
		case c.live < c.majority:
			minority = append(minority, p.Number)
		case p.Leader == "" || v.down(p.Leader):
			leaderless = append(leaderless, p.Number)
		case c.live < c.wanted:
			fewer = append(fewer, p.Number)
		case c.current < c.live:
			behind = append(behind, p.Number)
		}
	}
	if len(minority) > 0 {
		h.because(unavailable, "%s without a majority of copies: %s", countOf(len(minority), "partition"), ranges(minority))
	}
	if len(leaderless) > 0 {
		h.because(unavailable, "%s without a leader: %s", countOf(len(leaderless), "partition"), ranges(leaderless))
	}
	if len(fewer) > 0 {
		h.because(degraded, "%s with fewer live copies than wanted: %s", countOf(len(fewer), "partition"), ranges(fewer))
	}
	if len(behind) > 0 {
		h.because(degraded, "%s with a copy that is catching up: %s", countOf(len(behind), "partition"), ranges(behind))
	}
}

func (h *health) judgeNodes(v *view) {
	versions := map[string]int{}
	for i := range v.status.Nodes {
		n := &v.status.Nodes[i]
		switch n.State {
		case wire.NodeRemoved:
			continue
		case wire.NodeDown:
			h.because(degraded, "node %s is down", v.name(n.ID))
		case wire.NodeDraining:
			h.noteEmptying(v, n)
		case wire.NodeJoining:
			h.note("node %s is joining", v.name(n.ID))
		}
		if len(n.Damaged) > 0 {
			h.because(degraded, "node %s has damaged copies that the others are to replace: %s %s", v.name(n.ID), nounOf(len(n.Damaged), "partition"), ranges(n.Damaged))
		}
		if n.Version != "" {
			versions[n.Version]++
		}
	}
	if len(versions) > 1 {
		var list []string
		for version, n := range versions {
			list = append(list, fmt.Sprintf("%s on %s", version, countOf(n, "node")))
		}
		sort.Strings(list)
		h.note("nodes run different versions: %s", strings.Join(list, ", "))
	}
}

// noteEmptying says how far a node is from being empty.
func (h *health) noteEmptying(v *view, n *wire.NodeStatus) {
	switch {
	case n.Leaving:
		h.note("node %s is being removed: %s left", v.name(n.ID), countOf(n.Replicas, "replica"))
	case n.Replicas == 0:
		h.note("node %s is drained: it is empty, until vega-client cluster undrain", v.name(n.ID))
	default:
		h.note("node %s is draining: %s left", v.name(n.ID), countOf(n.Replicas, "replica"))
	}
}

func (h *health) notePlacement(v *view) {
	st := v.status
	if members := v.members(); st.Replicas > members && members > 0 {
		h.note("%s wanted of each partition, and only %s to hold them", countOf(st.Replicas, "copy"), countOf(members, "node"))
	}
	if st.Paused {
		h.note("placement is paused: no replica is moved until vega-client cluster resume")
	}
	switch moving := countOf(len(st.Moves), "replica"); {
	case st.MovesWaiting > 0 && !st.Paused:
		h.note("%s on the way, %s to come", moving, thousands(int64(st.MovesWaiting)))
	case len(st.Moves) > 0:
		h.note("%s on the way", moving)
	}
}

// countOf writes a number with its noun.
func countOf(n int, noun string) string { return thousands(int64(n)) + " " + nounOf(n, noun) }

// nounOf is a noun for as many.
func nounOf(n int, noun string) string {
	if n != 1 {
		if stem, isY := strings.CutSuffix(noun, "y"); isY && !strings.HasSuffix(stem, "e") { // copies, and keys
			noun = stem + "ies"
		} else {
			noun += "s"
		}
	}
	return noun
}

// ranges writes ascending numbers as 3, 7–12, …: no more than can be read.
func ranges(numbers []int) string {
	const most = 8
	var parts []string
	for i := 0; i < len(numbers); {
		if len(parts) == most {
			return strings.Join(parts, ", ") + ", …"
		}
		end := i
		for end+1 < len(numbers) && numbers[end+1] == numbers[end]+1 {
			end++
		}
		part := strconv.Itoa(numbers[i])
		if end > i {
			part += "–" + strconv.Itoa(numbers[end])
		}
		parts = append(parts, part)
		i = end + 1
	}
	return strings.Join(parts, ", ")
}
