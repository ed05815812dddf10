package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/prakashpandey/vegadb/internal/meta"
	"github.com/prakashpandey/vegadb/internal/replica"
	"github.com/prakashpandey/vegadb/internal/ring"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// ErrNotClustered answers what only a node with peers can do.
var ErrNotClustered = errors.New("this node was started without a peer address: it is not part of a cluster")

// Admin carries out one administrative request of JSON, as docs/protocol.md
// describes them under ADMIN, and returns JSON.
func (n *Node) Admin(ctx context.Context, request []byte) ([]byte, error) {
	var r wire.AdminRequest
	if err := r.Decode(request); err != nil {
		return nil, err
	}
	if n.cluster == nil {
		return nil, ErrNotClustered
	}
	ctx, cancel := context.WithTimeout(ctx, 2*callPatience)
	defer cancel()
	var node ring.NodeID
	if r.Node != "" {
		id, err := ring.ParseNodeID(r.Node)
		if err != nil {
			return nil, &wire.Error{Status: wire.InvalidArgument, Text: err.Error()}
		}
		node = id
	}
	switch r.Op {
	case wire.AdminStatus:
		return json.Marshal(n.clusterStatus(ctx))
	case wire.AdminDrain:
		return n.change(ctx, &meta.Drain{Node: node}, "its replicas and leaderships go to other nodes")
	case wire.AdminUndrain:
		return n.change(ctx, &meta.Undrain{Node: node}, "it takes part again")
	case wire.AdminRemove:
		message := "it ceases to be a member once its replicas are elsewhere"
		if r.Force {
			message = "it is no member any more; the replicas it had are made anew on other nodes"
		}
		return n.change(ctx, &meta.Remove{Node: node, Force: r.Force}, message)
	case wire.AdminRebalance:
		return n.change(ctx, &meta.RequestRebalance{}, "")
	case wire.AdminPause:
		return n.change(ctx, &meta.Pause{}, "no further replica is moved")
	case wire.AdminResume:
		return n.change(ctx, &meta.Resume{}, "")
	case wire.AdminTransfer:
		return n.adminTransfer(ctx, *r.Partition, node)
	case wire.AdminSettings:
		return n.adminSettings(ctx, &r)
	case wire.AdminUsers:
		return n.adminUsers(ctx, &r)
	}
	return nil, wire.ErrAdminOp
}

// change has the meta group carry out op.
func (n *Node) change(ctx context.Context, op meta.Op, message string) ([]byte, error) {
	before := n.meta.view.Load().Epoch
	result, err := n.proposeMeta(ctx, op)
	if err != nil {
		return nil, &wire.Error{Status: wire.UnknownOutcome, Text: err.Error()}
	}
	if result.Code != meta.OK {
		return nil, &wire.Error{Status: wire.InvalidArgument, Text: result.Text}
	}
	if result.Text != "" {
		message = result.Text
	}
	after := n.meta.view.Load().Epoch
	return json.Marshal(wire.AdminReply{Epoch: after, Changed: after != before, Message: message})
}

func (n *Node) adminSettings(ctx context.Context, r *wire.AdminRequest) ([]byte, error) {
	view := n.meta.view.Load()
	reply := wire.AdminSettingsReply{Epoch: view.Epoch}
	if r.Key != "" {
		op, err := settingOp(r.Key, r.Value)
		if err != nil {
			return nil, &wire.Error{Status: wire.InvalidArgument, Text: err.Error()}
		}
		result, err := n.proposeMeta(ctx, op)
		if err != nil {
			return nil, &wire.Error{Status: wire.UnknownOutcome, Text: err.Error()}
		}
		if result.Code != meta.OK {
			return nil, &wire.Error{Status: wire.InvalidArgument, Text: result.Text}
		}
		before := settingOf(view, r.Key)
		view = n.meta.view.Load()
		reply.Epoch, reply.Changed = view.Epoch, settingOf(view, r.Key) != before
	}
	for _, s := range clusterSettings() {
		reply.Settings = append(reply.Settings, wire.AdminSetting{Key: s.key, Value: settingOf(view, s.key), Default: s.value, Describe: s.about})
	}
	return json.Marshal(reply)
}

