package meta

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/prakashpandey/vegadb/internal/ring"
)

// leads counts for how many partitions each node is the preferred leader, and holds how many replicas it has.
func (s *sim) leadsAndHolds() (leads, holds map[ring.NodeID]int) {
	leads, holds = map[ring.NodeID]int{}, map[ring.NodeID]int{}
	for i := range s.Placements {
		for j, r := range s.Placements[i].Target {
			holds[r.Node]++
			if j == 0 {
				leads[r.Node]++
			}
		}
	}
	return leads, holds
}

func (s *sim) run(ticks int) {
	s.t.Helper()
	for range ticks {
		s.tick()
		s.control()
	}
}

func TestANodeThatJoinsGetsItsShareAndNothingElseMoves(t *testing.T) {
	for n := 3; n <= 8; n++ {
		const partitions, replicas = 24, 3
		s := growInOneZone(t, n, partitions, replicas)
		s.joinNext()
		s.settled()
		share := partitions * replicas / (n + 1)
		if s.created < share || s.created > share+share/3 {
			t.Errorf("the node that joins %d causes %d new replicas, its share is %d", n, s.created, share)
		}
		leads, holds := s.leadsAndHolds()
		for i := range s.Members {
			id := s.Members[i].ID
			if most := (partitions*115/100 + n) / (n + 1); leads[id] < 1 || leads[id] > most {
				t.Errorf("%d nodes: one is the preferred leader of %d partitions of %d", n+1, leads[id], partitions)
			}
			if most := (partitions*replicas*115/100 + n) / (n + 1); holds[id] > most {
				t.Errorf("%d nodes: one holds %d replicas", n+1, holds[id])
			}
		}
	}
}

func TestWhatIsStillToMoveIsCounted(t *testing.T) {
	s := growInOneZone(t, 3, 24, 3)
	if n := Waiting(s.State); n != 0 {
		t.Fatalf("%d partitions wait to move where everything is in its place", n)
	}
	s.joinNext()
	most, last := Waiting(s.State), -1
	if share := 24 * 3 / 4; most < share || most > share+share/3 {
		t.Errorf("%d partitions wait to move to a node that has joined, its share is %d", most, share)
	}
	for range 500 {
		s.tick()
		s.control()
		last = Waiting(s.State)
		if moving := len(Moves(s.State)); moving+last > most {
			t.Fatalf("%d move and %d wait, of %d", moving, last, most)
		}
	}
	if last != 0 {
		t.Errorf("%d partitions still wait when all has been done", last)
	}
}

func TestANodeThatIsRemovedIsEmptiedAndThenForgotten(t *testing.T) {
	s := growInOneZone(t, 5, 20, 3)
	_, holds := s.leadsAndHolds()
	leaves := nodeID(2)
	s.must(t, &Remove{Node: leaves})
	s.settled()
	if s.Member(leaves) != nil || !s.Tombstoned(leaves) || onNode(s.groups[0].config, leaves) {
		t.Fatal("it is not gone")
	}
	if s.created > holds[leaves]+2 {
		t.Fatalf("it had %d replicas, %d were made", holds[leaves], s.created)
	}
	s.refused(t, RemovedNode, &Join{Cluster: testCluster, Node: describe(2)})
}

func TestANodeThatIsDrainedIsEmptiedAndStays(t *testing.T) {
	s := growInOneZone(t, 4, 12, 3)
	id := nodeID(1)
	s.must(t, &Drain{id})
	for range 500 {
		s.tick()
		before := s.Clone()
		s.control()
		for i := range s.Placements {
			if onNode(s.Placements[i].Target, id) && !onNode(before.Placements[i].Target, id) {
				t.Fatalf("partition %d is put on a node that is being drained", i)
			}
		}
	}
	s.settled()
	if leads, holds := s.leadsAndHolds(); s.Member(id).State != Draining || holds[id] != 0 || leads[id] != 0 {
		t.Fatalf("%v holds %d", s.Member(id), holds[id])
	}
	if !slices.ContainsFunc(s.Meta.Actual, func(r Replica) bool { return r.Node == id && r.Role == Learner }) {
		t.Fatal("it must go on learning what the cluster knows, without a vote")
	}
	s.must(t, &Undrain{id})
	s.settled()
	if _, holds := s.leadsAndHolds(); holds[id] != 9 {
		t.Fatalf("back in service it holds %d replicas", holds[id])
	}
}

