//go:build invariants

package invariants

import "fmt"

// Enabled tells whether assertions are compiled in.
const Enabled = true

// Check panics with the formatted message unless ok holds.
func Check(ok bool, format string, args ...any) {
	if !ok {
		panic("invariant violated: " + fmt.Sprintf(format, args...))
	}
}
