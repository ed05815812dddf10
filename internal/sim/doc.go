// Package sim runs a whole cluster in one goroutine, from one seed, and judges what it did.
//
//	r := sim.Run(sim.Config{Seed: 7})
//	if r.Failed() { fmt.Print(r) }      // what broke, what leads to it, and the command that replays it
//
// What runs is the product: replica (and with it etcd's Raft), driver, grant, retention, recovery, mover, meta, store, command, wal, snapshot and datadir, unchanged.
// What is simulated is everything they stand on: the network, the disks, the clocks, power, and when anything gets
// its turn. The order in which events reach the host and their effects are carried out is package driver's, as in the
// product; who may read what is package grant's, snapshots and the shortening of the log are package retention's, and a node's
// time is package logclock's; how groups come back from the disk is package recovery's. The rest of the shell (lifecycle.go,
// snapshots.go, members.go) does, step by step, what package node does with goroutines; docs/decisions tells why it is a shell
// of its own. What waits in the middle of a function, as the
// worker does for room in the log and a round of snapshots for the disk, is a coroutine (task.go).
//
// # Determinism
//
// The same seed, the same configuration and the same commit give the same trace, event for event: [Result.Hash].
//
//   - One goroutine at a time (coroutines are resumed by events, and run until they wait); a queue of events ordered by
//     time, then by the order in which they were put there. What
//     the product waits for in the middle of its functions is another goroutine, that runs while the world stands still: lockstep.go.
//   - All randomness is drawn from streams made of the seed, one for each part of the world, so that one part's
//     drawing more does not change what another part draws.
//   - Raft draws its election time-outs, and the log its salts, from crypto/rand.Reader. Run replaces that
//     variable while it runs and puts it back, so at most one Run is under way in a process.
//   - Tables hash keys by a fixed function: otherwise the order of entries in snapshots, and with it every offset in
//     them, would differ from process to process.
//   - Nothing walks a map in the map's own order.
//   - Time is what [Config] and the events say; nothing asks the system for it.
//
// # Clients
//
// Whom a client asks, when again, under which session and number, and when nobody can say what came of it is what package attempt says, as in
// package client. What is of the simulator is what carries that out (peers.go, attempts.go): connections, each to one life of a node, that
// break or fall silent, and clients that see neither but by what does not come back.
//
// # Membership
//
// With [Config.Membership], every node has a replica of the meta group, and the node that leads it runs meta.Plan. An operator
// switches on nodes that join, drains and removes others, and buries those that are lost; groups follow their targets by
// what package mover decides. Without it, every node has a replica of every group from the beginning to the end.
//
// In some of these worlds ([Features]) the number of replicas changes, moves are paused and resumed, nodes are in zones and of several
// capacities, come back at other addresses, and a node that is lost is replaced by one of another identity at its address.
//
// # Backups
//
// With [Features].Backups, an operator backs the cluster up with package backup while faults come, and at the end restores what he has
// with package loader into a second world, of another number of nodes and partitions: backup.go, restore.go.
//
// # Fault model
//
// Written before the faults, and the measure for them. A run has a safety phase, in which the faults come, and a liveness
// phase, in which they have ended.
//
//	what                how much at once                          what it means to the product
//	------------------  ----------------------------------------  ------------------------------------------------
//	power cut           any number of nodes, all at once too; at  what was not synced: each sector there or not, each
//	                    any write, fsync, rename of a disk        directory change made or not (vfs.Mem.CrashClone)
//	kill                any number of nodes                       the page cache survives, the process does not
//	fsync or write EIO  any number of nodes                       the process ends; what was not synced is lost as
//	                                                              after a power cut
//	disk full           any number of nodes                       writes wait or are refused; it goes on when there
//	                                                              is space again
//	disk stall, slow    any number of nodes                       nothing becomes durable meanwhile
//	bit flip, misplaced a minority of the voters, for good: such  the node names the damage and does not start; it
//	write (platter)     a node counts as lost                     stays away. See "Not in the model" for the last batch
//	message loss,       any link                                  raft repeats; clients time out
//	delay, duplicate,
//	reordering
//	link cut            any set of links, each direction apart    partitions: total, partial, one-way
//	pause               any number of nodes                       it stands still while the others go on
//	clock drift         every node: up to 4 % fast or slow        leases allow for 10 % between two nodes
//	join, drain,        as many nodes as leave enough to hold     all groups move, a replica at a time
//	removal             the replicas that are wanted
//	loss of a node      one, if nobody's platter is damaged       it is removed by force, and its replicas made anew
//	clock jump          any number of nodes: wall clock, up to    expiry follows the log's time; nothing else looks
//	                    an hour in either direction
//	power cut of the    at any write, fsync, rename, and after    as above
//	operator's machine  a backup
//	handover            of any group, to any voter, which may     leases end first; clients wait or are sent on
//	                    hear of it late
//
// Always, whatever of this happens:
//
//  1. Replicas that apply the entry of an index apply the same entry, with the same results.
//  2. What clients saw is linearizable, key by key, for linearizable and lease reads and all writes.
//  3. Session, bounded and local reads show at least what they promise. What any read shows is what the committed log says at the index
//     that the reply names (model.go), and that index is one that its level promises: an entry that expires is there until the
//     serving node's clock says so, and never again once the log's time does; the writes of a batch are there together; a scan meets what was
//     there from a partition's first page to its last exactly once, nothing twice, and nothing that was not there.
//  4. No acknowledged write is missing at the end; an increment counts once, however often it was sent.
//  5. Nothing panics, and no node refuses to start, but for one whose platter was damaged.
//  6. Any majority of a group's configuration and any of the one before it have a replica in common; a replica votes only
//     after it was a learner; a replica's id is used once; the meta group's commands have the same results everywhere.
//  7. What waits, in a log's queue or a host, stays within its bounds.
//  8. A backup that calls itself complete is whole. Each of its partitions is what the log says at one index, which is not before any
//     write that had been acknowledged when the backup was begun. One that is cut off is complete, or known not to be.
//
// When the faults have ended (all nodes but the damaged ones run, all links carry, clocks keep their rate):
//
//  9. Within [Config.LivenessMs] every group has a leader and a client's write to every partition succeeds.
//  10. Within a minute and a half every member is one that lives, every group has the replicas that it should have, on active nodes,
//     in as many zones as there can be, and no other node has one; every node is known at its address; moves that crashes have interrupted are among that.
//  11. A backup can be taken, and restored into a cluster of another size, whatever goes wrong there: then it holds the same
//     entries, but for those that have expired, and no others. Another cluster is told that the backup is not its own.
//  12. Soon after the clients have stopped, all replicas of a group hold the same state, byte for byte.
//
// # Not in the model
//
//   - Lies: a disk that acknowledges an fsync and loses the data anyway ([Faults].Lies is for a test of the simulator), a node
//     that says what is not so.
//   - Damage to the last batch of a log: package wal says that it cannot be told from a write that a crash cut short.
//     The simulator does not damage that one.
//   - Damage to the platters of a majority.
//   - Loss of power under the policies everysec and never, but for a node that is lost for good: what is acknowledged is in the memory of
//     a majority's operating systems, and what a cluster forgets that loses its power is not judged here. Without it ([Features].EverySec,
//     Never), everything above holds.
//   - Monotonic clocks that jump or differ by more than leases allow for.
//
// # Mutants
//
// A simulator that finds nothing has to prove that it could. Package mutant puts known bugs into the product, in builds with
// the tag mutants; [MutantWorld] says in which world each of them shows soonest, and `make mutants` counts the seeds that it takes.
//
// # What a failure gives
//
// One command that runs the seed again (package cmd below), what is broken with the smallest history that
// shows it, and the end of the space-time trace: who did what, when, by node. [Result.WriteTrace] writes all of
// it as JSON; the format is described in trace.go.
package sim
