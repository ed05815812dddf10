// Package router is vega-router: a stateless proxy between clients that cannot
// route by themselves and a cluster. On one port it speaks RESP2, RESP3 and the
// native protocol; behind it is the Go client (package client), which knows the
// topology, finds leaders and repeats what may be repeated. To those before it a
// router looks like one node that holds every slot.
//
//	client ──▶ conn: reader ──▶ order ──▶ cluster (client.Forward) ──▶ nodes
//	client ◀── conn: writer ◀── replies ◀────────────────┘
//
// What it says by itself (refusals, AUTH, HELLO, CLIENT, INFO…) and how it counts is
// package front's, which a node uses too.
//
// # Goroutines
//
//	connect          reaches for the cluster, then looks at it once a second (view)
//	accept           takes connections
//	reader, writer   one of each per connection: the reader takes requests off the socket
//	                 and hands them on, or serves what is served here; the writer sends
//	                 replies
//	worker           one for each request on its way to the cluster, where it waits in
//	                 client.Forward; some stay for the next one (maxIdleWorkers)
//	elsewhere        one for each native COUNT and FLUSH
//
// Close waits for all of them. A request may be answered on a worker's goroutine while
// its connection's reader and writer are at work: what they share is under conn.mu, which
// nobody holds while waiting for anything but room and work, its own conditions. It is
// never held together with the door's lock.
//
// # Order (RESP)
//
// The requests of one connection run concurrently, under two rules:
//
//   - Replies leave in the order of the requests (replies).
//   - A request is not sent before every earlier one of its connection that names
//     one of its keys has been answered (order). It does not matter whether
//     they read or write: a repetition after a change of leader could otherwise
//     overtake. So a key's history is what the client wrote down, and a
//     client's own writes are what its reads see.
//
// Requests without a key in common have no order among each other, as with a
// Redis Cluster client that has several connections. What concerns all keys (SCAN,
// KEYS, DBSIZE, FLUSHALL, CLUSTER COUNTKEYSINSLOT) waits for everything before it,
// and what follows waits for it.
//
// Equal reads that wait for the same key are sent as one: all of them were asked
// before it is sent, so that its answer is a right one for each. A key that
// everybody reads through one pipelined connection costs two round trips at a time
// then and not one after the other.
//
// # Commands of several keys
//
// Keys of one partition go as one command. If there are more partitions, the
// command is cut by partition where command.Merge tells how to join the replies
// (MGET, EXISTS, TOUCH, DEL, UNLINK, MSET), and refused with CROSSSLOT where it does
// not. What is cut is not atomic: each partition carries out its part by itself,
// and a reply that is an error says that other parts may have been carried out.
//
// # Native requests
//
// Session, consistency, durability and the wish for a receipt are passed on as they
// are, the deadline as what is left of it. A write is repeated under the session and
// sequence of its client, so exactly-once holds through a router. Batches are cut by
// partition, under the same session: each partition remembers its part. TOPOLOGY
// names one node, the router; NOT_LEADER and WRONG_EPOCH never reach a client.
// Native requests in flight have no order.
//
// # State
//
// None that a client could miss: scan cursors are the cluster's, sessions the
// client's. Several routers can run side by side, and a client may change from one
// to another between two requests.
//
// # Bounds
//
// Per connection: unanswered requests and their bytes (the reader pauses), replies
// that wait for the peer (the reader pauses, then the connection is closed with a log
// line), one command's size, time for the handshake, a frame, a write, idleness. In
// total: connections, requests under way, bytes of replies. Before a login the same
// narrow limits hold as on a node.
package router
