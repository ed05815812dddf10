package server

import (
	"sync/atomic"
	"time"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// closeReason is why the server ended a connection.
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
	closedInputLimit
	closedOutputLimit
	closedOutputTotal
	closedIdle
	closedHandshakeTimeout
	closedFrameTimeout
	closedWriteTimeout
	closeReasons
)

// closeNames are the values of the metric's label.
var closeNames = [closeReasons]string{
	"", "peer", "refused", "max_connections", "max_connections_per_address", "shutdown", "protocol_error", "http",
	"input_limit", "output_limit", "output_limit_total", "idle_timeout", "handshake_timeout", "frame_timeout", "write_timeout",
}

// latencyBuckets are the upper bounds of the latency histograms, in ns: powers of
// four from 1 µs to about 4 s, and everything above.
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

// LatencyBounds returns the upper bounds of CommandStats.Buckets but the last,
// which is infinite, in seconds.
func LatencyBounds() []float64 {
	bounds := make([]float64, latencyBuckets-1)
	bound := time.Microsecond
	for i := range bounds {
		bounds[i] = bound.Seconds()
		bound *= 4
	}
	return bounds
}

// commandStats are one command's counters. Latency is the server's time from the
// first to the last byte of a pipelined batch, divided by the batch's commands;
// for a write that waits for the disk, its own time until the reply is ready.
type commandStats struct {
	calls, errors, nanos atomic.Uint64
	buckets              [latencyBuckets]atomic.Uint64
}

// stats are the server's counters. Safe for concurrent use.
type stats struct {
	startedAt    time.Time
	accepted     atomic.Uint64
	connections  [3]atomic.Int64 // by protocol
	closed       [closeReasons]atomic.Uint64
	bytesIn      atomic.Uint64
	bytesOut     atomic.Uint64
	authFailures atomic.Uint64
	hits, misses atomic.Uint64
	commands     []commandStats // by Spec.ID
	native       [256]commandStats
}

func (st *stats) init(now time.Time) {
	st.startedAt = now
	st.commands = make([]commandStats, command.MaxID()+1)
}

// observe counts one call that was answered later than its batch.
func (c *commandStats) observe(took time.Duration, failed bool) {
	c.calls.Add(1)
	c.nanos.Add(uint64(took))
	c.buckets[latencyBucket(took)].Add(1)
	if failed {
		c.errors.Add(1)
	}
}

// CommandStats are one command's figures.
type CommandStats struct {
	Name    string   `json:"name"`
	Calls   uint64   `json:"calls"`
	Errors  uint64   `json:"errors"`
	Seconds float64  `json:"seconds"` // total
	Buckets []uint64 `json:"buckets"` // counts, not cumulative; see LatencyBounds
}

// Stats are the server's figures, for INFO, the admin API and metrics.
type Stats struct {
	StartedAt    time.Time         `json:"started_at"`
	Addr         string            `json:"addr"`
	Connections  map[string]int64  `json:"connections"` // by protocol
	Accepted     uint64            `json:"accepted"`
	Closed       map[string]uint64 `json:"closed"` // by reason
	BytesIn      uint64            `json:"bytes_in"`
	BytesOut     uint64            `json:"bytes_out"`
	OutputHeld   int64             `json:"output_held_bytes"`
	InFlight     int64             `json:"in_flight"`
	AuthFailures uint64            `json:"auth_failures"`
	Hits         uint64            `json:"hits"`
	Misses       uint64            `json:"misses"`
	Calls        uint64            `json:"calls"`
	Commands     []CommandStats    `json:"commands"` // those that were called
}

