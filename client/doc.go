// Package client is the Go client of VegaDB.
//
//	c, err := client.Open(ctx, client.Options{Addresses: []string{"127.0.0.1:8342"}})
//	if err != nil { … }
//	defer c.Close()
//	version, err := c.Put(ctx, "greeting", []byte("hello"), client.WithTTL(time.Hour))
//	value, err := c.Get(ctx, "greeting")
//
// One Client serves a whole program: any number of goroutines share its few
// connections, and their requests travel together by themselves. There is no
// pipeline to build; many goroutines, or a Batch, are the way to high throughput.
//
// # Clusters
//
// Of a cluster one address is enough. The client learns the topology when it
// connects, holds connections to every node, and sends each request to the leader
// of its key's partition. It hears of changes as the nodes tell them, and from nodes that
// refuse what they do not lead. A node that is slow, silent or dead stalls the requests
// for its own partitions only, and those only until another one leads them.
//
// Reads that need not come from the leader (SessionReads, BoundedReads, LocalReads) go
// to any replica, those of Options.Zone first. With SessionReads the client remembers, for
// each partition, the latest write that it has made or seen, and never reads behind it.
//
// Batch and GetBatch are split and their parts sent in parallel: what falls into one
// partition is atomic, a batch as a whole is not. Scan walks one partition after the
// other. Count and Flush ask every leader.
//
// # Time
//
// A call ends when its context does, or, if the context has no deadline, after
// Options.Timeout. A deadline is sent along, so that the server does not work for
// callers who have gone. A call that ends early leaves the connection as it was:
// its late reply is dropped.
//
// # Errors
//
// Every failure is an *Error; compare it with errors.Is:
//
//	value, err := c.Get(ctx, "k")
//	switch {
//	case errors.Is(err, client.ErrNotFound): …
//	case err != nil: …
//	}
//
// A write that was sent and got no answer fails with ErrUnknownOutcome: it may
// have taken effect. Every other error of a write means that it has not. Within
// its deadline the client repeats a request by itself when that is safe: a read,
// a write that the server has refused without executing it or that never left this
// process, and, if the server keeps sessions, a write whose reply was lost: it is
// recognised and takes effect once, also when another node leads by then.
// ErrUnknownOutcome remains for writes whose deadline ends first (and for all that lost their
// reply with Options.NoSessions).
//
// # Versions
//
// Every write gives its entry a new, higher version. Put returns it, GetEntry
// reads it, CompareAndPut and IfVersion build on it: read, compute, compare and put, and start
// over on ErrVersionMismatch.
package client
