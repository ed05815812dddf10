// Package invariants holds assertions that cost nothing unless they are asked for.
//
// Built with `-tags invariants`, [Enabled] is true and [Check] panics when its condition does not hold:
// the tests run both ways. Built without the tag, Enabled is the constant false and Check is an empty
// function, so that the compiler removes the call. Arguments are still evaluated where they have effects;
// an expensive condition is therefore guarded by the constant:
//
//	if invariants.Enabled {
//		invariants.Check(t.countSlowly() == t.count, "count %d differs", t.count)
//	}
//
// An invariant is a statement about this program that no input can make false. What comes from a disk, a
// network or a user is checked with an error instead, in every build.
package invariants
