// Package server speaks both protocols to clients and turns what they ask into
// calls on a node. What it has in common with a router is in package front.
//
// # Session and drivers
//
// A Session is one connection's protocol state. It does no I/O: bytes go in
// through Input, what has been waited for through Complete, replies come out in Output.
// Two drivers feed it: an event loop (epoll, on Linux) for plain TCP and, for TLS
// and elsewhere, two goroutines per connection. A connection whose first byte is ≥ 0x80 speaks the
// native protocol, any other RESP.
//
//	            bytes ──▶ Input ──▶ parser ──▶ dispatch ──▶ Node
//	driver                                        │           │ (policy always, or
//	            bytes ◀── Output ◀── replies ◀────┘           ▼  with peers)
//	                        ▲                          wait.Done on a
//	                        └───── Complete ◀──────── goroutine of the node
//
// # The way of a write
//
// The entry is encoded once, into the session's scratch, and given to Node.Submit.
//
//	answered at once    a lone node, policy everysec, never or in-memory: inlineSink
//	                    renders the result into the output before Submit returns. Before
//	                    the output leaves, the driver has the node settle what was
//	                    written, once for all sessions of its turn.
//	answered later      policy always, or with peers (Node.Deferred): a wait takes the
//	                    place of the reply. The node renders the result into it and calls
//	                    Done, on its applier's or its worker's goroutine as a rule;
//	                    link.deliver hands it to the driver, Complete to the session,
//	                    which emits it in its turn.
//
// A write that the node has no room for (wal.ErrBusy) holds a RESP client back until the
// writes before it are done; a native client is told BUSY. What a node with peers does not
// lead is refused with where to go (cluster.go); what was lost on the way says whether it
// was executed (wire.Status).
//
// # The way of a read
//
// On a lone node a read looks into the partition's table under a stripe's lock and writes
// the reply from there. On a node that has peers every read asks for leave first, at the
// level of consistency that its request, its connection or the settings say. Those that
// must wait for it wait together, and are executed when they have leave, in their turn, and
// when there is room for their replies; then leave is checked once more before the value
// is shown (reads.go).
//
// Native clients are told of new topologies (topology.go). Sessions look once per batch
// of input whether the node has peers and whether it answers writes later (Session.look):
// a lone node pays a comparison for all this.
//
// # Order
//
// RESP replies leave in the order of the requests. Writes that wait for the disk or
// for peers are kept in a queue of waits, and so are reads that wait for leave. A command
// of another kind than what waits is held back (the session is parked) until the queue is
// empty: it must see what was asked before it, and nothing behind it. Native replies carry
// their request's id and leave when they are ready.
//
// # Goroutines
//
//	loop             one per event loop, io-threads of them; the first one accepts too
//	accept,          of the other driver: one that accepts, a reader and a writer for each
//	read, write      connection
//	reaper           closes what exceeds a time limit, has idle sessions give memory back
//	pusher           tells native clients of topologies
//	async work       one for each command that takes long: a login, SAVE, KEYS, FLUSHALL,
//	                 ADMIN… At most one per RESP connection, which serves nothing else
//	                 meanwhile
//
// Stop waits for all of them.
//
// # Who may touch a Session, and locks
//
// Only its driver, from one goroutine at a time: its loop's, or under streamLink.mu.
// Others may read Session.meta. Anything that finishes elsewhere is handed back through
// link.deliver, which the node may call with its locks held: nothing there asks anything
// of the node. The locks, in the order they are taken:
//
//	streamLink.mu → the node's locks; streamLink.mail
//	loop.mu, streamLink.mail, wait.mu: the last that is taken, also by the node
//	streamDriver.mu → the door's
//
// An event loop holds no lock while it serves a session.
//
// # Slowing down before cutting off
//
// A few bytes can ask for much output, and a disk is slower than a socket. A session
// parks its input when enough output is ready (crowdedOutput), when enough writes
// or reads wait, and behind work in the background; see canResume. Its driver does not resume
// it while the peer leaves output unread (pauseOutput), and leaves the peer's input
// in the kernel while a parked session has plenty (full). A single reply is bounded
// by output-limit or by the largest frame.
//
// # Limits
//
// Every buffer has one: bytes of one command and of unread input, bytes of
// output per connection and in total, writes and reads that wait, connections in all and
// per address, time for the handshake, a frame, an unread reply, and idleness.
// What exceeds one is closed with a log line that names the limit.
//
// # Invariants
//
//   - No reply to a write leaves before the node has called it safe: by Settle, or by
//     Done. After an error of either nothing leaves at all.
//   - RESP replies are those that one command after the other would have brought.
//   - Nothing that was read under a leave is shown after the leave has ended.
//   - What a session has begun is answered once, or its connection is closed.
//   - Serving a pipelined GET or SET allocates nothing; tests assert it.
//
// # The end
//
// A session that is over (QUIT, an error in the protocol, a limit) takes no more
// input, and its connection is closed when what it has begun is answered and sent. A
// server that stops treats all its sessions so; only peers that do not read are left
// behind, after a second, and everything else when the time for stopping is up.
package server
