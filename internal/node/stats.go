package node

import (
	"time"

	"github.com/prakashpandey/vegadb/internal/wal"
)

// Stats is a snapshot of what the node holds and does, for INFO, the admin API
// and metrics.
type Stats struct {
	NodeID     string         `json:"node_id"`
	ClusterID  string         `json:"cluster_id"`
	StartedAt  time.Time      `json:"started_at"`
	Ready      bool           `json:"ready"`
	Durability string         `json:"durability"` // always, everysec, never, or in-memory
	Partitions int            `json:"partitions"`
	Keys       int64          `json:"keys"`
	Expiring   int64          `json:"expiring"`
	UsedBytes  int64          `json:"used_bytes"`
	LimitBytes int64          `json:"limit_bytes"` // 0: none
	Expired    uint64         `json:"expired"`
	Refused    uint64         `json:"refused_over_memory_limit"`
	Log        wal.Stats      `json:"log"`
	Snapshot   SnapshotStatus `json:"snapshot"`
	Cluster    *ClusterStats  `json:"cluster"` // nil: started without a peer address
}

// Stats gathers the node's figures. Cheap enough to be called every second.
func (n *Node) Stats() Stats {
	st := Stats{
		NodeID: n.nodeID, ClusterID: n.clusterID, StartedAt: n.startedAt, Ready: n.Ready(),
		Durability: n.DurabilityName(), Partitions: len(n.partitions),
		UsedBytes: n.memory.Used(), LimitBytes: n.memory.Limit(),
		Expired: n.expired.Load(), Refused: n.refused.Load(),
		Snapshot: n.SnapshotStatus(), Cluster: n.ClusterStats(),
	}
	if !st.Ready {
		return st // tables and log belong to Load
	}
	for _, p := range n.partitions {
		st.Keys += int64(p.Table.Len())
		st.Expiring += int64(p.Table.Expiring())
	}
	if n.log != nil {
		st.Log = n.log.Stats()
		if n.cluster != nil {
			st.Log.NoSpaceRefused += n.cluster.noSpace.Load()
		}
	}
	return st
}

// Keys returns the number of entries, expired ones that have not been reclaimed
// yet included.
func (n *Node) Keys() (keys int64) {
	if !n.Ready() {
		return 0
	}
	for _, p := range n.partitions {
		keys += int64(p.Table.Len())
	}
	return keys
}

// DurabilityName names the policy that writes are acknowledged by.
func (n *Node) DurabilityName() string {
	if n.opts.Dir == "" {
		return "in-memory"
	}
	return n.opts.Durability.String()
}

// OverMemoryLimit reports whether writes that add data are to be refused, and
// counts the refusal: at the configured limit, or when a table has used up its
// addresses, where going on would end the process.
func (n *Node) OverMemoryLimit() bool {
	if !n.memory.Over() && !n.full.Load() {
		return false
	}
	n.refused.Add(1)
	return true
}
