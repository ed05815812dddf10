package meta

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/prakashpandey/vegadb/internal/ring"
)

// State is what the meta group has agreed on after some command of its log. Only Apply changes it.
type State struct {
	Index   uint64 // of the last command applied
	StampMs int64  // log time of that command, unix ms; never goes back

	// Epoch is the version of the topology: it grows with every change that clients or nodes can see.
	Epoch uint64

	Cluster    ring.NodeID // the cluster's id, 16 bytes like a node's
	Replicas   int         // wanted per partition; there are fewer while there are fewer nodes
	Members    []Member    // ascending by ID
	Meta       Placement   // of group 0
	Placements []Placement // of the partitions; their number never changes
	Paused     bool        // no moves except away from nodes removed by force

	RebalanceMs int64         // log time of the last RequestRebalance, 0: never
	Settings    []Setting     // ascending by key
	UsersDoc    string        // text of a users file; "": none
	Tombstones  []ring.NodeID // ascending; ids of removed nodes

	recent []request // the latest requests, oldest first
}

// MemberState says what a member is for.
type MemberState uint8

const (
	Active   MemberState = iota // holds replicas
	Draining                    // is being emptied and stays
	Leaving                     // is being emptied and is then removed
	Removed                     // removed by force: its replicas are replaced at once, its id is already a tombstone
)

var memberStates = []string{"active", "draining", "leaving", "removed"}

func (m MemberState) String() string { return nameOf(memberStates, int(m)) }

// MarshalText makes JSON show the name.
func (m MemberState) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText is the inverse of MarshalText.
func (m *MemberState) UnmarshalText(text []byte) error {
	i := slices.Index(memberStates, string(text))
	if i < 0 {
		return fmt.Errorf("%q is not a state of a member", text)
	}
	*m = MemberState(i)
	return nil
}

// Member is a node of the cluster.
type Member struct {
	ID        ring.NodeID `json:"id"`
	Addr      string      `json:"addr"`       // host:port for clients
	PeerAddr  string      `json:"peer_addr"`  // host:port for other nodes
	AdminAddr string      `json:"admin_addr"` // host:port of the admin HTTP server; "": none
	Zone      string      `json:"zone"`       // what fails together; "": not said
	Capacity  uint32      `json:"capacity"`   // relative to other nodes; 0 counts as 1
	Version   string      `json:"version"`    // of its program
	Boot      uint64      `json:"boot"`       // tells one run of the node's process from others

	// What follows is the cluster's knowledge; a node that joins or updates itself does not say it.

	State       MemberState `json:"state"`
	StateMs     int64       `json:"state_ms"`      // log time at which State began to be other than before; 0: with the membership
	JoinedMs    int64       `json:"joined_ms"`     // log time
	DownSinceMs int64       `json:"down_since_ms"` // log time; 0: up
}

// Up reports whether nobody has found the member down.
func (m *Member) Up() bool { return m.DownSinceMs == 0 }

// Role is a replica's part in its group.
type Role uint8

const (
	Voter   Role = iota // counts for majorities
	Learner             // receives everything, does not count
)

var roles = []string{"voter", "learner"}

func (r Role) String() string { return nameOf(roles, int(r)) }

// MarshalText makes JSON show the name.
func (r Role) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText is the inverse of MarshalText.
func (r *Role) UnmarshalText(text []byte) error {
	i := slices.Index(roles, string(text))
	if i < 0 {
		return fmt.Errorf("%q is not a replica's role", text)
	}
	*r = Role(i)
	return nil
}

func nameOf(names []string, i int) string {
	if i < len(names) {
		return names[i]
	}
	return fmt.Sprintf("unknown (%d)", i)
}

// Replica is one replica of a group. ID is its Raft id within the group, used once.
type Replica struct {
	Node ring.NodeID `json:"node"`
	ID   uint64      `json:"id"`
	Role Role        `json:"role"`
}

// Placement is where a group's replicas should be and where they are.
type Placement struct {
	// Target is the replicas the group should have, the first being the preferred leader. Those of a partition are all
	// voters; the meta group's are voters and learners, and their order means nothing.
	Target []Replica
	// Revision is the index of the command that set Target. It tells an older target from a newer one: whoever drives
	// a group must never follow an older one than it has followed.
	Revision uint64
	// Actual is the group's configuration as its leader reported it, and ActualIndex the log index of that
	// configuration in the group's own log.
	Actual      []Replica
	ActualIndex uint64
	// NextID is the id that the group's next new replica gets.
	NextID uint64
}

// Settled reports whether the group has exactly the replicas that it should have.
func (p *Placement) Settled() bool {
	if len(p.Target) != len(p.Actual) {
		return false
	}
	for _, r := range p.Target {
		if !slices.Contains(p.Actual, r) {
			return false
		}
	}
	return true
}

// Setting is a setting of the whole cluster. What keys and values mean is not this package's business.
type Setting struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Member returns the member with that id, or nil. The result is not to be changed.
func (s *State) Member(id ring.NodeID) *Member {
	i, ok := s.memberIndex(id)
	if !ok {
		return nil
	}
	return &s.Members[i]
}

func (s *State) memberIndex(id ring.NodeID) (int, bool) {
	return slices.BinarySearchFunc(s.Members, id, func(m Member, id ring.NodeID) int { return bytes.Compare(m.ID[:], id[:]) })
}

// Group returns the placement of a group: 0 is the meta group, p+1 partition p. It returns nil if there is no such group.
func (s *State) Group(group uint64) *Placement {
	switch {
	case group == 0:
		return &s.Meta
	case group <= uint64(len(s.Placements)):
		return &s.Placements[group-1]
	}
	return nil
}

// Tombstoned reports whether a node of that id was removed.
func (s *State) Tombstoned(id ring.NodeID) bool {
	_, found := slices.BinarySearchFunc(s.Tombstones, id, compareIDs)
	return found
}

func compareIDs(a, b ring.NodeID) int { return bytes.Compare(a[:], b[:]) }

// Clone returns a copy that stays as it is while s goes on.
func (s *State) Clone() *State {
	c := *s
	c.Members = slices.Clone(s.Members)
	c.Placements = slices.Clone(s.Placements)
	c.Settings = slices.Clone(s.Settings)
	c.Tombstones = slices.Clone(s.Tombstones)
	c.recent = slices.Clip(s.recent) // nobody writes where somebody reads: see remembered
	return &c
}

// Bootstrap returns the state of a lone node's new cluster: every group has the node's replica 1 as its only voter.
func Bootstrap(cluster ring.NodeID, node Member, partitions, replicas int) *State {
	node.State, node.DownSinceMs = Active, 0
	lone := func() Placement {
		only := []Replica{{Node: node.ID, ID: 1}}
		return Placement{Target: only, Actual: only, NextID: 2}
	}
	s := &State{
		Epoch:      1,
		Cluster:    cluster,
		Replicas:   min(max(replicas, 1), MaxReplicas),
		Members:    []Member{node},
		Meta:       lone(),
		Placements: make([]Placement, partitions),
	}
	for p := range s.Placements {
		s.Placements[p] = lone()
	}
	return s
}
