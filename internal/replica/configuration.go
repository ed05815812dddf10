package replica

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"go.etcd.io/raft/v3/confchange"
	"go.etcd.io/raft/v3/raftpb"
	"go.etcd.io/raft/v3/tracker"
	"google.golang.org/protobuf/proto"

	"github.com/prakashpandey/vegadb/internal/mutant"
	"github.com/prakashpandey/vegadb/internal/ring"
)

// Configuration is who belongs to a group, as the group's own log says: Raft's
// configuration and the node of every replica in it. The zero Configuration is that
// of a replica that has not heard anything yet.
type Configuration struct {
	Index        uint64 // of the entry that made it; 0: the group was created with it
	Voters       []uint64
	Learners     []uint64
	Outgoing     []uint64 // voters of the configuration that is being left; empty unless joint
	LearnersNext []uint64 // learners once it has been left
	AutoLeave    bool
	// Revision is that of the newest target that the group was driven to. A leader whose
	// meta state is behind must not drive it back.
	Revision uint64
	nodes    []place // by replica id, ascending
}

type place struct {
	id   uint64
	node ring.NodeID
}

// Alone is the configuration of a group that was created on a lone node.
func Alone(node ring.NodeID) *Configuration {
	return &Configuration{Voters: []uint64{FirstReplica}, nodes: []place{{FirstReplica, node}}}
}

// Among returns the configuration of a group that is created with the given replicas:
// for tests and simulations, which need not let every group grow from one.
func Among(replicas ...Replica) *Configuration {
	c := &Configuration{}
	for _, r := range replicas {
		if r.Role == Learner {
			c.Learners = append(c.Learners, r.ID)
		} else {
			c.Voters = append(c.Voters, r.ID)
		}
		c.nodes = append(c.nodes, place{r.ID, r.Node})
	}
	slices.SortFunc(c.nodes, func(a, b place) int { return cmp.Compare(a.id, b.id) })
	return c
}

// FirstReplica is the id of the replica with which a group begins.
const FirstReplica = 1

// Joint reports whether the group is between two configurations.
func (c *Configuration) Joint() bool { return len(c.Outgoing) > 0 }

// Node returns where a replica lives.
func (c *Configuration) Node(id uint64) (ring.NodeID, bool) {
	at, ok := slices.BinarySearchFunc(c.nodes, id, func(p place, id uint64) int { return cmp.Compare(p.id, id) })
	if !ok {
		return ring.NodeID{}, false
	}
	return c.nodes[at].node, true
}

// Has reports whether replica id belongs to the group, in whatever role.
func (c *Configuration) Has(id uint64) bool {
	return slices.Contains(c.Voters, id) || slices.Contains(c.Learners, id) || slices.Contains(c.Outgoing, id)
}

// Replicas returns the replicas with their roles, by id. While the group is joint,
// the voters of both configurations count as voters.
func (c *Configuration) Replicas() []Replica {
	all := make([]Replica, 0, len(c.nodes))
	for _, p := range c.nodes {
		switch {
		case slices.Contains(c.Voters, p.id), slices.Contains(c.Outgoing, p.id):
			all = append(all, Replica{p.id, p.node, Voter})
		case slices.Contains(c.Learners, p.id):
			all = append(all, Replica{p.id, p.node, Learner})
		}
	}
	return all
}

// confState is the configuration as Raft has it.
func (c *Configuration) confState() *raftpb.ConfState {
	return &raftpb.ConfState{
		Voters: c.Voters, Learners: c.Learners, VotersOutgoing: c.Outgoing, LearnersNext: c.LearnersNext,
		AutoLeave: proto.Bool(c.AutoLeave),
	}
}

// changed returns the configuration after a change made by the entry at index: Raft's
// new state, and the nodes that the change's context tells of.
func (c *Configuration) changed(index uint64, cs *raftpb.ConfState, context []byte) (*Configuration, error) {
	next := &Configuration{
		Index: index, Voters: slices.Clone(cs.GetVoters()), Learners: slices.Clone(cs.GetLearners()),
		Outgoing: slices.Clone(cs.GetVotersOutgoing()), LearnersNext: slices.Clone(cs.GetLearnersNext()), AutoLeave: cs.GetAutoLeave(),
		Revision: c.Revision,
	}
	d := decoder{b: context}
	if len(context) > 0 { // leaving a joint configuration has none
		next.Revision = max(next.Revision, d.uvarint())
	}
	next.nodes = slices.Clone(c.nodes)
	for _, added := range d.places() {
		next.nodes = slices.DeleteFunc(next.nodes, func(p place) bool { return p.id == added.id })
		next.nodes = append(next.nodes, added)
	}
	if d.failed {
		return nil, fmt.Errorf("index %d: a configuration change with a context that cannot be read", index)
	}
	next.nodes = slices.DeleteFunc(next.nodes, func(p place) bool { return !next.Has(p.id) })
	slices.SortFunc(next.nodes, func(a, b place) int { return cmp.Compare(a.id, b.id) })
	return next, nil
}

