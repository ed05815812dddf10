//go:build mutants

package mutant

import (
	"os"
	"sync/atomic"
)

// Enabled tells whether mutants are compiled in.
const Enabled = true

var current = fromEnvironment()

func fromEnvironment() *atomic.Int32 {
	c := new(atomic.Int32)
	if name := os.Getenv(Variable); name != "" {
		b, ok := Named(name)
		if !ok {
			panic(Variable + "=" + name + ": there is no such mutant")
		}
		c.Store(int32(b))
	}
	return c
}

// On reports whether a bug is on.
func On(b Bug) bool { return Bug(current.Load()) == b }

// Switch turns a bug on and returns what puts back what was.
func Switch(b Bug) (back func()) {
	was := current.Swap(int32(b))
	return func() { current.Store(was) }
}