func settingOp(key, value string) (meta.Op, error) {
	for _, s := range clusterSettings() {
		if s.key != key {
			continue
		}
		if err := s.check(value); err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		if key == settingReplicas {
			replicas, err := strconv.Atoi(value)
			return &meta.SetReplicas{Replicas: replicas}, err
		}
		return &meta.SetSetting{Key: key, Value: value}, nil
	}
	return nil, fmt.Errorf("there is no setting %q of the cluster", key)
}

func checkInt(least, most int) func(string) error {
	return func(value string) error {
		v, err := strconv.Atoi(value)
		if err != nil || v < least || v > most {
			return fmt.Errorf("%q is not a number from %d to %d", value, least, most)
		}
		return nil
	}
}

func checkDuration(value string) error {
	d, err := time.ParseDuration(value)
	if err != nil || d < time.Second || d > 365*24*time.Hour {
		return fmt.Errorf("%q is not a time from 1s to a year, such as 10m", value)
	}
	return nil
}

// errNoAdmin refuses users of whom none could ever change them again.
var errNoAdmin = &wire.Error{Status: wire.InvalidArgument, Text: "users: none of them has the role admin, so nobody could change them again"}

func (n *Node) adminUsers(ctx context.Context, r *wire.AdminRequest) ([]byte, error) {
	hooks := n.cluster.o.Users
	if hooks == nil {
		return nil, &wire.Error{Status: wire.Unsupported, Text: "this node does not manage users"}
	}
	view := n.meta.view.Load()
	reply := wire.AdminUsersReply{Epoch: view.Epoch, Source: "file"}
	if r.Document != "" {
		users, err := hooks.Check(r.Document)
		if err != nil {
			return nil, &wire.Error{Status: wire.InvalidArgument, Text: err.Error()}
		}
		if !slices.ContainsFunc(users, func(u wire.AdminUser) bool { return u.Role == "admin" }) {
			return nil, errNoAdmin
		}
		result, err := n.proposeMeta(ctx, &meta.SetUsers{Document: r.Document})
		if err != nil {
			return nil, &wire.Error{Status: wire.UnknownOutcome, Text: err.Error()}
		}
		if result.Code != meta.OK {
			return nil, &wire.Error{Status: wire.InvalidArgument, Text: result.Text}
		}
		before := view.UsersDoc
		view = n.meta.view.Load()
		reply.Epoch, reply.Changed = view.Epoch, view.UsersDoc != before
	}
	if view.UsersDoc != "" {
		users, err := hooks.Check(view.UsersDoc)
		if err != nil {
			return nil, err
		}
		reply.Source, reply.Users = "cluster", users
	}
	return json.Marshal(reply)
}

// transferRequest asks the leader of a partition to hand it to another node.
type transferRequest struct {
	Partition int         `json:"partition"`
	Node      ring.NodeID `json:"node"`
}

