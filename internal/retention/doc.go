// Package retention decides when a node writes snapshots, and how much of its log goes after them.
//
//	k := retention.New(node, options)
//	k.Begin(log, replayed)
//	k.Truncate()
//	if k.Due(now, used, disk) { bytes, err := k.Round(); k.Ended(now, err, disk) }
//
// It owns no goroutine, file or clock. Package node calls it from its snapshotter's goroutine; the simulator from a
// coroutine, for a round waits: for the disk, and for the worker.
//
// # A round
//
//  1. a snapshot of every group whose newest one does not say it all, the meta group first
//  2. the log goes, as far as the oldest kept snapshot of each group still joins up (Truncate)
//  3. groups that nobody writes to, and that alone hold the log's oldest segment, are moved on by an entry without effect
//     and get a fresh snapshot, as long as that lets a segment go
//
// # Invariants
//
//   - The log goes back to the oldest snapshot that is kept: all but one may prove bad. Until there are as many as are
//     kept, it goes back to the beginning. A Raft replica that nobody writes to is an exception: it has peers to get
//     another from.
//   - That records may go is durable ([Node.SetFloors]) before the first of them does, so that a start can tell missing
//     records from records given up.
//   - What must not go with the log's beginning, hard states and which replicas are gone, is appended anew and synced
//     before the log is shortened, and nothing behind that place goes ([Node.RecordStates]).
//   - Nothing is written for a log that cannot become shorter: a full disk has no room for that.
package retention
