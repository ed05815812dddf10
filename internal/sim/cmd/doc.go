// Command cmd runs simulated clusters: one seed with everything that it did, or many, and sums up what they did.
//
//	go run ./internal/sim/cmd -h
package main
