package meta

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestALoneNodeHasEverything(t *testing.T) {
	s := Bootstrap(testCluster, member(0), 4, 3)
	if err := s.check(); err != nil {
		t.Fatal(err)
	}
	for g := range uint64(5) {
		pl := s.Group(g)
		if !pl.Settled() || len(pl.Actual) != 1 || pl.Actual[0] != (Replica{nodeID(0), 1, Voter}) || pl.NextID != 2 {
			t.Fatalf("group %d: %+v", g, pl)
		}
	}
	if s.Group(5) != nil || s.Member(nodeID(1)) != nil || s.Member(nodeID(0)).State != Active {
		t.Fatal("groups or members that are not there")
	}
}

func TestJoin(t *testing.T) {
	m := boot(4, 3)
	m.join(t, 1)
	if got := m.Member(nodeID(1)); got == nil || got.State != Active || got.JoinedMs != m.StampMs || got.Addr != describe(1).Addr {
		t.Fatalf("joined as %+v", got)
	}
	if got := m.Meta.Target[1]; got != (Replica{nodeID(1), 2, Learner}) || m.Meta.NextID != 3 || m.Meta.Settled() {
		t.Fatalf("replica of the meta group: %+v", m.Meta)
	}

	epoch := m.Epoch
	m.join(t, 1)
	if m.Epoch != epoch || len(m.Members) != 2 || m.Meta.NextID != 3 {
		t.Fatal("joining twice is not the same as joining once")
	}

	again := describe(1)
	again.Boot, again.Version = 77, "1.1.0"
	m.must(t, &Join{Cluster: testCluster, Partitions: 4, Node: again})
	if got := m.Member(nodeID(1)); got.Version != "1.1.0" || got.Boot != 77 {
		t.Fatalf("a node that starts anew: %+v", got)
	}
}

func TestJoinIsRefused(t *testing.T) {
	m := boot(4, 3)
	m.join(t, 1)
	with := func(change func(*Join)) *Join {
		j := &Join{Cluster: testCluster, Node: describe(2)}
		change(j)
		return j
	}
	m.refused(t, WrongCluster, with(func(j *Join) { j.Cluster[5]++ }))
	m.refused(t, WrongCluster, with(func(j *Join) { j.Partitions = 5 }))
	m.refused(t, Conflict, with(func(j *Join) { j.Node.PeerAddr = describe(1).PeerAddr }))
	m.refused(t, Conflict, with(func(j *Join) { j.Node.Addr = describe(1).Addr }))
	m.refused(t, Conflict, with(func(j *Join) { j.Node.ID = nodeID(1) })) // a copied data directory
	for _, bad := range []string{"", "host", "host:0", "host:99999", ":7000", "a:b:7000", "[::1:7000", "[1.2.3.4]:7000", "h\n:7000", strings.Repeat("h", 300) + ":7000"} {
		m.refused(t, Invalid, with(func(j *Join) { j.Node.PeerAddr = bad }))
	}
	m.refused(t, Invalid, with(func(j *Join) { j.Node.Zone = strings.Repeat("z", 65) }))
	m.refused(t, Invalid, with(func(j *Join) { j.Node.Version = "1\x00" }))
	m.refused(t, Invalid, with(func(j *Join) { j.Node.ID = [16]byte{} }))
	for _, good := range []string{"db1.example:7000", "10.0.0.1:1", "[::1]:65535", "[fe80::1]:7000"} {
		m.must(t, with(func(j *Join) { j.Node.PeerAddr, j.Node.Boot = good, m.Index }))
		if m.Member(nodeID(2)).PeerAddr != good {
			t.Fatalf("%s was not taken", good)
		}
		m.must(t, &MarkDown{nodeID(2), m.Member(nodeID(2)).Boot})
	}

	// What is down holds on to nothing.
	m.must(t, &MarkDown{nodeID(1), describe(1).Boot})
	m.must(t, with(func(j *Join) { j.Node.PeerAddr = describe(1).PeerAddr }))
}

func TestMarkingDownMeansOneRunOfANode(t *testing.T) {
	m := boot(1, 1)
	m.join(t, 1)
	m.must(t, &MarkDown{nodeID(1), describe(1).Boot})
	since := m.Member(nodeID(1)).DownSinceMs
	if since != m.StampMs {
		t.Fatalf("down since %d, marked at %d", since, m.StampMs)
	}
	m.must(t, &MarkDown{nodeID(1), describe(1).Boot})
	if m.Member(nodeID(1)).DownSinceMs != since {
		t.Fatal("marking it down again moved the time")
	}
	m.must(t, &MarkUp{nodeID(1), describe(1).Boot})
	if !m.Member(nodeID(1)).Up() {
		t.Fatal("it is not up")
	}
	again := describe(1)
	again.Boot++
	m.must(t, &UpdateMember{again})
	m.refused(t, Stale, &MarkDown{nodeID(1), describe(1).Boot})
	m.refused(t, UnknownNode, &MarkDown{nodeID(9), 1})
	m.refused(t, UnknownNode, &UpdateMember{describe(9)})
}

