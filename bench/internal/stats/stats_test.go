package stats

import (
	"encoding/json"
	"math"
	"slices"
	"testing"
)

func TestMedianIsTheMiddleWhateverTheOrder(t *testing.T) {
	cases := []struct {
		in   Series
		want float64
	}{
		{Series{3}, 3},
		{Series{9, 1, 5}, 5},
		{Series{4, 1, 3, 2}, 2.5},
		{Series{100, 1, 1, 1, 1}, 1},
	}
	for _, c := range cases {
		before := slices.Clone(c.in)
		if got := c.in.Median(); got != c.want {
			t.Errorf("median of %v = %v, want %v", c.in, got, c.want)
		}
		if !slices.Equal(before, c.in) {
			t.Errorf("the rounds were reordered: %v, were %v", c.in, before)
		}
	}
	if !math.IsNaN(Series{}.Median()) {
		t.Error("no rounds must have no median")
	}
}

func TestRatioIsTakenRoundByRound(t *testing.T) {
	// The machine was twice as slow in the second round; the ratio does not notice.
	got := Ratio(Series{10, 5, 7}, Series{5, 2.5, 0})
	if want := (Series{2, 2}); !slices.Equal(got, want) {
		t.Errorf("ratio = %v, want %v", got, want)
	}
}

func TestVerdicts(t *testing.T) {
	cases := []struct {
		name string
		r    Result
		want string
	}{
		{"ratio reached", Result{Ours: Series{13}, Theirs: Series{10}, Promise: Promise{RatioAtLeast, 1.3}}, "met"},
		{"ratio not reached", Result{Ours: Series{12}, Theirs: Series{10}, Promise: Promise{RatioAtLeast, 1.3}}, "missed"},
		{"cheap enough", Result{Ours: Series{3}, Theirs: Series{10}, Promise: Promise{RatioAtMost, 0.35}}, "met"},
		{"too dear", Result{Ours: Series{4}, Theirs: Series{10}, Promise: Promise{RatioAtMost, 0.35}}, "missed"},
		{"absolute kept beside a peer", Result{Ours: Series{107}, Theirs: Series{183}, Promise: Promise{AtMost, 108}}, "met"},
		{"absolute broken", Result{Ours: Series{109}, Promise: Promise{AtMost, 108}}, "missed"},
		{"nothing measured is never met", Result{Promise: Promise{AtMost, 108}}, "missed"},
		{"no promise", Result{Ours: Series{1}}, "info"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := c.r.Verdict(); got != c.want {
				t.Errorf("verdict = %s, want %s", got, c.want)
			}
		})
	}
}

func TestFormatIsReadable(t *testing.T) {
	for v, want := range map[float64]string{
		1234567.8: "1,234,568", 1000: "1,000", 999.4: "999", 12.345: "12.3", 1.234: "1.23", 0.5: "0.50", -4321: "-4,321",
	} {
		if got := Format(v); got != want {
			t.Errorf("Format(%v) = %q, want %q", v, got, want)
		}
	}
	if got := (Series{2, 1, 4}).String(); got != "2.00 (1.00–4.00)" {
		t.Errorf("series = %q", got)
	}
}

func TestJSONKeepsTheRoundsAndAddsTheVerdict(t *testing.T) {
	in := Result{Row: "r", Work: "w", Metric: "m", Unit: "op/s", Peer: "Redis", Ours: Series{20, 21}, Theirs: Series{10, 10},
		Promise: Promise{RatioAtLeast, 2}}
	text, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	var out Result
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(out.Ours, in.Ours) || !slices.Equal(out.Theirs, in.Theirs) || out.Verdict() != "met" {
		t.Errorf("came back as %+v from %s", out, text)
	}
	if _, err := json.Marshal(Result{}); err != nil {
		t.Errorf("an empty result must still be written: %v", err)
	}
}