func (n *Node) adminTransfer(ctx context.Context, partition int, node ring.NodeID) ([]byte, error) {
	if partition >= len(n.partitions) {
		return nil, &wire.Error{Status: wire.InvalidArgument, Text: fmt.Sprintf("there are partitions 0 to %d", len(n.partitions)-1)}
	}
	if leader, _ := n.cluster.leaders.get(groupID(partition)); leader == node {
		return json.Marshal(wire.AdminReply{Epoch: n.meta.view.Load().Epoch})
	}
	body, err := json.Marshal(transferRequest{partition, node})
	if err != nil {
		return nil, err
	}
	// The node that is to lead is told first: it would hand the partition back at once.
	if node == n.cluster.self {
		err = n.answerHold(body)
	} else {
		_, err = n.cluster.transport.CallNode(ctx, node, callHold, body)
	}
	if err != nil {
		return nil, &wire.Error{Status: wire.Unavailable, Text: fmt.Sprintf("the node %v does not answer: %v", node, err)}
	}
	var to *NotLeaderError
	switch err := n.Leader(n.partitions[partition]); {
	case err == nil:
		err = n.answerTransfer(body)
		if err != nil {
			return nil, &wire.Error{Status: wire.InvalidArgument, Text: err.Error()}
		}
	case errors.As(err, &to):
		if _, err := n.cluster.transport.CallNode(ctx, to.Leader, callTransfer, body); err != nil {
			return nil, &wire.Error{Status: wire.Unavailable, Text: err.Error()}
		}
	default:
		return nil, err
	}
	deadline := time.After(callPatience)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if leader, _ := n.cluster.leaders.get(groupID(partition)); leader == node {
			return json.Marshal(wire.AdminReply{Epoch: n.meta.view.Load().Epoch, Changed: true})
		}
		select {
		case <-tick.C:
		case <-deadline:
			return nil, &wire.Error{Status: wire.Unavailable, Text: "the partition was not handed over in time: has the node a replica that has caught up?"}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// decodeTransfer reads a transferRequest.
func (n *Node) decodeTransfer(body []byte) (r transferRequest, err error) {
	if err := json.Unmarshal(body, &r); err != nil || r.Partition < 0 || r.Partition >= len(n.partitions) {
		return r, fmt.Errorf("not a request to hand over a partition: %.100s", body)
	}
	return r, nil
}

// answerHold makes this node keep a partition that it is about to lead, although
// another replica may be preferred.
func (n *Node) answerHold(body []byte) error {
	r, err := n.decodeTransfer(body)
	if err == nil && !n.worker.ask(func() { n.hold(groupID(r.Partition)) }) {
		return ErrClosed
	}
	return err
}

// hold keeps a group from being handed to a replica that is preferred, for a while.
// On the worker.
func (n *Node) hold(group uint32) {
	n.cluster.mover.Hold(group, time.Now().Add(holdTransfer))
}

// answerTransfer begins to hand a partition that this node leads to another. It stays
// there for holdTransfer.
func (n *Node) answerTransfer(body []byte) error {
	r, err := n.decodeTransfer(body)
	if err != nil {
		return err
	}
	group := groupID(r.Partition)
	asked := n.worker.ask(func() {
		st, ok := n.worker.host.Status(group)
		if !ok || !st.Leads {
			err = fmt.Errorf("partition %d is not led here", r.Partition)
			return
		}
		for _, rep := range st.Conf.Replicas() {
			if rep.Node == r.Node && rep.Role == replica.Voter {
				n.hold(group)
				n.worker.transfer(group, rep.ID)
				return
			}
		}
		err = fmt.Errorf("node %v has no replica of partition %d with a vote", r.Node, r.Partition)
	})
	if !asked {
		return ErrClosed
	}
	return err
}

// holdTransfer is how long a partition that was handed over by hand is not handed on.
const holdTransfer = time.Minute

// nodeReport is what a node tells of itself for a status.
type nodeReport struct {
	Node       wire.NodeStatus        `json:"node"`
	Partitions []wire.PartitionStatus `json:"partitions"` // those that it leads
	Sends      []sendReport           `json:"sends,omitempty"`
}

// sendReport is a snapshot on its way from the node that tells of it.
type sendReport struct {
	Partition int         `json:"partition"`
	To        ring.NodeID `json:"to"`
	Sent      int64       `json:"sent"` // bytes of the file
	Total     int64       `json:"total"`
	TookMs    int64       `json:"took_ms"`
}

// localStatus is this node's share of a status.
func (n *Node) localStatus() nodeReport {
	r := nodeReport{Sends: n.sendsNow()}
	for _, group := range n.cluster.damagedGroups() {
		r.Node.Damaged = append(r.Node.Damaged, int(group)-1)
	}
	n.worker.ask(func() {
		for i, p := range n.partitions {
			mode := p.mode.Load()
			if mode == modeAbsent {
				continue
			}
			keys, bytes := int64(p.Table.Len()), p.Table.Bytes()
			r.Node.Replicas++
			r.Node.Keys += keys
			r.Node.Bytes += bytes
			part := wire.PartitionStatus{Number: i, Keys: keys, Bytes: bytes, Leader: n.nodeID}
			if mode != modeRaft {
				r.Node.Leads++
				part.Replicas = []wire.ReplicaStatus{{Node: n.nodeID, ID: replica.FirstReplica, Role: wire.ReplicaVoter, Match: n.Applied(p)}}
				part.Commit = n.Applied(p)
				r.Partitions = append(r.Partitions, part)
				continue
			}
			st, ok := n.worker.host.Status(groupID(i))
			if !ok {
				continue
			}
			r.Node.AppliedLag += st.Commit - min(st.Applied, st.Commit)
			if st.Leads {
				r.Node.Leads++
				n.fillPartition(&part, &st)
				r.Partitions = append(r.Partitions, part)
			}
		}
	})
	return r
}

// fillPartition says of a partition what its leader knows. On the worker.
func (n *Node) fillPartition(part *wire.PartitionStatus, st *replica.Status) {
	part.Term, part.Commit, part.Epoch = st.Term, st.Commit, st.Conf.Index
	progress := map[uint64]replica.Progress{}
	n.worker.host.Progress(st.Group, func(p replica.Progress) { progress[p.ID] = p })
	for _, rep := range st.Conf.Replicas() {
		s := wire.ReplicaStatus{Node: rep.Node.String(), ID: rep.ID, Role: wire.ReplicaVoter, Match: progress[rep.ID].Match}
		if rep.Role == replica.Learner {
			s.Role = wire.ReplicaLearner
		}
		switch p := progress[rep.ID]; {
		case rep.ID == st.Replica:
			s.Match = st.Last
		case p.Snapshot:
			s.State = "snapshot"
		case p.CaughtUp:
			s.State = "replicate"
		default:
			s.State = "probe"
		}
		part.Replicas = append(part.Replicas, s)
	}
}

// clusterStatus gathers what all nodes say of themselves.
func (n *Node) clusterStatus(ctx context.Context) *wire.ClusterStatus {
	view := n.meta.view.Load()
	reports := n.gatherReports(ctx, view)
	s := &wire.ClusterStatus{
		TimeMs: time.Now().UnixMilli(), ClusterID: n.clusterID, Node: n.nodeID, Epoch: view.Epoch, Paused: view.Paused, Replicas: view.Replicas,
		Partitions: make([]wire.PartitionStatus, len(n.partitions)), Moves: []wire.MoveStatus{}, Nodes: []wire.NodeStatus{},
	}
	if leader, term := n.cluster.leaders.get(0); !leader.IsZero() {
		s.Meta.Leader, s.Meta.Term = leader.String(), term
	}
	roles := map[ring.NodeID]string{}
	for _, r := range view.Meta.Actual {
		roles[r.Node] = r.Role.String()
		if r.Role == meta.Voter {
			s.Meta.Voters = append(s.Meta.Voters, r.Node.String())
		}
	}
	targets, holds := map[ring.NodeID]int{}, map[ring.NodeID]int{}
	for i := range view.Placements {
		for _, r := range view.Placements[i].Target {
			targets[r.Node]++
		}
		for _, r := range view.Placements[i].Actual {
			holds[r.Node]++
		}
	}
	for i := range view.Members {
		m := &view.Members[i]
		report, answers := reports[m.ID]
		node := report.Node
		if !answers {
			node.Replicas = holds[m.ID]
		}
		n.describeMember(&node, m, answers)
		node.Meta, node.Target = roles[m.ID], targets[m.ID]
		s.Nodes = append(s.Nodes, node)
	}
	for i := range s.Partitions {
		s.Partitions[i] = wire.PartitionStatus{Number: i, Replicas: []wire.ReplicaStatus{}}
	}
	for _, r := range reports {
		for _, part := range r.Partitions {
			if part.Number < len(s.Partitions) && part.Term >= s.Partitions[part.Number].Term {
				s.Partitions[part.Number] = part
			}
		}
	}
	for i := range s.Partitions {
		pl := &view.Placements[i]
		if len(s.Partitions[i].Replicas) == 0 {
			n.describeUnled(&s.Partitions[i], pl)
		}
		s.Partitions[i].Moving = !pl.Settled()
		for _, r := range pl.Target {
			s.Partitions[i].Target = append(s.Partitions[i].Target, r.Node.String())
		}
	}
	for _, m := range meta.Moves(view) {
		s.Moves = append(s.Moves, moveStatus(&m, &s.Partitions[m.Partition], reports))
	}
	s.MovesWaiting = meta.Waiting(view)
	return s
}

// describeUnled says of a partition whose leader has not answered what the meta state
// knows.
func (n *Node) describeUnled(part *wire.PartitionStatus, pl *meta.Placement) {
	if leader, term := n.cluster.leaders.get(groupID(part.Number)); !leader.IsZero() {
		part.Leader, part.Term = leader.String(), term
	}
	for _, r := range pl.Actual {
		part.Replicas = append(part.Replicas, wire.ReplicaStatus{Node: r.Node.String(), ID: uint64(r.ID), Role: r.Role.String()})
	}
}

// moveStatus says how far a move is: from what its leader has sent of a snapshot, or from
// how much of the log the new replica has. Bytes are those of memory, whatever the snapshot's
// file takes.
func moveStatus(m *meta.Move, part *wire.PartitionStatus, reports map[ring.NodeID]nodeReport) wire.MoveStatus {
	s := wire.MoveStatus{Partition: m.Partition, SecondsLeft: -1, BytesTotal: part.Bytes}
	if !m.From.IsZero() {
		s.From = m.From.String()
	}
	if !m.To.IsZero() {
		s.To = m.To.String()
	}
	switch m.Step {
	case meta.Adding:
		s.Step = wire.MoveLearner
	case meta.Copying:
		s.Step = wire.MoveCatchingUp
		for _, r := range reports {
			for _, at := range r.Sends {
				if at.Partition == m.Partition && at.To == m.To {
					at.show(&s)
				}
			}
		}
		for _, r := range part.Replicas {
			if r.Node == s.To && part.Commit > 0 && r.Match > 0 {
				s.BytesDone = share(part.Bytes, int64(min(r.Match, part.Commit)), int64(part.Commit))
			}
		}
	case meta.Removing:
		s.Step, s.BytesDone = wire.MoveRemoving, part.Bytes
	}
	if s.BytesTotal > 0 {
		s.BytesDone = min(s.BytesDone, s.BytesTotal)
		s.Percent = 100 * float64(s.BytesDone) / float64(s.BytesTotal)
	}
	if s.BytesPerSecond > 0 {
		s.SecondsLeft = (s.BytesTotal - s.BytesDone) / s.BytesPerSecond
	}
	return s
}

// show says of a move what has been sent of its snapshot.
func (r *sendReport) show(s *wire.MoveStatus) {
	s.BytesDone = share(s.BytesTotal, r.Sent, r.Total)
	s.BytesPerSecond = share(s.BytesDone, 1000, r.TookMs)
}

// share is whole × part ÷ of, without an overflow; 0 of nothing.
func share(whole, part, of int64) int64 {
	if of <= 0 {
		return 0
	}
	return int64(float64(whole) * float64(part) / float64(of))
}

// describeMember adds what the meta state says of a node. One that does not answer
// counts as down here before the cluster acts on it: whoever waits for the cluster
// to be whole must not be told so in between.
func (n *Node) describeMember(s *wire.NodeStatus, m *meta.Member, answers bool) {
	s.ID, s.Addr, s.PeerAddr, s.AdminAddr = m.ID.String(), m.Addr, m.PeerAddr, m.AdminAddr
	s.Zone, s.Capacity, s.Version, s.Since = m.Zone, int(m.Capacity), m.Version, max(m.JoinedMs, m.StateMs)
	s.Draining, s.Leaving = m.State == meta.Draining || m.State == meta.Leaving, m.State == meta.Leaving
	switch {
	case m.ID == n.cluster.self:
	case n.lastHeard(m.ID) == 0:
		s.LastSeenMsAgo = -1
	default:
		s.LastSeenMsAgo = max(1, n.cluster.steadyMs()-n.lastHeard(m.ID))
	}
	if s.State = memberState(m, s.Replicas, answers); s.State == wire.NodeDown {
		if s.Since = max(m.DownSinceMs-silentMs, 1); m.Up() { // it was silent before it was found to be down
			s.Since = n.lastHeardUnix(m.ID)
		}
	}
}

// memberState is a member's state as people are told.
func memberState(m *meta.Member, replicas int, answers bool) string {
	switch {
	case m.State == meta.Removed:
		return wire.NodeRemoved
	case !m.Up() || !answers:
		return wire.NodeDown
	case m.State != meta.Active:
		return wire.NodeDraining
	case replicas == 0:
		return wire.NodeJoining
	}
	return wire.NodeActive
}

// gatherReports asks every node that can be heard, side by side.
func (n *Node) gatherReports(ctx context.Context, view *meta.State) map[ring.NodeID]nodeReport {
	reports := map[ring.NodeID]nodeReport{n.cluster.self: n.localStatus()}
	var mu sync.Mutex
	var all sync.WaitGroup
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	for i := range view.Members {
		id := view.Members[i].ID
		if id == n.cluster.self || !n.hears(id, view.Members[i].Boot) {
			continue
		}
		all.Add(1)
		go func() {
			defer all.Done()
			b, err := n.cluster.transport.CallNode(ctx, id, callStatus, nil)
			var r nodeReport
			if err != nil || json.Unmarshal(b, &r) != nil {
				return
			}
			mu.Lock()
			reports[id] = r
			mu.Unlock()
		}()
	}
	all.Wait()
	return reports
}