func TestDrainAndRemove(t *testing.T) {
	m := boot(1, 1)
	m.refused(t, NotNow, &Drain{nodeID(0)})
	m.refused(t, NotNow, &Remove{Node: nodeID(0)})
	m.refused(t, UnknownNode, &Drain{nodeID(1)})
	m.join(t, 1)
	m.must(t, &Drain{nodeID(0)})
	since := m.StampMs
	m.must(t, &Drain{nodeID(0)})
	if got := m.Member(nodeID(0)); got.StateMs != since || m.StampMs == since {
		t.Fatalf("drained at %d, again at %d: %+v", since, m.StampMs, got)
	}
	m.refused(t, NotNow, &Drain{nodeID(1)})
	m.refused(t, NotNow, &Forget{nodeID(0)})
	m.must(t, &Undrain{nodeID(0)})
	m.must(t, &Remove{Node: nodeID(1)})
	if got := m.Member(nodeID(1)).State; got != Leaving {
		t.Fatalf("a node to be removed is %v", got)
	}
	m.must(t, &Undrain{nodeID(1)})
	m.must(t, &Remove{Node: nodeID(1)})
	m.must(t, &Forget{nodeID(1)})
	m.must(t, &Forget{nodeID(1)})
	if m.Member(nodeID(1)) != nil || !m.Tombstoned(nodeID(1)) || len(m.Meta.Target) != 1 {
		t.Fatal("it is not gone")
	}
	for _, op := range []Op{&Join{Cluster: testCluster, Node: describe(1)}, &UpdateMember{describe(1)}, &Drain{nodeID(1)}, &Undrain{nodeID(1)}} {
		m.refused(t, RemovedNode, op)
	}
	m.must(t, &Remove{Node: nodeID(1)}) // asked for again
}

func TestRemovingByForceIsForTheDead(t *testing.T) {
	m := boot(1, 1)
	m.join(t, 1)
	m.settle(t)
	m.must(t, m.target(1, Replica{nodeID(0), 1, Voter}, Replica{nodeID(1), 2, Voter}))
	m.settle(t)
	m.refused(t, NotNow, &Remove{Node: nodeID(1), Force: true})
	m.must(t, &MarkDown{nodeID(1), describe(1).Boot})
	m.must(t, &Remove{Node: nodeID(1), Force: true})
	if got := m.Member(nodeID(1)); got.State != Removed || !m.Tombstoned(nodeID(1)) {
		t.Fatalf("removed by force: %+v", got)
	}
	m.refused(t, RemovedNode, &Join{Cluster: testCluster, Node: describe(1)})
	m.refused(t, RemovedNode, &Undrain{nodeID(1)})
	m.refused(t, NotNow, &Forget{nodeID(1)})
	m.must(t, m.target(1, Replica{nodeID(0), 1, Voter}))
	m.refused(t, NotNow, &Forget{nodeID(1)})
	m.settle(t)
	m.must(t, &Forget{nodeID(1)})
}

func TestTargetsChangeOneReplicaAtATime(t *testing.T) {
	m := boot(2, 3)
	for n := 1; n < 5; n++ {
		m.join(t, n)
	}
	m.settle(t)
	r := func(n int, id uint64) Replica { return Replica{nodeID(n), id, Voter} }
	m.refused(t, Invalid, m.target(1, r(0, 1), r(1, 3)))                         // not the next id
	m.refused(t, Invalid, m.target(1, r(0, 1), r(0, 2)))                         // a node twice
	m.refused(t, Invalid, m.target(1, r(0, 1), r(1, 2), r(2, 3)))                // two more
	m.refused(t, Invalid, m.target(1))                                           // nobody
	m.refused(t, Invalid, m.target(1, r(0, 1), Replica{nodeID(1), 2, Learner}))  // a learner for good
	m.refused(t, Invalid, m.target(1, r(0, 1), r(9, 2)))                         // not a member
	m.refused(t, Invalid, m.target(1, r(0, 2)))                                  // the same node under another id
	m.refused(t, Invalid, &SetTargets{[]GroupTarget{{Group: 3, Replicas: nil}}}) // no such group
	m.must(t, m.target(1, r(0, 1), r(1, 2)))
	m.refused(t, Stale, &SetTargets{[]GroupTarget{{1, 0, 0, []Replica{r(0, 1), r(2, 3)}}}})
	m.settle(t)
	m.must(t, m.target(1, r(1, 2), r(0, 1))) // another first
	m.must(t, m.target(1, r(1, 2), r(2, 3))) // one replaced
	// Two groups, of which one cannot be changed: the other is.
	stale := m.target(1, r(1, 2))
	stale.Groups[0].Revision--
	both := &SetTargets{append(m.target(2, r(0, 1), r(3, 2)).Groups, stale.Groups...)}
	if got := m.do(t, both); got.Code != OK || !strings.HasPrefix(got.Text, "1 of 2 groups stay") || len(m.Group(2).Target) != 2 {
		t.Fatalf("%+v", got)
	}
	m.must(t, &Drain{nodeID(4)})
	m.settle(t)
	m.refused(t, Invalid, m.target(1, r(1, 2), r(4, 4)))
}

