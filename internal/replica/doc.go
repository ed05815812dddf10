// Package replica is the replicated core of one node: what each group has
// agreed on, in which order, and what may be applied.
//
// It owns no goroutine, socket, file, clock or random source. Its user, the
// shell in package node, brings events (a proposal, the news that a record is
// durable) and carries out what they cause (a record to append, an entry to
// apply). The same code can therefore be run inside a simulator.
//
// Today it holds the group of one voter. Such a group needs no election and no
// messages: an entry is committed as soon as the group's own log has it as
// durably as the write asked for. The records it writes carry group, term and
// index exactly as those of a larger group do, so that it can become a larger
// one in place.
//
// # Use
//
// For each write, under a lock of the caller's that belongs to the group:
//
//	rec := group.Prepare(now, entry)   // stamps the entry, names its index
//	pos, err := log.Append(&rec)       // may be refused: nothing has changed
//	group.Accept(entry)                // the index is taken
//	… when the record is durable enough …
//	command.Apply(table, index, entry, sink)
//	group.Applied(rec.Index, entry)
//
// # Invariants
//
//   - last ≥ applied. Indexes are taken and applied one by one, without gaps.
//   - The stamp (log time, unix ms) never goes back within a group.
//   - A record refused by the log leaves no trace.
package replica
