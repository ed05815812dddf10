package recovery

import (
	"strings"
	"testing"

	"github.com/prakashpandey/vegadb/internal/meta"
	"github.com/prakashpandey/vegadb/internal/replica"
	"github.com/prakashpandey/vegadb/internal/ring"
	"github.com/prakashpandey/vegadb/internal/snapshot"
	"github.com/prakashpandey/vegadb/internal/wal"
)

var self = ring.NodeID{7}

// group returns the recovery of a group of which the log has records and no snapshot holds anything.
func group(t *testing.T, number uint32, records ...wal.Record) *Group {
	t.Helper()
	g := New(&snapshot.Loaded{Group: number}, 0, number == 0)
	g.Void = func() {}
	g.Apply = func(replica.Entry) error { return nil }
	for i := range records {
		if err := g.Add(&records[i]); err != nil {
			t.Fatal(err)
		}
	}
	return g
}

func state(number uint32, id uint64) wal.Record {
	return replica.StateRecord(number, replica.HardState{Replica: id, Term: 1})
}

// known is what a cluster that has had a group's configuration reported agrees on.
func known() *meta.State {
	st := meta.Bootstrap(ring.NodeID{9}, meta.Member{ID: self}, 1, 3)
	st.Placements[0].ActualIndex = 4
	return st
}

func TestALogThatLacksWhatANodeWasIsNoticed(t *testing.T) {
	const lost = "the log says nothing of its replica of the meta group"
	for _, c := range []struct {
		name    string
		node    Node
		meta    []wal.Record
		records []wal.Record      // of partition 0
		has     []replica.Replica // as its snapshot says
		finds   string            // "": nothing
		fate    Fate
	}{
		{"a new node", Node{}, nil, nil, nil, "", Alone},
		{"one that has joined and has heard nothing yet", Node{Joined: true}, nil, nil, nil, "", Absent},
		{"a member", Node{Joined: true, Clustered: true}, []wal.Record{state(0, 3)}, []wal.Record{state(1, 3)}, nil, "", Peers},
		{"one whose replica was removed", Node{Joined: true}, []wal.Record{state(0, 3)}, []wal.Record{state(1, 3), replica.GoneRecord(1, 3)}, nil, "", Absent},
		{"a founder whose replica was removed", Node{Clustered: true}, []wal.Record{state(0, 1)}, []wal.Record{state(1, 1), replica.GoneRecord(1, 1)}, nil, "", Absent},
		{"a partition with peers, and no meta group", Node{}, nil, []wal.Record{state(1, 3)}, nil, lost, Peers},
		{"a removed replica, and no meta group", Node{}, nil, []wal.Record{replica.GoneRecord(1, 3)}, nil, lost, Absent},
		{"others rely on it, and nothing is left", Node{Clustered: true}, nil, nil, nil, lost, Alone},
		{"the cluster knows others", Node{Clustered: true, View: known()}, []wal.Record{state(0, 1)}, nil, nil, "the cluster knows its configuration at index 4", Alone},
		{"a snapshot of a later replica than the removed one", Node{Joined: true}, []wal.Record{state(0, 3)}, []wal.Record{replica.GoneRecord(1, 3)},
			[]replica.Replica{{ID: 5, Node: self, Role: replica.Voter}}, "its snapshot knows replica 5", Absent},
		{"one whose damaged replica was set apart", Node{Joined: true, Damaged: func(uint32) bool { return true }}, []wal.Record{state(0, 3)}, nil, nil, "", Damaged},
		{"a damaged replica, and no meta group", Node{Joined: true, Damaged: func(uint32) bool { return true }}, nil, nil, nil, lost, Damaged},
		{"a snapshot of the removed one", Node{Joined: true}, []wal.Record{state(0, 3)}, []wal.Record{replica.GoneRecord(1, 3)},
			[]replica.Replica{{ID: 3, Node: self, Role: replica.Voter}}, "", Absent},
	} {
		c.node.ID = self
		c.node.Configuration = func(uint32) *replica.Configuration { return replica.Among(c.has...) }
		groups := []*Group{group(t, 0, c.meta...), group(t, 1, c.records...)}
		err := c.node.CheckWhole(groups)
		if err == nil != (c.finds == "") || err != nil && !strings.Contains(err.Error(), c.finds) {
			t.Errorf("%s: %v", c.name, err)
		}
		if got := c.node.FateOf(groups[1]); got != c.fate {
			t.Errorf("%s: its fate is %d, want %d", c.name, got, c.fate)
		}
	}
}

func TestARemovedReplicasStateIsVoidBeforeALaterOnesFirstRecord(t *testing.T) {
	var events []string
	g := New(&snapshot.Loaded{Group: 1}, 0, false)
	g.Void = func() { events = append(events, "void") }
	g.Apply = func(e replica.Entry) error { events = append(events, "apply"); return nil }
	for _, rec := range []wal.Record{state(1, 3), replica.GoneRecord(1, 3), state(1, 4)} {
		if err := g.Add(&rec); err != nil {
			t.Fatal(err)
		}
	}
	if len(events) == 0 || events[0] != "void" {
		t.Errorf("%v", events)
	}
}

func TestWhatMustBeReachedIsTheHighestThatIsKnown(t *testing.T) {
	for _, c := range []struct {
		loaded snapshot.Loaded
		floor  uint64
		whole  bool
	}{
		{snapshot.Loaded{Group: 1}, 0, true},
		{snapshot.Loaded{Group: 1, Meta: snapshot.Meta{Index: 5, Term: 1}}, 5, true},
		{snapshot.Loaded{Group: 1, Meta: snapshot.Meta{Index: 5, Term: 1}}, 6, false},
		{snapshot.Loaded{Group: 1, Meta: snapshot.Meta{Index: 5, Term: 1}, MustReach: 6}, 0, false},
	} {
		err := Finish([]*Group{group(t, 0), New(&c.loaded, c.floor, false)}, nil)
		if err == nil != c.whole {
			t.Errorf("%+v, floor %d: %v", c.loaded, c.floor, err)
		}
	}
	bad := New(&snapshot.Loaded{Group: 1, MustReach: 1}, 0, false)
	worse := New(&snapshot.Loaded{Group: 2, MustReach: 1}, 0, false)
	err := Finish([]*Group{bad, worse}, nil)
	if one, ok := err.(interface{ Unwrap() []error }); !ok || len(one.Unwrap()) != 2 {
		t.Errorf("of two that are incomplete one is named: %v", err)
	}
}

func TestAPartitionIsSetApartOnlyIfTheMetaGroupIsWhole(t *testing.T) {
	incomplete := func(number uint32) *Group { return New(&snapshot.Loaded{Group: number, MustReach: 1}, 0, false) }
	apart := func(int, error) (bool, string) { return true, "" }
	if err := Finish([]*Group{group(t, 0), incomplete(1)}, apart); err != nil {
		t.Errorf("not set apart: %v", err)
	}
	if err := Finish([]*Group{incomplete(0), incomplete(1)}, apart); err == nil {
		t.Error("what the cluster has agreed on is not known, and a replica is set apart by it")
	}
	refused := func(int, error) (bool, string) { return false, "nobody else has it" }
	if err := Finish([]*Group{group(t, 0), incomplete(1)}, refused); err == nil || !strings.Contains(err.Error(), "nobody else has it") {
		t.Errorf("%v", err)
	}
}
