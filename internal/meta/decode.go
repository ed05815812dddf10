package meta

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/prakashpandey/vegadb/internal/ring"
)

// ErrBadState is in the errors for bytes that are not an encoded state.
var ErrBadState = errors.New("not a state of the meta group")

// Decode is the inverse of Encode. What it allocates is bounded by the bytes given. It accepts what Encode
// can have written, in this version or an older one, and nothing else.
func Decode(b []byte) (*State, error) {
	if len(b) <= len(stateMagic) || string(b[:len(stateMagic)]) != stateMagic {
		return nil, fmt.Errorf("%w: it does not begin as one", ErrBadState)
	}
	version := b[len(stateMagic)]
	if version < oldestStateVersion || version > StateVersion {
		return nil, fmt.Errorf("state of the meta group: %w: its version is %d, this program knows %d to %d", ErrNotUnderstood, version, oldestStateVersion, StateVersion)
	}
	d := decoder{b: b[len(stateMagic)+1:], version: version}
	s := d.state()
	if d.why == "" && len(d.b) > 0 {
		d.fail("there is more behind its end")
	}
	if d.why == "" {
		if err := s.check(); err != nil {
			d.fail(err.Error())
		} else if !slices.Equal(d.nodes, s.nodes()) {
			d.fail("the list of nodes is not that of the nodes it names")
		}
	}
	if d.why != "" {
		return nil, fmt.Errorf("%w: %s", ErrBadState, d.why)
	}
	return s, nil
}

func (d *decoder) state() *State {
	s := &State{}
	s.Index = d.uint(math.MaxUint64)
	s.StampMs = d.ms()
	s.Epoch = d.uint(math.MaxUint64)
	d.fixed(s.Cluster[:])
	s.Replicas = int(d.uint(MaxReplicas))
	s.Paused = d.uint(1) == 1
	s.RebalanceMs = d.ms()
	d.nodes = d.ids(math.MaxInt32)
	s.Members = make([]Member, d.count(MaxMembers, 11))
	for i := range s.Members {
		d.member(&s.Members[i])
	}
	d.placement(&s.Meta, MaxMembers, MaxMembers)
	s.Placements = make([]Placement, d.count(MaxPartitions, 5))
	for p := range s.Placements {
		d.placement(&s.Placements[p], MaxReplicas, maxActual)
	}
	if n := d.count(maxSettings, 2); n > 0 {
		s.Settings = make([]Setting, n)
	}
	for i := range s.Settings {
		s.Settings[i] = Setting{d.text(maxSettingKey), d.text(maxSettingValue)}
	}
	s.UsersDoc = d.text(maxUsersBytes)
	s.Tombstones = d.ids(maxTombstones + MaxMembers)
	if n := d.count(maxRecent, 18); n > 0 {
		s.recent = make([]request, n)
	}
	for i := range s.recent {
		d.fixed(s.recent[i].id[:])
		s.recent[i].result.Code = Code(d.uint(uint64(len(codes) - 1)))
		s.recent[i].result.Text = d.text(maxResultText)
	}
	return s
}

// decoder takes values from b until something is wrong; from then on it gives zeros.
type decoder struct {
	b       []byte
	version byte
	nodes   []ring.NodeID
	why     string // what was wrong first
}

func (d *decoder) fail(why string) {
	if d.why == "" {
		d.why = why
	}
	d.b = nil
}

// uint takes a number of at most most, in its shortest form.
func (d *decoder) uint(most uint64) uint64 {
	v, n := binary.Uvarint(d.b)
	switch {
	case n <= 0:
		d.fail("it ends in the middle, or a number is too long")
	case n > 1 && d.b[n-1] == 0:
		d.fail("a number is not in its shortest form")
	case v > most:
		d.fail(fmt.Sprintf("a number is %d, at most %d is possible", v, most))
	default:
		d.b = d.b[n:]
		return v
	}
	return 0
}

func (d *decoder) ms() int64 { return int64(d.uint(math.MaxInt64)) }

// count takes the length of a list whose items take at least itemMin bytes each.
func (d *decoder) count(most, itemMin int) int {
	n := int(d.uint(uint64(most)))
	if n > len(d.b)/itemMin {
		d.fail("it ends in the middle of a list")
		return 0
	}
	return n
}

