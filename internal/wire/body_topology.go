package wire

import "strconv"

// NoLeader stands for "unknown" where a node's index is expected.
const NoLeader = 0xFFFF

// maxPartitions is the count of slots: a partition holds at least one.
const maxPartitions = 16384

// NodeState is what a node of a cluster is doing.
type NodeState uint8

const (
	StateActive   NodeState = 0
	StateJoining  NodeState = 1
	StateDraining NodeState = 2
	StateDown     NodeState = 3 // the others have not heard of it for a while
)

// String returns the name that ADMIN uses too: NodeActive and so on.
func (s NodeState) String() string {
	switch s {
	case StateActive:
		return NodeActive
	case StateJoining:
		return NodeJoining
	case StateDraining:
		return NodeDraining
	case StateDown:
		return NodeDown
	}
	return "state " + strconv.Itoa(int(s))
}

// TopologyNode is one node of a topology.
type TopologyNode struct {
	ID      string    `json:"id"`
	Address string    `json:"address"` // host:port of the data port; empty: where the client has found it
	Zone    string    `json:"zone"`
	State   NodeState `json:"state,omitempty"`
}

// TopologyPartition says where one partition lives. Numbers are indexes into
// Topology.Nodes.
type TopologyPartition struct {
	Leader   uint16   `json:"leader"` // or NoLeader
	Replicas []uint16 `json:"replicas"`
	Term     uint64   `json:"term,omitempty"` // in which Leader leads; 0 if not known
}

// Topology is the reply to TOPOLOGY. Partition p holds the slots s with
// s*len(Partitions)/16384 == p.
type Topology struct {
	Epoch      uint64              `json:"epoch"`
	ClusterID  string              `json:"cluster_id"`
	Nodes      []TopologyNode      `json:"nodes"`
	Partitions []TopologyPartition `json:"partitions"`
}

// Append appends the encoding.
func (t *Topology) Append(dst []byte) []byte {
	dst = le.AppendUint64(dst, t.Epoch)
	dst = appendString(dst, t.ClusterID)
	dst = le.AppendUint16(dst, uint16(len(t.Nodes)))
	for i := range t.Nodes {
		dst = appendString(dst, t.Nodes[i].ID)
		dst = appendString(dst, t.Nodes[i].Address)
		dst = appendString(dst, t.Nodes[i].Zone)
	}
	dst = le.AppendUint16(dst, uint16(len(t.Partitions)))
	for i := range t.Partitions {
		p := &t.Partitions[i]
		dst = le.AppendUint16(dst, p.Leader)
		dst = append(dst, byte(len(p.Replicas)))
		for _, r := range p.Replicas {
			dst = le.AppendUint16(dst, r)
		}
	}
	return t.appendLater(dst)
}

// appendLater appends the fields that came later, states and terms. They are left
// out from the first one on behind which all is zero.
func (t *Topology) appendLater(dst []byte) []byte {
	states, terms := false, false
	for i := range t.Nodes {
		states = states || t.Nodes[i].State != 0
	}
	for i := range t.Partitions {
		terms = terms || t.Partitions[i].Term != 0
	}
	if !states && !terms {
		return dst
	}
	for i := range t.Nodes {
		dst = append(dst, byte(t.Nodes[i].State))
	}
	if !terms {
		return dst
	}
	for i := range t.Partitions {
		dst = le.AppendUint64(dst, t.Partitions[i].Term)
	}
	return dst
}

// Decode reads a whole topology. What it allocates is bounded by the bytes
// given. Bytes behind the known fields are ignored: a later version may add
// some.
func (t *Topology) Decode(b []byte) error {
	*t = Topology{}
	if len(b) < 8 {
		return ErrTruncated
	}
	t.Epoch = le.Uint64(b)
	ok := true
	t.ClusterID, b = takeString(b[8:], &ok)
	nodes, b, err := takeCount16(b, 3*2)
	if err != nil {
		return err
	}
	t.Nodes = make([]TopologyNode, nodes)
	for i := range t.Nodes {
		n := &t.Nodes[i]
		n.ID, b = takeString(b, &ok)
		n.Address, b = takeString(b, &ok)
		n.Zone, b = takeString(b, &ok)
	}
	if !ok {
		return ErrTruncated
	}
	partitions, b, err := takeCount16(b, 3)
	if err != nil {
		return err
	}
	if partitions > maxPartitions {
		return ErrTopologyLimits
	}
	t.Partitions = make([]TopologyPartition, partitions)
	for i := range t.Partitions {
		if b, err = t.Partitions[i].decode(b, nodes); err != nil {
			return err
		}
	}
	return t.decodeLater(b)
}

// decodeLater reads what appendLater wrote.
func (t *Topology) decodeLater(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	if len(b) < len(t.Nodes) {
		return ErrTruncated
	}
	for i := range t.Nodes {
		t.Nodes[i].State = NodeState(b[i])
	}
	b = b[len(t.Nodes):]
	if len(b) == 0 {
		return nil
	}
	if len(b) < 8*len(t.Partitions) {
		return ErrTruncated
	}
	for i := range t.Partitions {
		t.Partitions[i].Term = le.Uint64(b[8*i:])
	}
	return nil
}

func (p *TopologyPartition) decode(b []byte, nodes int) ([]byte, error) {
	if len(b) < 3 {
		return nil, ErrTruncated
	}
	p.Leader = le.Uint16(b)
	n := int(b[2])
	b = b[3:]
	if len(b) < 2*n {
		return nil, ErrTruncated
	}
	if p.Leader != NoLeader && int(p.Leader) >= nodes {
		return nil, ErrBadTopology
	}
	p.Replicas = make([]uint16, n)
	for i := range p.Replicas {
		p.Replicas[i] = le.Uint16(b[2*i:])
		if int(p.Replicas[i]) >= nodes {
			return nil, ErrBadTopology
		}
	}
	return b[2*n:], nil
}

// takeCount16 reads a u16 count of items that take at least itemMin bytes each.
func takeCount16(b []byte, itemMin int) (int, []byte, error) {
	if len(b) < 2 {
		return 0, nil, ErrTruncated
	}
	n := int(le.Uint16(b))
	if n*itemMin > len(b)-2 {
		return 0, nil, ErrTruncated
	}
	return n, b[2:], nil
}
