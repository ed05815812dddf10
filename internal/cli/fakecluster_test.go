package cli

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/prakashpandey/vegadb/internal/wire"
)

// fakeCluster is a server that knows ADMIN and nothing else of use. Its state is
// a status that tests change.
type fakeCluster struct {
	t        testing.TB
	listener net.Listener
	wg       sync.WaitGroup

	mu       sync.Mutex
	conns    map[net.Conn]bool    // guarded by mu
	status   wire.ClusterStatus   // guarded by mu
	requests []wire.AdminRequest  // guarded by mu; all but status
	looks    int                  // guarded by mu; how often the status was asked for
	look     func(*fakeCluster)   // guarded by mu; called with mu held before each status
	refuse   *wire.Error          // guarded by mu; the answer to everything but status
	unheard  int                  // guarded by mu; so many replies get lost, with their connection
	users    wire.AdminUsersReply // guarded by mu
	settings map[string]string    // guarded by mu
}

// Ids of the fake cluster's nodes; the first two begin alike.
const (
	nodeA = "3f2a11c0a1b2c3d4e5f60718293a4b5c"
	nodeB = "3f2a99d1a1b2c3d4e5f60718293a4b5c"
	nodeC = "91bc77aa00b2c3d4e5f60718293a4b5c"
)

// threeNodes is the status of a cluster that is whole.
func threeNodes() wire.ClusterStatus {
	st := wire.ClusterStatus{ClusterID: "c0ffee00c0ffee00c0ffee00c0ffee00", Node: nodeA, Epoch: 12, Replicas: 3,
		Meta: wire.MetaStatus{Leader: nodeA, Term: 2, Voters: []string{nodeA, nodeB, nodeC}}, Moves: []wire.MoveStatus{}}
	ids := []string{nodeA, nodeB, nodeC}
	for i, id := range ids {
		port := string(rune('1' + i))
		st.Nodes = append(st.Nodes, wire.NodeStatus{ID: id, Addr: "10.0.0." + port + ":8342", PeerAddr: "10.0.0." + port + ":8344", Capacity: 1,
			Zone: "rack-" + port, State: wire.NodeActive, Version: "0.4.0", Meta: wire.ReplicaVoter, Replicas: 8, Target: 8, Keys: 12000, Bytes: 3 << 20})
	}
	for p := range 8 {
		leader := ids[p%3]
		st.Nodes[p%3].Leads++
		part := wire.PartitionStatus{Number: p, Leader: leader, Term: 3, Epoch: 1, Commit: 5000, Keys: 1500, Bytes: 400 << 10}
		for i := range ids {
			id := ids[(p+i)%3]
			state := "replicate"
			if id == leader {
				state = ""
			}
			part.Replicas = append(part.Replicas, wire.ReplicaStatus{Node: id, ID: uint64(i + 1), Role: wire.ReplicaVoter, Match: 5000, State: state})
			part.Target = append(part.Target, id)
		}
		st.Partitions = append(st.Partitions, part)
	}
	return st
}

func newFakeCluster(t testing.TB) (*fakeCluster, world) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fakeCluster{t: t, listener: l, status: threeNodes(), conns: map[net.Conn]bool{}, settings: map[string]string{"replicas": "3"}}
	f.wg.Go(f.accept)
	t.Cleanup(f.stop)
	return f, world{env: map[string]string{"VEGA_ADDR": l.Addr().String()}}
}

func (f *fakeCluster) stop() {
	_ = f.listener.Close()
	f.mu.Lock()
	for c := range f.conns {
		_ = c.Close()
	}
	f.mu.Unlock()
	f.wg.Wait()
}

func (f *fakeCluster) accept() {
	for {
		c, err := f.listener.Accept()
		if err != nil {
			return
		}
		f.mu.Lock()
		f.conns[c] = true
		f.mu.Unlock()
		f.wg.Go(func() {
			defer c.Close()
			f.serve(c)
		})
	}
}