func TestADeadNodeIsReplacedAfterTheGraceAndNotBefore(t *testing.T) {
	s := grow(t, seeded(1), 5, 10, 3)
	s.graceMs = 600_000
	id := nodeID(3)
	_, before := s.leadsAndHolds()
	s.up[id] = false
	s.run(590)
	if s.created != 0 || s.Member(id).Up() {
		t.Fatalf("%d replicas were made before the time of grace was over, member %+v", s.created, s.Member(id))
	}
	s.run(400)
	if _, after := s.leadsAndHolds(); after[id] != 0 || s.created != before[id] {
		t.Fatalf("%d replicas of the dead node are still wanted there, %d were made", after[id], s.created)
	}
	if v := votersOf(s.Meta.Target); onNode(v, id) || len(v) != 3 {
		t.Fatalf("voters of the meta group: %v", v)
	}
	// It comes back and gets its share again.
	s.up[id] = true
	s.settled()
	if _, after := s.leadsAndHolds(); after[id] != before[id] {
		t.Fatalf("back, it holds %d replicas", after[id])
	}
}

// The wall clock of the node that leads is set forward, or is ahead of that of the one that led before it: nobody is taken for
// dead who has only just gone.
func TestAClockThatIsSetForwardMakesNobodyDead(t *testing.T) {
	s := grow(t, seeded(1), 5, 10, 3)
	s.graceMs = 600_000
	s.up[nodeID(3)] = false
	s.run(5)
	if s.Member(nodeID(3)).Up() {
		t.Fatal("it is not marked down")
	}
	s.nowMs += 3_600_000
	view := s.view()
	view.SilentMs = map[ring.NodeID]int64{nodeID(3): 5_000}
	for _, op := range Plan(s.State, view).Commands {
		if set, ok := op.(*SetTargets); ok {
			t.Errorf("it is replaced: %+v", set.Groups)
		}
	}
	view.SilentMs[nodeID(3)] = 600_000
	if len(Plan(s.State, view).Commands) == 0 {
		t.Error("it is never replaced")
	}
}

func TestRemovingByForceReplacesAtOnceAndEvenWhenPaused(t *testing.T) {
	s := grow(t, seeded(1), 5, 10, 3)
	s.graceMs = 1 << 40
	id := nodeID(3)
	s.up[id] = false
	s.run(5)
	s.must(t, &Pause{})
	s.joinNext()
	s.must(t, &Remove{Node: id, Force: true})
	s.run(300)
	if s.Member(id) != nil {
		t.Fatalf("it is still a member: %v", Plan(s.State, s.view()).Notes)
	}
	for g := range s.groups {
		if onNode(s.groups[g].config, id) || len(votersOf(s.groups[g].config)) < 3 {
			t.Fatalf("group %d is %v", g, s.groups[g].config)
		}
	}
	made := s.created
	s.run(50)
	if s.created != made {
		t.Fatal("something else moves while moves are paused")
	}
}

func TestPausedNothingMoves(t *testing.T) {
	s := grow(t, seeded(1), 4, 8, 3)
	s.must(t, &Pause{})
	s.joinNext()
	s.must(t, &Drain{nodeID(1)})
	s.run(100)
	if s.created != 0 {
		t.Fatalf("%d replicas were made", s.created)
	}
	s.must(t, &Resume{})
	s.settled()
	if s.created == 0 {
		t.Fatal("nothing moved afterwards")
	}
}

// With one node down at a time, whatever is drained, joins or leaves meanwhile, no group is ever without a majority.
func TestTheControllerNeverCostsAGroupItsMajority(t *testing.T) {
	for seed := range 40 {
		draw := seeded(uint64(seed))
		s := grow(labelled{t, fmt.Sprintf("seed %d: ", seed)}, draw, 4+draw(3), 1+draw(10), 3)
		down := ring.NodeID{}
		for range 60 {
			id := s.Members[draw(len(s.Members))].ID
			switch draw(6) {
			case 0:
				if s.next < 10 {
					s.joinNext()
				}
			case 1:
				s.do(t, &Drain{id})
			case 2:
				s.do(t, &Undrain{id})
			case 3:
				if len(s.Members) > 4 {
					s.do(t, &Remove{Node: id})
				}
			default:
				if s.Member(down) != nil {
					s.up[down] = true
				}
				down = id
				s.up[id] = false
			}
			for range draw(15) {
				s.run(1)
				for g, group := range s.groups {
					if voters := votersOf(group.config); len(voters) >= 3 && !s.live(voters) {
						t.Fatalf("seed %d: group %d has lost its majority: %v, down is %v", seed, g, voters, down)
					}
				}
			}
		}
	}
}

