// Package stats summarises the rounds of a measurement: medians with their range, and the ratio of two sides that
// were measured in turn.
//
// Medians, because one disturbed round must not decide; the range beside them, because a reader must see how far
// the machine's noise reaches. A ratio is taken round by round and then summarised, so that what slowed both
// halves of a round cancels out.
package stats

import (
	"fmt"
	"math"
	"slices"
)

// Series holds one value per round, in the order measured.
type Series []float64

// Median returns the middle value, the mean of the two middle ones for an even count, NaN for none.
func (s Series) Median() float64 {
	if len(s) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(s))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// Range returns the smallest and the largest value, NaN for none.
func (s Series) Range() (lo, hi float64) {
	if len(s) == 0 {
		return math.NaN(), math.NaN()
	}
	return slices.Min(s), slices.Max(s)
}

// Ratio divides ours by theirs round by round. Rounds that only one side has are left out, and so are rounds in
// which theirs is zero: there is no ratio to nothing.
func Ratio(ours, theirs Series) Series {
	var out Series
	for i := range min(len(ours), len(theirs)) {
		if theirs[i] != 0 {
			out = append(out, ours[i]/theirs[i])
		}
	}
	return out
}

// Format writes a value with three significant digits and a thousands separator, as the tables quote it.
func Format(v float64) string {
	switch a := math.Abs(v); {
	case math.IsNaN(v):
		return "–"
	case a >= 1000:
		return thousands(int64(math.Round(v)))
	case a >= 100:
		return fmt.Sprintf("%.0f", v)
	case a >= 10:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.2f", v)
	}
}

// String quotes the median with its range.
func (s Series) String() string {
	if len(s) == 0 {
		return "–"
	}
	lo, hi := s.Range()
	if len(s) == 1 {
		return Format(s[0])
	}
	return fmt.Sprintf("%s (%s–%s)", Format(s.Median()), Format(lo), Format(hi))
}

func thousands(n int64) string {
	digits := fmt.Sprintf("%d", n)
	sign := ""
	if n < 0 {
		sign, digits = "-", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}
