package endurance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prakashpandey/vegadb/bench/internal/peer"
	"github.com/prakashpandey/vegadb/client"
)

// nodes are the cluster's processes. Trouble changes them while samples look.
type nodes struct {
	kind    peer.VegaCluster
	cluster *peer.Cluster // its Nodes are changed by trouble alone, under mu
	dir     string

	mu    sync.Mutex
	names map[*peer.Server]string // guarded by mu: "node 1"
	next  int                     // guarded by mu: the number of the node that comes next
}

// settledEvery is how often it is asked whether the cluster is whole again.
const settledEvery = 100 * time.Millisecond

func newNodes(kind peer.VegaCluster, c *peer.Cluster, dir string) *nodes {
	n := &nodes{kind: kind, cluster: c, dir: dir, names: map[*peer.Server]string{}}
	for _, s := range c.Nodes {
		n.name(s)
	}
	return n
}

func (n *nodes) name(s *peer.Server) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.next++
	n.names[s] = fmt.Sprintf("node %d", n.next)
}

// named is a node with its name.
type named struct {
	name   string
	server *peer.Server
}

// keepLogs writes what the nodes have said last into the directory of results: on the first failed call.
func (n *nodes) keepLogs() {
	for _, node := range n.list() {
		name := filepath.Join(n.dir, "..", "endurance-"+strings.ReplaceAll(node.name, " ", "-")+".log")
		_ = os.WriteFile(name, []byte(node.server.Proc.Output()), 0o644)
	}
}

// list returns the nodes that there are.
func (n *nodes) list() (out []named) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, s := range n.cluster.Nodes {
		if name := n.names[s]; name != "" {
			out = append(out, named{name, s})
		}
	}
	return out
}

// join starts a further node and waits until it has its share.
func (n *nodes) join(ctx context.Context) error {
	n.mu.Lock()
	err := n.kind.Join(n.cluster, n.dir)
	n.mu.Unlock()
	if err != nil {
		return err
	}
	n.name(n.cluster.Nodes[len(n.cluster.Nodes)-1])
	return n.cluster.WaitSettled(ctx, settledEvery)
}

// leave removes the newest node from the cluster, ends it and deletes its files.
func (n *nodes) leave(ctx context.Context, c *client.Client) error {
	s := n.cluster.Nodes[len(n.cluster.Nodes)-1]
	id, err := n.id(ctx, s)
	if err != nil {
		return err
	}
	if err := admin(ctx, c, map[string]any{"op": "remove", "node": id}); err != nil {
		return err
	}
	err = wait(ctx, func() error {
		status, err := peer.AskVega(ctx, n.cluster.Nodes[0].Addr)
		if err != nil {
			return err
		}
		for _, node := range status.Nodes {
			if node.ID == id {
				return fmt.Errorf("node %s is still %s", id, node.State)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	n.mu.Lock()
	delete(n.names, s)
	n.cluster.Nodes = slices.DeleteFunc(slices.Clone(n.cluster.Nodes), func(o *peer.Server) bool { return o == s })
	n.mu.Unlock()
	return errors.Join(s.Stop(false), n.cluster.WaitSettled(ctx, settledEvery))
}

// id asks for a node's identity.
func (n *nodes) id(ctx context.Context, s *peer.Server) (string, error) {
	status, err := peer.AskVega(ctx, n.cluster.Addrs()...)
	if err != nil {
		return "", err
	}
	for _, node := range status.Nodes {
		if node.Addr == s.Addr {
			return node.ID, nil
		}
	}
	return "", fmt.Errorf("the cluster knows no node at %s", s.Addr)
}

func (n *nodes) stop() error { return n.cluster.Stop() }

// admin sends an administrator's request, again until it is answered: to do it twice is harmless.
func admin(ctx context.Context, c *client.Client, request map[string]any) error {
	text, err := json.Marshal(request)
	if err != nil {
		return err
	}
	return wait(ctx, func() error {
		_, err := c.Admin(ctx, text)
		return err
	})
}

// wait asks again until there is no error, for some minutes at most.
func wait(ctx context.Context, ask func() error) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	for {
		err := ask()
		if err == nil {
			return nil
		}
		if !rest(ctx, 100*time.Millisecond) {
			return err
		}
	}
}

// rest waits; false if ctx ended first.
func rest(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