func TestReplicasThatNobodyCanReplaceAreKept(t *testing.T) {
	s := grow(t, seeded(1), 3, 6, 3)
	id := nodeID(1)
	s.up[id] = false
	s.run(100)
	if _, holds := s.leadsAndHolds(); holds[id] != 6 || s.created != 0 {
		t.Fatalf("the dead one of three nodes is to hold %d replicas, %d were made", holds[id], s.created)
	}
	if leads, _ := s.leadsAndHolds(); leads[id] != 0 {
		t.Fatalf("it is the preferred leader of %d partitions", leads[id])
	}

	// Two dead of five: three voters can lose one, five with two dead cannot.
	s = grow(t, seeded(1), 5, 6, 5)
	s.up[nodeID(1)], s.up[nodeID(2)] = false, false
	s.run(200)
	for _, pl := range s.Placements {
		if len(pl.Actual) != 3 || !s.live(pl.Actual) {
			t.Fatalf("%v", pl.Actual)
		}
	}
	s.up[nodeID(1)], s.up[nodeID(2)] = true, true
	s.settled()
	for _, pl := range s.Placements {
		if len(pl.Actual) != 5 {
			t.Fatalf("%v", pl.Actual)
		}
	}
}

func TestAPartitionWithoutALiveMajorityIsLeftAlone(t *testing.T) {
	s := grow(t, seeded(1), 5, 5, 3)
	lost := s.Placements[2].Actual
	for _, r := range lost[:2] {
		s.up[r.Node] = false
	}
	s.run(3)
	if !s.live(s.groups[0].config) {
		t.Skip("the meta group is without a majority too")
	}
	s.run(100)
	if !reflect.DeepEqual(s.Placements[2].Actual, lost) || !s.Placements[2].Settled() {
		t.Fatalf("%v became %v, wanted %v", lost, s.Placements[2].Actual, s.Placements[2].Target)
	}
	if notes := strings.Join(Plan(s.State, s.view()).Notes, "\n"); !strings.Contains(notes, "have no live majority") {
		t.Fatalf("nobody is told: %s", notes)
	}
}

func TestNoMoreMovesAtATimeThanAllowed(t *testing.T) {
	for _, limit := range []int{1, 2, 7} {
		s := grow(t, seeded(1), 3, 20, 3)
		s.moves = limit
		s.joinNext()
		most := 0
		for range 400 {
			s.tick()
			s.control() // checks the limit
			most = max(most, s.moving())
		}
		if most != limit {
			t.Errorf("at most %d partitions were on the move, %d may be", most, limit)
		}
		s.settled()
	}
}

func TestTheMetaGroupsVoters(t *testing.T) {
	s := newSim(t, seeded(1), 2, 3)
	for n, want := range []int{1, 2, 3, 3, 5, 5, 5} {
		if n > 0 {
			s.joinNext()
		}
		s.settled() // checks zones
		if got := len(votersOf(s.Meta.Actual)); got != want || len(s.Meta.Actual) != n+1 {
			t.Fatalf("%d nodes: %d voters of %d replicas, want %d", n+1, got, len(s.Meta.Actual), want)
		}
	}
	// A voter that has not caught up is none.
	v := s.view()
	v.MetaCaughtUp = nil
	voter := votersOf(s.Meta.Target)[0].Node
	s.must(t, &Drain{voter})
	for _, op := range Plan(s.State, v).Commands {
		if set, ok := op.(*SetTargets); ok {
			for _, g := range set.Groups {
				for _, r := range g.Replicas {
					if g.Group == 0 && r.Role == Voter && !slices.Contains(s.Meta.Target, r) {
						t.Fatalf("%v is to vote without having caught up", r)
					}
				}
			}
		}
	}
	s.settled()
	if v := votersOf(s.Meta.Actual); onNode(v, voter) || len(v) != 5 {
		t.Fatalf("drained, voters are %v", v)
	}
}

func TestTheControllerKeepsTrackOfWhoIsUp(t *testing.T) {
	s := grow(t, seeded(1), 3, 1, 3)
	v := s.view()
	if d := Plan(s.State, v); len(d.Commands) != 0 || len(d.Notes) != 0 {
		t.Fatalf("nothing is to be done, and it wants %v and says %v", d.Commands, d.Notes)
	}
	v.Alive[nodeID(1)] = false
	if d := Plan(s.State, v); !reflect.DeepEqual(d.Commands, []Op{&MarkDown{nodeID(1), describe(1).Boot}}) {
		t.Fatalf("%v", d.Commands)
	}
	s.must(t, &MarkDown{nodeID(1), describe(1).Boot})
	if d := Plan(s.State, v); len(d.Commands) != 0 {
		t.Fatalf("%v", d.Commands)
	}
	v.Alive[nodeID(1)] = true
	if d := Plan(s.State, v); !reflect.DeepEqual(d.Commands, []Op{&MarkUp{nodeID(1), describe(1).Boot}}) {
		t.Fatalf("%v", d.Commands)
	}
}