func TestReportsThatAreOlderHaveNoEffect(t *testing.T) {
	m := boot(1, 3)
	m.join(t, 1)
	two := []Replica{{nodeID(0), 1, Voter}, {nodeID(1), 2, Learner}}
	m.must(t, &Report{[]GroupReport{{1, 5, two}}})
	m.must(t, &Report{[]GroupReport{{1, 4, two[:1]}}})
	m.must(t, &Report{[]GroupReport{{1, 5, two[:1]}}})
	if got := m.Group(1); len(got.Actual) != 2 || got.ActualIndex != 5 || got.NextID != 3 {
		t.Fatalf("%+v", got)
	}
	m.refused(t, Invalid, &Report{[]GroupReport{{2, 9, two}}})
	m.refused(t, Invalid, &Report{[]GroupReport{{1, 9, nil}}})
	m.refused(t, Invalid, &Report{[]GroupReport{{1, 9, two[1:]}}})
	m.refused(t, Invalid, &Report{[]GroupReport{{1, 9, []Replica{two[0], two[0]}}}})
	m.refused(t, Invalid, &Report{[]GroupReport{{1, 9, []Replica{{nodeID(0), 0, Voter}}}}})
}

// The controller takes back a move while the group has already finished it: what the group has left behind may come back,
// but not under its old id.
func TestAReplicaLeftBehindDoesNotReturnUnderItsID(t *testing.T) {
	m := boot(1, 3)
	m.join(t, 1)
	r0, r1 := Replica{nodeID(0), 1, Voter}, Replica{nodeID(1), 2, Voter}
	m.must(t, m.target(1, r1))
	m.must(t, m.target(1, r0))
	m.must(t, &Report{[]GroupReport{{1, 5, []Replica{r1}}}})
	if got := m.Group(1); len(got.Target) != 1 || got.Target[0] != (Replica{nodeID(0), 3, Voter}) || got.NextID != 4 || got.Revision != m.Index {
		t.Fatalf("%+v", got)
	}
}

func TestSettings(t *testing.T) {
	m := boot(1, 1)
	for _, k := range []string{"b", "c", "a"} {
		m.must(t, &SetSetting{k, "1"})
	}
	m.must(t, &SetSetting{"b", "2"})
	m.must(t, &SetSetting{"c", ""})
	m.must(t, &SetSetting{"d", ""})
	if fmt.Sprint(m.Settings) != "[{a 1} {b 2}]" || m.Setting("b") != "2" || m.Setting("c") != "" {
		t.Fatalf("%v", m.Settings)
	}
	m.refused(t, Invalid, &SetSetting{"", "1"})
	m.refused(t, Invalid, &SetSetting{"a", strings.Repeat("x", maxSettingValue+1)})
	for i := range maxSettings - 2 {
		m.must(t, &SetSetting{fmt.Sprint("key ", i), "1"})
	}
	m.refused(t, LimitReached, &SetSetting{"one more", "1"})

	m.must(t, &SetUsers{"[users.default]\n"})
	m.refused(t, Invalid, &SetUsers{strings.Repeat("x", maxUsersBytes+1)})
	m.must(t, &SetReplicas{5})
	m.refused(t, Invalid, &SetReplicas{0})
	m.refused(t, Invalid, &SetReplicas{MaxReplicas + 1})
	m.must(t, &Pause{})
	m.must(t, &RequestRebalance{})
	if m.UsersDoc == "" || m.Replicas != 5 || !m.Paused || m.RebalanceMs != m.StampMs {
		t.Fatalf("%+v", m.State)
	}
	m.must(t, &Resume{})
}

