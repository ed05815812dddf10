// Package transport carries opaque frames, snapshots and calls between the nodes of a cluster, over TCP with or without
// mutual TLS. It knows nothing of what it carries.
//
// # Use
//
//	t, err := transport.New(options)                    // listens on the peer port
//	t.Send(node, frame)                                 // never blocks; false: dropped. Raft copes with loss
//	t.SendSnapshot(ctx, node, header, size, body, pace) // nil: the receiver's Handler has accepted all of it
//	t.Call(ctx, "seed:7401", kind, request)             // a small request and its reply
//	t.Close()
//
// What arrives goes to the Handler.
//
// # Invariants
//
//   - The frames that arrive from one process of a node are those it sent, whole, in order, none twice; some may be
//     missing, when a connection was lost or a queue full.
//   - The Handler hears Frame only between PeerUp and PeerDown, and these alternate for each node.
//   - A frame goes to the node it is for: never to another that has taken over its address, nor to another cluster.
//   - Of two processes with one node id, the one that connected first is shut out once the other has proved to be alive.
//   - A snapshot ends with io.EOF only after every byte of it has arrived undamaged.
//   - Send never waits for the network, and allocates nothing in steady use.
//   - Everything that a peer can fill or hold is bounded: see Limits. A length from the network is compared with its
//     limit before anything is sized by it, and buffers grow with bytes that have arrived.
//   - Close returns after the last goroutine has ended.
//
// # Connections
//
// Each node dials each peer it has frames for, once; what the peer sends comes over the connection that the peer
// has dialled. Two one-way streams need no rule for who dials whom, nor for which of two crossing connections
// stays. A connection that fails is dialled again after growing, jittered pauses, and at once when the peer is
// heard from; Resolve is asked each time. Meanwhile little is queued (Limits.OfflineBytes), and what was queued when
// an attempt failed is dropped: raft sends anew what still matters.
//
// A snapshot, and a call, has a connection of its own, so that a heartbeat never waits behind a gigabyte.
//
// Both ends of each connection say something at least every Limits.Keepalive and give it up after Limits.Idle of
// silence, so that it ends on both sides although only one direction may be cut.
//
// # Layout
//
// Integers are little-endian. The side that dials begins, after TLS if there is any, with a hello; the other answers:
//
//	hello    0  magic "VPEER"
//	         5  u8  lowest version of the protocol that the sender speaks
//	         6  u8  highest version
//	         7  u8  purpose: 1 frames, 2 snapshot, 3 call
//	         8  16 bytes cluster id; zero: a stranger, who may only call
//	        24  16 bytes sender's node id
//	        40  16 bytes receiver's node id as the sender knows it; zero: whoever it is (calls only)
//	        56  u64 boot: drawn anew by each process of the sender
//	        64  u32 CRC-32C of bytes 0 to 64
//
//	answer   0  magic "VPEER"
//	         5  u8  version that both speak from now on
//	         6  u16 0: welcome; else a RefusalCode, and the connection is closed
//	         8  16 bytes node id     (zero in a refusal)
//	        24  16 bytes cluster id  (zero in a refusal)
//	        40  u64 boot             (zero in a refusal)
//	        48  u16 length of the text, at most 512
//	        50  u16 zero
//	        52  u32 CRC-32C of bytes 0 to 52 and of the text
//	        56  text for people, in a refusal
//
// Both keep this layout in every version. This is version 1. After a welcome everything is frames, in both directions:
//
//	frame    0  u32 length of the payload; 0: a keepalive
//	         4  u32 CRC-32C of the payload
//	         8  payload
//
// A wrong checksum or a length beyond the limit closes the connection. What the payloads are depends on the purpose:
//
//	frames    → opaque                                         ← keepalives only
//
//	snapshot  → i64 size of the body (-1: unknown), header     ← keepalives, then at any time
//	          → u8 1, piece of the body; none or more            u8 0: accepted
//	          → u8 2, u64 size of the body: the end              u8 1, text of the error
//
//	call      → u8 kind, u32 ms that the caller waits (0: it   ← keepalives, then
//	            does not say), request                           u8 0, reply
//	                                                             u8 1, text of the error
//
// # Who is let in
//
// With TLS, only who has a certificate of the nodes' CA; see package certs. Then the hello is judged: cluster, node, and
// whether a newer process uses the same node id; last, Options.Admit. Among themselves, holders of certificates are
// taken at their word for who they are. Without TLS the cluster's id keeps out mistakes, not attackers: the peer port
// belongs on a trusted network.
//
// A process that has been replaced by a newer one with its node id is refused from when the newer one has sent its
// first frame, which answers the welcome. Its hello alone shows nothing: it may have waited in the kernel of a slow
// receiver since before the end of the process that sent it.
//
// Connections that have not said who they are, are few (Limits.Handshakes) and short-lived. When there are too many, the
// oldest is closed: a node needs milliseconds, so that those who dawdle cannot keep nodes out.
//
// # Left out
//
// No compression (snapshots are compressed already, log entries are small), no acknowledgements and no resending of
// frames (raft has both), no priorities within a stream of frames, no flow control beyond TCP's.
package transport
