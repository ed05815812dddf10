package vegadb

import (
	"github.com/prakashpandey/vegadb/internal/admin"
	"github.com/prakashpandey/vegadb/internal/config"
	"github.com/prakashpandey/vegadb/internal/front"
	"github.com/prakashpandey/vegadb/internal/wal"
)

// State says whether data can be served, for the admin API.
func (n *Node) State() admin.State {
	p := n.node.Progress()
	s := admin.State{
		Ready: n.node.Ready(), Joining: n.node.Joining(), Stopping: n.server.Draining(), What: p.What, Done: p.Done, Total: p.Total,
	}
	if s.Ready {
		s.What, s.Done, s.Total = "", 0, 0
		s.Reason = n.node.Detached()
		s.Ready = s.Reason == ""
	}
	return s
}

// Facts is everything that is known about the node at this moment: the body of
// the admin API's statistics and of the native protocol's STATS.
func (n *Node) Facts() admin.Facts {
	st, srv := n.node.Stats(), n.server.Stats()
	f := admin.Facts{
		State: n.State(),
		Node: admin.Node{
			Version: Version, NodeID: st.NodeID, ClusterID: st.ClusterID, Addr: srv.Addr, StartedAt: st.StartedAt,
			Durability: st.Durability, Partitions: st.Partitions, Keys: st.Keys, Expiring: st.Expiring, Expired: st.Expired,
		},
		Memory: admin.Memory{UsedBytes: st.UsedBytes, LimitBytes: st.LimitBytes, RefusedWrites: st.Refused},
		Log:    logFacts(&st.Log),
		Snapshot: admin.Snapshot{
			Running: st.Snapshot.Running, Progress: st.Snapshot.Progress, LastOK: st.Snapshot.LastOK,
			LastDurationSeconds: st.Snapshot.LastDuration.Seconds(), LastBytes: st.Snapshot.LastBytes, LastError: st.Snapshot.LastErr,
			Written: st.Snapshot.Written, Failed: st.Snapshot.Failed,
		},
		Server: admin.Server{
			Connections: srv.Connections, Accepted: srv.Accepted, Closed: srv.Closed,
			ReceivedBytes: srv.BytesIn, SentBytes: srv.BytesOut, OutputBytes: srv.OutputHeld, InFlight: srv.InFlight,
			AuthFailures: srv.AuthFailures, Hits: srv.Hits, Misses: srv.Misses,
		},
	}
	if st.Cluster != nil {
		f.Cluster = clusterFacts(st.Cluster, f.Node.NodeID, f.Node.Partitions)
	}
	bounds := front.LatencyBounds()
	for _, c := range srv.Commands {
		f.Commands = append(f.Commands, admin.Command{
			Name: c.Name, Errors: c.Errors,
			Latency: admin.Histogram{BoundsSeconds: bounds, Counts: c.Buckets, SumSeconds: c.Seconds},
		})
	}
	return f
}

func logFacts(l *wal.Stats) admin.Log {
	return admin.Log{
		Segments: l.Segments, DiskBytes: l.DiskBytes, LiveBytes: l.LiveBytes, QueueBytes: l.QueueBytes,
		Records: l.Records, RecordBytes: l.RecordBytes, Commits: l.Batches, WrittenBytes: l.WrittenBytes,
		RefusedBusy: l.Busy, RefusedNoSpace: l.NoSpaceRefused, NoSpace: l.NoSpace, TruncatedSegments: l.Truncated,
		Fsync: fsyncHistogram(&l.FsyncLatency),
	}
}

func fsyncHistogram(h *wal.Histogram) admin.Histogram {
	bounds := make([]float64, len(h.BoundsMicros))
	for i, micros := range h.BoundsMicros {
		bounds[i] = float64(micros) / 1e6
	}
	return admin.Histogram{BoundsSeconds: bounds, Counts: h.Counts, SumSeconds: float64(h.SumMicros) / 1e6}
}

// durability is the log's policy by the setting's word, which Validate has checked.
func durability(fsync string) wal.SyncPolicy {
	switch fsync {
	case config.FsyncEverySec:
		return wal.EverySec
	case config.FsyncNever:
		return wal.Never
	}
	return wal.Always
}

// maxRecordBytes is the largest atomic write that the log takes: half a segment,
// and at least the largest value with its key and some company. The log raises
// its segments and its queue to what that needs.
func maxRecordBytes(c *config.Server) int64 {
	return max(min(c.LogSegmentBytes/2-segmentOverhead, mostRecordBytes), c.MaxValueBytes+recordOverhead)
}

const (
	segmentOverhead = 1 << 20
	recordOverhead  = 1 << 20
	mostRecordBytes = 1 << 30 // the log format's limit
)
