package router

import (
	"sync/atomic"
	"time"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// protocol is what a connection speaks, known from its first byte.
type protocol uint8

const (
	protocolUnknown protocol = iota
	protocolRESP
	protocolNative
	protocols
)

func (p protocol) String() string { return [...]string{"unknown", "resp", "native"}[p] }

// closeReason is why the router ended a connection.
type closeReason uint8

const (
	closedNot closeReason = iota
	closedByPeer
	closedRefused
	closedTooMany
	closedTooManyFromAddress
	closedShutdown
	closedProtocolError
	closedHTTP
	closedOutputLimit
	closedOutputTotal
	closedIdle
	closedHandshakeTimeout
	closedFrameTimeout
	closedWriteTimeout
	closeReasons
)

// closeNames are the values of the metric's label: those of a node.
var closeNames = [closeReasons]string{
	"", "peer", "refused", "max_connections", "max_connections_per_address", "shutdown", "protocol_error", "http",
	"output_limit", "output_limit_total", "idle_timeout", "handshake_timeout", "frame_timeout", "write_timeout",
}

// latencyBuckets counts the buckets of a histogram: powers of four from 1 µs to
// about 4 s, and everything above.
const latencyBuckets = 13

func latencyBucket(d time.Duration) int {
	bound := time.Microsecond
	for i := range latencyBuckets - 1 {
		if d <= bound {
			return i
		}
		bound *= 4
	}
	return latencyBuckets - 1
}

// latencyBounds are the upper bounds of all buckets but the last, in seconds.
func latencyBounds() []float64 {
	bounds := make([]float64, latencyBuckets-1)
	bound := time.Microsecond
	for i := range bounds {
		bounds[i] = bound.Seconds()
		bound *= 4
	}
	return bounds
}

// callStats are the figures of one command or operation.
type callStats struct {
	calls, errors, nanos atomic.Uint64
	buckets              [latencyBuckets]atomic.Uint64
}

// observe counts one call from its arrival to its reply.
func (c *callStats) observe(took time.Duration, failed bool) {
	c.calls.Add(1)
	c.nanos.Add(uint64(max(took, 0)))
	c.buckets[latencyBucket(took)].Add(1)
	if failed {
		c.errors.Add(1)
	}
}

// stats are the router's counters. Safe for concurrent use.
type stats struct {
	startedAt    time.Time
	accepted     atomic.Uint64
	open         [protocols]atomic.Int64
	closed       [closeReasons]atomic.Uint64
	bytesIn      atomic.Uint64
	bytesOut     atomic.Uint64
	authFailures atomic.Uint64
	inFlight     atomic.Int64 // requests of clients that wait for the cluster
	forwarded    atomic.Uint64
	split        atomic.Uint64
	coalesced    atomic.Uint64
	crossSlot    atomic.Uint64
	failures     [statusCount]atomic.Uint64 // forwards that ended with a status of 16 and above
	commands     []callStats                // by Spec.ID
	native       [256]callStats             // by operation
}

// statusCount is above every status that wire knows.
const statusCount = 128

func (st *stats) init(now time.Time) {
	st.startedAt = now
	st.commands = make([]callStats, command.MaxID()+1)
}

// noteStatus counts a forwarded request that ended badly.
func (st *stats) noteStatus(s wire.Status) {
	if s < wire.InvalidArgument {
		return
	}
	if s >= statusCount {
		s = wire.Internal
	}
	st.failures[s].Add(1)
}