func TestPlanIsAFunctionOfItsArguments(t *testing.T) {
	s := grow(t, seeded(1), 4, 12, 3)
	s.joinNext()
	s.must(t, &Drain{nodeID(2)})
	s.run(3)
	before := string(s.Encode())
	first := Plan(s.State, s.view())
	for range 5 {
		if again := Plan(s.State.Clone(), s.view()); !reflect.DeepEqual(first, again) {
			t.Fatalf("%v, then %v", first, again)
		}
	}
	if string(s.Encode()) != before {
		t.Fatal("planning changed the state")
	}
}

func TestMovesShowHowFarTheyAre(t *testing.T) {
	m := boot(2, 2)
	m.join(t, 1)
	m.settle(t)
	if got := Moves(m.State); len(got) != 0 {
		t.Fatalf("%v", got)
	}
	r0, r1 := Replica{nodeID(0), 1, Voter}, Replica{nodeID(1), 2, Voter}
	m.must(t, m.target(2, r1))
	want := func(step Step, from, to ring.NodeID) {
		t.Helper()
		if got := Moves(m.State); len(got) != 1 || got[0] != (Move{1, from, to, step}) {
			t.Fatalf("%v", got)
		}
	}
	want(Adding, nodeID(0), nodeID(1))
	m.must(t, &Report{[]GroupReport{{2, 5, []Replica{r0, {nodeID(1), 2, Learner}}}}})
	want(Copying, nodeID(0), nodeID(1))
	m.must(t, &Report{[]GroupReport{{2, 6, []Replica{r0, r1}}}})
	want(Removing, nodeID(0), ring.NodeID{})
	m.must(t, &Report{[]GroupReport{{2, 7, []Replica{r1}}}})
	if got := Moves(m.State); len(got) != 0 {
		t.Fatalf("%v", got)
	}
}

func BenchmarkPlan(b *testing.B) {
	for _, c := range []struct{ nodes, partitions int }{{5, 64}, {20, 1024}} {
		s := Bootstrap(testCluster, member(0), c.partitions, 3)
		v := &View{Alive: map[ring.NodeID]bool{nodeID(0): true}}
		for n := 1; n < c.nodes; n++ {
			if _, err := s.Apply(uint64(n), 0, mustEncode(RequestID{byte(n)}, &Join{Cluster: testCluster, Node: describe(n)})); err != nil {
				b.Fatal(err)
			}
			v.Alive[nodeID(n)] = true
		}
		b.Run(fmt.Sprintf("nodes=%d/partitions=%d", c.nodes, c.partitions), func(b *testing.B) {
			for b.Loop() {
				Plan(s, v)
			}
		})
	}
}

func TestNothingIsPutOnANodeThatIsDown(t *testing.T) {
	s := growInOneZone(t, 3, 6, 3)
	s.graceMs = 1 << 40
	id := s.joinNext()
	s.up[id] = false
	s.run(50)
	if s.created != 0 {
		t.Fatalf("%d replicas were put on a node that is down", s.created)
	}
	s.up[id] = true
	s.settled()
	if s.created == 0 {
		t.Fatal("nothing was put on it when it was up")
	}
}

func TestBalanceWaitsUntilAllReplicasOfAPartitionAreUp(t *testing.T) {
	s := growInOneZone(t, 4, 12, 3)
	s.graceMs = 1 << 40
	id := nodeID(2)
	s.up[id] = false
	before := s.Clone()
	s.joinNext()
	s.run(200)
	for i := range s.Placements {
		if pl := &s.Placements[i]; onNode(pl.Actual, id) && pl.NextID > before.Placements[i].NextID {
			t.Fatalf("partition %d has a replica on a node that is down, and was moved: %+v", i, pl)
		}
	}
	if s.created == 0 {
		t.Fatal("partitions whose replicas are all up did not move either")
	}
}

