package meta

import (
	"encoding/binary"
	"slices"

	"github.com/prakashpandey/vegadb/internal/ring"
)

// StateVersion is the version of the encoding that this program writes. It reads those from oldestStateVersion on.
//
//	1
//	2  members have the time of their state
const (
	StateVersion       = 2
	oldestStateVersion = 1
)

// stateMagic begins every encoded state; the byte after it is the version.
const stateMagic = "VEGAMETA"

// Encode returns the state as bytes, as the snapshots of the meta group hold it. Equal states give equal bytes.
//
// Numbers are unsigned varints (encoding/binary) unless said otherwise; text and lists have their length, or count, before
// them; an id is 16 bytes.
//
//	magic "VEGAMETA" | version: 1 byte
//	index | stamp | epoch | cluster: id | replicas | paused | rebalance
//	nodes: list of ids, ascending: all that are named below except tombstones. A node below is its place in this list.
//	members: list of { node | addr | peer addr | admin addr | zone | capacity | version | boot | state | since | joined | down since }
//	placement of the meta group
//	list of the partitions' placements
//	settings: list of { key | value }
//	users: text
//	tombstones: list of ids
//	recent: list of { request: 16 bytes | code | text }
//
//	placement: revision | actual index | next id | target | actual
//	target, actual: list of { node | id×2 + role }
//
// There is no checksum: who stores it has one.
func (s *State) Encode() []byte {
	e := encoder{nodes: s.nodes()}
	e.b = append(e.b, stateMagic...)
	e.b = append(e.b, StateVersion)
	e.uint(s.Index)
	e.uint(uint64(s.StampMs))
	e.uint(s.Epoch)
	e.b = append(e.b, s.Cluster[:]...)
	e.uint(uint64(s.Replicas))
	e.bool(s.Paused)
	e.uint(uint64(s.RebalanceMs))
	e.ids(e.nodes)
	e.uint(uint64(len(s.Members)))
	for i := range s.Members {
		e.member(&s.Members[i])
	}
	e.placement(&s.Meta)
	e.uint(uint64(len(s.Placements)))
	for p := range s.Placements {
		e.placement(&s.Placements[p])
	}
	e.uint(uint64(len(s.Settings)))
	for _, set := range s.Settings {
		e.text(set.Key)
		e.text(set.Value)
	}
	e.text(s.UsersDoc)
	e.ids(s.Tombstones)
	recent := s.remembered()
	e.uint(uint64(len(recent)))
	for i := range recent {
		e.b = append(e.b, recent[i].id[:]...)
		e.uint(uint64(recent[i].result.Code))
		e.text(recent[i].result.Text)
	}
	return e.b
}

// nodes returns the ids of all nodes that members and placements name, ascending.
func (s *State) nodes() []ring.NodeID {
	var ids []ring.NodeID
	for i := range s.Members {
		ids = append(ids, s.Members[i].ID)
	}
	// Nearly all replicas are on members; sorting only the others keeps this cheap with thousands of partitions.
	add := func(list []Replica) {
		for _, r := range list {
			if _, found := s.memberIndex(r.Node); !found && !slices.Contains(ids[len(s.Members):], r.Node) {
				ids = append(ids, r.Node)
			}
		}
	}
	for g := range uint64(len(s.Placements) + 1) {
		pl := s.Group(g)
		add(pl.Target)
		add(pl.Actual)
	}
	slices.SortFunc(ids, compareIDs)
	return ids
}

type encoder struct {
	b     []byte
	nodes []ring.NodeID
}

func (e *encoder) uint(v uint64) { e.b = binary.AppendUvarint(e.b, v) }

func (e *encoder) bool(v bool) {
	if v {
		e.uint(1)
	} else {
		e.uint(0)
	}
}

func (e *encoder) text(s string) {
	e.uint(uint64(len(s)))
	e.b = append(e.b, s...)
}

func (e *encoder) ids(ids []ring.NodeID) {
	e.uint(uint64(len(ids)))
	for _, id := range ids {
		e.b = append(e.b, id[:]...)
	}
}

func (e *encoder) node(id ring.NodeID) {
	at, _ := slices.BinarySearchFunc(e.nodes, id, compareIDs)
	e.uint(uint64(at))
}

func (e *encoder) member(m *Member) {
	e.node(m.ID)
	e.text(m.Addr)
	e.text(m.PeerAddr)
	e.text(m.AdminAddr)
	e.text(m.Zone)
	e.uint(uint64(m.Capacity))
	e.text(m.Version)
	e.uint(m.Boot)
	e.uint(uint64(m.State))
	e.uint(uint64(m.StateMs))
	e.uint(uint64(m.JoinedMs))
	e.uint(uint64(m.DownSinceMs))
}

func (e *encoder) placement(p *Placement) {
	e.uint(p.Revision)
	e.uint(p.ActualIndex)
	e.uint(p.NextID)
	e.replicas(p.Target)
	e.replicas(p.Actual)
}

func (e *encoder) replicas(list []Replica) {
	e.uint(uint64(len(list)))
	for _, r := range list {
		e.node(r.Node)
		e.uint(r.ID<<1 | uint64(r.Role))
	}
}
