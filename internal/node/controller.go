package node

import (
	"context"
	"strconv"
	"time"

	"github.com/prakashpandey/vegadb/internal/meta"
	"github.com/prakashpandey/vegadb/internal/replica"
	"github.com/prakashpandey/vegadb/internal/ring"
)

// The settings of the whole cluster.
const (
	settingReplicas     = "replicas"
	settingMoveRate     = "move-rate"
	settingMaxMoves     = "max-moves"
	settingReplaceAfter = "replace-after"
)

// clusterSetting is one of them: what it means, and what it is until it is set.
type clusterSetting struct {
	key, value, about string
	check             func(value string) error
}

// clusterSettings is the table of settings that the meta group keeps.
func clusterSettings() []clusterSetting {
	return []clusterSetting{
		{settingReplicas, "3", "copies of each partition", checkInt(1, meta.MaxReplicas)},
		{settingMoveRate, "0", "bytes per second that each node sends of moving replicas; 0 for no limit", checkInt(0, 1<<40)},
		{settingMaxMoves, "4", "partitions that are on the move at a time", checkInt(1, 1024)},
		{settingReplaceAfter, "10m", "how long a node may be down until its replicas are made anew elsewhere", checkDuration},
	}
}

// setting returns a setting's value as the cluster has it.
func settingOf(view *meta.State, key string) string {
	if key == settingReplicas {
		return strconv.Itoa(view.Replicas)
	}
	for _, s := range view.Settings {
		if s.Key == key {
			return s.Value
		}
	}
	for _, s := range clusterSettings() {
		if s.key == key {
			return s.value
		}
	}
	return ""
}

const (
	controlEvery = 250 * time.Millisecond
	controlApart = 10 * time.Millisecond
	// firstImpressions is how long a node that has begun to lead the meta group waits until
	// it believes that those it has not heard of are down.
	firstImpressions = 5 * time.Second
)

// runController does, on the node that leads the meta group, what the state of the
// cluster calls for: see meta.Plan.
func (n *Node) runController() {
	defer n.wg.Done()
	tick := time.NewTicker(controlEvery)
	defer tick.Stop()
	var since time.Time // when this node began to lead
	for {
		select {
		case <-n.stop:
			return
		case <-tick.C:
		case <-n.cluster.control:
			select { // what one change brings comes together
			case <-time.After(controlApart):
			case <-n.stop:
				return
			}
		}
		view := n.meta.view.Load()
		v := meta.View{NowMs: n.Now(), Alive: map[ring.NodeID]bool{}, SilentMs: map[ring.NodeID]int64{}, Leaderless: map[int]bool{}, MetaCaughtUp: map[uint64]bool{}}
		leads := false
		if !n.worker.ask(func() { leads = n.fillView(&v) }) {
			return
		}
		if !leads {
			since = time.Time{}
			continue
		}
		if since.IsZero() {
			since = time.Now()
		}
		n.fillAlive(&v, view, time.Since(since) < firstImpressions)
		v.MaxMoves, _ = strconv.Atoi(settingOf(view, settingMaxMoves))
		if grace, err := time.ParseDuration(settingOf(view, settingReplaceAfter)); err == nil {
			v.GraceMs = grace.Milliseconds()
		}
		n.carryOutPlan(meta.Plan(view, &v))
	}
}

// fillView notes what the worker knows, and reports whether this node leads the meta
// group. On the worker.
func (n *Node) fillView(v *meta.View) bool {
	st, ok := n.worker.host.Status(0)
	if !ok || !st.Leads {
		return false
	}
	v.MetaCaughtUp[st.Replica] = true
	n.worker.host.Progress(0, func(p replica.Progress) { v.MetaCaughtUp[p.ID] = p.CaughtUp })
	for i := range n.partitions {
		if leader, _ := n.cluster.leaders.get(groupID(i)); leader.IsZero() && n.partitions[i].mode.Load() > modeConverting {
			v.Leaderless[i] = true
		}
	}
	return true
}

func (n *Node) fillAlive(v *meta.View, view *meta.State, everybody bool) {
	self := n.cluster.describe()
	for i := range view.Members {
		m := &view.Members[i]
		if self.Is(m) || n.hears(m.ID, m.Boot) || everybody && m.Up() {
			v.Alive[m.ID] = true
			continue
		}
		v.SilentMs[m.ID] = n.cluster.steadyMs() - max(n.lastHeard(m.ID), n.cluster.began.UnixMilli())
	}
}

func (n *Node) carryOutPlan(d meta.Decision) {
	for _, op := range d.Commands {
		ctx, cancel := context.WithTimeout(n.cluster.ctx, callPatience)
		result, err := n.proposeMeta(ctx, op)
		cancel()
		if err != nil {
			return // leadership is lost, or the majority
		}
		n.logger.Debug("controller", "command", op.Type(), "result", result.Code, "text", result.Text)
	}
}
