// Package node is the shell that drives the replicated core with a real log,
// real snapshots and real time: one Node is one data directory, its partitions
// and the goroutines that keep them.
//
// # The way of a write
//
// A session hands Submit an entry that package command encoded. Under the
// partition's lock the group stamps it and takes the next index, and the log
// takes its record. What follows depends on the durability policy:
//
//	always                 the entry waits in the partition's queue; when the
//	                       log reports that its record is on disk, the applier
//	                       applies it and tells the session. No read can see it
//	                       before.
//	everysec, never,       the entry is applied at once. The session calls
//	in-memory              Settle before it replies, which write(2)s the log's
//	                       buffer: a killed process loses nothing.
//
// # Goroutines
//
//	applier       applies what the log reports durable      (policy always)
//	snapshotter   writes snapshots when the log has grown or on request
//	sweeper       reclaims expired entries within a budget
//
// All of them are started by Open or Load and waited for by Close.
//
// # Locks, in the order they are taken
//
//	Partition.mu → store stripe locks
//	Partition.mu → the log's queue lock
//
// Several partitions are locked in ascending order.
//
// # Invariants
//
//   - Records of a group reach the log in index order, because index and append
//     share the partition's lock.
//   - Under always, nothing is applied before it is durable.
//   - A snapshot is published only when the log is durable up to its index, so
//     that an older snapshot and the log always join up.
package node