// Stats gathers the server's figures.
func (s *Server) Stats() Stats {
	st := &s.stats
	out := Stats{
		StartedAt: st.startedAt, Addr: s.addr.String(), Accepted: st.accepted.Load(),
		Connections: map[string]int64{}, Closed: map[string]uint64{},
		BytesIn: st.bytesIn.Load(), BytesOut: st.bytesOut.Load(), OutputHeld: s.outBytes.Load(), InFlight: s.inFlight.Load(),
		AuthFailures: st.authFailures.Load(), Hits: st.hits.Load(), Misses: st.misses.Load(),
	}
	for p := range st.connections {
		out.Connections[protocol(p).String()] = st.connections[p].Load()
	}
	for r := closedByPeer; r < closeReasons; r++ {
		out.Closed[closeNames[r]] = st.closed[r].Load()
	}
	for id := range st.commands {
		out.add(command.ByID(uint16(id)).FullName(), &st.commands[id])
	}
	for op := range st.native {
		out.add("native."+wire.Op(op).Name(), &st.native[op])
	}
	return out
}

func (out *Stats) add(name string, c *commandStats) {
	calls, failed := c.calls.Load(), c.errors.Load()
	if calls == 0 && failed == 0 {
		return
	}
	cs := CommandStats{Name: name, Calls: calls, Errors: failed, Seconds: time.Duration(c.nanos.Load()).Seconds(), Buckets: make([]uint64, latencyBuckets)}
	for i := range cs.Buckets {
		cs.Buckets[i] = c.buckets[i].Load()
	}
	out.Calls += calls
	out.Commands = append(out.Commands, cs)
}

// reset zeroes what CONFIG RESETSTAT zeroes.
func (st *stats) reset() {
	st.hits.Store(0)
	st.misses.Store(0)
	for i := range st.commands {
		st.commands[i].reset()
	}
	for i := range st.native {
		st.native[i].reset()
	}
}

func (c *commandStats) reset() {
	c.calls.Store(0)
	c.errors.Store(0)
	c.nanos.Store(0)
	for i := range c.buckets {
		c.buckets[i].Store(0)
	}
}

// batchTimer counts the commands of one pipelined batch without touching shared
// memory for each, and times the batch as a whole: reading a clock for every
// command would cost as much as the command.
type batchTimer struct {
	began   time.Time
	runs    [batchRuns]batchRun
	n       int
	calls   uint64
	hits    uint64
	misses  uint64
	lastRun *batchRun
}

// batchRun is how often one command occurred in a batch.
type batchRun struct {
	stats         *commandStats
	calls, errors uint64
}

const batchRuns = 8 // different commands per batch before counters are flushed

func (b *batchTimer) begin() {
	b.began = time.Now()
}

// count notes one call of a command, timed with its batch.
func (b *batchTimer) count(st *commandStats) {
	b.calls++
	if b.lastRun != nil && b.lastRun.stats == st {
		b.lastRun.calls++
		return
	}
	b.find(st).calls++
}

func (b *batchTimer) find(st *commandStats) *batchRun {
	for i := range b.runs[:b.n] {
		if b.runs[i].stats == st {
			b.lastRun = &b.runs[i]
			return b.lastRun
		}
	}
	if b.n == batchRuns {
		b.flush(time.Since(b.began) / time.Duration(max(b.calls, 1)))
	}
	b.runs[b.n] = batchRun{stats: st}
	b.lastRun = &b.runs[b.n]
	b.n++
	return b.lastRun
}

func (b *batchTimer) flush(each time.Duration) {
	bucket := latencyBucket(each)
	for i := range b.runs[:b.n] {
		r := &b.runs[i]
		if r.calls > 0 {
			r.stats.calls.Add(r.calls)
			r.stats.nanos.Add(r.calls * uint64(each))
			r.stats.buckets[bucket].Add(r.calls)
		}
		if r.errors > 0 {
			r.stats.errors.Add(r.errors)
		}
	}
	b.n, b.lastRun = 0, nil
}

// end adds the batch to the server's counters.
func (b *batchTimer) end(s *Server) {
	if b.n > 0 {
		b.flush(time.Since(b.began) / time.Duration(max(b.calls, 1)))
	}
	b.calls = 0
	b.endReads(s)
}

// endReads adds what was found and what was not to the server's counters.
func (b *batchTimer) endReads(s *Server) {
	if b.hits > 0 {
		s.stats.hits.Add(b.hits)
	}
	if b.misses > 0 {
		s.stats.misses.Add(b.misses)
	}
	b.hits, b.misses = 0, 0
}
