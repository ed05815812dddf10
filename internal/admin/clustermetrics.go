package admin

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// clusterMetrics are the metrics of a node that can have peers. Of one that cannot, none
// of them is there.
type clusterMetrics struct {
	rows []clusterRow

	members, moves, groups, proposals, reads, leases, snapshots *prometheus.Desc
	peers                                                       []peerRow
}

type clusterRow struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	get  func(*Cluster) float64
}

type peerRow struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	get  func(*Peer) float64
}

type clusterAdder func(kind prometheus.ValueType, name, help string, get func(*Cluster) float64)

func newClusterMetrics(desc func(name, help string, labels ...string) *prometheus.Desc) *clusterMetrics {
	m := &clusterMetrics{
		members:   desc("cluster_members", "Members by state, as this node knows them.", "state"),
		moves:     desc("cluster_moves", "Partitions on their way to other nodes, by step, in the whole cluster.", "step"),
		groups:    desc("raft_groups", "Replicas here by role, that of the meta group included.", "role"),
		proposals: desc("raft_proposals_total", "Writes proposed here by outcome: applied; refused, without effect; unknown, leadership was lost; early, answered by the leader alone; busy, too much waited.", "outcome"),
		reads:     desc("reads_total", "Reads of partitions with peers, by the level that was asked for.", "level"),
		leases:    desc("lease_reads_total", "Reads under level lease, by whether the lease let them go without a round.", "result"),
		snapshots: desc("raft_snapshots_total", "Snapshots exchanged with other nodes.", "direction", "result"),
	}
	add := func(kind prometheus.ValueType, name, help string, get func(*Cluster) float64) {
		m.rows = append(m.rows, clusterRow{desc(name, help), kind, get})
	}
	addClusterRows(add)
	addRaftRows(add)
	addTransferRows(add)
	addPeer := func(kind prometheus.ValueType, name, help string, get func(*Peer) float64) {
		m.peers = append(m.peers, peerRow{desc("peer_"+name, help, "peer"), kind, get})
	}
	addPeer(gauge, "connected", "1 while frames can be sent to the node.", func(p *Peer) float64 { return truth(p.Connected) })
	addPeer(gauge, "last_heard_timestamp_seconds", "When the node was last heard, 0 for never since the start.", func(p *Peer) float64 { return timestamp(p.LastHeard) })
	addPeer(gauge, "queue_bytes", "Frames that wait to be sent to the node.", func(p *Peer) float64 { return float64(p.QueueBytes) })
	addPeer(counter, "sent_frames_total", "Frames sent to the node; a frame holds the messages of all groups.", func(p *Peer) float64 { return float64(p.SentFrames) })
	addPeer(counter, "sent_bytes_total", "Bytes of frames sent to the node.", func(p *Peer) float64 { return float64(p.SentBytes) })
	addPeer(counter, "received_frames_total", "Frames received from the node.", func(p *Peer) float64 { return float64(p.ReceivedFrames) })
	addPeer(counter, "received_bytes_total", "Bytes of frames received from the node.", func(p *Peer) float64 { return float64(p.ReceivedBytes) })
	addPeer(counter, "dropped_frames_total", "Frames for the node that were dropped; what matters is sent again.", func(p *Peer) float64 { return float64(p.Dropped) })
	return m
}

func addClusterRows(add clusterAdder) {
	add(gauge, "cluster_member", "1 while this node is a member of its cluster.", func(c *Cluster) float64 { return truth(c.Member) })
	add(gauge, "cluster_epoch", "Version of the topology that this node knows.", func(c *Cluster) float64 { return float64(c.Epoch) })
	add(gauge, "cluster_replicas_wanted", "Copies of each partition that the cluster is to keep.", func(c *Cluster) float64 { return float64(c.Replicas) })
	add(gauge, "cluster_moves_paused", "1 while moves of partitions are paused.", func(c *Cluster) float64 { return truth(c.MovesPaused) })
	add(gauge, "cluster_partitions", "Partitions of the cluster.", func(c *Cluster) float64 { return float64(c.Partitions.Total) })
	add(gauge, "cluster_partitions_without_leader", "Partitions that nobody is known to lead.", func(c *Cluster) float64 { return float64(c.Partitions.WithoutLeader) })
	add(gauge, "cluster_partitions_degraded", "Partitions with fewer replicas on nodes that are up than are wanted.", func(c *Cluster) float64 { return float64(c.Partitions.Degraded) })
	add(gauge, "cluster_partitions_without_majority", "Partitions that have lost so many replicas that nothing can be written.", func(c *Cluster) float64 { return float64(c.Partitions.WithoutMajority) })
	add(gauge, "cluster_meta_leader", "1 while this node leads the meta group.", func(c *Cluster) float64 {
		for i := range c.Members {
			if c.Members[i].Self {
				return truth(c.Members[i].ID == c.MetaLeader)
			}
		}
		return 0
	})
	add(gauge, "cluster_meta_term", "Term of the meta group.", func(c *Cluster) float64 { return float64(c.MetaTerm) })
	add(gauge, "cluster_meta_contact_timestamp_seconds", "When the leader of the meta group was last heard, 0 for never since the start.", func(c *Cluster) float64 { return timestamp(c.MetaContact) })
	add(gauge, "sessions", "Clients' sessions that the groups here remember.", func(c *Cluster) float64 { return float64(c.Sessions) })
}

