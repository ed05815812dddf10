// Package replica is the replicated core of one node: what each group has
// agreed on, in which order, and what may be applied.
//
// It owns no goroutine, socket, file, clock or random source. Its user, the
// shell in package node, brings events (a proposal, a message, the news that
// records are durable, the time) and carries out what they cause (records to append,
// messages to send, snapshots to send or load). The same code can therefore be run
// inside a simulator.
//
// # Two kinds of groups
//
// A Group is one node's replica of a partition as far as it is applied: the
// replicated state beside the table. On a lone node it also gives out indexes: such a
// group of one voter needs no election and no messages, and an entry is committed as
// soon as the log has it as durably as the write asked for:
//
//	rec := group.Prepare(now, entry)   // stamps the entry, names its index
//	pos, err := log.Append(&rec)       // may be refused: nothing has changed
//	group.Accept(entry)                // the index is taken
//	… when the record is durable enough …
//	group.Apply(table, index, term, entry, sink)
//
// Groups with peers run on go.etcd.io/raft, all those of a worker within one Host; see
// there. Their records carry group, term and index exactly as those of a lone node do,
// so that one becomes the other in place: with its first hard state.
//
// # Exactly once
//
// A write that names its session is applied once, however often it arrives: Sessions
// remembers outcomes as a part of the group's replicated state.
//
// # Recovery
//
// Recovery puts a group's history together again from a snapshot and the log's
// records: what overwrites what, what is known to be committed, what is missing.
//
// # Invariants
//
//   - last ≥ applied. Entries are applied one by one, without gaps.
//   - The stamp (log time, unix ms) never goes back within a group.
//   - A record refused by the log leaves no trace.
//   - A Raft group's first record is a hard state, durable before any snapshot of it is
//     published: a snapshot of a Raft group without a hard state shows that records are lost; a vote and a term are given out as
//     records before anybody is told of them, and told only once they are durable: a
//     replica asks for votes when its own is.
//   - No message of another replica makes Raft panic: what it finds impossible is refused
//     before, and halts the host where it shows that somebody has forgotten something.
//   - A proposal is answered once: with its results when it is applied, or as lost
//     when that is sure, or as unknown.
//   - A read has leave when a majority has said, after it came, that it follows this leader
//     in this term (rounds.go, docs/decisions/0020), and what was committed by then is applied.
//   - A lease is given up before leadership is handed over, and begins before the round
//     that proves it was sent. A replica that has just started gives no vote for an
//     election time-out.
//   - Replicas that have applied the same entries hold the same state, encoded in the
//     same bytes.
package replica
