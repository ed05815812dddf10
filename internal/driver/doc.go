// Package driver is the order in which a node's events reach its replica.Host, and in which what they cause is done:
// what is handed over before what, what is appended, who is told what when it is durable, and what all of that does when
// the disk is full.
//
//	d := driver.New(host, log, shell, options)
//	for each wake-up and each tick { err := d.Turn() }     // an error: halt
//
// It owns no goroutine, socket, file or clock. Package node calls it from its worker's goroutine; the simulator (package
// sim) from its events. Both give it a [Shell], which is everything that it needs of the rest of the node.
//
// # A turn
//
//  1. what had to wait for room in the log is appended
//  2. how much room there is now, and whether the disk is full
//  3. what has become durable: the host is told, and with that what says "I have it" may leave
//  4. the inbox is taken, and handed to the host: frames of peers, proposals, reads, peers that were not reached
//  5. time, tick by tick
//  6. calls of others who need the host to themselves; then [Shell.Mind]
//  7. the host works. Its records are appended first; then messages leave, node by node; then snapshots are sent and
//     installed, and changes of groups told. Under a policy that does not wait for the disk this goes on until there is
//     nothing more to do.
//
// # Invariants
//
//   - Records reach the log in the order in which the host gave them out, those of the node's own ([Driver.Record])
//     among them: nothing overtakes what waits for room.
//   - The host is told of a batch ([replica.Host.Persisted]) only when the log has said that its last record is durable,
//     or, under the policies that do not wait for the disk, written; what is a term or a vote is synced under any.
//   - Messages leave after the records that the same work gave out were handed to the log, or put into the backlog.
//   - A proposal, a read or a call is taken once, and each waiter is told or kept by the host.
//   - Nodes are sent to in the order of their ids: the same events give the same order of effects.
//
// # Waiting
//
// A turn waits for one thing: room in the log's queue ([wal.ErrBusy]). It says so by [Shell.Pause], in the middle of the
// turn, and tries again when that returns. A disk without space ([wal.ErrNoSpace]) is nothing to wait for; see space.go.
package driver
