package sim

import (
	"encoding/binary"
	"fmt"

	"github.com/prakashpandey/vegadb/internal/datadir"
	"github.com/prakashpandey/vegadb/internal/meta"
	"github.com/prakashpandey/vegadb/internal/replica"
	"github.com/prakashpandey/vegadb/internal/ring"
	"github.com/prakashpandey/vegadb/internal/wal"
)

// foundCluster decides with which members and placements a world begins, as the commands of the meta group and its
// controller make them, and which nodes may join it later.
func (s *Sim) foundCluster() {
	rng, cfg := s.operator.rng, &s.cfg
	spares, replicas, impatient := 1+rng.IntN(3), 3, rng.IntN(2) == 0
	if rng.IntN(3) == 0 {
		replicas = min(5, cfg.Nodes)
	}
	if cfg.Spares == 0 {
		cfg.Spares = spares
	}
	if cfg.Replicas == 0 {
		cfg.Replicas = replicas
	}
	founder := meta.Member{JoinedMs: epochMs}
	self := s.nodes[0].describe()
	founder.ID, founder.Addr, founder.PeerAddr, founder.Zone = self.ID, self.Addr, self.PeerAddr, self.Zone
	founder.Capacity, founder.Version, founder.Boot = self.Capacity, self.Version, self.Boot
	st := meta.Bootstrap(ring.NodeID(s.cluster), founder, cfg.Partitions, cfg.Replicas)
	do := func(op meta.Op) {
		var id meta.RequestID
		binary.BigEndian.PutUint64(id[:], st.Index+1)
		command, err := meta.EncodeCommand(id, op)
		if err != nil {
			panic(err)
		}
		if r, err := st.Apply(st.Index+1, epochMs, command); err != nil || r.Code != meta.OK {
			panic(fmt.Sprintf("%s: %v %s, %v", op.Type(), r.Code, r.Text, err))
		}
	}
	for i := 2; i <= cfg.Nodes; i++ {
		do(&meta.Join{Cluster: st.Cluster, Partitions: cfg.Partitions, Node: s.nodes[i-1].describe()})
	}
	if impatient {
		do(&meta.SetSetting{Key: "replace-after", Value: "1s"})
	}
	v := meta.View{NowMs: epochMs, Alive: map[ring.NodeID]bool{}, MetaCaughtUp: map[uint64]bool{}, MaxMoves: cfg.Partitions}
	for i := 1; i <= cfg.Nodes; i++ {
		v.Alive[nodeID(i)], v.MetaCaughtUp[uint64(i)] = true, true
	}
	for before := uint64(0); before != st.Index; {
		before = st.Index
		for g := range uint64(cfg.Partitions + 1) {
			if pl := st.Group(g); !pl.Settled() || pl.ActualIndex == 0 {
				do(&meta.Report{Groups: []meta.GroupReport{{Group: g, Index: pl.ActualIndex + 1, Replicas: pl.Target}}})
			}
		}
		for _, op := range meta.Plan(st, &v).Commands {
			do(op)
		}
	}
	s.founding, s.witness.newest = st, st
	for g := range uint64(cfg.Partitions + 1) {
		s.witness.begins(uint32(g), configurationOf(st.Group(g)))
	}
	for i := 1; i <= cfg.Spares; i++ {
		n := newNode(s, cfg.Nodes+i)
		n.unborn, n.dark = true, true
		s.nodes = append(s.nodes, n)
	}
}

// configurationOf is a group's configuration as its placement says it is.
func configurationOf(pl *meta.Placement) *replica.Configuration {
	var all []replica.Replica
	for _, r := range pl.Actual {
		role := replica.Voter
		if r.Role == meta.Learner {
			role = replica.Learner
		}
		all = append(all, replica.Replica{ID: r.ID, Node: r.Node, Role: role})
	}
	conf := replica.Among(all...)
	conf.Index, conf.Revision = pl.ActualIndex, pl.Revision
	return conf
}

// formatMember gives the node the replicas that it has as the cluster begins.
func (n *node) formatMember(dir *datadir.Dir, log *wal.Log) {
	for group := range uint32(n.s.cfg.Partitions + 1) {
		pl := n.s.founding.Group(uint64(group))
		at := replica.State{Term: 1, Index: pl.ActualIndex, Stamp: epochMs}
		if group == 0 {
			at.Index = n.s.founding.Index
		}
		g := replica.NewGroup(group, at)
		g.SetConfiguration(configurationOf(pl))
		state := g.AppendState(nil)
		if group == 0 {
			state = metaImage(g, n.s.founding)
		}
		for _, r := range pl.Actual {
			if r.Node == n.id {
				n.formatGroup(dir, log, group, at, state, r.ID)
			}
		}
	}
}
