package meta

import (
	"flag"
	"fmt"
	"slices"
	"testing"

	"github.com/prakashpandey/vegadb/internal/ring"
)

// sim runs the controller against groups that do what their leaders would: they go to their targets in steps, with
// delays, seeing a target late, and only while majorities of them are up.
type sim struct {
	*machine
	t       tb
	draw    func(n int) int // a number below n
	groups  []*simGroup
	up      map[ring.NodeID]bool
	nowMs   int64
	graceMs int64
	moves   int // most partitions on the move that are allowed
	created int // replicas that groups have added
	next    int // number of the next node that joins
	oneZone bool
}

// simGroup is a group with what its log would remember.
type simGroup struct {
	config []Replica
	index  uint64
	seen   Placement       // the placement as its leader sees it, which may be late
	used   map[uint64]bool // every id that ever was in the configuration
}

func newSim(t tb, draw func(n int) int, partitions, replicas int) *sim {
	m := boot(partitions, replicas)
	s := &sim{machine: m, t: t, draw: draw, up: map[ring.NodeID]bool{nodeID(0): true}, nowMs: 1, graceMs: 20_000, moves: DefaultMaxMoves, next: 1}
	for g := range uint64(partitions + 1) {
		s.groups = append(s.groups, &simGroup{config: m.Group(g).Actual, seen: *m.Group(g), used: map[uint64]bool{1: true}})
	}
	return s
}

func (s *sim) live(list []Replica) bool {
	voters := votersOf(list)
	up := slices.DeleteFunc(slices.Clone(voters), func(r Replica) bool { return !s.up[r.Node] })
	return 2*len(up) > len(voters)
}

func (s *sim) view() *View {
	v := &View{NowMs: s.nowMs, Alive: map[ring.NodeID]bool{}, MetaCaughtUp: map[uint64]bool{}, GraceMs: s.graceMs, MaxMoves: s.moves}
	for id, up := range s.up {
		v.Alive[id] = up
	}
	for _, r := range s.groups[0].config {
		v.MetaCaughtUp[r.ID] = s.up[r.Node]
	}
	return v
}

// moving counts the partitions that are on the move and can get on. What only has to drop a learner is not moving.
func (s *sim) moving() (count int) {
	for i := range s.Placements {
		if pl := &s.Placements[i]; moreOrFewer(votersOf(pl.Actual), pl.Target) && s.live(pl.Actual) && s.live(pl.Target) {
			count++
		}
	}
	return count
}

// control lets the controller act once, checks what it decides, and reports whether it wanted anything.
func (s *sim) control() bool {
	s.t.Helper()
	if !s.live(s.groups[0].config) {
		return false // nobody leads the meta group
	}
	d := Plan(s.State, s.view())
	before := s.moving()
	for _, op := range d.Commands {
		if set, ok := op.(*SetTargets); ok {
			for _, g := range set.Groups {
				if !s.live(g.Replicas) {
					s.t.Fatalf("group %d is to have %v, without a live majority", g.Group, g.Replicas)
				}
			}
		}
		if s.draw(20) == 0 {
			continue // the proposal is lost
		}
		s.StampMs = s.nowMs - 1000 // do adds a second
		s.must(s.t, op)
	}
	if after := s.moving(); after > max(before, s.moves) {
		s.t.Fatalf("%d partitions are on the move, there were %d and at most %d should be", after, before, s.moves)
	}
	return len(d.Commands) > 0
}

// tick lets time pass: every group may take a step.
func (s *sim) tick() {
	s.t.Helper()
	s.nowMs += 1000
	for g := range s.groups {
		if s.live(s.groups[g].config) {
			s.drive(uint64(g))
		}
	}
}

// drive has the leader of a group do the next thing.
func (s *sim) drive(group uint64) {
	g := s.groups[group]
	// Its node has the state of the meta group as of some time.
	if s.draw(3) > 0 {
		g.seen = *s.Group(group)
	}
	if s.draw(4) == 0 {
		return
	}
	// The rule of doc.go: no step from a configuration that the state does not know yet.
	if g.seen.ActualIndex != g.index {
		if s.live(s.groups[0].config) {
			s.must(s.t, &Report{[]GroupReport{{group, g.index, g.config}}})
		}
		return
	}
	if next := s.nextConfig(g); next != nil {
		s.reconfigure(group, next)
	}
}

