// Package checker runs a checked workload against a live cluster and judges what came of it: what `vega-client check`
// does, and the bridge between package history, which knows no client, and package client.
//
//	result, err := checker.Run(ctx, c, checker.Options{Workload: history.Workload{Seed: 42}, For: time.Minute})
//
// # What a run does
//
// Concurrent callers read, write, compare and increment keys below a prefix of the run's own until its time is over
// or ctx ends, whatever happens to the cluster meanwhile. Then every key is read once more, linearizably, and the
// history is judged. The keys are deleted if it is legal: what an illegal history has left behind is evidence.
//
// # Two verdicts
//
// Promised is about what the reads' level promises; it alone says whether the store has kept its word. For levels
// that promise less than linearizability, AsLinearizable judges the same replies as if they had promised it. That one may
// well be illegal: it shows what a weaker level costs.
//
// # Bounds
//
// A run holds its history in memory, at most Workload.MaxOps operations of about 250 bytes; a full history ends the
// work early, and Result.Full says so.
package checker
