package meta

import (
	"bytes"
	"encoding/hex"
	"reflect"
	"runtime"
	"testing"

	"pgregory.net/rapid"
)

// busy returns a state with something in every field.
func busy(t tb) *machine {
	m := boot(3, 3)
	for n := 1; n < 5; n++ {
		m.join(t, n)
	}
	m.settle(t)
	m.must(t, m.target(2, Replica{nodeID(0), 1, Voter}, Replica{nodeID(2), 2, Voter}))
	m.must(t, &Report{[]GroupReport{{2, 7, []Replica{{nodeID(0), 1, Voter}, {nodeID(2), 2, Learner}}}}})
	m.must(t, &MarkDown{nodeID(3), describe(3).Boot})
	m.must(t, &Remove{Node: nodeID(4)})
	m.must(t, &Forget{nodeID(4)})
	m.must(t, &Report{[]GroupReport{{3, 9, []Replica{{nodeID(0), 1, Voter}, {nodeID(200), 5, Learner}}}}}) // a node nobody knows
	m.must(t, &SetSetting{"a", "1"})
	m.must(t, &SetUsers{"[users.default]\n"})
	m.must(t, &RequestRebalance{})
	m.must(t, &Pause{})
	m.do(t, &SetReplicas{0})
	return m
}

func TestAStateSurvivesItsEncoding(t *testing.T) {
	m := busy(t)
	got, err := Decode(m.Encode())
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, m.State) {
		t.Fatalf("decoded %+v\nencoded %+v", got, m.State)
	}
	if !bytes.Equal(got.Encode(), m.Clone().Encode()) {
		t.Fatal("equal states encode differently")
	}
}

func TestTheEncodingOfAStateIsPinned(t *testing.T) {
	// If this has to change, StateVersion has to, and older states must stay readable.
	const want = "564547414d45544102000001c1000000000000000000000000000000030000019e3779b97f4a7c15000000000000000001000f31" +
		"32372e302e302e313a31303030300f3132372e302e302e313a323030303000067a6f6e6520300105312e302e3001000000000000" +
		"020100020100020100000201000201000200000000"
	got := hex.EncodeToString(Bootstrap(testCluster, member(0), 1, 3).Encode())
	if got != want {
		t.Fatalf("got  %s\nwant %s", got, want)
	}
}

func TestAStateOfTheFirstVersionIsRead(t *testing.T) {
	// As Bootstrap's was encoded before members had the time of their state.
	const first = "564547414d45544101000001c1000000000000000000000000000000030000019e3779b97f4a7c15000000000000000001000f31" +
		"32372e302e302e313a31303030300f3132372e302e302e313a323030303000067a6f6e6520300105312e302e3001000000000002" +
		"0100020100020100000201000201000200000000"
	b, err := hex.DecodeString(first)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(b)
	if err != nil || !reflect.DeepEqual(got, Bootstrap(testCluster, member(0), 1, 3)) {
		t.Fatalf("%+v, %v", got, err)
	}
}

func TestTheFormOfACommandIsPinned(t *testing.T) {
	const want = `{"v":1,"id":"00000000000000010000000000000000","type":"set-targets","args":{"groups":[{"group":1,"revision":2,"actual_index":3,"replicas":[{"node":"9e3779b97f4a7c150000000000000000","id":4,"role":"learner"}]}]}}`
	got := mustEncode(new(machine).requestID(), &SetTargets{[]GroupTarget{{1, 2, 3, []Replica{{nodeID(0), 4, Learner}}}}})
	if string(got) != want {
		t.Fatalf("got  %s\nwant %s", got, want)
	}
}

func TestDamagedStatesAreRefused(t *testing.T) {
	encoded := busy(t).Encode()
	for n := range encoded {
		if _, err := Decode(encoded[:n]); err == nil {
			t.Fatalf("the first %d of %d bytes were accepted", n, len(encoded))
		}
	}
	if _, err := Decode(append(encoded, 0)); err == nil {
		t.Fatal("a byte more was accepted")
	}
	other := bytes.Clone(encoded)
	other[len(stateMagic)]++
	if _, err := Decode(other); err == nil {
		t.Fatal("another version was accepted")
	}
}

func TestEveryOpHasACommand(t *testing.T) {
	for _, kind := range []string{
		"join", "update-member", "mark-down", "mark-up", "drain", "undrain", "remove", "forget", "set-targets", "report",
		"pause", "resume", "set-setting", "set-users", "set-replicas", "request-rebalance",
	} {
		op := newOp(kind)
		if op == nil || op.Type() != kind {
			t.Fatalf("%s is %v", kind, op)
		}
		id := RequestID{1}
		gotID, got, err := DecodeCommand(mustEncode(id, op))
		if err != nil || gotID != id || !reflect.DeepEqual(got, op) {
			t.Fatalf("%s: %v %+v (%v)", kind, gotID, got, err)
		}
	}
}

