package workload

import "context"

// Op is one request and what came of it.
type Op struct {
	Kind   Kind
	Record int64  // the record's number
	Key    []byte // empty for Scan
	Value  []byte // to be written
	Limit  int    // entries a Scan reads

	// Set by Conn.Do:

	Err     error
	Found   bool   // a read found its record
	Got     []byte // what a read found, valid until the next Do; its array is used again
	Version uint64 // the record's version; 0 where the protocol does not tell
	Scanned int    // entries a scan read

	least uint64 // with verification: the version a read must at least show
}

// Conn is one caller's way to the server. It is used by one goroutine.
type Conn interface {
	// Do carries out ops, none of them a ReadModifyWrite, and sets the outcome
	// of each. With batch, all are of one kind, Read or a write, and are sent as
	// one request; otherwise each is a request of its own, all of them sent
	// before the first reply is awaited.
	Do(ctx context.Context, ops []Op, batch bool)
	Close() error
}

// Target is the server under load.
type Target interface {
	// Conn returns a way to the server for one more caller.
	Conn(ctx context.Context) (Conn, error)
	Close() error
}
