// Package server speaks both protocols to clients and turns what they ask into
// calls on a node.
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
// # Order
//
// RESP replies leave in the order of the requests. Writes that wait for the disk or
// for peers are kept in a queue of waits. A command of another kind is held back (the
// session is parked) until the queue is empty: it must see the writes before it, and
// none behind it. Native replies carry their request's id and leave when they are
// ready.
//
// # Peers
//
// On a node that has peers every read asks for leave, at the level of consistency that
// its request, its connection or the settings say. Reads that must wait for it wait
// together, and are executed when they have leave, in their turn, and when there is
// room for their replies (reads.go). What this node does not lead is answered with
// where to go (cluster.go). Native clients are told of new topologies (topology.go).
// Sessions look once per batch of input whether the node has peers and whether it
// answers writes later (Session.look): a lone node pays a comparison for all this.
//
// # Who may touch a Session
//
// Only its driver, from one goroutine at a time (or under the TLS driver's
// lock). Anything that finishes elsewhere is handed back through link.deliver, which
// the node may call with its locks held: nothing there asks anything of the node.
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
// # The end
//
// A session that is over (QUIT, an error in the protocol, a limit) takes no more
// input, and its connection is closed when what it has begun is answered and sent. A
// server that stops treats all its sessions so; only peers that do not read are left
// behind, after a second, and everything else when the time for stopping is up.
package server
