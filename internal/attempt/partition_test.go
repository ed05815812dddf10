package attempt

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// peer is a node of these tests.
type peer struct {
	name   string
	health Health
	named  bool
}

func (p *peer) how() Health { return p.health }

func (p *peer) isNamed() bool { return p.named }

func (p *peer) String() string {
	if p == nil {
		return "nobody"
	}
	return p.name
}

func peers() (a, b, c *peer) {
	return &peer{"a", Well, true}, &peer{"b", Well, true}, &peer{"c", Well, true}
}

// random returns random numbers one after the other.
func random(numbers ...uint64) func() uint64 {
	return func() uint64 {
		n := numbers[0]
		numbers = numbers[1:]
		return n
	}
}

func TestWhomToAsk(t *testing.T) {
	for _, c := range []struct {
		name    string
		a, b, c Health
		leader  string
		relaxed bool
		near    string
		want    []string // any of them
	}{
		{"the leader", Well, Well, Well, "b", false, "", []string{"b"}},
		{"the leader, although it is silent", Well, Silent, Well, "b", false, "", []string{"b"}},
		{"the leader, although it is down: who leads now is to be asked, not guessed", Well, Down, Well, "b", false, "", []string{"b"}},
		{"a replica that is not down, while nobody leads", Down, Silent, Down, "", false, "", []string{"b"}},
		{"nobody", Down, Down, Down, "", false, "", []string{"nobody"}},
		{"any replica", Well, Well, Well, "b", true, "", []string{"a", "b", "c"}},
		{"one that is well", Silent, Down, Well, "b", true, "", []string{"c"}},
		{"a near one", Well, Well, Well, "b", true, "a", []string{"a"}},
		{"a far one, because the near one is not well", Silent, Well, Well, "b", true, "a", []string{"b", "c"}},
		{"the leader, because no replica is well", Silent, Silent, Down, "b", true, "", []string{"b"}},
		{"a silent one, because no replica is well and nobody leads", Silent, Down, Down, "", true, "", []string{"a"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			pa, pb, pc := peers()
			pa.health, pb.health, pc.health = c.a, c.b, c.c
			all := map[string]*peer{"a": pa, "b": pb, "c": pc}
			var near []*peer
			if c.near != "" {
				near = append(near, all[c.near])
			}
			var p Partition[peer]
			p.Set(all[c.leader], 1, []*peer{pa, pb, pc}, near)
			got := map[string]bool{}
			var turn uint32
			for i := range 30 {
				n := p.Pick(c.relaxed, &turn, random(uint64(i)<<59), (*peer).how)
				got[n.String()] = true
				if !slices.Contains(c.want, n.String()) {
					t.Fatalf("%v", n)
				}
			}
			if len(got) != len(c.want) {
				t.Errorf("only ever %v", got)
			}
		})
	}
}

func TestReplicasAreAskedInTurnWhileNobodyLeads(t *testing.T) {
	a, b, c := peers()
	var p Partition[peer]
	p.Set(nil, 0, []*peer{a, b, c}, nil)
	var turn uint32
	got := ""
	for range 6 {
		got += p.Pick(false, &turn, nil, (*peer).how).name
	}
	if got != "bcabca" {
		t.Error(got)
	}
}

func TestAnyIsOneThatIsWellOrElseOneThatIsThere(t *testing.T) {
	a, b, c := peers()
	a.health, b.health = Down, Silent
	for i := range uint64(8) {
		if n := Any([]*peer{a, nil, b, c}, i<<61, (*peer).how); n != c {
			t.Errorf("%v", n)
		}
		if n := Any([]*peer{nil, a}, i<<61, (*peer).how); n != a {
			t.Errorf("%v", n)
		}
		if n := Any(nil, i<<61, (*peer).how); n != nil {
			t.Errorf("%v", n)
		}
	}
}

func TestWhatARefusalSaysOfTheLeader(t *testing.T) {
	a, b, c := peers()
	for _, x := range []struct {
		name               string
		leader, from, says *peer
		elsewhere, changed bool
		then               *peer
	}{
		{"another one leads", a, a, b, true, true, b},
		{"nobody was known to", nil, a, b, true, true, b},
		{"it names itself", a, a, a, false, false, a},
		{"another request has been told already", b, a, b, true, false, b},
		{"it knows of nobody, and was the leader", a, a, nil, false, true, nil},
		{"it knows of nobody, and another one is known", b, a, nil, true, false, b},
		{"nobody knows of anybody", nil, a, nil, false, false, nil},
		{"it names a third", b, a, c, true, true, c},
	} {
		var p Partition[peer]
		p.Set(x.leader, 3, []*peer{a, b, c}, nil)
		elsewhere, changed := p.Redirect(x.from, x.says)
		if elsewhere != x.elsewhere || changed != x.changed || p.Leader() != x.then || p.Moved() != x.changed {
			t.Errorf("%s: elsewhere %v, changed %v, leader %v", x.name, elsewhere, changed, p.Leader())
		}
	}
}

