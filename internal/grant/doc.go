// Package grant decides when a replica of a group with peers may be read, and whether what was read may be shown.
//
//	answer, g := replica.Begin(level, arg)
//	switch answer {
//	case grant.Now:                       // look into the table, then, if g.Recheck:
//	        answer = replica.End(g)       //   Now: show it. Otherwise: throw it away
//	case grant.Wait:                      // ask the host: Read, or ReadAt(g.Mark); then Begin at level Local, and as above
//	case grant.NotLeader, grant.NotHere:  // somebody else may be able to
//	}
//
// It owns no goroutine and no clock. Package node asks it from the sessions' goroutines, while its worker tells it what
// changes; the simulator does both from its events.
//
// # What the levels need
//
//	linearizable   the leader, and a round that confirms that it leads
//	lease          the leader, while its lease lasts; then End. Otherwise as linearizable
//	session        any replica that has applied an index
//	bounded        any replica that was complete lately enough; otherwise after a round
//	local          any replica that holds a state
//
// # Invariants
//
//   - A lease is checked after the value was read: until then the reader may have stood still for longer than it lasted.
//   - A lease counts in the term in which the read began. Whoever has lost the leadership and won it again has another.
//   - Of the last three levels nothing is shown of a replica whose state a snapshot has begun to replace since Begin, or
//     that has been dropped.
//   - While a replica is being replaced, or is dropped, or holds no state yet, it is not Readable.
package grant
