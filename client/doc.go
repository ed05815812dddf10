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
// have taken effect. Every other error of a write means that it has not. The
// client itself repeats a request within its deadline only when that is safe: a
// read, or a write that the server has refused without executing it or that never
// left this process.
//
// # Versions
//
// Every write gives its entry a new, higher version. Put returns it, GetEntry
// reads it, CompareAndPut and IfVersion build on it: read, compute, compare and put, and start
// over on ErrVersionMismatch.
package client
