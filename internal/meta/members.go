package meta

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/prakashpandey/vegadb/internal/ring"
)

// Describe is what a node says about itself when it joins and whenever it has started.
type Describe struct {
	ID        ring.NodeID `json:"id"`
	Addr      string      `json:"addr"`
	PeerAddr  string      `json:"peer_addr"`
	AdminAddr string      `json:"admin_addr"`
	Zone      string      `json:"zone"`
	Capacity  uint32      `json:"capacity"`
	Version   string      `json:"version"`
	Boot      uint64      `json:"boot"`
}

// describes brings m up to date.
func (d *Describe) describes(m *Member) {
	m.ID, m.Addr, m.PeerAddr, m.AdminAddr = d.ID, d.Addr, d.PeerAddr, d.AdminAddr
	m.Zone, m.Capacity, m.Version, m.Boot = d.Zone, d.Capacity, d.Version, d.Boot
}

func (d *Describe) check() error {
	switch {
	case d.ID.IsZero():
		return fmt.Errorf("a node's id cannot be zero")
	case !validText(d.Zone, maxZone):
		return fmt.Errorf("the zone %.32q is not text of at most %d bytes", d.Zone, maxZone)
	case !validText(d.Version, maxVersion):
		return fmt.Errorf("the version %.32q is not text of at most %d bytes", d.Version, maxVersion)
	}
	for _, a := range []struct{ name, value string }{
		{"client", d.Addr}, {"peer", d.PeerAddr}, {"admin", d.AdminAddr},
	} {
		if a.value == "" && a.name == "admin" {
			continue
		}
		if !validAddress(a.value) {
			return fmt.Errorf("the %s address %.64q is not host:port", a.name, a.value)
		}
	}
	return nil
}

