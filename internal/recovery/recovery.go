// Package recovery decides how a node's groups come back from its disk: from which snapshot on the log is replayed and what
// both must reach, how a record of the log finds its way into the replica, whether the log as a whole is what it was, and
// what a group is then.
//
//	groups[i] = recovery.New(loaded[i], floor, alone); groups[i].Apply, groups[i].Void = …
//	for each record of the log { groups[record.Group].Add(&record) }
//	recovery.Finish(groups, setApart)
//	node.CheckWhole(groups)           // before any of them does anything
//	node.FateOf(groups[i])
//
// It owns no goroutine and no file. Package node calls it from several goroutines, each for some of the groups; the simulator
// from one.
//
// # Invariants
//
//   - What a replica has voted and acknowledged is in the log alone. A node that has lost a part of it, because somebody
//     deleted a file of it, say, must not start: groups of which nothing is left would look as if they had never had peers,
//     and the node would serve them alone, beside those who really have them. A group's own recovery sees what does not join
//     up (replica.Recovery.Finish); CheckWhole sees what shows only when groups are compared with each other, and with what
//     the cluster has agreed on.
//   - What a replica held that was removed is not mixed with what a later one of the same group holds: it is void before the
//     first record of that.
package recovery

import (
	"errors"
	"fmt"

	"github.com/prakashpandey/vegadb/internal/meta"
	"github.com/prakashpandey/vegadb/internal/replica"
	"github.com/prakashpandey/vegadb/internal/ring"
	"github.com/prakashpandey/vegadb/internal/snapshot"
	"github.com/prakashpandey/vegadb/internal/wal"
)

// Group is one group on its way back: what puts its history together, and what its entries change.
type Group struct {
	*replica.Recovery
	// Apply applies an entry of any type; see Replay.
	Apply func(e replica.Entry) error
	// Damage judges what is wrong should the history prove incomplete; nil: no snapshot of the group is damaged.
	Damage *replica.Damage
	// Void empties the replica: what it held belonged to one that was removed.
	Void func()
}

// New returns a group's recovery from what was loaded. floor is up to where the log may have been given up; alone says that
// nobody else has ever relied on this replica.
func New(l *snapshot.Loaded, floor uint64, alone bool) *Group {
	reach := max(l.MustReach, floor, l.Meta.Index)
	g := &Group{Recovery: replica.NewRecovery(l.Group, replica.Base{
		Index: l.Meta.Index, Term: l.Meta.Term, Source: l.Path, Raft: l.Meta.Raft, Alone: alone, MustReach: reach,
	})}
	if l.Bad > l.Meta.Index && l.Group > 0 {
		g.Damage = replica.NewDamage(l.Group, l.Bad, reach)
	}
	return g
}

// Add takes the group's next record and applies what may be applied by then.
func (g *Group) Add(rec *wal.Record) error {
	if g.Damage != nil {
		g.Damage.Add(rec)
	}
	if g.Voids(rec) {
		g.Void()
	}
	now, err := g.Recovery.Add(rec)
	if err != nil {
		return err
	}
	if now {
		return g.Apply(replica.Entry{Type: rec.Type, Index: rec.Index, Term: rec.Term, Payload: rec.Payload})
	}
	for e := g.Next(); e != nil; e = g.Next() {
		if err := g.Apply(*e); err != nil {
			return err
		}
	}
	return nil
}

// Replay applies an entry of any type to a group whose configuration is conf: apply is for those with data, advance for the
// others.
func Replay(conf *replica.Configuration, e replica.Entry, apply func() error, advance func(index, term uint64, conf *replica.Configuration)) error {
	switch e.Type {
	case replica.RecordEntry:
		return apply()
	case replica.RecordConf:
		conf, err := conf.Replay(&e)
		if err != nil {
			return err
		}
		advance(e.Index, e.Term, conf)
	default:
		advance(e.Index, e.Term, nil)
	}
	return nil
}

