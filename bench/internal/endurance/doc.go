// Package endurance runs a cluster of built servers for a long time under mixed load and trouble, and looks whether
// what it uses stays bounded.
//
// # What goes on at once
//
//   - Load (load.go): paced callers of the Go client read, write, delete, increment, write batches and entries that
//     expire, and scan, within a fixed set of keys; a RESP cluster client does the same in small. Snapshots and the
//     truncation of logs come by themselves: the servers' thresholds are set low.
//   - Trouble (trouble.go): one event after the other, with a rest in between in which the cluster becomes whole again:
//     a node is killed and started, paused, restarted in order, drained and filled again, leaders are moved, a fourth node
//     joins and is removed again.
//   - Checks (checks.go): callers of package checker, one run after the other, whose histories must be legal.
//   - Samples (samples.go): every few seconds memory, goroutines, file descriptors and disk of every node.
//
// # What is bounded
//
// After the first third, which fills caches and sizes tables, no node may use more in the last third than in the second
// by more than a stated share (bounds.go). A leak that an hour shows is found; a slower one is not.
package endurance
