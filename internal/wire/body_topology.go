package wire

// NoLeader stands for "unknown" where a node's index is expected.
const NoLeader = 0xFFFF

// maxPartitions is the count of slots: a partition holds at least one.
const maxPartitions = 16384

// TopologyNode is one node of a topology.
type TopologyNode struct {
	ID      string `json:"id"`
	Address string `json:"address"` // host:port of the data port
	Zone    string `json:"zone"`
}

// TopologyPartition says where one partition lives. Numbers are indexes into
// Topology.Nodes.
type TopologyPartition struct {
	Leader   uint16   `json:"leader"` // or NoLeader
	Replicas []uint16 `json:"replicas"`
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