// nextConfig returns the configuration that follows, nil if the target is reached or cannot be got nearer to now.
func (s *sim) nextConfig(g *simGroup) []Replica {
	target := g.seen.Target
	// Learners first: whoever is not there at all.
	for _, r := range target {
		if find(g.config, r.Node, r.ID) < 0 {
			return append(slices.Clone(g.config), Replica{r.Node, r.ID, Learner})
		}
	}
	// Then all at once, when those that are to vote are up and have had time to catch up.
	if sameReplicas(g.config, target) || !s.live(target) {
		return nil
	}
	for _, r := range target {
		if r.Role == Voter && !slices.Contains(g.config, r) && (!s.up[r.Node] || s.draw(3) > 0) {
			return nil
		}
	}
	return slices.Clone(target)
}

func sameReplicas(a, b []Replica) bool {
	p := Placement{Target: a, Actual: b}
	return p.Settled()
}

func (s *sim) reconfigure(group uint64, next []Replica) {
	g := s.groups[group]
	for _, r := range next {
		if find(g.config, r.Node, r.ID) >= 0 {
			continue
		}
		if g.used[r.ID] {
			s.t.Fatalf("group %d: replica id %d is used again", group, r.ID)
		}
		if onNode(g.config, r.Node) {
			s.t.Fatalf("group %d: node %v would have two replicas: %v, then %v", group, r.Node, g.config, next)
		}
		g.used[r.ID] = true
		if group > 0 {
			s.created++
		}
	}
	if !s.live(next) {
		s.t.Fatalf("group %d: from %v to %v, which has no live majority", group, g.config, next)
	}
	// A target is one step from the configuration that was reported, and the group at most one step further: so there
	// are two when a change was taken back just as it was made.
	if more, fewer := voterChanges(g.config, next); more > 2 || fewer > 2 {
		s.t.Fatalf("group %d: from %v to %v at once", group, g.config, next)
	}
	g.config = next
	g.index += 1 + uint64(s.draw(5))
}

// settled runs until the controller wants nothing and all groups are where they should be.
func (s *sim) settled() {
	s.t.Helper()
	quiet := 0
	for range 200 + 200*len(s.Placements) {
		s.tick()
		if wants := s.control(); wants || slices.ContainsFunc(s.Placements, func(p Placement) bool { return !p.Settled() }) || !s.Meta.Settled() {
			quiet = 0
		} else if quiet++; quiet > 3 {
			s.checkSettled()
			return
		}
	}
	s.t.Fatalf("it does not come to rest: %v\nmoves %v", Plan(s.State, s.view()), Moves(s.State))
}

// checkSettled: everything is where the ring wishes, and the meta group has its voters.
func (s *sim) checkSettled() {
	s.t.Helper()
	var members []ring.Member
	zones := map[string]bool{}
	for i := range s.Members {
		if m := &s.Members[i]; m.State == Active {
			members = append(members, ring.Member{ID: m.ID, Capacity: m.Capacity, Zone: m.Zone})
			zones[m.Zone] = true
		} else if m.State != Draining {
			s.t.Fatalf("node %v is still %v", m.ID, m.State)
		}
	}
	if slices.ContainsFunc(members, func(m ring.Member) bool { return !s.up[m.ID] }) {
		return // somebody's return is being waited for
	}
	present := make([][]ring.NodeID, len(s.Placements))
	for i := range s.Placements {
		present[i] = nodesOf(s.Placements[i].Target)
	}
	for i, wish := range ring.Place(members, len(present), s.Replicas, present) {
		if !slices.Equal(wish, present[i]) {
			s.t.Fatalf("partition %d is on %v, the wish is %v", i, present[i], wish)
		}
	}
	voting := votersOf(s.Meta.Target)
	want := min(len(members), fewVoters)
	if len(members) >= manyVoters {
		want = manyVoters
	}
	voterZones := map[string]bool{}
	for _, r := range voting {
		voterZones[s.Member(r.Node).Zone] = true
	}
	if len(voting) != want || len(voterZones) != min(len(zones), want) || len(s.Meta.Target) != len(s.Members) {
		s.t.Fatalf("meta group: %v of %d active members in %d zones", s.Meta.Target, len(members), len(zones))
	}
}

