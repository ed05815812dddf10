package client

import (
	"context"
	"crypto/tls"
	"net"
	"time"

	"github.com/prakashpandey/vegadb/internal/wire"
)

// Options say how to reach a server. Only Addresses is needed.
type Options struct {
	// Addresses of the server, host:port. The first that answers is used; the
	// others stand by. They must belong to the same server or cluster. A cluster's
	// other nodes need not be named: the client learns of them.
	Addresses []string

	Username string // empty: no credentials are sent
	Password string
	TLS      *tls.Config // nil: plain TCP. ServerName defaults to the address's host

	// Name is shown in the server's list of connections.
	Name string

	// Connections per node, shared by all goroutines. Default 1, at most 16:
	// every goroutine's requests share them, and few connections mean large writes.
	Connections int

	// Timeout bounds a call whose context has no deadline. Default 5 s;
	// negative: no bound.
	Timeout time.Duration

	// DialTimeout bounds connecting and the handshake. Default 5 s.
	DialTimeout time.Duration

	// MaxInFlight bounds the unanswered requests of a connection, and
	// MaxInFlightBytes their size; further calls wait their turn. Defaults: 4096
	// and 16 MiB. A larger request goes alone.
	MaxInFlight      int
	MaxInFlightBytes int

	// Zone is where this program runs. Reads that need not come from the leader
	// (SessionReads, BoundedReads, LocalReads) go to replicas of the same zone first.
	Zone string

	// AddressMap turns an address by which a cluster's node is known (that it
	// advertises) into the one to dial, where the two differ: behind port forwarding,
	// say. Nil, or an empty result: as it is. Addresses above are dialled as they are.
	AddressMap func(advertised string) string

	// NoSessions turns exactly-once writes off: a write whose reply was lost is
	// not repeated then but fails with ErrUnknownOutcome.
	NoSessions bool

	// Dial replaces net.Dialer.DialContext: for proxies and tests.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Consistency is what a read may be answered from.
type Consistency uint8

// The levels, strongest first. A single node answers every level alike.
const (
	Linearizable = Consistency(wire.Linearizable) // the latest acknowledged write, always
	Lease        = Consistency(wire.Lease)        // the same as long as clocks drift little
	SessionReads = Consistency(wire.SessionReads) // at least what this client has seen
	BoundedReads = Consistency(wire.Bounded)      // at most so old; use WithMaxStaleness
	LocalReads   = Consistency(wire.Local)        // whatever the asked node has
)

// Durability is when a write is acknowledged.
type Durability uint8

const (
	SyncAlways   = Durability(wire.DurabilityAlways)   // once it is on disk
	SyncEverySec = Durability(wire.DurabilityEverySec) // at once; on disk within about a second
	SyncNever    = Durability(wire.DurabilityNever)    // at once; on disk when the system likes
)

// Acks is whose disk or memory a write waits for.
type Acks uint8

const (
	AcksQuorum = Acks(wire.AcksQuorum) // a majority of the replicas
	AcksLeader = Acks(wire.AcksLeader) // the leader alone
)

// Option refines one call. An option that the call has no use for makes it fail
// with ErrInvalidArgument, so that nothing is ignored in silence.
type Option struct {
	kind    optionKind
	n       uint64
	text    string
	receipt *Receipt
	before  *Previous
}

type optionKind uint32

const (
	optTTL optionKind = 1 << iota
	optExpireAt
	optKeepTTL
	optIfAbsent
	optIfPresent
	optIfVersion
	optConsistency
	optMaxStaleness
	optDurability
	optAcks
	optReceipt
	optPrefix
	optKeysOnly
	optPageSize
	optWait
	optIfNoExpiry
	optIfExpiry
	optIfLater
	optIfEarlier
	optPrevious
	optNode

	readOptions  = optConsistency | optMaxStaleness | optReceipt
	writeOptions = optDurability | optAcks | optReceipt
)

func (k optionKind) String() string {
	names := [...]string{"WithTTL", "WithExpireAt", "KeepTTL", "IfAbsent", "IfPresent", "IfVersion",
		"WithConsistency", "WithMaxStaleness", "WithDurability", "WithAcks", "WithReceipt", "WithPrefix",
		"WithKeysOnly", "WithPageSize", "WithWait", "IfNoExpiry", "IfExpiry", "IfLater", "IfEarlier", "WithPrevious", "WithNode"}
	for i, name := range names {
		if k == 1<<i {
			return name
		}
	}
	return "the zero Option"
}

// WithTTL lets the entry expire after ttl (Put; Increment, when it creates the
// entry). Rounded up to a millisecond; must be positive.
func WithTTL(ttl time.Duration) Option { return Option{kind: optTTL, n: ttlMs(ttl)} }

// WithExpireAt lets the entry expire at t, as WithTTL does. A time in the past
// deletes it.
func WithExpireAt(t time.Time) Option { return Option{kind: optExpireAt, n: unixMs(t)} }

// KeepTTL leaves the entry's present expiry as it is (Put). Without it and
// without WithTTL, a Put ends any expiry.
func KeepTTL() Option { return Option{kind: optKeepTTL} }

// IfAbsent lets Put create an entry only: ErrAlreadyExists otherwise.
func IfAbsent() Option { return Option{kind: optIfAbsent} }

// IfPresent lets Put replace an entry only: ErrNotFound otherwise.
func IfPresent() Option { return Option{kind: optIfPresent} }

// IfVersion lets Put or Delete go ahead only if the entry has this version:
// ErrVersionMismatch otherwise. Version 0 stands for "no entry".
func IfVersion(version uint64) Option { return Option{kind: optIfVersion, n: version} }

// IfNoExpiry lets Expire set an expiry only where there is none:
// ErrConditionFailed otherwise, as with the three that follow.
func IfNoExpiry() Option { return Option{kind: optIfNoExpiry} }

// IfExpiry lets Expire change an expiry only where there is one.
func IfExpiry() Option { return Option{kind: optIfExpiry} }

// IfLater lets Expire only postpone an expiry ("none" is the latest).
func IfLater() Option { return Option{kind: optIfLater} }

// IfEarlier lets Expire only bring an expiry forward.
func IfEarlier() Option { return Option{kind: optIfEarlier} }

// WithConsistency asks for a read's consistency; the default is the server's,
// which is Linearizable unless configured otherwise.
func WithConsistency(c Consistency) Option { return Option{kind: optConsistency, n: uint64(c)} }

// WithMaxStaleness asks for a read that is at most so old (BoundedReads).
func WithMaxStaleness(age time.Duration) Option { return Option{kind: optMaxStaleness, n: ttlMs(age)} }

// WithDurability asks for a write's durability; the default is the server's.
func WithDurability(d Durability) Option { return Option{kind: optDurability, n: uint64(d)} }

// WithAcks asks for a write's acknowledgement; the default is the server's. AcksLeader
// has an effect on a Put without conditions: its acknowledgement does not wait for the
// majority, and the write may be lost with the leader. Such a Put belongs to no session: a
// lost reply leaves its outcome unknown. Every other write waits for the majority; the
// Receipt tells what it got.
func WithAcks(a Acks) Option { return Option{kind: optAcks, n: uint64(a)} }

// WithReceipt has r filled when the call succeeds.
func WithReceipt(r *Receipt) Option { return Option{kind: optReceipt, receipt: r} }

// WithPrevious has p filled with what the entry was before a Put or Delete, also
// when the condition of the call does not hold.
func WithPrevious(p *Previous) Option { return Option{kind: optPrevious, before: p} }

// WithPrefix limits Scan to keys that start with prefix.
func WithPrefix(prefix string) Option { return Option{kind: optPrefix, text: prefix} }

// WithKeysOnly makes Scan fetch keys alone.
func WithKeysOnly() Option { return Option{kind: optKeysOnly} }

// WithPageSize says how many entries Scan fetches at once. Default 1,000.
func WithPageSize(entries int) Option {
	return Option{kind: optPageSize, n: uint64(max(entries, 0))}
}

// WithWait makes Snapshot return when the snapshot is complete.
func WithWait() Option { return Option{kind: optWait} }

// WithNode sends a request to one node of a cluster, named by its id or its address
// in the topology (Stats, Ping, Snapshot, Admin).
func WithNode(node string) Option { return Option{kind: optNode, text: node} }

// Receipt says what a call got. Of a call that several nodes have answered it is the
// receipt of one of them.
type Receipt struct {
	Node        string      // address of the node that answered
	Version     uint64      // of the entry read or written
	Term        uint64      // of the leader; 0 on a single node
	Index       uint64      // of the log, up to which the partition showed every write
	Consistency Consistency // what a read got
	Acks        Acks        // what a write got
	Durability  Durability  // what a write got
	// The server's own timing.
	Queue time.Duration // from receiving the request to executing it
	Apply time.Duration // executing it
	Sync  time.Duration // waiting for the disk, and in a cluster for the quorum
}

// Previous is an entry's value before a write.
type Previous struct {
	Found bool // there was an entry
	Value []byte
}

// ttlMs rounds up to ms; 0 for what is not positive, which the call refuses.
func ttlMs(d time.Duration) uint64 {
	if d <= 0 {
		return 0
	}
	return uint64((d-1)/time.Millisecond) + 1
}

// unixMs returns at least 1: whatever lies before 1970 is in the past all the
// same.
func unixMs(t time.Time) uint64 { return uint64(max(t.UnixMilli(), 1)) }
