//go:build !mutants

package mutant

// Enabled tells whether mutants are compiled in.
const Enabled = false

// On reports whether a bug is on. It never is in this build.
func On(Bug) bool { return false }

// Switch turns a bug on and returns what puts back what was. In this build there are none.
func Switch(b Bug) (back func()) {
	if b != None {
		panic("mutant " + b.String() + ": this program is built without the tag mutants")
	}
	return func() {}
}
