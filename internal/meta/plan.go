package meta

import (
	"fmt"
	"slices"

	"github.com/prakashpandey/vegadb/internal/ring"
)

// Defaults of View's limits.
const (
	DefaultMaxMoves = 4
	DefaultGraceMs  = 10 * 60 * 1000
)

// View is what the node that leads the meta group sees besides the state. It need not be exact: it only decides when the
// controller acts, never whether that is safe to apply.
type View struct {
	NowMs int64 // unix ms
	// Alive holds the nodes heard from lately, the planner's own included. A node that has only just begun to lead the meta
	// group should count everybody as alive until they have had time to be heard.
	Alive map[ring.NodeID]bool
	// SilentMs is for how long those that are not alive have not been heard of, by a clock that nobody sets; a node that has
	// just started knows of no long silence. Those that are missing here have been silent for ever.
	SilentMs map[ring.NodeID]int64
	// Leaderless holds the partitions of which no leader is known. Only for the notes.
	Leaderless map[int]bool
	// MetaCaughtUp holds the ids of the meta group's replicas that are close to its leader's log: fit to become voters.
	MetaCaughtUp map[uint64]bool

	MaxMoves int   // partitions on the move at a time; 0: DefaultMaxMoves
	GraceMs  int64 // how long a node may be down before its replicas are replaced; 0: DefaultGraceMs
}

// Decision is what the controller wants.
type Decision struct {
	// Commands are to be proposed in this order. If some get lost, or the state has changed meanwhile so that they are
	// refused, the next Plan has an answer to that.
	Commands []Op
	// Notes say to people what is being waited for.
	Notes []string
}

// maxReorders bounds how many partitions get another preferred leader in one command.
const maxReorders = 64

// Plan is the controller: it compares what is with what should be and says what to do next. It is a function of its
// arguments alone; the node that leads the meta group calls it whenever the state or the view has changed, and every
// second or so.
//
// Per call it changes the targets of so many partitions that at most MaxMoves are on the move, each by one replica:
// one replaced, one more, or one fewer. It leaves alone a group that is on its way to its target, unless the replica that
// is being added is on a node that should not have it any more. It never plans a step that a majority of live voters, before and after,
// could not carry out.
//
// Dead means: marked down in the state for the time of grace and not heard from now.
func Plan(s *State, v *View) Decision {
	p := &planner{s: s, v: v, maxMoves: v.MaxMoves, graceMs: v.GraceMs}
	if p.maxMoves <= 0 {
		p.maxMoves = DefaultMaxMoves
	}
	if p.graceMs <= 0 {
		p.graceMs = DefaultGraceMs
	}
	p.marks()
	p.partitions()
	p.metaGroup()
	if len(p.targets) > 0 {
		p.Commands = append(p.Commands, &SetTargets{Groups: p.targets})
	}
	p.forgets()
	return p.Decision
}

// Waiting counts the partitions that stay where they are for now and are to get another replica, as far as the state tells:
// what Plan will still move when nothing changes.
func Waiting(s *State) (count int) {
	v := &View{Alive: make(map[ring.NodeID]bool, len(s.Members))}
	for i := range s.Members {
		if m := &s.Members[i]; m.Up() {
			v.Alive[m.ID] = true
		}
	}
	p := &planner{s: s, v: v, graceMs: DefaultGraceMs}
	members := p.members()
	if len(members) == 0 {
		return 0
	}
	present := make([][]ring.NodeID, len(s.Placements))
	for i := range s.Placements {
		present[i] = nodesOf(s.Placements[i].Target)
	}
	wish := ring.Place(members, len(present), s.Replicas, present)
	for i := range s.Placements {
		pl := &s.Placements[i]
		if target, _ := p.step(pl, wish[i]); pl.Settled() && moreOrFewer(pl.Target, target) {
			count++
		}
	}
	return count
}

type planner struct {
	s        *State
	v        *View
	maxMoves int
	graceMs  int64
	targets  []GroupTarget
	Decision
}

func (p *planner) note(format string, args ...any) {
	p.Notes = append(p.Notes, fmt.Sprintf(format, args...))
}

// alive: the node may be given work, and counts for majorities.
func (p *planner) alive(id ring.NodeID) bool {
	m := p.s.Member(id)
	return m != nil && m.State != Removed && p.v.Alive[id]
}

// dead: the node's replicas are to be replaced. The state's time of its going down is by the wall clock of the node that led
// then, which may have been an hour behind the one here.
func (p *planner) dead(id ring.NodeID) bool {
	m := p.s.Member(id)
	if m == nil || m.State == Removed {
		return true
	}
	if m.Up() || p.v.Alive[id] || p.v.NowMs-m.DownSinceMs < p.graceMs {
		return false
	}
	silent, known := p.v.SilentMs[id]
	return !known || silent >= p.graceMs
}

// wanted: the node should hold replicas.
func (p *planner) wanted(id ring.NodeID) bool {
	m := p.s.Member(id)
	return m != nil && m.State == Active && !p.dead(id)
}

// gone: the node was removed and nothing of it is coming back.
func (p *planner) gone(id ring.NodeID) bool {
	m := p.s.Member(id)
	return m == nil || m.State == Removed
}

// majority: a majority of the voters in list is alive.
func (p *planner) majority(list []Replica) bool {
	voters, alive := 0, 0
	for _, r := range list {
		if r.Role == Voter {
			voters++
			if p.alive(r.Node) {
				alive++
			}
		}
	}
	return 2*alive > voters
}

// marks brings the state's knowledge of who is up in line with the view.
func (p *planner) marks() {
	for i := range p.s.Members {
		m := &p.s.Members[i]
		switch alive := p.v.Alive[m.ID]; {
		case alive && !m.Up():
			p.Commands = append(p.Commands, &MarkUp{m.ID, m.Boot})
		case !alive && m.Up():
			p.Commands = append(p.Commands, &MarkDown{m.ID, m.Boot})
		}
	}
}

// forgets ends the membership of nodes that have been emptied.
func (p *planner) forgets() {
	for i := range p.s.Members {
		m := &p.s.Members[i]
		if m.State == Leaving || m.State == Removed {
			if what := p.s.holds(m.ID); what != "" {
				p.note("node %v is being removed; it still has %s", m.ID, what)
			} else {
				p.Commands = append(p.Commands, &Forget{m.ID})
			}
		}
	}
}

// members returns the nodes that should hold replicas, for ring.Place.
func (p *planner) members() (members []ring.Member) {
	for i := range p.s.Members {
		if m := &p.s.Members[i]; p.wanted(m.ID) {
			members = append(members, ring.Member{ID: m.ID, Capacity: m.Capacity, Zone: m.Zone})
		}
	}
	return members
}

// active counts the members that hold replicas when they are up.
func (p *planner) active() (count int) {
	for i := range p.s.Members {
		if p.s.Members[i].State == Active {
			count++
		}
	}
	return count
}

func nodesOf(list []Replica) []ring.NodeID {
	nodes := make([]ring.NodeID, len(list))
	for i := range list {
		nodes[i] = list[i].Node
	}
	return nodes
}

func onNode(list []Replica, id ring.NodeID) bool {
	return slices.ContainsFunc(list, func(r Replica) bool { return r.Node == id })
}

// votersOf returns the voters of a list in their order.
func votersOf(list []Replica) []Replica {
	return slices.DeleteFunc(slices.Clone(list), func(r Replica) bool { return r.Role != Voter })
}