func (d *decoder) fixed(into []byte) {
	if len(d.b) < len(into) {
		d.fail("it ends in the middle")
		return
	}
	copy(into, d.b)
	d.b = d.b[len(into):]
}

func (d *decoder) text(most int) string {
	n := d.count(most, 1)
	s := string(d.b[:n])
	d.b = d.b[n:]
	return s
}

func (d *decoder) ids(most int) []ring.NodeID {
	n := d.count(most, len(ring.NodeID{}))
	if n == 0 {
		return nil
	}
	ids := make([]ring.NodeID, n)
	for i := range ids {
		d.fixed(ids[i][:])
		if i > 0 && compareIDs(ids[i-1], ids[i]) >= 0 {
			d.fail("a list of ids is not ascending")
		}
	}
	return ids
}

func (d *decoder) node() (id ring.NodeID) {
	i := d.uint(math.MaxInt32)
	if i >= uint64(len(d.nodes)) {
		d.fail("a node is named that is not listed")
		return id
	}
	return d.nodes[i]
}

func (d *decoder) member(m *Member) {
	m.ID = d.node()
	m.Addr, m.PeerAddr, m.AdminAddr = d.text(maxAddress), d.text(maxAddress), d.text(maxAddress)
	m.Zone = d.text(maxZone)
	m.Capacity = uint32(d.uint(math.MaxUint32))
	m.Version = d.text(maxVersion)
	m.Boot = d.uint(math.MaxUint64)
	m.State = MemberState(d.uint(uint64(len(memberStates) - 1)))
	if d.version >= 2 {
		m.StateMs = d.ms()
	}
	m.JoinedMs, m.DownSinceMs = d.ms(), d.ms()
}

func (d *decoder) placement(p *Placement, mostTarget, mostActual int) {
	p.Revision, p.ActualIndex, p.NextID = d.uint(math.MaxUint64), d.uint(math.MaxUint64), d.uint(math.MaxInt64)
	p.Target, p.Actual = d.replicas(mostTarget), d.replicas(mostActual)
}

func (d *decoder) replicas(most int) []Replica {
	list := make([]Replica, d.count(most, 2))
	for i := range list {
		list[i].Node = d.node()
		v := d.uint(math.MaxUint64)
		list[i].ID, list[i].Role = v>>1, Role(v&1)
	}
	return list
}

// check returns what in s contradicts what every state promises.
func (s *State) check() error {
	switch {
	case s.Replicas < 1:
		return errors.New("it wants no replicas")
	case len(s.Members) == 0 || len(s.Placements) == 0:
		return errors.New("it has no member or no partition")
	case !slices.IsSortedFunc(s.Tombstones, compareIDs):
		return errors.New("the tombstones are not in order")
	}
	for i := range s.Members {
		if i > 0 && compareIDs(s.Members[i-1].ID, s.Members[i].ID) >= 0 {
			return errors.New("the members are not in order")
		}
		if m := &s.Members[i]; s.Tombstoned(m.ID) != (m.State == Removed) {
			return fmt.Errorf("the node %v is %v, and its tombstone says otherwise", m.ID, m.State)
		}
	}
	for i := 1; i < len(s.Settings); i++ {
		if s.Settings[i-1].Key >= s.Settings[i].Key {
			return errors.New("the settings are not in order")
		}
	}
	for g := range uint64(len(s.Placements) + 1) {
		if err := s.Group(g).check(); err != nil {
			return fmt.Errorf("group %d: %w", g, err)
		}
	}
	return nil
}

func (p *Placement) check() error {
	for _, list := range [][]Replica{p.Target, p.Actual} {
		if voters(list) == 0 {
			return errors.New("no voter")
		}
		for i, r := range list {
			if r.ID == 0 || r.ID >= p.NextID {
				return fmt.Errorf("a replica has the id %d, and the next one is to get %d", r.ID, p.NextID)
			}
			if slices.ContainsFunc(list[:i], func(o Replica) bool { return o.ID == r.ID }) {
				return fmt.Errorf("two replicas have the id %d", r.ID)
			}
		}
	}
	return nil
}