// within fails the test if fn allocates more than ceiling bytes.
func within(t *testing.T, ceiling uint64, fn func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	fn()
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > ceiling {
		t.Fatalf("allocated %d bytes, the ceiling is %d", got, ceiling)
	}
}

func FuzzDecodeState(f *testing.F) {
	f.Add(Bootstrap(testCluster, member(0), 1, 3).Encode())
	f.Add(busy(&testing.T{}).Encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		within(t, uint64(len(data))*64+(512<<10), func() {
			s, err := Decode(data)
			if err != nil {
				return
			}
			if again := s.Encode(); data[len(stateMagic)] == StateVersion && !bytes.Equal(again, data) {
				t.Fatalf("accepted, but not what would be written:\n%x\n%x", data, again)
			}
		})
	})
}

func FuzzApply(f *testing.F) {
	m := busy(&testing.T{})
	start := m.Encode()
	for _, kind := range []string{"join", "mark-down", "drain", "forget", "set-targets", "report", "set-setting", "request-rebalance"} {
		f.Add(mustEncode(RequestID{1}, newOp(kind)))
	}
	f.Add(mustEncode(RequestID{1}, &Join{Cluster: testCluster, Node: describe(7)}))
	f.Add(mustEncode(RequestID{1}, m.target(1, Replica{nodeID(1), 2, Voter}, Replica{nodeID(0), 1, Voter})))
	f.Add(mustEncode(RequestID{1}, &Report{[]GroupReport{{2, 70, []Replica{{nodeID(2), 2, Voter}}}}}))
	f.Add(mustEncode(RequestID{1}, &Remove{Node: nodeID(3), Force: true}))
	f.Fuzz(func(t *testing.T, command []byte) {
		a, err := Decode(start)
		if err != nil {
			t.Fatal(err)
		}
		b := a.Clone()
		ra, ea := a.Apply(1000, 1, command)
		rb, eb := b.Apply(1000, 1, command)
		if ra != rb || (ea == nil) != (eb == nil) || !bytes.Equal(a.Encode(), b.Encode()) {
			t.Fatal("two replicas differ after the same command")
		}
		if ea != nil && !bytes.Equal(a.Encode(), start) {
			t.Fatal("not understood, but it changed something")
		}
		if err := a.check(); err != nil {
			t.Fatal(err)
		}
		if restored, err := Decode(a.Encode()); err != nil || !reflect.DeepEqual(restored.Encode(), a.Encode()) {
			t.Fatalf("cannot be restored: %v", err)
		}
	})
}

func TestRandomCommandsKeepTheStateInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := boot(rapid.IntRange(1, 4).Draw(t, "partitions"), 3)
		gone := map[string]bool{}
		node := rapid.IntRange(0, 5)
		replica := rapid.Custom(func(t *rapid.T) Replica {
			return Replica{nodeID(node.Draw(t, "node")), rapid.Uint64Range(1, 6).Draw(t, "id"), Role(rapid.IntRange(0, 1).Draw(t, "role"))}
		})
		for range rapid.IntRange(0, 60).Draw(t, "commands") {
			n := node.Draw(t, "node")
			group := rapid.Uint64Range(0, 4).Draw(t, "group")
			var op Op
			switch rapid.IntRange(0, 11).Draw(t, "op") {
			case 0, 1, 2:
				op = &Join{Cluster: testCluster, Node: describe(n)}
			case 3:
				op = &MarkDown{nodeID(n), describe(n).Boot}
			case 4:
				op = &MarkUp{nodeID(n), describe(n).Boot}
			case 5:
				op = &Drain{nodeID(n)}
			case 6:
				op = &Undrain{nodeID(n)}
			case 7:
				op = &Remove{nodeID(n), rapid.Bool().Draw(t, "force")}
			case 8:
				op = &Forget{nodeID(n)}
			case 9, 10:
				if pl := m.Group(group); pl != nil {
					op = m.target(group, rapid.SliceOfN(replica, 1, 3).Draw(t, "replicas")...)
				} else {
					op = &Pause{}
				}
			case 11:
				op = &Report{[]GroupReport{{group, rapid.Uint64Range(0, 50).Draw(t, "index"), rapid.SliceOfN(replica, 1, 3).Draw(t, "replicas")}}}
			}
			next := m.Group(group)
			var nextID uint64
			if next != nil {
				nextID = next.NextID
			}
			m.do(t, op)
			if next != nil && next.NextID < nextID {
				t.Fatalf("%s: NextID went from %d to %d", op.Type(), nextID, next.NextID)
			}
			for _, id := range m.Tombstones {
				gone[id.String()] = true
			}
			for id := range gone {
				for i := range m.Members {
					if got := &m.Members[i]; got.ID.String() == id && got.State != Removed {
						t.Fatalf("%s: the node %s is back", op.Type(), id)
					}
				}
			}
		}
		if restored, err := Decode(m.Encode()); err != nil || !bytes.Equal(restored.Encode(), m.Encode()) {
			t.Fatalf("cannot be restored: %v", err)
		}
	})
}
