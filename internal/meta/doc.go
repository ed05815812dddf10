// Package meta is the state machine of the meta group, the small Raft group that owns what all nodes of a cluster must
// agree on: who the members are, where each partition is and should be, the settings and the users. Every node has
// a replica of it, so that every node has all of this locally.
//
// Three parts, all pure: no goroutine, clock, randomness, file or socket.
//
//   - State with Apply: what the log's commands do. Encode and Decode are its snapshot.
//   - Plan: the controller. It compares what should be with what is and says which commands bring them closer. Run
//     by the node that leads the meta group.
//   - Moves: what people want to see of it.
//
// # Placement
//
// For each group (group 0 is the meta group, group p+1 partition p) the state holds a Placement: Target, the replicas
// it should have, the first being the preferred leader, and Actual, the replicas of its latest configuration that its
// leader has reported. Plan changes targets; the leader of each group sees its target and drives its group there:
//
//  1. If ActualIndex is not the index of the group's own configuration, report that, and do nothing else until the report
//     is in the state. So the group is never more than one step ahead of what the state knows, and a leader that
//     sees the state late cannot follow an outdated target.
//  2. Add what the target has and the configuration has not as learners.
//  3. When they have caught up and a majority of the target's voters is there: one joint change to the target.
//
// A move therefore survives any crash: who leads next finds target and configuration as they are. A target that has
// become pointless (the new replica's node has died, or is to be emptied itself) is taken back to the voters that there
// are, and the next step is planned from there.
//
// # Commands
//
// A command is JSON:
//
//	{"v":1, "id":"<32 hex digits>", "type":"drain", "args":{"node":"<32 hex digits>"}}
//
// The id is drawn by who proposes it. A command with an id that was applied lately has no second effect and the same
// result; who proposes one may therefore repeat it until Lookup finds its result.
//
// # Invariants
//
//   - Equal logs give equal states, byte for byte once encoded. What this version does not understand (type, version,
//     unknown fields) is an error and changes nothing: the node must halt there rather than diverge. What it understands and
//     does not allow is a Result with a code and a text, not an error.
//   - Epoch grows with every command that changes anything that clients or nodes can see, and with no other.
//   - A replica id is used once per group: it comes from NextID, which only grows. A replica that a configuration has left
//     behind never comes back under its id: if it is still wanted it gets a new one.
//   - A target differs from the reported configuration by at most one voter more and one voter less. (When a change is
//     taken back just as the group makes it, the group may see two. It is a joint change: safe all the same.)
//   - A node that was removed never comes back under its id.
//   - Slices inside a State are replaced, not changed: a Clone may be read while its origin goes on.
//   - Everything has a bound (limits.go).
package meta