// The node that a partition is being copied to dies for good, or is to be emptied itself.
func TestAMoveThatHasBecomePointlessIsTakenBack(t *testing.T) {
	for name, happens := range map[string]func(s *sim, to ring.NodeID){
		"dead":    func(s *sim, to ring.NodeID) { s.up[to] = false; s.nowMs += s.graceMs },
		"drained": func(s *sim, to ring.NodeID) { s.must(t, &Drain{to}) },
	} {
		s := growInOneZone(t, 3, 1, 3)
		to := s.joinNext()
		s.must(t, &Drain{nodeID(1)})
		for len(Moves(s.State)) == 0 {
			s.nowMs += 1000
			s.control()
		}
		if m := Moves(s.State)[0]; m.To != to || m.From != nodeID(1) {
			t.Fatalf("%+v", m)
		}
		happens(s, to)
		s.run(100)
		if pl := &s.Placements[0]; onNode(pl.Target, to) || !s.live(pl.Actual) || len(Moves(s.State)) > 0 {
			t.Errorf("%s: the target is still %v, actual %v", name, pl.Target, pl.Actual)
		}
	}
}

func TestADeadVoterOfTheMetaGroupIsReplacedBeforeItGrows(t *testing.T) {
	s := grow(t, seeded(1), 3, 1, 1)
	s.up[nodeID(2)] = false
	s.run(3)
	for range 4 {
		s.joinNext() // from now on there should be five voters
	}
	for len(s.Meta.Actual) < 7 { // until all of them learn
		s.drive(0)
	}
	s.nowMs += s.graceMs
	for _, op := range Plan(s.State, s.view()).Commands {
		if set, ok := op.(*SetTargets); ok && set.Groups[0].Group == 0 {
			voters := votersOf(set.Groups[0].Replicas)
			if len(voters) != 3 || onNode(voters, nodeID(2)) {
				t.Fatalf("the voters are to be %v", voters)
			}
			return
		}
	}
	t.Fatal("the voters stay as they are")
}

func TestWhatHealsComesBeforeWhatTidies(t *testing.T) {
	s := growInOneZone(t, 4, 12, 3)
	s.moves = 1
	gone := nodeID(2)
	s.up[gone] = false
	s.run(3)
	s.joinNext()
	s.must(t, &Drain{nodeID(1)})
	s.must(t, &Remove{Node: gone, Force: true})
	for range 2000 {
		_, holds := s.leadsAndHolds()
		before := s.Clone()
		s.control()
		for i := range s.Placements {
			from, to := before.Placements[i].Target, s.Placements[i].Target
			if holds[gone] > 0 && moreOrFewer(from, to) && !onNode(from, gone) {
				t.Fatalf("partition %d goes from %v to %v while others wait for a replacement of what was lost", i, from, to)
			}
		}
		s.tick()
	}
	s.settled()
}

func TestWhatIsLostForeverIsDroppedEvenWhenNobodyCanTakeItsPlaceYet(t *testing.T) {
	s := growInOneZone(t, 4, 8, 3)
	s.graceMs = 1 << 40
	s.up[nodeID(2)] = false
	s.run(3)
	s.must(t, &Remove{Node: nodeID(2), Force: true})
	s.up[nodeID(3)] = false // of the four two are left, and one that may come back
	s.run(200)
	for i := range s.Placements {
		if pl := &s.Placements[i]; s.live(pl.Actual) && onNode(pl.Target, nodeID(2)) {
			t.Fatalf("partition %d: %v", i, pl.Target)
		}
	}
}

// TestTheMetaGroupKeepsAVoterUntilAnotherCanTakeItsPlace: with two voters, the loss of one would be that of the cluster.
func TestTheMetaGroupKeepsAVoterUntilAnotherCanTakeItsPlace(t *testing.T) {
	s := grow(t, seeded(1), 4, 1, 1)
	leaving := votersOf(s.Meta.Target)[0].Node
	s.must(t, &Remove{Node: leaving})
	v := s.view()
	var learner uint64
	for _, r := range s.Meta.Actual {
		if r.Role == Learner {
			learner = r.ID
		}
	}
	planned := func() []Replica {
		for _, op := range Plan(s.State, v).Commands {
			if set, ok := op.(*SetTargets); ok && set.Groups[len(set.Groups)-1].Group == 0 {
				return votersOf(set.Groups[len(set.Groups)-1].Replicas)
			}
		}
		return votersOf(s.Meta.Target)
	}
	v.MetaCaughtUp[learner] = false
	if voters := planned(); len(voters) != 3 || !onNode(voters, leaving) {
		t.Fatalf("nobody can take the vote of the node that leaves, and the voters are to be %v", voters)
	}
	v.MetaCaughtUp[learner] = true
	if voters := planned(); len(voters) != 3 || onNode(voters, leaving) {
		t.Fatalf("another can take the vote of the node that leaves, and the voters are to be %v", voters)
	}
}
