package server

import (
	"bufio"
	"fmt"
	"strings"
	"testing"

	"github.com/prakashpandey/vegadb/internal/ring"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// nodeIDs are those of threeNodes.
var nodeIDs = [3]string{strings.Repeat("a", 32), strings.Repeat("b", 32), strings.Repeat("c", 32)}

// threeNodes is the topology of three nodes that lead partitions in turns and have
// replicas of all of them.
func threeNodes(partitions int) wire.Topology {
	t := wire.Topology{Epoch: 7, ClusterID: strings.Repeat("f", 32)}
	for i, id := range nodeIDs {
		t.Nodes = append(t.Nodes, wire.TopologyNode{ID: id, Address: fmt.Sprintf("10.0.0.%d:7000", i+1)})
	}
	for p := range partitions {
		leader := uint16(p % 3)
		t.Partitions = append(t.Partitions, wire.TopologyPartition{Leader: leader, Replicas: []uint16{leader, (leader + 1) % 3, (leader + 2) % 3}, Term: uint64(p) + 1})
	}
	return t
}

func TestClusterCommandsShowTheTopology(t *testing.T) {
	h, p := clustered(t, harnessOptions{})
	topology := threeNodes(8)
	topology.Partitions[2].Leader = topology.Partitions[1].Leader // neighbours that are served alike
	topology.Nodes = append(topology.Nodes, wire.TopologyNode{ID: strings.Repeat("d", 32), Address: "db-4.example:7000", State: wire.StateDown},
		wire.TopologyNode{ID: strings.Repeat("e", 32), Address: "[2001:db8::5]:7000", State: wire.StateJoining})
	topology.Partitions[7].Replicas = []uint16{1, 3}
	topology.Partitions[7].Leader = wire.NoLeader
	p.change(topology)
	c := h.connect()
	a, b, e, d := nodeIDs[0]+"00000000", nodeIDs[1]+"00000000", strings.Repeat("e", 32)+"00000000", strings.Repeat("d", 32)+"00000000"
	cc := nodeIDs[2] + "00000000"
	lines := strings.Split(strings.TrimPrefix(c.input("CLUSTER NODES\r\n"), ""), "\n")
	for i, want := range []string{
		a + " 10.0.0.1:7000@7000 master - 0 0 7 connected 0-2047 6144-8191 12288-14335",
		b + " 10.0.0.2:7000@7000 master - 0 0 7 connected 2048-6143 8192-10239 14336-16383",
		cc + " 10.0.0.3:7000@7000 master - 0 0 7 connected 10240-12287",
		d + " db-4.example:7000@7000 slave,fail " + b + " 0 0 7 disconnected",
		e + " 2001:db8::5:7000@7000 master - 0 0 7 connected",
	} {
		if got := lines[1+i]; got != want {
			t.Errorf("CLUSTER NODES:\n%q, want\n%q", got, want)
		}
	}
	info := c.input("CLUSTER INFO\r\n")
	for _, want := range []string{"cluster_state:fail", "cluster_slots_assigned:16384", "cluster_slots_ok:14336", "cluster_slots_pfail:2048", "cluster_slots_fail:0", "cluster_known_nodes:5", "cluster_size:3", "cluster_current_epoch:7"} {
		if !strings.Contains(info, want+"\r\n") {
			t.Errorf("CLUSTER INFO lacks %s: %q", want, info)
		}
	}
	slots := c.input("CLUSTER SLOTS\r\n")
	node := func(n int) string {
		return "*4\r\n" + bulk(fmt.Sprintf("10.0.0.%d", n+1)) + ":7000\r\n" + bulk(nodeIDs[n]+"00000000") + "*0\r\n"
	}
	for _, want := range []string{"*7\r\n*5\r\n:0\r\n:2047\r\n" + node(0) + node(1) + node(2), "*5\r\n:2048\r\n:6143\r\n" + node(1) + node(0) + node(2), "*4\r\n:14336\r\n:16383\r\n" + node(1)} {
		if !strings.Contains(slots, want) {
			t.Errorf("CLUSTER SLOTS lacks %q: %q", want, slots)
		}
	}
	shards := c.input("CLUSTER SHARDS\r\n")
	if want := "*4\r\n*4\r\n" + bulk("slots") + "*6\r\n:0\r\n:2047\r\n:6144\r\n:8191\r\n:12288\r\n:14335\r\n" + bulk("nodes") + "*3\r\n*14\r\n" + bulk("id") + bulk(a) + bulk("port") + ":7000\r\n" + bulk("ip") + bulk("10.0.0.1") + bulk("endpoint") + bulk("10.0.0.1") + bulk("role") + bulk("master"); !strings.HasPrefix(shards, want) {
		t.Errorf("CLUSTER SHARDS: %q, want at first %q", shards, want)
	}
	if strings.Count(shards, bulk("failed")) != 1 || strings.Count(shards, bulk("master")) != 4 {
		t.Errorf("CLUSTER SHARDS: %q", shards)
	}
	for command, want := range map[string]string{
		"CLUSTER REPLICAS " + cc:                      "*2\r\n" + bulk(lines[1]) + bulk(lines[2]),
		"CLUSTER SLAVES " + e:                         "*0\r\n",
		"CLUSTER REPLICAS " + d:                       "-ERR The specified node is not a master\r\n",
		"CLUSTER REPLICAS " + strings.Repeat("0", 40): "-ERR Unknown node " + strings.Repeat("0", 40) + "\r\n",
		"CLUSTER MYID":                                bulk(h.srv.myRedisID()),
		"CLUSTER MYSHARDID":                           bulk(h.srv.myRedisID()),
		"CLUSTER KEYSLOT foo":                         ":12182\r\n",
	} {
		if got := c.input(command + "\r\n"); got != want {
			t.Errorf("%s: %q, want %q", command, got, want)
		}
	}
	if links := c.input("CLUSTER LINKS\r\n"); !strings.HasPrefix(links, "*4\r\n*6\r\n"+bulk("direction")+bulk("to")+bulk("node")+bulk(a)) || strings.Contains(links, d) {
		t.Errorf("CLUSTER LINKS: %q", links)
	}
	if got := c.input("INFO cluster\r\n"); !strings.Contains(got, "cluster_enabled:1\r\n") || !strings.Contains(got, "partitions_led:8\r\n") {
		t.Errorf("INFO: %q", got)
	}
	if got := c.input("HELLO 3\r\n"); !strings.Contains(got, bulk("mode")+bulk("cluster")) {
		t.Errorf("HELLO: %q", got)
	}
	if got := c.input("VEGA INFO\r\n"); !strings.Contains(got, "epoch:7\r\n") || !strings.Contains(got, "consistency:linearizable\r\n") {
		t.Errorf("VEGA INFO: %q", got)
	}
}

// Every slot is served by somebody, whatever the topology, and by its leader where
// there is one.
func TestSlotRangesCoverEverySlotOnce(t *testing.T) {
	for _, partitions := range []int{1, 3, 8, 64, 1000} {
		topology := threeNodes(partitions)
		next := 0
		for _, r := range slotRanges(&topology) {
			if int(r.first) != next {
				t.Fatalf("%d partitions: a range begins at %d, want %d", partitions, r.first, next)
			}
			for slot := int(r.first); slot <= int(r.last); slot++ {
				if want := topology.Partitions[ring.PartitionOfSlot(uint16(slot), partitions)].Leader; r.nodes[0] != want {
					t.Fatalf("%d partitions: slot %d is led by %d, want %d", partitions, slot, r.nodes[0], want)
				}
			}
			next = int(r.last) + 1
		}
		if next != ring.Slots {
			t.Errorf("%d partitions: the ranges end at %d", partitions, next)
		}
	}
}

// connectPushed opens a native session that wants topologies pushed.
func (h *harness) connectPushed() (*testConn, wire.ServerHello) {
	c := h.connect()
	hello := wire.ClientHello{MinVersion: 1, MaxVersion: 1, Features: wire.FeaturePush | wire.FeatureSessions | 1<<40}
	return c, parseServerHello(h.t.(*testing.T), c.send(string(hello.Append(nil))))
}

func TestTopologiesArePushedToThoseWhoWantThem(t *testing.T) {
	h, p := clustered(t, harnessOptions{})
	topology := threeNodes(8)
	p.change(topology)
	c, hello := h.connectPushed()
	if hello.Features != wire.FeaturePush|wire.FeatureSessions || hello.Epoch != 7 || hello.TimeMs != uint64(h.srv.nowMs()) {
		t.Errorf("%+v", hello)
	}
	quiet, resp := h.connectNative(), h.connect()
	pushed := func() (all []wire.Topology) {
		t.Helper()
		c.bring()
		for _, r := range c.frames() {
			var topology wire.Topology
			if err := topology.Decode(r.Body); err != nil || r.Kind != wire.KindTopology || r.ID != 0 {
				t.Fatalf("%+v: %v", r, err)
			}
			all = append(all, topology)
		}
		return all
	}
	if h.srv.pushToAll() || len(pushed()) != 0 {
		t.Error("pushed what the client has been told of")
	}
	for range 3 { // several changes in a row: the newest is pushed, once
		topology.Epoch++
		p.change(topology)
	}
	h.srv.pushToAll()
	h.srv.pushToAll()
	if got := pushed(); len(got) != 1 || got[0].Epoch != 10 || got[0].Nodes[2].Address != "10.0.0.3:7000" || got[0].Partitions[4].Term != 5 {
		t.Errorf("%+v", got)
	}
	if h.srv.pushToAll() || len(pushed()) != 0 {
		t.Error("pushed twice")
	}
	// A client that does not take what it is sent gets nothing for now.
	topology.Epoch++
	p.change(topology)
	c.ses.meta.outSince.Store(1)
	if !h.srv.pushToAll() || len(pushed()) != 0 {
		t.Error("pushed to a client that does not read, or forgot about it")
	}
	c.ses.meta.outSince.Store(0)
	h.srv.pushToAll()
	if got := pushed(); len(got) != 1 || got[0].Epoch != 11 {
		t.Errorf("after it has read: %+v", got)
	}
	// Who has asked itself need not be told.
	topology.Epoch++
	p.change(topology)
	if r := c.one(c.ask(wire.Request{Op: wire.OpTopology})); r.Status != wire.OK {
		t.Errorf("%+v", r)
	}
	if h.srv.pushToAll() || len(pushed()) != 0 {
		t.Error("pushed what was asked for")
	}
	if len(quiet.delivered) != 0 || len(resp.delivered) != 0 {
		t.Error("clients that do not want topologies were bothered")
	}
}

func TestPushesComeOverBothDrivers(t *testing.T) {
	onDrivers(t, func(t *testing.T, driver string) {
		h, p := clustered(t, harnessOptions{})
		topology := threeNodes(8)
		p.change(topology)
		h.listen(driver)
		conn := h.dial()
		hello := wire.ClientHello{MinVersion: 1, MaxVersion: 1, Features: wire.FeaturePush}
		write(t, conn, string(hello.Append(nil)))
		in := bufio.NewReader(conn)
		readServerHello(t, in)
		for epoch := uint64(8); epoch < 11; epoch++ {
			topology.Epoch = epoch
			p.change(topology)
			var got wire.Topology
			if r := readReply(t, in); r.Kind != wire.KindTopology || got.Decode(r.Body) != nil || got.Epoch != epoch {
				t.Fatalf("%+v, epoch %d", r, got.Epoch)
			}
		}
	})
}
