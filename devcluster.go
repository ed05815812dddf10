package vegadb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// DevCluster is a cluster of nodes within this process, on the loopback: for trying
// things out and for tests. Its nodes are those that vega-server runs.
type DevCluster struct {
	cfg  DevConfig
	dir  string // of the nodes' data; removed by Close if temp
	temp bool

	mu    sync.Mutex
	nodes []*Node // guarded by mu; nil: stopped
}

// DevConfig says what a DevCluster is.
type DevConfig struct {
	// Node is what all nodes have in common. Its addresses and its data directory are
	// replaced.
	Node Config
	// Dir holds the nodes' data directories, node1, node2, …, and is kept. "": a temporary
	// one, removed by Close.
	Dir string
	// Port is the data port of the first node; the next ones follow ten apart, each with
	// its HTTP port one above and its peer port two above. 0: any free ports.
	Port int
}

// devPortStep is how far apart the ports of two nodes are.
const devPortStep = 10

// StartDevCluster starts n nodes and waits until they are one cluster: every partition
// has its replicas and a leader.
func StartDevCluster(ctx context.Context, n int, cfg DevConfig) (*DevCluster, error) {
	c := &DevCluster{cfg: cfg, dir: cfg.Dir}
	if c.dir == "" {
		dir, err := os.MkdirTemp("", "vegadb-dev-")
		if err != nil {
			return nil, err
		}
		c.dir, c.temp = dir, true
	}
	for range n {
		if _, err := c.Add(); err != nil {
			return nil, errors.Join(err, c.Close(context.Background()))
		}
	}
	if err := c.WaitSettled(ctx); err != nil {
		return nil, errors.Join(err, c.Close(context.Background()))
	}
	return c, nil
}

// Add starts one more node, which joins the others.
func (c *DevCluster) Add() (*Node, error) {
	c.mu.Lock()
	c.nodes = append(c.nodes, nil)
	i := len(c.nodes) - 1
	c.mu.Unlock()
	return c.Restart(i)
}

// Restart starts node i again after Stop.
func (c *DevCluster) Restart(i int) (*Node, error) {
	cfg := c.cfg.Node
	cfg.InMemory = false
	cfg.DataDir = filepath.Join(c.dir, fmt.Sprintf("node%d", i+1))
	cfg.Addr, cfg.AdminAddr, cfg.PeerAddr = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	if c.cfg.Port != 0 {
		port := c.cfg.Port + i*devPortStep
		cfg.Addr, cfg.AdminAddr, cfg.PeerAddr = loopbackAddr(port), loopbackAddr(port+1), loopbackAddr(port+peerPortOffset)
	}
	if c.cfg.Node.AdminAddr == "" {
		cfg.AdminAddr = ""
	}
	c.mu.Lock()
	for j, other := range c.nodes {
		if other != nil && j != i {
			cfg.Join = other.PeerAddr()
			break
		}
	}
	c.mu.Unlock()
	node, err := Start(cfg)
	if err != nil {
		return nil, fmt.Errorf("node %d: %w", i+1, err)
	}
	c.mu.Lock()
	c.nodes[i] = node
	c.mu.Unlock()
	return node, nil
}

func loopbackAddr(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

// Stop stops node i in an orderly way; Restart starts it again with its data.
func (c *DevCluster) Stop(ctx context.Context, i int) error {
	c.mu.Lock()
	node := c.nodes[i]
	c.nodes[i] = nil
	c.mu.Unlock()
	if node == nil {
		return nil
	}
	return node.Close(ctx)
}

// Nodes returns the nodes, in the order in which they were added; nil for one that is
// stopped.
func (c *DevCluster) Nodes() []*Node {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]*Node(nil), c.nodes...)
}

// Addrs returns the addresses of the running nodes for clients.
func (c *DevCluster) Addrs() []string {
	var addrs []string
	for _, node := range c.Nodes() {
		if node != nil {
			addrs = append(addrs, node.Addr())
		}
	}
	return addrs
}

// WaitSettled waits until every partition has its replicas and a leader, as every
// running node knows it.
func (c *DevCluster) WaitSettled(ctx context.Context) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		settled := true
		for _, node := range c.Nodes() {
			settled = settled && (node == nil || node.node.Settled())
		}
		if settled {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("the cluster has not settled: %w", ctx.Err())
		}
	}
}

// Close stops all nodes, and removes their data if it was temporary.
func (c *DevCluster) Close(ctx context.Context) error {
	var errs []error
	var all sync.WaitGroup
	nodes := c.Nodes()
	errs = make([]error, len(nodes), len(nodes)+1)
	for i := range nodes {
		all.Add(1)
		go func() {
			defer all.Done()
			errs[i] = c.Stop(ctx, i)
		}()
	}
	all.Wait()
	if c.temp {
		errs = append(errs, os.RemoveAll(c.dir))
	}
	return errors.Join(errs...)
}
