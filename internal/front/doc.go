// Package front is what a node and a router show their clients alike: package server
// and package router build on it, so that a client cannot tell by a reply which of the
// two it talks to.
//
//	client ──▶ server.Session ──┐
//	                            ├──▶ front: the same words, figures and limits
//	client ──▶ router.conn ─────┘
//
// It holds:
//
//   - refusals in Redis's words (errors.go), and who may run what (permit.go);
//   - the commands about the connection itself: AUTH, HELLO, SELECT, PING, CLIENT
//     (login.go, hello.go, client.go);
//   - arguments and replies of commands that both serve by other means: SCAN, FLUSHALL,
//     VEGA CONSISTENCY, INFO, TIME, CONFIG GET (scan.go, consistency.go, info.go);
//   - counters of commands and connections (calls.go, reasons.go);
//   - how connections are taken, counted and ended (door.go, accept.go).
//
// Invariants:
//
//   - Nothing here waits, but for Accept and WaitEnded, which say so. Replies are
//     written to a resp.Writer that the caller owns.
//   - What parses arguments keeps no reference to them beyond what it returns, and
//     what it returns points into them.
//   - Door and Calls are safe for concurrent use. Nothing else holds state; the errors
//     are shared and never changed.
//   - Calls.Observe and Calls.Add allocate nothing.
//
// What is deliberately not here: connections. A server's Session does no I/O and is fed
// by an event loop, a router's conn has two goroutines that may wait; where that makes
// them differ (a login, QUIT, the order of replies) each has its own code.
package front
