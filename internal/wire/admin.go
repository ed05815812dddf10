package wire

import (
	"bytes"
	"encoding/json"
)

// The body of ADMIN and of its reply are JSON, not binary: they are rare, seen by
// people and scripts, and gain fields more often than anything else. Readers
// ignore the fields of replies they do not know; a request with an unknown field is
// refused, because to ignore what an administrator asked for is not safe.

// MaxAdminRequest bounds the body of ADMIN, in bytes: enough for the largest
// document of users, escaped as JSON.
const MaxAdminRequest = 4 << 20

// AdminOp says what an ADMIN request is about.
type AdminOp string

// The administrative operations and what they need besides.
const (
	AdminStatus    AdminOp = "status"    // reply: ClusterStatus
	AdminDrain     AdminOp = "drain"     // node; its replicas and leaderships go elsewhere, it stays a member
	AdminUndrain   AdminOp = "undrain"   // node; takes a drain back
	AdminRemove    AdminOp = "remove"    // node, force; is emptied as by drain, then ceases to be a member, for ever
	AdminRebalance AdminOp = "rebalance" // placement is compared with the ring's wish at once
	AdminPause     AdminOp = "pause"     // no further replica is moved; moves at a point of no return are completed
	AdminResume    AdminOp = "resume"    // takes a pause back
	AdminTransfer  AdminOp = "transfer"  // partition, node; the node becomes the partition's leader
	AdminSettings  AdminOp = "settings"  // reply: AdminSettingsReply; with key: is set to value first
	AdminUsers     AdminOp = "users"     // reply: AdminUsersReply; with document: replaces all users first
)

// AdminOps lists every administrative operation.
func AdminOps() []AdminOp {
	return []AdminOp{AdminStatus, AdminDrain, AdminUndrain, AdminRemove, AdminRebalance,
		AdminPause, AdminResume, AdminTransfer, AdminSettings, AdminUsers}
}

// AdminRequest is the body of ADMIN. Operations whose reply is not named above are
// answered with an AdminReply.
type AdminRequest struct {
	Op        AdminOp `json:"op"`
	Node      string  `json:"node,omitempty"`      // id of 32 hexadecimal digits
	Partition *int    `json:"partition,omitempty"` // number of a partition
	// Force removes at once a node that is down and will not come back: its replicas
	// are replaced by copies of those that are left.
	Force    bool   `json:"force,omitempty"`
	Key      string `json:"key,omitempty"`      // name of a setting
	Value    string `json:"value,omitempty"`    // as the configuration file has it, without quotes
	Document string `json:"document,omitempty"` // a users file (TOML)
}

// Refusals of the body of ADMIN.
var (
	ErrAdminTooLarge  = &Error{TooLarge, "the body of ADMIN is longer than the limit"}
	ErrAdminRequest   = &Error{InvalidArgument, "the body of ADMIN is not one JSON object with the documented fields"}
	ErrAdminOp        = &Error{Unsupported, "unknown administrative operation"}
	ErrAdminNode      = &Error{InvalidArgument, "the field node must be a node's id of 32 hexadecimal digits"}
	ErrAdminPartition = &Error{InvalidArgument, "the field partition must be a partition's number"}
	ErrAdminKey       = &Error{InvalidArgument, "the field value needs the field key"}
	ErrAdminExtra     = &Error{InvalidArgument, "a field does not belong to this administrative operation"}
)

// Append appends the JSON of the request.
func (r *AdminRequest) Append(dst []byte) []byte {
	text, _ := json.Marshal(r) // plain fields: nothing in them can fail
	return append(dst, text...)
}