func (s *sim) joinNext() ring.NodeID {
	s.t.Helper()
	node := describe(s.next)
	if s.oneZone {
		node.Zone = ""
	}
	s.must(s.t, &Join{Cluster: testCluster, Node: node})
	id := node.ID
	s.up[id] = true
	s.next++
	return id
}

// grow makes a cluster of n nodes in three zones that has come to rest.
func grow(t tb, draw func(int) int, n, partitions, replicas int) *sim {
	t.Helper()
	return newSim(t, draw, partitions, replicas).grow(n)
}

// growInOneZone does the same without zones: then all nodes' shares are equal.
func growInOneZone(t tb, n, partitions, replicas int) *sim {
	t.Helper()
	s := newSim(t, seeded(1), partitions, replicas)
	s.oneZone = true
	s.Members[0].Zone = ""
	return s.grow(n)
}

func (s *sim) grow(n int) *sim {
	s.t.Helper()
	for s.next < n {
		s.joinNext()
	}
	s.settled()
	s.created = 0
	return s
}

// seeded is a draw that depends on the seed alone (SplitMix64).
func seeded(seed uint64) func(n int) int {
	return func(n int) int {
		seed += 0x9e3779b97f4a7c15
		z := seed
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		return int((z ^ z>>31) % uint64(n))
	}
}

var seeds = flag.Int("seeds", 150, "how many random histories of a cluster to run")

func TestAClusterComesToRestAfterAnything(t *testing.T) {
	for seed := range *seeds {
		anything(labelled{t, fmt.Sprintf("seed %d: ", seed)}, seeded(uint64(seed)))
	}
}

// labelled says which seed failed.
type labelled struct {
	*testing.T
	label string
}

func (l labelled) Fatalf(format string, args ...any) {
	l.Helper()
	l.T.Fatalf(l.label+format, args...)
}

func anything(t tb, draw func(int) int) {
	s := newSim(t, draw, 1+draw(12), 1+draw(5))
	for range draw(80) {
		s.event()
		for range draw(12) {
			s.tick()
			s.control()
		}
	}
	// All that can come back comes back; then there is nothing to wait for.
	for id := range s.up {
		s.up[id] = !s.Tombstoned(id)
	}
	if s.lostGroup() {
		return
	}
	s.must(t, &Resume{})
	s.settled()
}

// lostGroup: a group lost its majority for good, with the nodes removed by force. That is the operator's doing.
func (s *sim) lostGroup() bool {
	return slices.ContainsFunc(s.groups, func(g *simGroup) bool { return !s.live(g.config) })
}

// event is something that happens to the cluster or is asked of it.
func (s *sim) event() {
	id := s.Members[s.draw(len(s.Members))].ID
	if !s.live(s.groups[0].config) {
		s.up[id] = !s.Tombstoned(id) // nothing can be asked; somebody returns
		return
	}
	switch s.draw(14) {
	case 0, 1:
		if s.next < 9 {
			s.joinNext()
		}
	case 2, 3:
		s.up[id] = false
	case 4, 5:
		s.up[id] = !s.Tombstoned(id)
	case 6:
		s.do(s.t, &Drain{id})
	case 7:
		s.do(s.t, &Undrain{id})
	case 8:
		s.do(s.t, &Remove{Node: id})
	case 9:
		if !s.up[id] {
			s.do(s.t, &Remove{Node: id, Force: true})
		}
	case 10:
		s.do(s.t, &Pause{})
	case 11:
		s.do(s.t, &Resume{})
	case 12:
		s.do(s.t, &SetReplicas{1 + s.draw(5)})
	case 13:
		s.nowMs += s.graceMs
	}
}
