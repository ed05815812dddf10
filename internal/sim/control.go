package sim

import (
	"time"

	"github.com/prakashpandey/vegadb/internal/meta"
	"github.com/prakashpandey/vegadb/internal/replica"
	"github.com/prakashpandey/vegadb/internal/ring"
)

// controlEvery has the controller look now and then.
func (n *node) controlEvery() {
	n.later(controlEveryMs*milli, n.controlEvery)
	n.control()
}

// controlSoon has it look at what has changed.
func (n *node) controlSoon() {
	if n.m.controls {
		return
	}
	n.m.controls = true
	n.later(controlApartMs*milli, func() {
		n.m.controls = false
		n.control()
	})
}

// control does, on the node that leads the meta group, what the state of the cluster calls for: what package node's
// controller does.
func (n *node) control() {
	m, view := n.m, n.view()
	if view == nil || m.planning {
		return
	}
	v := meta.View{NowMs: n.clockMs(), Alive: map[ring.NodeID]bool{}, SilentMs: map[ring.NodeID]int64{}, MetaCaughtUp: map[uint64]bool{}}
	st, ok := n.host.Status(0)
	if !ok || !st.Leads {
		m.since = -1
		return
	}
	if m.since < 0 {
		m.since = n.nowMs()
	}
	v.MetaCaughtUp[st.Replica] = true
	n.host.Progress(0, func(p replica.Progress) { v.MetaCaughtUp[p.ID] = p.CaughtUp })
	everybody := n.nowMs()-m.since < firstImpressionsMs
	self := n.describe()
	for i := range view.Members {
		peer := &view.Members[i]
		if self.Is(peer) || n.hears(peer.ID, peer.Boot) || everybody && peer.Up() {
			v.Alive[peer.ID] = true
			continue
		}
		v.SilentMs[peer.ID] = n.nowMs() - m.heard[peer.ID].at // not heard of: since the start
	}
	if grace, err := time.ParseDuration(view.Setting("replace-after")); err == nil {
		v.GraceMs = grace.Milliseconds()
	}
	m.planning = true
	n.carryOutPlan(meta.Plan(view, &v).Commands)
}

// carryOutPlan proposes commands one after the other.
func (n *node) carryOutPlan(commands []meta.Op) {
	if len(commands) == 0 {
		n.m.planning = false
		return
	}
	n.proposeMeta(commands[0], callPatienceMs, func(_ meta.Result, ok bool) {
		if !ok { // leadership is lost, or the majority
			commands = commands[:1]
		}
		n.carryOutPlan(commands[1:])
	})
}
