package server

import (
	"sync/atomic"
	"time"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/front"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// Latency is, of a command of a pipelined batch, the server's time from the batch's first
// to its last byte divided by its commands; of one that is answered later than its batch,
// its own time until the reply is ready.

// stats are the server's counters. Safe for concurrent use.
type stats struct {
	startedAt    time.Time
	accepted     atomic.Uint64
	connections  [front.Protocols]atomic.Int64
	closed       [front.CloseReasons]atomic.Uint64
	bytesIn      atomic.Uint64
	bytesOut     atomic.Uint64
	authFailures atomic.Uint64
	hits, misses atomic.Uint64
	commands     []front.Calls // by Spec.ID
	native       [256]front.Calls
}

func (st *stats) init(now time.Time) {
	st.startedAt = now
	st.commands = make([]front.Calls, command.MaxID()+1)
}

// CommandStats are one command's figures.
type CommandStats struct {
	Name    string   `json:"name"`
	Calls   uint64   `json:"calls"`
	Errors  uint64   `json:"errors"`
	Seconds float64  `json:"seconds"` // total
	Buckets []uint64 `json:"buckets"` // counts, not cumulative; see front.LatencyBounds
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
		out.Connections[front.Protocol(p).String()] = st.connections[p].Load()
	}
	for r := front.ClosedByPeer; r < front.CloseReasons; r++ {
		out.Closed[r.String()] = st.closed[r].Load()
	}
	for id := range st.commands {
		out.add(command.ByID(uint16(id)).FullName(), &st.commands[id])
	}
	for op := range st.native {
		out.add("native."+wire.Op(op).Name(), &st.native[op])
	}
	return out
}

func (out *Stats) add(name string, c *front.Calls) {
	f, called := c.Figures()
	if !called {
		return
	}
	out.Calls += f.Calls
	out.Commands = append(out.Commands, CommandStats{Name: name, Calls: f.Calls, Errors: f.Errors, Seconds: f.Spent.Seconds(), Buckets: f.Buckets})
}

// reset zeroes what CONFIG RESETSTAT zeroes.
func (st *stats) reset() {
	st.hits.Store(0)
	st.misses.Store(0)
	for i := range st.commands {
		st.commands[i].Reset()
	}
	for i := range st.native {
		st.native[i].Reset()
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
	stats         *front.Calls
	calls, errors uint64
}

const batchRuns = 8 // different commands per batch before counters are flushed

func (b *batchTimer) begin() {
	b.began = time.Now()
}

// count notes one call of a command, timed with its batch.
func (b *batchTimer) count(st *front.Calls) {
	b.calls++
	if b.lastRun != nil && b.lastRun.stats == st {
		b.lastRun.calls++
		return
	}
	b.find(st).calls++
}

func (b *batchTimer) find(st *front.Calls) *batchRun {
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
	bucket := front.LatencyBucket(each)
	for i := range b.runs[:b.n] {
		r := &b.runs[i]
		if r.calls > 0 {
			r.stats.Add(r.calls, each, bucket)
		}
		if r.errors > 0 {
			r.stats.Fail(r.errors)
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