// Decode reads and judges the body of ADMIN: the operation is known, and has the
// fields that it needs and no others. Whether node and partition exist is for the
// receiver to say.
func (r *AdminRequest) Decode(body []byte) error {
	*r = AdminRequest{}
	if len(body) > MaxAdminRequest {
		return ErrAdminTooLarge
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(r); err != nil {
		return ErrAdminRequest
	}
	if rest := bytes.TrimSpace(body[dec.InputOffset():]); len(rest) > 0 {
		return ErrAdminRequest
	}
	return r.check()
}

// check compares the fields that are set with those the operation takes.
func (r *AdminRequest) check() error {
	may := AdminRequest{Op: r.Op}
	switch r.Op {
	case AdminStatus, AdminRebalance, AdminPause, AdminResume:
	case AdminDrain, AdminUndrain:
		may.Node = r.Node
	case AdminRemove:
		may.Node, may.Force = r.Node, r.Force
	case AdminTransfer:
		may.Node, may.Partition = r.Node, r.Partition
		if r.Partition == nil || *r.Partition < 0 || *r.Partition >= maxPartitions {
			return ErrAdminPartition
		}
	case AdminSettings:
		may.Key, may.Value = r.Key, r.Value
		if r.Key == "" && r.Value != "" {
			return ErrAdminKey
		}
	case AdminUsers:
		may.Document = r.Document
	default:
		return ErrAdminOp
	}
	if *r != may {
		return ErrAdminExtra
	}
	switch r.Op {
	case AdminDrain, AdminUndrain, AdminRemove, AdminTransfer:
		if !isNodeID(r.Node) {
			return ErrAdminNode
		}
	}
	return nil
}

func isNodeID(s string) bool {
	if len(s) != 32 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// AdminReply answers what changes the cluster: the wish has been recorded durably
// by the meta group. Whether it has come true, such as a drain that takes minutes,
// is for status to say.
type AdminReply struct {
	Epoch   uint64 `json:"epoch"`             // from which on the change holds
	Changed bool   `json:"changed"`           // false: it was so already
	Message string `json:"message,omitempty"` // for people: what happens now
}

// States of a node.
const (
	NodeActive   = "active"
	NodeJoining  = "joining"  // a member without replicas so far
	NodeDraining = "draining" // its replicas are on their way elsewhere, or gone
	NodeDown     = "down"     // has not been heard of for a while
	NodeRemoved  = "removed"  // was a member
)

// NodeStatus is one node, as the node that answers knows it. Sizes and counts come
// from what nodes tell each other and may be some seconds old.
type NodeStatus struct {
	ID            string `json:"id"`
	Addr          string `json:"addr"`                 // for clients, host:port
	PeerAddr      string `json:"peer_addr"`            // for other nodes
	AdminAddr     string `json:"admin_addr,omitempty"` // of metrics and health
	Zone          string `json:"zone,omitempty"`       // replicas of a partition go to distinct zones first
	Capacity      int    `json:"capacity"`             // weight: how many replicas, compared with other nodes
	State         string `json:"state"`                // NodeActive …
	Draining      bool   `json:"draining,omitempty"`   // is to be empty, also while State says that it is down
	Leaving       bool   `json:"leaving,omitempty"`    // and is no member any more once it is
	Version       string `json:"version,omitempty"`    // of the program
	Meta          string `json:"meta,omitempty"`       // ReplicaVoter or ReplicaLearner of the meta group
	Leads         int    `json:"leads"`                // partitions
	Replicas      int    `json:"replicas"`             // partitions, those that it leads included
	Keys          int64  `json:"keys"`                 // in all its replicas
	Bytes         int64  `json:"bytes"`                // of memory for them
	AppliedLag    uint64 `json:"applied_lag"`          // entries committed and not yet applied, of all its replicas
	Since         int64  `json:"since_ms"`             // unix ms at which the state began, of NodeDown when it was last heard of; 0: not known
	LastSeenMsAgo int64  `json:"last_seen_ms_ago"`     // 0: the node that answers; -1: never since that node started
	Target        int    `json:"target_replicas"`      // how many it is to have
	Damaged       []int  `json:"damaged,omitempty"`    // partitions whose replica there is damaged and is to be replaced
}

// Roles of a replica in its group.
const (
	ReplicaVoter    = "voter"
	ReplicaLearner  = "learner"
	ReplicaIncoming = "incoming" // of a joint change: will be a voter
	ReplicaOutgoing = "outgoing" // of a joint change: will be gone
)

// ReplicaStatus is one copy of a partition.
type ReplicaStatus struct {
	Node  string `json:"node"`
	ID    uint64 `json:"id"`    // unique among all replicas that the group ever had
	Role  string `json:"role"`  // ReplicaVoter …
	Match uint64 `json:"match"` // highest index known to be in its log; 0: not known
	State string `json:"state"` // how the leader feeds it: replicate, probe, snapshot; "" for the leader, or not known
}

// PartitionStatus is one partition.
type PartitionStatus struct {
	Number   int             `json:"number"`
	Leader   string          `json:"leader,omitempty"` // node; "" when nobody is known to lead
	Term     uint64          `json:"term"`
	Epoch    uint64          `json:"epoch"` // log index of the present list of replicas
	Commit   uint64          `json:"commit,omitempty"`
	Keys     int64           `json:"keys"`
	Bytes    int64           `json:"bytes"` // of memory, of one replica
	Replicas []ReplicaStatus `json:"replicas"`
	Target   []string        `json:"target"` // nodes it is to be on, the preferred leader first
	Moving   bool            `json:"moving"` // target and replicas differ
}

// Steps of a move.
const (
	MoveLearner    = "learner"     // the new replica is added without a vote
	MoveCatchingUp = "catching-up" // it receives a snapshot, then the log
	MoveJoint      = "joint"       // the voters change
	MoveRemoving   = "removing"    // the old replica's data is deleted
)

// MoveStatus is a replica on its way.
type MoveStatus struct {
	Partition      int     `json:"partition"`
	From           string  `json:"from,omitempty"` // node; "" when a replica is added
	To             string  `json:"to,omitempty"`   // node; "" when one is taken away
	Step           string  `json:"step"`           // MoveLearner …
	Percent        float64 `json:"percent"`        // 0 to 100
	BytesDone      int64   `json:"bytes_done"`
	BytesTotal     int64   `json:"bytes_total"`
	BytesPerSecond int64   `json:"bytes_per_second"`
	SecondsLeft    int64   `json:"seconds_left"` // -1: not known
}

// MetaStatus is the meta group, which holds members, placement and settings.
type MetaStatus struct {
	Leader string   `json:"leader,omitempty"` // node; "" when nobody is known to lead
	Term   uint64   `json:"term"`
	Voters []string `json:"voters"` // nodes
}

// ClusterStatus is the reply to the operation status: the cluster as the node that
// was asked knows it.
type ClusterStatus struct {
	TimeMs     int64             `json:"time_ms"` // unix ms, by the clock of the node that has answered
	ClusterID  string            `json:"cluster_id"`
	Node       string            `json:"node"` // that has answered
	Epoch      uint64            `json:"epoch"`
	Paused     bool              `json:"paused"`   // no replica is moved
	Replicas   int               `json:"replicas"` // wanted of each partition
	Meta       MetaStatus        `json:"meta"`
	Nodes      []NodeStatus      `json:"nodes"`
	Partitions []PartitionStatus `json:"partitions"`
	Moves      []MoveStatus      `json:"moves"`
	// MovesWaiting counts the partitions whose replicas are to move when others have.
	MovesWaiting int `json:"moves_waiting"`
}

// AdminSetting is one setting of the whole cluster.
type AdminSetting struct {
	Key      string `json:"key"`
	Value    string `json:"value"`
	Default  string `json:"default"`
	Describe string `json:"describe,omitempty"` // one line for people
}

// AdminSettingsReply answers the operation settings.
type AdminSettingsReply struct {
	Epoch    uint64         `json:"epoch"`
	Changed  bool           `json:"changed"`
	Settings []AdminSetting `json:"settings"`
}

// AdminUser is one user without its password.
type AdminUser struct {
	Name     string   `json:"name"`
	Role     string   `json:"role"`
	Prefixes []string `json:"prefixes,omitempty"` // keys it may touch; none: all
}

// AdminUsersReply answers the operation users.
type AdminUsersReply struct {
	Epoch   uint64      `json:"epoch"`
	Changed bool        `json:"changed"`
	Source  string      `json:"source"` // cluster, or file: the node's own users file counts
	Users   []AdminUser `json:"users"`
}
