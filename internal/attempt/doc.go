// Package attempt holds the rules by which a client sends a request: whom it asks, under which number, what an attempt's
// outcome means, whether and when there is another one, and when nobody can say what came of it.
//
// Package client carries the rules out with goroutines and sockets, package sim with simulated ones; both decide by what is
// here.
//
//	s.Retriable(request, open)            // an attempt has failed: may there be another one?
//	s.Learn(elsewhere, hint, random)      // yes: after how long, and what is to be done before
//	p.Pick(relaxed, &turn, random, health) // whom to ask
//	s.Resend(request, session, keeps, now) // may it go there, after what it has been through?
//	s.Unknown(request)                    // it has failed for good: has it taken effect?
//
// # What is here
//
//   - outcome.go: how attempts end, and what of a request matters to the rules.
//   - state.go: what a request has been through, and what follows from it.
//   - pause.go: pauses that grow, with jitter.
//   - session.go: sessions and the numbers of their writes, by the server's clock as it is known.
//   - partition.go: who serves a partition: its leader, and its replicas for reads that need not come from the leader.
//
// # Invariants
//
//   - A write of which an attempt may have been executed is only ever repeated under the session and number of that attempt, to a
//     server that keeps sessions, and while the session is young enough to be recognised ([Ages].Repeat).
//   - [State].Doubt, once set, stays. Only an answer that decides ([Decides]) makes the outcome of such a write known.
//   - A sequence number is given away once, and the acknowledged mark never passes a number that is not settled.
//   - Answers that are no decision lead to a bounded number of further attempts, but for those that say that nothing was executed: these go on
//     until the caller's time is up.
//   - A topology that does not know the latest leader does not undo what is known of it.
//
// No goroutine, lock, socket, clock or source of randomness: what time it is and random numbers are arguments. Nothing here is safe
// for concurrent use, but [Partition.Leader], [Partition.Pick] and [Partition.Elsewhere], which may be called at any time.
package attempt
