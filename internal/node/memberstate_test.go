package node

import (
	"testing"

	"github.com/prakashpandey/vegadb/internal/meta"
	"github.com/prakashpandey/vegadb/internal/ring"
	"github.com/prakashpandey/vegadb/internal/wire"
)

func TestAMemberSStateIsToldWithTheTimeAtWhichItBegan(t *testing.T) {
	n := &Node{cluster: &cluster{self: ring.NodeID{9}}}
	const joined, since, down = 1_000, 50_000, 90_000
	for _, c := range []struct {
		name    string
		member  meta.Member
		answers bool
		want    wire.NodeStatus
	}{
		{"active", meta.Member{}, true, wire.NodeStatus{State: wire.NodeActive, Since: joined}},
		{"draining", meta.Member{State: meta.Draining, StateMs: since}, true, wire.NodeStatus{State: wire.NodeDraining, Since: since, Draining: true}},
		{"leaving", meta.Member{State: meta.Leaving, StateMs: since}, true, wire.NodeStatus{State: wire.NodeDraining, Since: since, Draining: true, Leaving: true}},
		{"down, and silent before", meta.Member{State: meta.Draining, StateMs: since, DownSinceMs: down}, false,
			wire.NodeStatus{State: wire.NodeDown, Since: down - silentMs, Draining: true}},
		{"not found to be down yet", meta.Member{}, false, wire.NodeStatus{State: wire.NodeDown}},
	} {
		c.member.ID, c.member.JoinedMs = ring.NodeID{1}, joined
		got := wire.NodeStatus{Replicas: 1}
		n.describeMember(&got, &c.member, c.answers)
		if got.State != c.want.State || got.Since != c.want.Since || got.Draining != c.want.Draining || got.Leaving != c.want.Leaving {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}
