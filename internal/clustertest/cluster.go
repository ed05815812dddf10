//go:build unix

package clustertest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Options say what a cluster is to be. The zero values have defaults.
type Options struct {
	Nodes      int         // at the start; default 1
	Replicas   int         // of each partition; default 3, or as many as there are nodes
	Partitions int         // default 8
	Fsync      string      // default always
	Network    NetworkKind // default Direct
	DiskBytes  int64       // size of each node's own disk; default: the machine's
	Faulty     bool        // servers whose disks and clocks fail on command: see package faultfs
	Sessions   bool        // clients repeat writes under sessions; default: a lost reply is an unknown outcome
	// LossyClients is how long the connections of a workload's clients live before they break, about; default: as long
	// as they like.
	LossyClients time.Duration
	Args         []string // further flags of every node; the last one of a name counts
}

// readyWithin bounds the start of a cluster, stopWithin its end. The machine may be busy.
const (
	readyWithin = 60 * time.Second
	stopWithin  = 30 * time.Second
)

// Cluster is a number of nodes.
type Cluster struct {
	Network Network

	t       testing.TB
	options Options
	binary  string
	dir     string
	sockets string // directory of those from which Faulty servers get their orders; empty: none so far
	http    *http.Client
	began   time.Time

	mu     sync.Mutex
	nodes  []*Node  // guarded by mu
	events []string // guarded by mu
}

// Start starts a cluster and waits until it is ready. It ends with the test.
func Start(t testing.TB, o Options) *Cluster {
	t.Helper()
	c, err := newCluster(t, o)
	if err != nil {
		t.Fatalf("clustertest: %v", err)
	}
	t.Cleanup(c.close)
	ctx, cancel := context.WithTimeout(t.Context(), readyWithin)
	defer cancel()
	for range c.options.Nodes {
		if _, err := c.Add(ctx); err != nil {
			t.Fatalf("clustertest: %v", err)
		}
	}
	if c.options.Nodes > 1 {
		if err := c.WaitSettled(ctx); err != nil {
			t.Fatalf("clustertest: the cluster does not settle: %v", err)
		}
	}
	c.Event("the cluster is ready")
	return c
}

func newCluster(t testing.TB, o Options) (*Cluster, error) {
	if o.Nodes == 0 {
		o.Nodes = 1
	}
	if o.Replicas == 0 {
		o.Replicas = min(3, o.Nodes)
	}
	if o.Partitions == 0 {
		o.Partitions = 8
	}
	if o.Fsync == "" {
		o.Fsync = "always"
	}
	built := builtServer
	if o.Faulty {
		built = builtFaulty
	}
	binary, err := built()
	if err != nil {
		return nil, err
	}
	network, err := newNetwork(t, o.Network)
	if err != nil {
		return nil, err
	}
	return &Cluster{
		Network: network, t: t, options: o, binary: binary, dir: t.TempDir(), began: time.Now(),
		http: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
	}, nil
}

// Add starts one more node, which joins those that are there, and waits until it is ready.
func (c *Cluster) Add(ctx context.Context) (*Node, error) {
	n, err := c.newNode()
	if err != nil {
		return nil, err
	}
	c.Event("%s starts", n)
	return n, n.Start(ctx)
}

func (c *Cluster) newNode() (*Node, error) {
	n := &Node{Number: len(c.Nodes()) + 1, cluster: c}
	n.dir = filepath.Join(c.dir, fmt.Sprintf("node-%d", n.Number))
	if err := os.Mkdir(n.dir, 0o700); err != nil {
		return nil, err
	}
	n.dataDir = filepath.Join(n.dir, "data")
	if c.options.DiskBytes > 0 {
		var err error
		if n.disk, err = newDisk(c.t, n.dir, c.options.DiskBytes); err != nil {
			return nil, err
		}
		n.dataDir = filepath.Join(n.disk.dir, "data")
	}
	if err := c.Network.prepare(n.Number); err != nil {
		return nil, err
	}
	if err := errors.Join(c.address(n), c.command(n)); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nodes = append(c.nodes, n)
	return n, nil
}

