// Package mutant names known mistakes that can be put into the product, to see that the tests would notice them.
//
// Each stands at the place in the product where somebody could make it, as one condition:
//
//	if mutant.On(mutant.SkippedFsync) {
//		return nil // what was written is taken for durable
//	}
//
// Built without the tag mutants, On is a function that returns false: the compiler removes the call, and with it
// everything behind the condition. Built with `-tags mutants`, the one that the environment variable [Variable] names, or that
// [Switch] was told, is on. That one of them is on at a time is a variable of the package, and an exception to the rule that there
// are none: it exists in builds for tests alone.
//
// `make mutants` (package cmd below) shows for every one of them what catches it, and after how many simulated clusters.
package mutant