func addRaftRows(add clusterAdder) {
	add(gauge, "raft_groups_installing", "Replicas here that load a snapshot they have received.", func(c *Cluster) float64 { return float64(c.Raft.Installing) })
	add(counter, "raft_elections_total", "Times that a replica here stood for election.", func(c *Cluster) float64 { return float64(c.Raft.Elections) })
	add(counter, "raft_elections_won_total", "Times that a replica here began to lead.", func(c *Cluster) float64 { return float64(c.Raft.ElectionsWon) })
	add(counter, "raft_leads_lost_total", "Times that a replica here ceased to lead, handing over included.", func(c *Cluster) float64 { return float64(c.Raft.LeadsLost) })
	add(counter, "raft_leader_changes_total", "Times that a replica here learnt of a leader anew.", func(c *Cluster) float64 { return float64(c.Raft.LeaderChanges) })
	add(counter, "raft_transfers_total", "Times that a leader here began to hand over.", func(c *Cluster) float64 { return float64(c.Raft.Transfers) })
	add(gauge, "raft_proposals_pending", "Writes proposed here that have no outcome yet.", func(c *Cluster) float64 { return float64(c.Raft.ProposalsPending) })
	add(gauge, "raft_reads_pending", "Reads that wait for a round or for an entry.", func(c *Cluster) float64 { return float64(c.Raft.ReadsPending) })
	add(counter, "raft_read_rounds_total", "Rounds that asked a majority whether a leader still leads; many reads share one.", func(c *Cluster) float64 { return float64(c.Raft.ReadRounds) })
	add(counter, "raft_read_rounds_confirmed_total", "Rounds that a majority has answered.", func(c *Cluster) float64 { return float64(c.Raft.ReadRoundsOK) })
	add(counter, "raft_reads_failed_total", "Reads that waited and got no leave.", func(c *Cluster) float64 { return float64(c.Raft.ReadsFailed) })
	add(counter, "reads_waited_total", "Reads that had to wait for a round or for an entry.", func(c *Cluster) float64 { return float64(c.Reads.Waited) })
	add(counter, "reads_withdrawn_total", "Reads whose leave had ended before the value could be shown.", func(c *Cluster) float64 { return float64(c.Reads.Withdrawn) })
	add(gauge, "raft_log_memory_bytes", "Log entries held in memory for replicas that lag, and proposals that wait.", func(c *Cluster) float64 { return float64(c.Raft.LogMemoryBytes) })
	add(gauge, "raft_queue_bytes", "Proposals that no group has taken into its log yet.", func(c *Cluster) float64 { return float64(c.Raft.QueueBytes) })
	add(gauge, "raft_apply_lag_entries", "Entries committed and not applied here.", func(c *Cluster) float64 { return float64(c.Raft.ApplyLag) })
	add(gauge, "raft_laggards", "Replicas on other nodes, of groups led here, that have not caught up.", func(c *Cluster) float64 { return float64(c.Raft.Laggards) })
	add(gauge, "raft_most_lag_entries", "Entries that the slowest of the active replicas of groups led here lacks.", func(c *Cluster) float64 { return float64(c.Raft.MostLag) })
	add(counter, "raft_worker_turns_total", "Turns of the worker that drives all groups.", func(c *Cluster) float64 { return float64(c.Raft.WorkerTurns) })
	add(counter, "raft_worker_busy_seconds_total", "Time that the worker has worked; 1 per second is all it can.", func(c *Cluster) float64 { return c.Raft.WorkerBusySeconds })
	add(counter, "raft_worker_skipped_ticks_total", "Ticks of 50 ms left out after the worker stood still.", func(c *Cluster) float64 { return float64(c.Raft.WorkerSkippedTicks) })
}