func TestARequestTakesEffectOnce(t *testing.T) {
	m := boot(1, 1)
	id := m.requestID()
	command, err := EncodeCommand(id, &SetSetting{"a", "1"})
	if err != nil {
		t.Fatal(err)
	}
	if _, known := m.Lookup(id); known {
		t.Fatal("known before it was applied")
	}
	m.apply(t, command)
	m.must(t, &SetSetting{"a", "2"})
	m.apply(t, command)
	if r, known := m.Lookup(id); !known || r.Code != OK || m.Setting("a") != "2" {
		t.Fatalf("repeated, it took effect again: a = %q", m.Setting("a"))
	}
	bad := m.requestID()
	command, _ = EncodeCommand(bad, &SetReplicas{0})
	if first, second := m.apply(t, command), m.apply(t, command); first != second || first.Code != Invalid {
		t.Fatalf("%+v, then %+v", first, second)
	}
	// It is forgotten after maxRecent others, on every replica at the same command.
	for range maxRecent - 2 {
		if _, err := m.Apply(m.Index+1, m.StampMs, mustEncode(m.requestID(), &Resume{})); err != nil {
			t.Fatal(err)
		}
	}
	if _, known := m.Lookup(id); known {
		t.Fatal("the oldest is still known")
	}
	if _, known := m.Lookup(bad); !known {
		t.Fatal("the oldest but one is not known any more")
	}
	for range 3 * maxRecent {
		if _, err := m.Apply(m.Index+1, m.StampMs, mustEncode(m.requestID(), &Resume{})); err != nil {
			t.Fatal(err)
		}
	}
	if len(m.recent) > 2*maxRecent {
		t.Fatalf("%d requests are kept", len(m.recent))
	}
	restored, err := Decode(m.Encode())
	if err != nil || string(restored.Encode()) != string(m.Encode()) {
		t.Fatalf("a restored state differs (%v)", err)
	}
}

func mustEncode(id RequestID, op Op) []byte {
	command, err := EncodeCommand(id, op)
	if err != nil {
		panic(err)
	}
	return command
}

func TestWhatIsNotUnderstoodHaltsAndChangesNothing(t *testing.T) {
	m := boot(1, 1)
	m.must(t, &Resume{})
	const id = `"id":"000000000000000000000000000000ff"`
	for name, command := range map[string]string{
		"empty":          ``,
		"not JSON":       `drain`,
		"later version":  `{"v":2,` + id + `,"type":"pause","args":{}}`,
		"unknown type":   `{"v":1,` + id + `,"type":"teleport","args":{}}`,
		"unknown field":  `{"v":1,` + id + `,"type":"pause","args":{"hard":true}}`,
		"unknown member": `{"v":1,` + id + `,"type":"pause","args":{},"if":1}`,
		"no args":        `{"v":1,` + id + `,"type":"pause"}`,
		"no id":          `{"v":1,"type":"pause","args":{}}`,
		"short id":       `{"v":1,"id":"ff","type":"pause","args":{}}`,
		"wrong type":     `{"v":1,` + id + `,"type":"drain","args":{"node":7}}`,
		"two":            `{"v":1,` + id + `,"type":"pause","args":{}} {}`,
		"unknown role":   `{"v":1,` + id + `,"type":"report","args":{"groups":[{"group":1,"index":1,"replicas":[{"node":"00000000000000000000000000000001","id":1,"role":"witness"}]}]}}`,
		"too long":       `{"v":1,` + id + `,"type":"pause","args":{}` + strings.Repeat(" ", maxCommandBytes) + `}`,
	} {
		before := string(m.Encode())
		if _, err := m.Apply(m.Index+1, m.StampMs+1, []byte(command)); !errors.Is(err, ErrNotUnderstood) {
			t.Errorf("%s: %v", name, err)
		}
		if string(m.Encode()) != before {
			t.Errorf("%s: it changed the state", name)
		}
	}
	if _, err := m.Apply(m.Index, m.StampMs, mustEncode(m.requestID(), &Pause{})); err == nil {
		t.Error("an index was applied twice")
	}
}

func TestTheLogsTimeNeverGoesBack(t *testing.T) {
	m := boot(1, 1)
	if _, err := m.Apply(1, 5000, mustEncode(m.requestID(), &Pause{})); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Apply(2, 4000, mustEncode(m.requestID(), &Resume{})); err != nil {
		t.Fatal(err)
	}
	if m.StampMs != 5000 {
		t.Fatalf("log time %d", m.StampMs)
	}
}
