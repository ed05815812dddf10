package admin

import "time"

// Source is where the facts come from: the running node. Its methods are
// called from many goroutines, at any time from the start of loading on.
type Source interface {
	Facts() Facts
	State() State
}

// State says whether data can be served.
type State struct {
	Ready    bool   `json:"ready"`
	Stopping bool   `json:"stopping"`
	Joining  bool   `json:"joining,omitempty"` // waits for the cluster to take it in
	Reason   string `json:"reason,omitempty"`  // why a node that has its data is not ready all the same
	What     string `json:"what,omitempty"`    // is being loaded: "snapshots", "log"
	Done     int64  `json:"done,omitempty"`    // of Total, in units of What's choice
	Total    int64  `json:"total,omitempty"`
}

// Percent is how much of What is done, 0 when its size is not known.
func (s State) Percent() float64 {
	if s.Ready || s.Reason != "" { // all is loaded
		return 100
	}
	if s.Total <= 0 {
		return 0
	}
	return 100 * float64(min(s.Done, s.Total)) / float64(s.Total)
}

// Facts is everything that is known about a running server at one moment.
// Counters count from its start.
type Facts struct {
	State    State     `json:"state"`
	Node     Node      `json:"node"`
	Memory   Memory    `json:"memory"`
	Log      Log       `json:"log"`
	Snapshot Snapshot  `json:"snapshot"`
	Server   Server    `json:"server"`
	Cluster  *Cluster  `json:"cluster,omitempty"` // nil: a node without a peer address
	Commands []Command `json:"commands"`          // those that were called
}

// Node is who the node is and what it holds.
type Node struct {
	Version    string    `json:"version"`
	NodeID     string    `json:"node_id"`
	ClusterID  string    `json:"cluster_id"`
	Addr       string    `json:"addr"`
	StartedAt  time.Time `json:"started_at"`
	Durability string    `json:"durability"` // always, everysec, never or in-memory
	Partitions int       `json:"partitions"`
	Keys       int64     `json:"keys"`
	Expiring   int64     `json:"expiring_keys"`
	Expired    uint64    `json:"expired_keys_total"`
}

// Memory is what the data takes.
type Memory struct {
	UsedBytes     int64  `json:"used_bytes"`
	LimitBytes    int64  `json:"limit_bytes"` // 0: none
	RefusedWrites uint64 `json:"refused_writes_total"`
}

// Log is the state of the append-only log; all zero when there is none.
type Log struct {
	Segments          int       `json:"segments"`
	DiskBytes         int64     `json:"disk_bytes"`
	LiveBytes         int64     `json:"live_bytes"`
	QueueBytes        int64     `json:"queue_bytes"`
	Records           uint64    `json:"records_total"`
	RecordBytes       uint64    `json:"record_bytes_total"`
	Commits           uint64    `json:"commits_total"`
	WrittenBytes      uint64    `json:"written_bytes_total"`
	RefusedBusy       uint64    `json:"refused_busy_total"`
	RefusedNoSpace    uint64    `json:"refused_no_space_total"`
	NoSpace           bool      `json:"no_space"`
	TruncatedSegments uint64    `json:"truncated_segments_total"`
	Fsync             Histogram `json:"fsync"`
}

// Snapshot is the state of snapshotting.
type Snapshot struct {
	Running             bool      `json:"running"`
	Progress            float64   `json:"progress"` // of the running one, 0 to 1
	LastOK              time.Time `json:"last_ok"`  // zero: none since the start
	LastDurationSeconds float64   `json:"last_duration_seconds"`
	LastBytes           int64     `json:"last_bytes"`
	LastError           string    `json:"last_error,omitempty"`
	Written             uint64    `json:"written_total"`
	Failed              uint64    `json:"failed_total"`
}

// Server is what goes on at the data port.
type Server struct {
	Connections   map[string]int64  `json:"connections"` // by protocol
	Accepted      uint64            `json:"accepted_total"`
	Closed        map[string]uint64 `json:"closed_total"` // by reason
	ReceivedBytes uint64            `json:"received_bytes_total"`
	SentBytes     uint64            `json:"sent_bytes_total"`
	OutputBytes   int64             `json:"output_bytes"` // replies waiting for slow readers
	InFlight      int64             `json:"in_flight"`
	AuthFailures  uint64            `json:"auth_failures_total"`
	Hits          uint64            `json:"hits_total"`
	Misses        uint64            `json:"misses_total"`
}

// Command is one command's figures, in either protocol.
type Command struct {
	Name    string    `json:"name"`
	Errors  uint64    `json:"errors_total"`
	Latency Histogram `json:"latency"` // its Count is the number of calls
}

// Histogram counts durations. Counts has one more element than Bounds: what
// was above all of them. Each duration is counted once, in the first bucket
// whose bound it does not exceed.
type Histogram struct {
	BoundsSeconds []float64 `json:"bounds_seconds"`
	Counts        []uint64  `json:"counts"`
	SumSeconds    float64   `json:"sum_seconds"`
}

// Count is the number of durations.
func (h Histogram) Count() (n uint64) {
	for _, c := range h.Counts {
		n += c
	}
	return n
}

// Quantile is an upper estimate of the q-quantile in seconds: the bound of the
// bucket it falls in, or the largest bound. It is 0 for an empty histogram.
func (h Histogram) Quantile(q float64) float64 {
	rank, seen := uint64(q*float64(h.Count())), uint64(0)
	for i, c := range h.Counts {
		if seen += c; seen > rank || seen == rank && c > 0 {
			return h.BoundsSeconds[min(i, len(h.BoundsSeconds)-1)]
		}
	}
	return 0
}
