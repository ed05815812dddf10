// Package mover decides how the leader of a group drives it to its target in the meta state, a step at a time: new
// replicas as learners; when they have caught up, one change that makes them voters and removes the old ones; then it
// reports what is. And who is to lead: the preferred replica, if it is fit and wants to.
//
// A replica that its own node has found damaged is removed at once (damaged.go). The meta group then gives the target's
// replica a new id, and it is added like any other.
//
// All that must outlive a crash is in the group's configuration and in the meta state, so whoever leads next goes on. What
// a Mover itself remembers keeps it from asking twice for what is under way, and from doing too much at once.
//
// No goroutine, clock, randomness, file or socket: the shell asks when it has something to look at, says what time it is, and
// carries out the Action. Package node does that with goroutines, the simulator in steps.
//
//	a := m.Drive(&status, placement, &view, now)     // of a group that this node leads
//	a.Change: propose it; a.Transfer: hand leadership over; a.Report: tell the meta group
//
// # Invariants
//
//   - No change is asked for before the meta state knows of the configuration it starts from, none while a group is
//     between two configurations or its configuration could be lost in a crash of everybody, and none for a
//     target older than one that the group has followed.
//   - A replica becomes a voter only as a learner that has caught up, and only when most of the target's voters are there.
//   - A damaged replica is removed only when most of the voters are there and undamaged.
//   - A replica is dropped only when neither target nor reported configuration have it: see Unwanted.
//
// Not safe for concurrent use.
package mover
