package admin

import "time"

// Cluster is what a node knows of its cluster and does for it, as of a moment ago. Nobody
// else is asked for it: `vega-client cluster status` does that.
type Cluster struct {
	Member      bool      `json:"member"`       // this node belongs to the cluster
	Epoch       uint64    `json:"epoch"`        // version of the topology
	Replicas    int       `json:"replicas"`     // wanted of each partition
	MovesPaused bool      `json:"moves_paused"` //
	MetaLeader  string    `json:"meta_leader"`  // node id; "": nobody is known to lead
	MetaTerm    uint64    `json:"meta_term"`
	MetaContact time.Time `json:"meta_contact"` // when the meta group's leader was last heard; zero: not since the start

	Members    []Member   `json:"members"`
	Moves      []Move     `json:"moves"`
	Partitions Partitions `json:"partitions"`

	Raft      Raft      `json:"raft"`
	Reads     Reads     `json:"reads"`
	Snapshots Transfers `json:"snapshots"`
	Peers     []Peer    `json:"peers"`
	Sessions  int64     `json:"sessions"` // of clients, remembered by the groups here
}

// Member is a node of the cluster.
type Member struct {
	ID        string    `json:"id"`
	Self      bool      `json:"self,omitempty"` // it is the node that answers
	Addr      string    `json:"addr"`
	PeerAddr  string    `json:"peer_addr"`
	AdminAddr string    `json:"admin_addr,omitempty"`
	Zone      string    `json:"zone,omitempty"`
	Version   string    `json:"version"`
	State     string    `json:"state"`          // one of MemberStates
	Meta      string    `json:"meta,omitempty"` // its part in the meta group: voter, learner
	Leads     int       `json:"leads"`          // partitions
	Replicas  int       `json:"replicas"`       // partitions, those it leads included
	LastHeard time.Time `json:"last_heard"`     // zero: never since the start of the node that answers
}

// MemberStates are what a member can be.
func MemberStates() []string { return []string{"active", "joining", "draining", "down", "removed"} }

// Move is a partition on its way from one node to another.
type Move struct {
	Partition int    `json:"partition"`
	From      string `json:"from,omitempty"`
	To        string `json:"to,omitempty"`
	Step      string `json:"step"` // one of MoveSteps
	// Of the snapshot that this node sends for it.
	SentBytes  int64 `json:"sent_bytes,omitempty"`
	TotalBytes int64 `json:"total_bytes,omitempty"`
}

// MoveSteps are a move's, in their order.
func MoveSteps() []string { return []string{"adding", "copying", "removing"} }

// Partitions counts the cluster's partitions that are not as they should be.
type Partitions struct {
	Total           int `json:"total"`
	WithoutLeader   int `json:"without_leader"`   // nobody is known to lead
	Degraded        int `json:"degraded"`         // fewer replicas than wanted are on nodes that are up
	WithoutMajority int `json:"without_majority"` // so few that nothing can be written
}

// Raft is the replication engine of this node: all its groups, the meta group included,
// and the worker that drives them.
type Raft struct {
	Leaders    int `json:"leaders"` // groups led here
	Followers  int `json:"followers"`
	Learners   int `json:"learners"`
	Leaderless int `json:"leaderless"` // replicas here that know no leader
	Installing int `json:"installing"` // of all of them, those that load a snapshot

	Elections     uint64 `json:"elections_total"`
	ElectionsWon  uint64 `json:"elections_won_total"`
	LeadsLost     uint64 `json:"leads_lost_total"`
	LeaderChanges uint64 `json:"leader_changes_total"`
	Transfers     uint64 `json:"transfers_total"`

	ProposalsPending int    `json:"proposals_pending"`
	Applied          uint64 `json:"proposals_applied_total"`
	Refused          uint64 `json:"proposals_refused_total"`
	Unknown          uint64 `json:"proposals_unknown_total"`
	Early            uint64 `json:"proposals_early_total"`
	Busy             uint64 `json:"proposals_busy_total"`

	ReadsPending int    `json:"reads_pending"`
	ReadRounds   uint64 `json:"read_rounds_total"`
	ReadRoundsOK uint64 `json:"read_rounds_confirmed_total"`
	ReadsFailed  uint64 `json:"reads_failed_total"`

	LogMemoryBytes int64  `json:"log_memory_bytes"` // of entries, waiting ones included
	QueueBytes     int64  `json:"queue_bytes"`      // of proposals
	ApplyLag       uint64 `json:"apply_lag_entries"`
	Laggards       int    `json:"laggards"` // replicas elsewhere, of groups led here, that have not caught up
	MostLag        uint64 `json:"most_lag_entries"`

	WorkerTurns        uint64  `json:"worker_turns_total"`
	WorkerBusySeconds  float64 `json:"worker_busy_seconds_total"`
	WorkerSkippedTicks uint64  `json:"worker_skipped_ticks_total"`
}

// Reads are those that had to ask for leave, because their partition has peers.
type Reads struct {
	ByLevel   map[string]uint64 `json:"by_level_total"`
	LeaseHits uint64            `json:"lease_hits_total"`
	Waited    uint64            `json:"waited_total"`
	Withdrawn uint64            `json:"withdrawn_total"`
}

// Transfers are the snapshots that go from node to node.
type Transfers struct {
	Sent           uint64 `json:"sent_total"`
	SendFailed     uint64 `json:"send_failed_total"`
	SentBytes      uint64 `json:"sent_bytes_total"`
	Received       uint64 `json:"received_total"`
	ReceiveFailed  uint64 `json:"receive_failed_total"`
	ReceivedBytes  uint64 `json:"received_bytes_total"`
	Installed      uint64 `json:"installed_total"`
	Dropped        uint64 `json:"replicas_dropped_total"`
	Replaced       uint64 `json:"replicas_replaced_total"` // of those dropped, the damaged ones
	Damaged        int    `json:"replicas_damaged"`        // that are out of action and to be replaced
	Sending        int    `json:"sending"`
	SendingSent    int64  `json:"sending_sent_bytes"`
	SendingPending int64  `json:"sending_pending_bytes"`
}

// Peer is the connection to another node.
type Peer struct {
	ID             string    `json:"id"`
	Addr           string    `json:"addr"`
	Connected      bool      `json:"connected"` // what is sent can go there
	Incoming       bool      `json:"incoming"`  // what it sends can come here
	LastHeard      time.Time `json:"last_heard"`
	QueueBytes     int       `json:"queue_bytes"`
	SentFrames     uint64    `json:"sent_frames_total"`
	SentBytes      uint64    `json:"sent_bytes_total"`
	ReceivedFrames uint64    `json:"received_frames_total"`
	ReceivedBytes  uint64    `json:"received_bytes_total"`
	Dropped        uint64    `json:"dropped_frames_total"`
	LastError      string    `json:"last_error,omitempty"`
}
