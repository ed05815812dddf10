package endurance

import "math"

// Bound compares what nodes used in the last third of a run with the second third.
type Bound struct {
	What   string  `json:"what"`
	Unit   string  `json:"unit"`
	Second float64 `json:"second"` // the most that any node used in the second third
	Last   float64 `json:"last"`   // in the last third
	Limit  float64 `json:"limit"`  // of Last: Second and an allowance
	Kept   bool    `json:"kept"`
}

// quantities are what is to stay bounded. The allowance is for what moves by itself: when a snapshot or a
// truncation falls due, which node leads how much, how many connections a kill has just doubled.
var quantities = []struct {
	what, unit string
	of         func(Sample) float64
	share      float64 // of the second third that may come on top
	least      float64 // or this much, if it is more
}{
	{"resident memory", "bytes", func(s Sample) float64 { return s.RSS }, 0.10, 16 << 20},
	{"Go heap in use", "bytes", func(s Sample) float64 { return s.Heap }, 0.15, 16 << 20},
	{"entries' memory", "bytes", func(s Sample) float64 { return s.Table }, 0.05, 4 << 20},
	{"disk", "bytes", func(s Sample) float64 { return s.Disk }, 0.15, 32 << 20},
	{"file descriptors", "", func(s Sample) float64 { return s.FDs }, 0.10, 8},
	{"goroutines", "", func(s Sample) float64 { return s.Goroutines }, 0.10, 16},
}

func bounds(list []Sample, seconds float64) (out []Bound) {
	for _, q := range quantities {
		b := Bound{What: q.what, Unit: q.unit}
		b.Second = most(list, seconds/3, 2*seconds/3, q.of)
		b.Last = most(list, 2*seconds/3, math.Inf(1), q.of)
		b.Limit = b.Second + max(q.share*b.Second, q.least)
		b.Kept = b.Second > 0 && b.Last > 0 && b.Last <= b.Limit
		out = append(out, b)
	}
	return out
}

// most is the largest value of a time, 0 if there is none.
func most(list []Sample, from, to float64, of func(Sample) float64) (out float64) {
	for _, s := range list {
		if s.At >= from && s.At < to {
			out = max(out, of(s))
		}
	}
	return out
}
