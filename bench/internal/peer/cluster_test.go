package peer

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// status is what a cluster of four says of two partitions with three replicas.
func status(t *testing.T) VegaStatus {
	t.Helper()
	var s VegaStatus
	text := `{"replicas":3,"epoch":7,
		"nodes":[{"id":"a","addr":"1","state":"active"},{"id":"b","state":"active"},{"id":"c","state":"active"},{"id":"d","state":"active"}],
		"moves":[],
		"partitions":[
			{"number":0,"leader":"a","target":["a","b","d"],"replicas":[{"node":"a","role":"voter"},{"node":"b","role":"voter"},{"node":"d","role":"voter"}]},
			{"number":1,"leader":"c","target":["c","a","d"],"replicas":[{"node":"a","role":"voter"},{"node":"c","role":"voter"},{"node":"d","role":"voter"}]}]}`
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAClusterHasSettledWhenNothingIsLeftToDo(t *testing.T) {
	cases := []struct {
		name   string
		change func(*VegaStatus)
		want   string // part of the reason; empty: it has settled
	}{
		{"whole", func(*VegaStatus) {}, ""},
		{"a node is joining", func(s *VegaStatus) { s.Nodes[3].State = "joining" }, "3 of 4 nodes"},
		{"a replica moves", func(s *VegaStatus) { s.Moves = append(s.Moves, struct{ Partition int }{1}) }, "1 replicas are on their way"},
		{"nothing is known", func(s *VegaStatus) { s.Partitions = nil }, "no partitions"},
		{"a learner", func(s *VegaStatus) { s.Partitions[1].Replicas[0].Role = "learner" }, "partition 1 has 3 replicas, 2 of them voters"},
		{"one replica too few", func(s *VegaStatus) { s.Partitions[0].Replicas = s.Partitions[0].Replicas[:2] }, "partition 0 has 2"},
		{"a move to come", func(s *VegaStatus) { s.Partitions[0].Moving = true }, "partition 0 moves"},
		{"another leads", func(s *VegaStatus) { s.Partitions[0].Leader = "b" }, `partition 0 is led by "b"`},
		{"nobody leads", func(s *VegaStatus) { s.Partitions[0].Leader = "" }, `partition 0 is led by ""`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := status(t)
			c.change(&s)
			err := s.settled(4)
			if got := fmt.Sprint(err); (c.want == "") != (err == nil) || !strings.Contains(got, c.want) {
				t.Errorf("err = %v, want %q", err, c.want)
			}
		})
	}
}

func TestANodeThatHasJustComeHasNotSettled(t *testing.T) {
	s := status(t)
	for i := range s.Partitions {
		p := &s.Partitions[i]
		p.Target = []string{"a", "b", "c"}
		p.Leader = "a"
		for r, node := range p.Target {
			p.Replicas[r].Node = node
		}
	}
	if err := s.settled(4); err == nil || !strings.Contains(err.Error(), "node d has 0 replicas") {
		t.Errorf("err = %v", err)
	}
}

func TestNodesOfAClusterSyncEveryWriteAndJoinEachOther(t *testing.T) {
	c := &Cluster{}
	v := VegaCluster{Debug: true}
	for range 3 {
		if err := v.add(c); err != nil {
			t.Fatal(err)
		}
	}
	s := c.Nodes[2]
	args := v.args(s, []string{c.Nodes[0].PeerAddr, c.Nodes[1].PeerAddr})
	text := strings.Join(args, " ")
	for _, want := range []string{
		"--fsync always", "--replicas 3", "--peer-addr " + s.PeerAddr, "--join " + c.Nodes[0].PeerAddr + "," + c.Nodes[1].PeerAddr, "--debug-endpoints",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %s", want, text)
		}
	}
	if slices.Contains(v.args(c.Nodes[0], nil), "--join") {
		t.Error("the first node joins somebody")
	}
}
