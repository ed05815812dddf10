package peer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/prakashpandey/vegadb/bench/internal/proc"
	"github.com/prakashpandey/vegadb/client"
)

// VegaCluster starts three vega-servers with three replicas of each partition.
type VegaCluster struct {
	Program string
	Fsync   Durability // empty: Always
	Debug   bool       // serve profiles on the admin port
	Args    []string   // further ones
}

// Name implements ClusterKind.
func (VegaCluster) Name() string { return "VegaDB" }

// Start implements ClusterKind.
func (v VegaCluster) Start(ctx context.Context, dir string) (*Cluster, error) {
	c := &Cluster{Name: v.Name(), settled: vegaSettled}
	for range clusterNodes {
		if err := v.add(c); err != nil {
			return nil, err
		}
	}
	return c.startAll(ctx, dir)
}

// Join starts one more node, which joins the cluster. It returns when the node's process runs: how far
// it has come is for WaitSettled to say.
func (v VegaCluster) Join(c *Cluster, dir string) error {
	if err := v.add(c); err != nil {
		return err
	}
	return c.Nodes[len(c.Nodes)-1].begin(dir)
}

// add gives the cluster one more node, which has not started.
func (v VegaCluster) add(c *Cluster) error {
	s := &Server{Name: v.Name(), ready: respReady}
	if err := c.freeAddrs(&s.Addr, &s.AdminAddr, &s.PeerAddr); err != nil {
		return err
	}
	var members []string
	for _, n := range c.Nodes {
		members = append(members, n.PeerAddr)
	}
	s.start = func(s *Server) (err error) {
		s.Proc, err = proc.Start("vega-server", s.Dir, v.Program, v.args(s, members)...)
		return err
	}
	c.Nodes = append(c.Nodes, s)
	return nil
}

// args keeps the server's defaults; those that the comparison rests on are said all the same.
func (v VegaCluster) args(s *Server, members []string) []string {
	fsync := v.Fsync
	if fsync == "" {
		fsync = Always
	}
	args := append(vegaArgs(s, fsync), "--peer-addr", s.PeerAddr, "--replicas", "3")
	if len(members) > 0 {
		args = append(args, "--join", strings.Join(members, ","))
	}
	if v.Debug {
		args = append(args, "--debug-endpoints")
	}
	return append(args, v.Args...)
}

// VegaStatus is what VegaDB says of a cluster.
type VegaStatus struct {
	Replicas   int
	Nodes      []struct{ ID, Addr, State string }
	Moves      []struct{ Partition int }
	Waiting    int `json:"moves_waiting"` // to move when others have
	Partitions []VegaPartition
}

// VegaPartition is one partition of it.
type VegaPartition struct {
	Number   int
	Leader   string // a node's id
	Moving   bool
	Replicas []struct{ Node, Role string }
	Target   []string // nodes, the one that is to lead first
}

// AskVega returns the status as one of the nodes at these addresses knows it.
func AskVega(ctx context.Context, addrs ...string) (s VegaStatus, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	c, err := client.Open(ctx, client.Options{Addresses: addrs})
	if err != nil {
		return s, err
	}
	defer c.Close()
	text, err := c.Admin(ctx, []byte(`{"op":"status"}`))
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal(text, &s)
}

// vegaSettled: every node is active, nothing moves, every partition has its replicas, and the one leads that is to.
func vegaSettled(ctx context.Context, c *Cluster) error {
	s, err := AskVega(ctx, c.Addrs()...)
	if err != nil {
		return err
	}
	return s.settled(len(c.Nodes))
}

func (s *VegaStatus) settled(nodes int) error {
	active := 0
	for _, n := range s.Nodes {
		if n.State == "active" {
			active++
		}
	}
	if active != nodes {
		return fmt.Errorf("%d of %d nodes are active", active, nodes)
	}
	if len(s.Partitions) == 0 {
		return errors.New("no partitions are known")
	}
	if len(s.Moves) > 0 || s.Waiting > 0 {
		return fmt.Errorf("%d replicas are on their way, %d to come", len(s.Moves), s.Waiting)
	}
	want, held := min(nodes, s.Replicas), map[string]int{}
	for _, p := range s.Partitions {
		if err := p.settled(want); err != nil {
			return fmt.Errorf("partition %d %w", p.Number, err)
		}
		for _, r := range p.Replicas {
			held[r.Node]++
		}
	}
	// A node that has just come has nothing until it has been thought of.
	for _, n := range s.Nodes {
		if fair := len(s.Partitions) * want / nodes; 10*held[n.ID] < 9*fair {
			return fmt.Errorf("node %s has %d replicas, where %d would be fair", n.ID, held[n.ID], fair)
		}
	}
	return nil
}

func (p *VegaPartition) settled(want int) error {
	voters := 0
	for _, r := range p.Replicas {
		if r.Role == "voter" {
			voters++
		}
	}
	switch {
	case voters != want || voters != len(p.Replicas):
		return fmt.Errorf("has %d replicas, %d of them voters, and is to have %d", len(p.Replicas), voters, want)
	case p.Moving:
		return errors.New("moves")
	case len(p.Target) == 0 || p.Leader != p.Target[0]:
		return fmt.Errorf("is led by %q and is to be led by %q", p.Leader, p.Target[:min(1, len(p.Target))])
	}
	return nil
}