func addTransferRows(add clusterAdder) {
	add(counter, "raft_snapshot_sent_bytes_total", "Bytes of snapshots sent to other nodes.", func(c *Cluster) float64 { return float64(c.Snapshots.SentBytes) })
	add(counter, "raft_snapshot_received_bytes_total", "Bytes of snapshots received from other nodes.", func(c *Cluster) float64 { return float64(c.Snapshots.ReceivedBytes) })
	add(gauge, "raft_snapshots_sending", "Snapshots on their way to other nodes.", func(c *Cluster) float64 { return float64(c.Snapshots.Sending) })
	add(gauge, "raft_snapshots_sending_sent_bytes", "Of the snapshots on their way, the bytes sent.", func(c *Cluster) float64 { return float64(c.Snapshots.SendingSent) })
	add(gauge, "raft_snapshots_sending_pending_bytes", "Of the snapshots on their way, the bytes to be sent.", func(c *Cluster) float64 { return float64(c.Snapshots.SendingPending) })
	add(counter, "raft_snapshots_installed_total", "Replicas brought up to date here by a snapshot received.", func(c *Cluster) float64 { return float64(c.Snapshots.Installed) })
	add(counter, "replicas_dropped_total", "Replicas that this node has given up.", func(c *Cluster) float64 { return float64(c.Snapshots.Dropped) })
	add(gauge, "replicas_damaged", "Replicas here that damage on the disk has put out of action and that the other nodes are to replace.", func(c *Cluster) float64 { return float64(c.Snapshots.Damaged) })
	add(counter, "replicas_replaced_total", "Damaged replicas that this node has given up because the other nodes replace them.", func(c *Cluster) float64 { return float64(c.Snapshots.Replaced) })
}

func (m *clusterMetrics) describe(ch chan<- *prometheus.Desc) {
	for _, r := range m.rows {
		ch <- r.desc
	}
	for _, r := range m.peers {
		ch <- r.desc
	}
	for _, d := range []*prometheus.Desc{m.members, m.moves, m.groups, m.proposals, m.reads, m.leases, m.snapshots} {
		ch <- d
	}
}

func (m *clusterMetrics) collect(c *Cluster, ch chan<- prometheus.Metric) {
	show := func(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, kind, v, labels...)
	}
	for _, r := range m.rows {
		ch <- prometheus.MustNewConstMetric(r.desc, r.kind, r.get(c))
	}
	for i := range c.Peers {
		for _, r := range m.peers {
			show(r.desc, r.kind, r.get(&c.Peers[i]), c.Peers[i].ID)
		}
	}
	states, steps := map[string]int{}, map[string]int{}
	for i := range c.Members {
		states[c.Members[i].State]++
	}
	for i := range c.Moves {
		steps[c.Moves[i].Step]++
	}
	for _, state := range MemberStates() {
		show(m.members, gauge, float64(states[state]), state)
	}
	for _, step := range MoveSteps() {
		show(m.moves, gauge, float64(steps[step]), step)
	}
	r, s := &c.Raft, &c.Snapshots
	show(m.groups, gauge, float64(r.Leaders), "leader")
	show(m.groups, gauge, float64(r.Followers), "follower")
	show(m.groups, gauge, float64(r.Learners), "learner")
	show(m.groups, gauge, float64(r.Leaderless), "leaderless")
	show(m.proposals, counter, float64(r.Applied), "applied")
	show(m.proposals, counter, float64(r.Refused), "refused")
	show(m.proposals, counter, float64(r.Unknown), "unknown")
	show(m.proposals, counter, float64(r.Early), "early")
	show(m.proposals, counter, float64(r.Busy), "busy")
	for level, n := range c.Reads.ByLevel {
		show(m.reads, counter, float64(n), level)
	}
	show(m.leases, counter, float64(c.Reads.LeaseHits), "hit")
	show(m.leases, counter, float64(c.Reads.ByLevel["lease"]-min(c.Reads.LeaseHits, c.Reads.ByLevel["lease"])), "round")
	show(m.snapshots, counter, float64(s.Sent), "sent", "ok")
	show(m.snapshots, counter, float64(s.SendFailed), "sent", "failed")
	show(m.snapshots, counter, float64(s.Received), "received", "ok")
	show(m.snapshots, counter, float64(s.ReceiveFailed), "received", "failed")
}

// timestamp is a time as Prometheus wants it, 0 for none.
func timestamp(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}