// address gives a node its ports and its flags.
func (c *Cluster) address(n *Node) error {
	ports, err := takePorts(3)
	if err != nil {
		return err
	}
	n.ports = ports
	at := func(i int) string { return net.JoinHostPort(c.Network.host(n.Number), strconv.Itoa(ports.numbers[i])) }
	n.Addr, n.Admin, n.Peer = at(0), at(1), at(2)
	n.args = []string{
		"--addr", n.Addr, "--admin-addr", n.Admin, "--data-dir", n.dataDir, "--fsync", c.options.Fsync,
		"--peer-addr", n.Peer, "--replicas", strconv.Itoa(c.options.Replicas), "--partitions", strconv.Itoa(c.options.Partitions),
		// Small files, so that short tests see segments end and snapshots begin.
		"--log-segment-bytes", "4MiB", "--max-value-bytes", "1MiB", "--snapshot-log-bytes", "1MiB",
	}
	if c.options.Network == Namespaces {
		n.args = append(n.args, "--allow-no-auth")
	}
	if err := c.join(n); err != nil {
		return err
	}
	n.args = append(n.args, c.options.Args...)
	return nil
}

// join adds the flags by which a node finds its peers, and they it.
func (c *Cluster) join(n *Node) error {
	advertised, err := c.Network.advertise(n)
	if err != nil {
		return err
	}
	n.reached = n.Peer
	if advertised != "" {
		n.reached = advertised
		n.args = append(n.args, "--advertise-peer-addr", advertised)
	}
	var seeds []string
	for _, other := range c.Nodes() {
		seeds = append(seeds, other.reached)
	}
	if len(seeds) > 0 {
		n.args = append(n.args, "--join", strings.Join(seeds, ","))
	}
	return nil
}

// Nodes returns the nodes, in order of their numbers.
func (c *Cluster) Nodes() []*Node {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]*Node(nil), c.nodes...)
}

// Node returns the node of a number, which counts from 1.
func (c *Cluster) Node(number int) *Node { return c.Nodes()[number-1] }

// Event notes what happens to the cluster, for whoever reads a failure.
func (c *Cluster) Event(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.events = append(c.events, fmt.Sprintf("%9.3f s  %s", time.Since(c.began).Seconds(), fmt.Sprintf(format, args...)))
}

// close ends everything, by the processes' own numbers, and shows what a failed test is to be understood by.
func (c *Cluster) close() {
	nodes := c.Nodes()
	for _, n := range nodes {
		if how, ended := n.endedByItself(); ended {
			c.t.Errorf("clustertest: %s has ended by itself: %s", n, how)
		}
	}
	for _, n := range nodes {
		n.ports.release()
		if n.disk != nil {
			if err := n.disk.thaw(); err != nil { // a process on a frozen disk cannot be killed
				c.t.Errorf("clustertest: %s: thaw: %v", n, err)
			}
		}
		n.Kill()
		if n.commander != nil {
			n.commander.Close() // an error would be about a socket that goes anyhow
		}
	}
	os.RemoveAll(c.sockets)
	c.Network.close()
	c.http.CloseIdleConnections()
	c.explain(nodes)
	for _, n := range nodes {
		if n.disk != nil {
			if err := n.disk.close(); err != nil {
				c.t.Errorf("clustertest: %s: %v", n, err)
			}
		}
	}
}

// explain shows what happened when and, of a failed test, the ends of the logs.
func (c *Cluster) explain(nodes []*Node) {
	const lines = 40
	if !c.t.Failed() && !testing.Verbose() {
		return
	}
	c.mu.Lock()
	c.t.Logf("what happened:\n%s", strings.Join(c.events, "\n"))
	c.mu.Unlock()
	if !c.t.Failed() {
		return
	}
	for _, n := range nodes {
		c.t.Logf("the end of what %s has printed:\n%s", n, n.Log(lines))
	}
}
