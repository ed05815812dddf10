package meta

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/prakashpandey/vegadb/internal/ring"
	"pgregory.net/rapid"
)

// tb is what the helpers need of testing.T and rapid.T.
type tb interface {
	Helper()
	Fatalf(format string, args ...any)
}

var testCluster = ring.NodeID{0xc1}

// nodeID gives nodes ids whose order is not that of their numbers.
func nodeID(n int) (id ring.NodeID) {
	binary.BigEndian.PutUint64(id[:], uint64(n+1)*0x9e3779b97f4a7c15)
	id[15] = byte(n)
	return id
}

func describe(n int) Describe {
	return Describe{
		ID: nodeID(n), Addr: fmt.Sprintf("127.0.0.1:%d", 10000+n), PeerAddr: fmt.Sprintf("127.0.0.1:%d", 20000+n),
		Zone: fmt.Sprint("zone ", n%3), Capacity: 1, Version: "1.0.0", Boot: uint64(n) + 1,
	}
}

func member(n int) Member {
	var m Member
	d := describe(n)
	d.describes(&m)
	return m
}

// machine applies commands as a log would.
type machine struct {
	*State
	requests uint64
}

func boot(partitions, replicas int) *machine {
	return &machine{State: Bootstrap(testCluster, member(0), partitions, replicas)}
}

// requestID returns an id that was not used before.
func (m *machine) requestID() (id RequestID) {
	m.requests++
	binary.BigEndian.PutUint64(id[:], m.requests)
	return id
}

// do applies op as the next command of the log, checks what must hold after every command, and returns the result.
func (m *machine) do(t tb, op Op) Result {
	t.Helper()
	command, err := EncodeCommand(m.requestID(), op)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return m.apply(t, command)
}

func (m *machine) apply(t tb, command []byte) Result {
	t.Helper()
	before := m.Clone()
	visible := visiblePart(m.State)
	r, err := m.Apply(m.Index+1, m.StampMs+1000, command)
	if err != nil {
		t.Fatalf("apply %s: %v", command, err)
	}
	if err := m.check(); err != nil {
		t.Fatalf("after %s: %v", command, err)
	}
	if changed := visiblePart(m.State) != visible; changed != (m.Epoch != before.Epoch) {
		t.Fatalf("after %s: changed: %v, epoch %d → %d", command, changed, before.Epoch, m.Epoch)
	}
	if visiblePart(before) != visible {
		t.Fatalf("%s changed a clone taken before it", command)
	}
	return r
}

// visiblePart encodes what Epoch is the version of.
func visiblePart(s *State) string {
	c := *s
	c.Index, c.StampMs, c.Epoch, c.recent = 0, 0, 0, nil
	return string(c.Encode())
}

// must is do for commands that have to be accepted.
func (m *machine) must(t tb, op Op) {
	t.Helper()
	if r := m.do(t, op); r.Code != OK {
		t.Fatalf("%s: %v: %s", op.Type(), r.Code, r.Text)
	}
}

// refused is do for commands that have to be refused with that code.
func (m *machine) refused(t tb, code Code, op Op) {
	t.Helper()
	before := visiblePart(m.State)
	if r := m.do(t, op); r.Code != code || r.Text == "" {
		t.Fatalf("%s: %v (%q), want %v", op.Type(), r.Code, r.Text, code)
	}
	if visiblePart(m.State) != before {
		t.Fatalf("%s was refused and changed something", op.Type())
	}
}

func (m *machine) join(t tb, n int) {
	t.Helper()
	m.must(t, &Join{Cluster: testCluster, Node: describe(n)})
}

// settle has every group reach its target and report it.
func (m *machine) settle(t tb) {
	t.Helper()
	for g := range uint64(len(m.Placements) + 1) {
		if pl := m.Group(g); !pl.Settled() {
			m.must(t, &Report{[]GroupReport{{g, pl.ActualIndex + 3, pl.Target}}})
		}
	}
}

// target builds the command that sets one group's target from what it is now.
func (m *machine) target(group uint64, replicas ...Replica) *SetTargets {
	pl := m.Group(group)
	return &SetTargets{[]GroupTarget{{group, pl.Revision, pl.ActualIndex, replicas}}}
}

var _ tb = (*testing.T)(nil)
var _ tb = (*rapid.T)(nil)
