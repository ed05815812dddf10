package config

import "strings"

// Suggestion returns ` (did you mean "x"?)` for the name nearest to what was
// written, or nothing when none is near.
func Suggestion(written string, names []string) string {
	const maxLen = 64 // longer names are no typing slip, and distance costs len²
	if len(written) > maxLen {
		return ""
	}
	fold := func(s string) string {
		return strings.ReplaceAll(strings.ToLower(s), "_", "-")
	}
	best, bestDistance := "", len(written)/3+2
	for _, n := range names {
		if d := distance(fold(written), fold(n)); d < bestDistance {
			best, bestDistance = n, d
		}
	}
	if best == "" {
		return ""
	}
	return ` (did you mean "` + best + `"?)`
}

// distance is Damerau's edit distance restricted to adjacent swaps: the number
// of bytes to insert, remove, change or swap with the next one.
func distance(a, b string) int {
	prev2 := make([]int, len(b)+1)
	prev := make([]int, len(b)+1)
	row := make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(row[j-1]+1, prev[j]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], prev2[j-2]+1)
			}
		}
		prev2, prev, row = prev, row, prev2
	}
	return prev[len(b)]
}