func (f *fakeCluster) serve(c net.Conn) {
	r := bufio.NewReader(c)
	preamble := make([]byte, wire.HelloPreamble)
	if _, err := io.ReadFull(r, preamble); err != nil {
		return
	}
	length := int(preamble[4]) | int(preamble[5])<<8
	if _, err := io.ReadFull(r, make([]byte, length)); err != nil {
		return
	}
	hello := wire.ServerHello{Status: wire.OK, Version: wire.Version1, Limits: wire.DefaultLimits(), Epoch: 12, NodeID: nodeA, ClusterID: "c0ffee"}
	if _, err := c.Write(hello.Append(nil)); err != nil {
		return
	}
	for {
		head := make([]byte, 4)
		if _, err := io.ReadFull(r, head); err != nil {
			return
		}
		frame := make([]byte, int(head[0])|int(head[1])<<8|int(head[2])<<16)
		if _, err := io.ReadFull(r, frame); err != nil {
			return
		}
		var req wire.Request
		if err := req.Decode(frame); err != nil {
			f.t.Errorf("fake cluster: %v", err)
			return
		}
		reply, lost := f.answer(&req)
		if lost {
			return
		}
		if _, err := c.Write(reply); err != nil {
			return
		}
	}
}

// answer returns the reply frame; lost: it is executed, and its reply gets lost.
func (f *fakeCluster) answer(req *wire.Request) (reply []byte, lost bool) {
	switch req.Op {
	case wire.OpTopology:
		t := wire.Topology{Epoch: 12, ClusterID: "c0ffee", Nodes: []wire.TopologyNode{{ID: nodeA}}, Partitions: []wire.TopologyPartition{{Replicas: []uint16{0}}}}
		return wire.AppendReply(nil, req.ID, wire.OK, 0, t.Append(nil)), false
	case wire.OpPing:
		return wire.AppendReply(nil, req.ID, wire.OK, 0, req.Body), false
	case wire.OpAdmin:
	default:
		return wire.AppendErrorReply(nil, req.ID, wire.Unsupported, 0, "not in this fake"), false
	}
	var admin wire.AdminRequest
	var refused *wire.Error
	var body any
	err := admin.Decode(req.Body)
	if err == nil {
		body, err = f.admin(&admin)
	}
	if errors.As(err, &refused) {
		return wire.AppendErrorReply(nil, req.ID, refused.Status, 0, refused.Text), false
	}
	text, err := json.Marshal(body)
	if err != nil {
		f.t.Error(err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.unheard > 0 {
		f.unheard--
		return nil, true
	}
	return wire.AppendReply(nil, req.ID, wire.OK, 0, text), false
}

func (f *fakeCluster) admin(r *wire.AdminRequest) (any, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.Op == wire.AdminStatus {
		f.looks++
		if f.look != nil {
			f.look(f)
		}
		st := f.status
		return st, nil
	}
	f.requests = append(f.requests, *r)
	if f.refuse != nil {
		return nil, f.refuse
	}
	reply := wire.AdminReply{Epoch: f.status.Epoch + 1, Changed: true}
	switch r.Op {
	case wire.AdminDrain, wire.AdminUndrain:
		state := wire.NodeDraining
		if r.Op == wire.AdminUndrain {
			state = wire.NodeActive
		}
		n := f.node(r.Node)
		reply.Changed = n.State != state
		n.State, n.Draining = state, r.Op == wire.AdminDrain
	case wire.AdminPause, wire.AdminResume:
		reply.Changed = f.status.Paused != (r.Op == wire.AdminPause)
		f.status.Paused = r.Op == wire.AdminPause
	case wire.AdminSettings:
		if r.Key != "" {
			f.settings[r.Key] = r.Value
		}
		out := wire.AdminSettingsReply{Epoch: reply.Epoch, Changed: r.Key != ""}
		for key, value := range f.settings {
			out.Settings = append(out.Settings, wire.AdminSetting{Key: key, Value: value, Default: "3", Describe: "copies of each partition"})
		}
		return out, nil
	case wire.AdminUsers:
		out := f.users
		out.Changed = r.Document != ""
		return out, nil
	}
	return reply, nil
}

// node finds a node by id; mu is held.
func (f *fakeCluster) node(id string) *wire.NodeStatus {
	for i := range f.status.Nodes {
		if f.status.Nodes[i].ID == id {
			return &f.status.Nodes[i]
		}
	}
	f.t.Errorf("no node %s", id)
	return &wire.NodeStatus{}
}

// change edits the cluster.
func (f *fakeCluster) change(edit func(*fakeCluster)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	edit(f)
}

// asked returns the requests so far, without those for the status.
func (f *fakeCluster) asked() []wire.AdminRequest {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]wire.AdminRequest(nil), f.requests...)
}
