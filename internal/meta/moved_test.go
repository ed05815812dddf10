package meta

import (
	"testing"

	"github.com/prakashpandey/vegadb/internal/ring"
)

// TestALeaderOfTheMetaGroupThatHasMovedIsKnownAtItsNewAddress: it came back at another address, under another boot, before
// anybody missed it, and leads the meta group. Nobody but it can mark its earlier run down, and until then its word is not taken.
func TestALeaderOfTheMetaGroupThatHasMovedIsKnownAtItsNewAddress(t *testing.T) {
	was := Describe{ID: ring.NodeID{1}, Addr: "10.0.0.1:1", PeerAddr: "10.0.0.1:2", Boot: 1}
	var m Member
	was.describes(&m)
	s := Bootstrap(ring.NodeID{9}, m, 2, 3)
	now := was
	now.Addr, now.PeerAddr, now.Boot = "10.0.0.7:1", "10.0.0.7:2", 2
	index, stamp := uint64(0), int64(1000)
	do := func(op Op) Result {
		t.Helper()
		index++
		command, err := EncodeCommand(RequestID{byte(index)}, op)
		if err != nil {
			t.Fatal(err)
		}
		r, err := s.Apply(index, stamp, command)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := do(&UpdateMember{Node: now}); r.Code != Conflict {
		t.Fatalf("%v: the test proves nothing", r)
	}
	v := View{NowMs: stamp, Alive: map[ring.NodeID]bool{}, MetaCaughtUp: map[uint64]bool{1: true}}
	if member := s.Member(was.ID); now.Is(member) {
		v.Alive[member.ID] = true
	}
	for _, op := range Plan(s, &v).Commands {
		do(op)
	}
	if r := do(&UpdateMember{Node: now}); r.Code != OK {
		t.Errorf("%v %s", r.Code, r.Text)
	}
	if m := s.Member(was.ID); m.PeerAddr != now.PeerAddr || !m.Up() || !now.Is(m) {
		t.Errorf("%+v", m)
	}
	again := now
	again.Boot++
	if !again.Is(s.Member(was.ID)) {
		t.Error("a node that starts anew where it was is to be marked down")
	}
}