func TestATopologyThatIsBehindDoesNotUndoWhatIsKnown(t *testing.T) {
	a, b, _ := peers()
	gone, dead, silent := &peer{"gone", Well, false}, &peer{"dead", Down, true}, &peer{"silent", Silent, true}
	for _, x := range []struct {
		name    string
		old     *peer
		oldTerm uint64
		moved   bool
		term    uint64
		want    *peer
	}{
		{"a later term", a, 3, false, 4, b},
		{"a later term, although a node was named meanwhile", a, 3, true, 4, b},
		{"the same term", a, 3, false, 3, b},
		{"the same term, but a node was named meanwhile", a, 3, true, 3, a},
		{"an earlier term", a, 3, false, 2, a},
		{"no term", a, 3, false, 0, a},
		{"no term on either side", a, 0, true, 0, b},
		{"the same term, and the node that was named is dead", dead, 3, true, 3, b},
		{"the same term, and the node that was named is silent", silent, 3, true, 3, b},
		{"an earlier term, although the leader is dead: the topology knows nothing newer", dead, 3, false, 2, dead},
		{"an earlier term, but the leader is not part of the cluster any more", gone, 3, true, 2, b},
	} {
		var old, p Partition[peer]
		old.Set(x.old, x.oldTerm, nil, nil)
		if x.moved {
			old.Set(b, x.oldTerm, nil, nil)
			old.Redirect(b, x.old)
		}
		p.Set(b, x.term, nil, nil)
		p.KeepNewer(&old, (*peer).isNamed, (*peer).how)
		if p.Leader() != x.want || x.want == a && (p.term != x.oldTerm || p.moved != x.moved) {
			t.Errorf("%s: %v of term %d", x.name, p.Leader(), p.term)
		}
	}
}

func TestASilentNodeIsLeftOnlyForOneThatServes(t *testing.T) {
	a, b, c := peers()
	a.health = Silent
	var p Partition[peer]
	p.Set(a, 1, []*peer{a, b, c}, nil)
	if p.Elsewhere(false, a, (*peer).how) {
		t.Error("it leads")
	}
	if !p.Elsewhere(true, a, (*peer).how) {
		t.Error("others have the data")
	}
	p.Redirect(a, b)
	if !p.Elsewhere(false, a, (*peer).how) {
		t.Error("another one leads")
	}
	if b.health = Down; p.Elsewhere(false, a, (*peer).how) {
		t.Error("but cannot be reached")
	}
	if b.health, c.health = Silent, Silent; p.Elsewhere(true, a, (*peer).how) != true {
		t.Error("the leader can be reached")
	}
}

func TestPickAsksForNothingButTheLeaderOnTheHotPath(t *testing.T) {
	a, b, _ := peers()
	var p Partition[peer]
	p.Set(a, 1, []*peer{a, b}, nil)
	var turn uint32
	if n := testing.AllocsPerRun(100, func() {
		if p.Pick(false, &turn, nil, nil) != a {
			t.Error("not the leader")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestALeaderIsFollowed: nodes of a cluster in which leadership moves, some of which are behind, answer and are asked for the
// topology. Once they have stopped changing, a client arrives at the leader.
func TestALeaderIsFollowed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := peers()
		all := []*peer{a, b, c}
		leaders := []*peer{nil, all[rapid.IntRange(0, 2).Draw(t, "leader")]} // by term
		knows := map[*peer]int{a: 0, b: 0, c: 0}                             // which term
		var p Partition[peer]
		p.Set(nil, 0, all, nil)
		var turn uint32
		ask := func() bool {
			n := p.Pick(false, &turn, nil, (*peer).how)
			if n == nil {
				t.Fatal("nobody to ask")
			}
			if n.health != Well {
				return false
			}
			if n == leaders[len(leaders)-1] {
				knows[n] = len(leaders) - 1
				return true
			}
			says := leaders[knows[n]]
			p.Redirect(n, says)
			return false
		}
		refresh := func(n *peer) {
			var told Partition[peer]
			told.Set(leaders[knows[n]], uint64(knows[n]), all, nil)
			told.KeepNewer(&p, (*peer).isNamed, (*peer).how)
			p.Set(told.Leader(), told.term, all, nil)
			p.moved = told.moved
		}
		for range rapid.IntRange(0, 40).Draw(t, "steps") {
			switch n := all[rapid.IntRange(0, 2).Draw(t, "node")]; rapid.IntRange(0, 4).Draw(t, "what") {
			case 0:
				leaders = append(leaders, n)
				knows[n] = len(leaders) - 1
			case 1:
				knows[n] = rapid.IntRange(knows[n], len(leaders)-1).Draw(t, "term")
			case 2:
				refresh(n)
			case 3:
				ask()
			case 4: // a replica refuses a relaxed read
				if n != leaders[len(leaders)-1] {
					p.Redirect(n, leaders[knows[n]])
				}
			}
		}
		up := all[:0:0]
		for _, n := range all {
			if n != leaders[len(leaders)-1] && rapid.IntRange(0, 2).Draw(t, "state") == 0 {
				n.health = rapid.SampledFrom([]Health{Down, Silent}).Draw(t, "health")
				continue
			}
			knows[n] = len(leaders) - 1
			up = append(up, n)
		}
		for range 4 {
			if ask() {
				return
			}
			refresh(rapid.SampledFrom(up).Draw(t, "asked"))
		}
		t.Fatalf("asks %v, and %v leads", p.Leader(), leaders[len(leaders)-1])
	})
}
