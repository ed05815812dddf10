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
package transport
