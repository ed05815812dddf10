package stats

import (
	"encoding/json"
	"fmt"
)

// Kind says what a promise is compared with.
type Kind string

// The kinds of promise. Without one, a result is shown for information.
const (
	None         Kind = ""
	RatioAtLeast Kind = "ratio ≥" // ours ÷ theirs
	RatioAtMost  Kind = "ratio ≤"
	AtMost       Kind = "≤" // ours, in the result's unit
)

// Promise is a limit that the median of a measurement has to keep.
type Promise struct {
	Kind  Kind    `json:"kind"`
	Limit float64 `json:"limit"`
}

// Result is one line of the table: what was measured on both sides, and what was promised of it.
type Result struct {
	Row     string  `json:"row"`    // which row of the plan it belongs to
	Work    string  `json:"work"`   // "RESP GET, 50 connections, no pipeline"
	Metric  string  `json:"metric"` // "throughput"
	Unit    string  `json:"unit"`   // "op/s"
	Peer    string  `json:"peer"`   // "Redis"; empty when only our side runs
	Ours    Series  `json:"ours"`
	Theirs  Series  `json:"theirs,omitempty"`
	Promise Promise `json:"promise"`
	Note    string  `json:"note,omitempty"`
}

// Measured returns what the promise is about: the ratio's rounds, or our own.
func (r Result) Measured() Series {
	if len(r.Theirs) == 0 || r.Promise.Kind == AtMost {
		return r.Ours
	}
	return Ratio(r.Ours, r.Theirs)
}

// Verdict is "met", "missed", or "info" for a result without a promise.
func (r Result) Verdict() string {
	measured := r.Measured().Median()
	var kept bool
	switch r.Promise.Kind {
	case RatioAtLeast:
		kept = measured >= r.Promise.Limit
	case RatioAtMost, AtMost:
		kept = measured <= r.Promise.Limit
	default:
		return "info"
	}
	if kept {
		return "met"
	}
	return "missed"
}

// PromiseText is the promise as the table shows it.
func (r Result) PromiseText() string {
	switch r.Promise.Kind {
	case RatioAtLeast:
		return fmt.Sprintf("≥ %s ×", trim(r.Promise.Limit))
	case RatioAtMost:
		return fmt.Sprintf("≤ %s ×", trim(r.Promise.Limit))
	case AtMost:
		return fmt.Sprintf("≤ %s %s", trim(r.Promise.Limit), r.Unit)
	default:
		return "–"
	}
}

// MarshalJSON adds the derived figures, so that a reader of the raw file need not compute them.
func (r Result) MarshalJSON() ([]byte, error) {
	type plain Result
	return json.Marshal(struct {
		plain
		MeasuredMedian float64 `json:"measured_median"`
		Verdict        string  `json:"verdict"`
	}{plain(r), finite(r.Measured().Median()), r.Verdict()})
}

func finite(v float64) float64 {
	if v != v { // NaN has no JSON form
		return 0
	}
	return v
}

func trim(v float64) string { return fmt.Sprintf("%.4g", v) }