// Finish says of all groups, by number, whether their history is complete. Of a partition whose is not, and if that of the
// meta group is, setApart is asked whether it has peers that can replace this node's replica; refusal says why not, if there
// is more to say than err does. nil: nothing is set apart.
func Finish(groups []*Group, setApart func(i int, err error) (apart bool, refusal string)) error {
	errs := make([]error, len(groups))
	for i, g := range groups {
		if errs[i] = g.Finish(); errs[i] == nil || i == 0 || errs[0] != nil || setApart == nil {
			continue
		}
		switch apart, refusal := setApart(i, errs[i]); {
		case apart:
			errs[i] = nil
		case refusal != "":
			errs[i] = fmt.Errorf("%w; %s", errs[i], refusal)
		}
	}
	return errors.Join(errs...)
}

// Node is what is known of the node when its groups have been recovered, each by itself.
type Node struct {
	ID        ring.NodeID
	Joined    bool        // it came to a cluster that was there; otherwise it began one
	Clustered bool        // it has been noted that others rely on it
	View      *meta.State // what the cluster has agreed on, as far as this node's replica of the meta group knows; may be nil
	// Damaged reports whether a partition's replica was set apart, because it is damaged; nil: none was.
	Damaged func(group uint32) bool
	// Configuration is a partition's, as its replica has it now.
	Configuration func(group uint32) *replica.Configuration
}

// CheckWhole is asked when every group has been recovered by itself, and before any of them does anything. groups are by
// number, the meta group first.
func (n *Node) CheckWhole(groups []*Group) error {
	var errs []error
	company := n.Clustered && !n.Joined
	for _, g := range groups[1:] {
		if n.FateOf(g) == Damaged {
			company = true
			continue
		}
		_, raft := g.Raft()
		company = company || raft || g.Gone() > 0
		if !raft {
			errs = append(errs, n.checkGone(g))
		}
	}
	// The meta group comes before all others on a node, and stays.
	if _, raft := groups[0].Raft(); !raft && company {
		errs = append(errs, replica.StateLost(0, "the node has, or has had, company, and the log says nothing of its replica of the meta group"))
	}
	return errors.Join(errs...)
}

// checkGone looks for signs that a partition that looks as if this node had no replica with peers of it, nor any more, has
// one after all.
func (n *Node) checkGone(g *Group) error {
	// A snapshot of a replica that came after the one whose removal the log knows of.
	for _, r := range n.Configuration(g.Group()).Replicas() {
		if g.Gone() > 0 && r.Node == n.ID && r.ID > g.Gone() {
			return replica.StateLost(g.Group(), fmt.Sprintf("its snapshot knows replica %d here, and the log only that replica %d was removed", r.ID, g.Gone()))
		}
	}
	if n.FateOf(g) == Absent {
		return nil // nothing is served until the cluster says so
	}
	if n.View == nil {
		return nil
	}
	// It was a group with peers when its leader reported this.
	if pl := n.View.Group(uint64(g.Group())); pl != nil && pl.ActualIndex > 0 {
		return replica.StateLost(g.Group(), fmt.Sprintf("the cluster knows its configuration at index %d, and the log knows of no other replica than this node's own", pl.ActualIndex))
	}
	return nil
}

// Fate is what a recovered partition is.
type Fate uint8

// The fates.
const (
	Peers   Fate = iota // a replica of a group with peers
	Absent              // nothing of this node's: what there is of it is to be dropped
	Alone               // a lone node's group
	Damaged             // a replica that was set apart: its peers are to replace it, and nothing of it changes until they have
)

// FateOf says what a recovered partition is.
func (n *Node) FateOf(g *Group) Fate {
	if n.Damaged != nil && n.Damaged(g.Group()) {
		return Damaged
	}
	if _, raft := g.Raft(); raft {
		return Peers
	}
	if n.Joined || g.Gone() > 0 {
		return Absent
	}
	return Alone
}
