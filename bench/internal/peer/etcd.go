package peer

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/prakashpandey/vegadb/bench/internal/proc"
)

// EtcdCluster starts three processes of cmd/etcdnode, which are etcd's own server.
type EtcdCluster struct{ Program string }

// Name implements ClusterKind.
func (EtcdCluster) Name() string { return "etcd" }

// Start implements ClusterKind.
func (e EtcdCluster) Start(ctx context.Context, dir string) (*Cluster, error) {
	c := &Cluster{Name: e.Name(), settled: func(ctx context.Context, c *Cluster) error {
		for _, n := range c.Nodes {
			if err := etcdReady(ctx, n); err != nil {
				return err
			}
		}
		return nil
	}}
	var members []string
	for i := range clusterNodes {
		name := fmt.Sprintf("node%d", i+1)
		s := &Server{Name: e.Name(), ready: etcdReady}
		if err := c.freeAddrs(&s.Addr, &s.PeerAddr); err != nil {
			return nil, err
		}
		members = append(members, name+"=http://"+s.PeerAddr)
		s.start = func(s *Server) (err error) {
			s.Proc, err = proc.Start("etcd", s.Dir, e.Program, "--name", name, "--data-dir", s.Dir,
				"--client", s.Addr, "--peer", s.PeerAddr, "--cluster", strings.Join(members, ","))
			return err
		}
		c.Nodes = append(c.Nodes, s)
	}
	return c.startAll(ctx, dir)
}

// etcdReady asks a node for its health, for which it makes a linearizable read.
func etcdReady(ctx context.Context, s *Server) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.Addr+"/health", nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("/health says %s", resp.Status)
	}
	return nil
}