// append encodes the configuration.
func (c *Configuration) append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, c.Index)
	dst = binary.AppendUvarint(dst, c.Revision)
	for _, ids := range [][]uint64{c.Voters, c.Learners, c.Outgoing, c.LearnersNext} {
		ids = slices.Sorted(slices.Values(ids))
		dst = binary.AppendUvarint(dst, uint64(len(ids)))
		for _, id := range ids {
			dst = binary.AppendUvarint(dst, id)
		}
	}
	leave := byte(0)
	if c.AutoLeave {
		leave = 1
	}
	return appendPlaces(append(dst, leave), c.nodes)
}

func appendPlaces(dst []byte, places []place) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(places)))
	for _, p := range places {
		dst = binary.AppendUvarint(dst, p.id)
		dst = append(dst, p.node[:]...)
	}
	return dst
}

func (d *decoder) configuration() *Configuration {
	c := &Configuration{Index: d.uvarint(), Revision: d.uvarint()}
	for _, ids := range []*[]uint64{&c.Voters, &c.Learners, &c.Outgoing, &c.LearnersNext} {
		for range d.count(1) {
			*ids = append(*ids, d.uvarint())
		}
	}
	c.AutoLeave = d.byte() == 1
	c.nodes = d.places()
	return c
}

// changeContext is what travels with a configuration change.
func changeContext(revision uint64, added []place) []byte {
	return appendPlaces(binary.AppendUvarint(nil, revision), added)
}

// Replay returns the configuration after the change of a RecordConf read back from
// the log.
func (c *Configuration) Replay(e *Entry) (*Configuration, error) {
	var cc raftpb.ConfChangeV2
	if err := proto.Unmarshal(e.Payload, &cc); err != nil {
		return nil, fmt.Errorf("index %d: a configuration change that cannot be read: %w", e.Index, err)
	}
	changer := confchange.Changer{Tracker: tracker.MakeProgressTracker(1, 0), LastIndex: e.Index}
	cfg, progress, err := confchange.Restore(changer, c.confState())
	if err != nil {
		return nil, fmt.Errorf("index %d: the configuration before it makes no sense: %w", e.Index, err)
	}
	changer.Tracker.Config, changer.Tracker.Progress = cfg, progress
	if mutant.On(mutant.NaiveSwap) && len(cc.Changes) > 0 { // see Raft.change
		for _, one := range cc.Changes {
			if cfg, progress, err = changer.Simple(one); err != nil {
				break
			}
			changer.Tracker.Config, changer.Tracker.Progress = cfg, progress
		}
	} else if cc.LeaveJoint() {
		cfg, progress, err = changer.LeaveJoint()
	} else if autoLeave, joint := cc.EnterJoint(); joint {
		cfg, progress, err = changer.EnterJoint(autoLeave, cc.Changes...)
	} else {
		cfg, progress, err = changer.Simple(cc.Changes...)
	}
	if err != nil {
		return nil, fmt.Errorf("index %d: a configuration change that cannot be made: %w", e.Index, err)
	}
	changer.Tracker.Config, changer.Tracker.Progress = cfg, progress
	return c.changed(e.Index, changer.Tracker.ConfState(), cc.GetContext())
}

// check reports why Raft could not take the configuration over with a snapshot.
func (c *Configuration) check() error {
	changer := confchange.Changer{Tracker: tracker.MakeProgressTracker(1, 0), LastIndex: c.Index}
	cfg, progress, err := confchange.Restore(changer, c.confState())
	switch {
	case err != nil:
		return err
	case len(c.Voters) == 0:
		return errors.New("it has no voters")
	}
	changer.Tracker.Config, changer.Tracker.Progress = cfg, progress
	return c.confState().Equivalent(changer.Tracker.ConfState())
}

func (d *decoder) places() (all []place) {
	if len(d.b) == 0 {
		return nil
	}
	for range d.count(17) {
		p := place{id: d.uvarint()}
		copy(p.node[:], d.bytes(16))
		all = append(all, p)
	}
	return all
}
