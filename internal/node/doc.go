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
// All of them are started by Load and waited for by Close.
//
// # Locks, in the order they are taken
//
//	Partition.mu → store stripe locks
//	Partition.mu → the log's queue lock
//	Partition.snapshotting → Partition.publishing → Partition.mu
//	Partition.snapshotting → Node.shortening
//
// Several partitions are locked in ascending order. Node.life, which orders Load
// and Close, is never held together with these.
//
// # Invariants
//
//   - Records of a group reach the log in index order, because index and append
//     share the partition's lock.
//   - Under always, nothing is applied before it is durable.
//   - A partition is marked for the applier before its record is appended: no
//     report of the log can come too early for it.
//   - What has failed to be written or applied is never acknowledged.
//   - Node.Now never goes back and never lies before a stamp in the log. Stamps,
//     expiry times and reads all use it, so that they agree whatever the wall clock
//     does.
//   - What waits for the disk is bounded in bytes twice: by the log's queue until
//     it is written, and by the node until it is applied.
//   - The log goes back to the oldest snapshot that is kept: all but one may prove
//     bad. Until there are as many as are kept, it goes back to the beginning.
//   - A snapshot is published only when the log is durable up to its index, so
//     that an older snapshot and the log always join up.
package node
