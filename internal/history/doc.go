// Package history records what concurrent clients of a key-value store did and saw, and judges whether the store
// kept its promises.
//
//	rec := history.NewRecorder(history.Monotonic())
//	workload.Run(ctx, rec, stores)          // or rec.Begin(op) … call.End(reply) around calls of one's own
//	report := history.Check(rec.History(), history.Options{})
//	if report.Verdict != history.Legal { t.Error(report) }
//
// # What is judged
//
//   - Linearizability, key by key, with porcupine (Wing & Gong 1993, Lowe 2017): writes of every kind and the
//     reads of the levels linearizable and lease. The model is one entry with a value and a version; see model.go.
//   - What needs no search, and therefore holds even where the search gives up (promises.go): nothing is read that
//     was not written; a version never goes back for who reads linearizably; two writes never share a version;
//     at the end no acknowledged write is missing and a counter holds its increments; session reads show
//     their own session's past, bounded reads are not older than asked, and local reads show something that was written.
//
// # Outcomes
//
// An operation is ok (its reply came), failed (it surely was not executed) or unknown. An unknown write, and one that
// is still in flight when the history is taken, may take effect at any time from its call on, or never: its end is
// open. Where a reply to somebody else proves that it had taken effect by then, it gets that end (resolve.go):
// this is a fact, not a guess, and keeps the search small.
//
// # Verdicts
//
// Legal, Illegal, Unknown. Unknown means that the search was given up at its bound of steps, memory or time; it is
// not a kind of legal. One illegal key makes the history illegal, one unknown key among legal ones makes it unknown.
//
// # Illegal histories
//
// A problem carries the smallest history that shows it. Minimising (minimise.go) only takes steps that cannot make a
// legal history illegal, so that what remains is a proof: reads may be dropped, writes only when no remaining
// operation has observed them, and the oldest write may become the state at the start.
//
// # Assumptions about the histories
//
//   - All times of one history come from one monotonic clock.
//   - A client number does one operation at a time.
//   - Values written to one key are distinct; Workload's are. Where they are not, unknown writes keep open ends.
//   - A key starts without an entry.
//
// # What is left out
//
// Operations on several keys, scans and expiry are not modelled. The package knows no server and no client library: the
// interface Store joins it to one.
package history