// validText: printable, so that it can be shown, and short enough.
func validText(s string, most int) bool {
	return len(s) <= most && utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// validAddress accepts HOST:PORT with a host that is not empty, [V6]:PORT included.
func validAddress(s string) bool {
	if !validText(s, maxAddress) {
		return false
	}
	colon := strings.LastIndexByte(s, ':')
	if colon < 1 {
		return false
	}
	host := s[:colon]
	if port, err := strconv.ParseUint(s[colon+1:], 10, 16); err != nil || port == 0 {
		return false
	}
	if strings.HasPrefix(host, "[") {
		addr, err := netip.ParseAddr(strings.TrimSuffix(host[1:], "]"))
		return err == nil && addr.Is6() && strings.HasSuffix(host, "]")
	}
	return !strings.ContainsAny(host, ":[] /")
}

// conflict returns why d cannot be what it says next to the other members, or OK.
func (s *State) conflict(d *Describe) Result {
	for i := range s.Members {
		m := &s.Members[i]
		switch {
		case m.State == Removed || !m.Up():
			// It no longer holds on to anything.
		case m.ID == d.ID && m.Boot != d.Boot && m.PeerAddr != d.PeerAddr:
			return refuse(Conflict, "the node %v is up at %s: a second one, at %s, must not use a copy of its data directory; if it has moved, stop the other and try again when it is seen to be down", d.ID, m.PeerAddr, d.PeerAddr)
		case m.ID != d.ID && (m.PeerAddr == d.PeerAddr || m.Addr == d.Addr):
			return refuse(Conflict, "the address %s is that of the node %v, which is up; if that node is gone, try again when it is seen to be down", d.PeerAddr, m.ID)
		}
	}
	return Result{}
}

// Is reports whether m is the node that d describes, as far as that node may vouch for it: the same run of its process, or
// one at the same address. An earlier run elsewhere is another matter. While it counts as up, what the node says of itself is
// refused (conflict), and when the node leads the meta group, nobody else marks it down.
func (d *Describe) Is(m *Member) bool {
	return m.ID == d.ID && (m.Boot == d.Boot || m.PeerAddr == d.PeerAddr)
}

// Join makes a node a member, or brings one that is a member up to date. It becomes a learner of the meta group:
// its replica id is in Meta.Target afterwards.
type Join struct {
	Cluster    ring.NodeID `json:"cluster"`    // the cluster it believes to join
	Partitions int         `json:"partitions"` // of its data directory; 0: it takes what the cluster has
	Node       Describe    `json:"node"`
}

// Type is "join".
func (c *Join) Type() string { return "join" }

func (c *Join) apply(s *State) (bool, Result) {
	if err := c.Node.check(); err != nil {
		return false, refuse(Invalid, "%v", err)
	}
	switch {
	case c.Cluster != s.Cluster:
		return false, refuse(WrongCluster, "this is the cluster %v, the node belongs to %v: give it an empty data directory", s.Cluster, c.Cluster)
	case c.Partitions != 0 && c.Partitions != len(s.Placements):
		return false, refuse(WrongCluster, "this cluster has %d partitions, the node's data directory %d: give it an empty one", len(s.Placements), c.Partitions)
	case s.Tombstoned(c.Node.ID):
		return false, refuse(RemovedNode, "the node %v was removed from the cluster and cannot come back under that id: give it an empty data directory", c.Node.ID)
	}
	if s.Member(c.Node.ID) != nil {
		return s.update(&c.Node)
	}
	if r := s.conflict(&c.Node); r.Code != OK {
		return false, r
	}
	if len(s.Members) >= MaxMembers {
		return false, refuse(LimitReached, "the cluster has %d nodes, the most there can be", len(s.Members))
	}
	if len(s.Tombstones) >= maxTombstones {
		return false, refuse(LimitReached, "%d nodes were removed from this cluster, the most it can remember: it accepts no others", len(s.Tombstones))
	}
	m := Member{JoinedMs: s.StampMs}
	c.Node.describes(&m)
	at, _ := s.memberIndex(m.ID)
	s.Members = slices.Insert(slices.Clone(s.Members), at, m)
	s.Meta.Target = append(slices.Clone(s.Meta.Target), Replica{m.ID, s.Meta.NextID, Learner})
	s.Meta.NextID++
	s.Meta.Revision = s.Index
	return true, Result{}
}

// UpdateMember brings up to date what a member says about itself. It also marks it up: it has just spoken.
type UpdateMember struct {
	Node Describe `json:"node"`
}

// Type is "update-member".
func (c *UpdateMember) Type() string { return "update-member" }

func (c *UpdateMember) apply(s *State) (bool, Result) {
	if err := c.Node.check(); err != nil {
		return false, refuse(Invalid, "%v", err)
	}
	return s.update(&c.Node)
}

func (s *State) update(d *Describe) (bool, Result) {
	m, r := s.member(d.ID)
	if r.Code != OK {
		return false, r
	}
	if r := s.conflict(d); r.Code != OK {
		return false, r
	}
	updated := *m
	d.describes(&updated)
	updated.DownSinceMs = 0
	return s.setMember(updated), Result{}
}

// member returns the member with that id unless it is none, or none any more.
func (s *State) member(id ring.NodeID) (*Member, Result) {
	if s.Tombstoned(id) {
		return nil, refuse(RemovedNode, "the node %v was removed from the cluster", id)
	}
	m := s.Member(id)
	if m == nil {
		return nil, refuse(UnknownNode, "the node %v is not a member of the cluster", id)
	}
	return m, Result{}
}

// setMember replaces the member with m's id and reports whether that changed anything.
func (s *State) setMember(m Member) bool {
	at, found := s.memberIndex(m.ID)
	if !found || s.Members[at] == m {
		return false
	}
	s.Members = slices.Clone(s.Members)
	s.Members[at] = m
	return true
}

// MarkDown notes that nobody hears from a node.
type MarkDown struct {
	Node ring.NodeID `json:"node"`
	Boot uint64      `json:"boot"` // the run that is down: a later one is not meant
}

// Type is "mark-down".
func (c *MarkDown) Type() string { return "mark-down" }

func (c *MarkDown) apply(s *State) (bool, Result) { return s.mark(c.Node, c.Boot, true) }

// MarkUp notes that a node is heard from again.
type MarkUp struct {
	Node ring.NodeID `json:"node"`
	Boot uint64      `json:"boot"`
}

// Type is "mark-up".
func (c *MarkUp) Type() string { return "mark-up" }

func (c *MarkUp) apply(s *State) (bool, Result) { return s.mark(c.Node, c.Boot, false) }

func (s *State) mark(id ring.NodeID, boot uint64, down bool) (bool, Result) {
	m := s.Member(id)
	switch {
	case m == nil:
		return false, refuse(UnknownNode, "the node %v is not a member of the cluster", id)
	case m.Boot != boot:
		return false, refuse(Stale, "the node %v has started anew since", id)
	case m.Up() != down:
		return false, Result{}
	}
	marked := *m
	marked.DownSinceMs = 0
	if down {
		marked.DownSinceMs = max(s.StampMs, 1)
	}
	return s.setMember(marked), Result{}
}

// Drain has a node emptied of its replicas. It stays a member.
type Drain struct {
	Node ring.NodeID `json:"node"`
}

// Type is "drain".
func (c *Drain) Type() string { return "drain" }

func (c *Drain) apply(s *State) (bool, Result) {
	m, r := s.member(c.Node)
	if r.Code != OK {
		return false, r
	}
	if m.State != Active {
		return false, Result{}
	}
	if r := s.lastActive(m); r.Code != OK {
		return false, r
	}
	return s.setState(*m, Draining), Result{}
}

// lastActive refuses to take m out of service when nobody would be left.
func (s *State) lastActive(m *Member) Result {
	for i := range s.Members {
		if s.Members[i].ID != m.ID && s.Members[i].State == Active {
			return Result{}
		}
	}
	return refuse(NotNow, "the node %v is the only active one: its partitions have nowhere to go; add a node first", m.ID)
}

// Undrain takes back Drain, and Remove as long as the node is still a member.
type Undrain struct {
	Node ring.NodeID `json:"node"`
}

// Type is "undrain".
func (c *Undrain) Type() string { return "undrain" }

func (c *Undrain) apply(s *State) (bool, Result) {
	m, r := s.member(c.Node)
	if r.Code != OK {
		return false, r
	}
	return s.setState(*m, Active), Result{}
}

// Remove has a node emptied and then removed for good. With Force, meant for a node that will not come back, it is removed
// at once and its replicas are replaced by new ones.
type Remove struct {
	Node  ring.NodeID `json:"node"`
	Force bool        `json:"force"`
}

// Type is "remove".
func (c *Remove) Type() string { return "remove" }

func (c *Remove) apply(s *State) (bool, Result) {
	if s.Tombstoned(c.Node) {
		return false, Result{} // asked for again
	}
	m, r := s.member(c.Node)
	if r.Code != OK {
		return false, r
	}
	if m.State == Active {
		if r := s.lastActive(m); r.Code != OK {
			return false, r
		}
	}
	if c.Force && m.Up() {
		return false, refuse(NotNow, "the node %v is up: remove it without force, or stop it first and try again when it is seen to be down", c.Node)
	}
	if c.Force {
		s.bury(c.Node)
		return s.setState(*m, Removed), Result{}
	}
	return s.setState(*m, Leaving), Result{}
}

// setState gives the member m another state, and notes since when it has it.
func (s *State) setState(m Member, state MemberState) bool {
	if m.State != state {
		m.State, m.StateMs = state, s.StampMs
	}
	return s.setMember(m)
}

func (s *State) bury(id ring.NodeID) {
	if at, found := slices.BinarySearchFunc(s.Tombstones, id, compareIDs); !found {
		s.Tombstones = slices.Insert(slices.Clone(s.Tombstones), at, id)
	}
}

// Forget ends the membership of a node that is to be removed and holds nothing any more. The controller says when.
type Forget struct {
	Node ring.NodeID `json:"node"`
}

// Type is "forget".
func (c *Forget) Type() string { return "forget" }

func (c *Forget) apply(s *State) (bool, Result) {
	at, found := s.memberIndex(c.Node)
	if !found {
		return false, Result{}
	}
	m := &s.Members[at]
	if m.State != Leaving && m.State != Removed {
		return false, refuse(NotNow, "the node %v is %v: it is not to be removed", c.Node, m.State)
	}
	if what := s.holds(c.Node); what != "" {
		return false, refuse(NotNow, "the node %v still has %s", c.Node, what)
	}
	s.bury(c.Node)
	s.Members = slices.Delete(slices.Clone(s.Members), at, at+1)
	target := slices.DeleteFunc(slices.Clone(s.Meta.Target), func(r Replica) bool { return r.Node == c.Node })
	if len(target) < len(s.Meta.Target) {
		s.Meta.Target, s.Meta.Revision = target, s.Index
	}
	return true, Result{}
}

// holds names something that keeps a node from being forgotten, or "". A learner of the meta group does not.
func (s *State) holds(id ring.NodeID) string {
	for p := range s.Placements {
		for _, list := range [][]Replica{s.Placements[p].Target, s.Placements[p].Actual} {
			if slices.ContainsFunc(list, func(r Replica) bool { return r.Node == id }) {
				return fmt.Sprintf("a replica of partition %d", p)
			}
		}
	}
	for _, list := range [][]Replica{s.Meta.Target, s.Meta.Actual} {
		if slices.ContainsFunc(list, func(r Replica) bool { return r.Node == id && r.Role == Voter }) {
			return "a vote in the meta group"
		}
	}
	return ""
}
