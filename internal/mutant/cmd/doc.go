// Command cmd shows that known bugs (package mutant) are noticed: for each, after how many simulated clusters, and by which
// test.
//
//	go run -tags mutants ./internal/mutant/cmd                   # all of them; make mutants
//	go run -tags mutants ./internal/mutant/cmd -only early-ack
//	go run -tags mutants ./internal/mutant/cmd -update-docs      # and write the table into docs/reliability.md
//
// Before that it runs the same clusters and tests without a bug: what fails then shows nothing. It exits with 1 if that
// fails, or if a bug is not noticed by anything.
package main
