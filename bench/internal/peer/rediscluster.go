package peer

import (
	"context"
	"fmt"
	"strings"

	"github.com/prakashpandey/vegadb/bench/internal/proc"
)

// RedisReplication starts a primary, the first node, with two replicas. All sync their append-only files before a
// reply; the primary's replies do not wait for the replicas.
type RedisReplication struct{ Program string }

// Name implements ClusterKind.
func (RedisReplication) Name() string { return "Redis" }

// Start implements ClusterKind.
func (r RedisReplication) Start(ctx context.Context, dir string) (*Cluster, error) {
	c := &Cluster{Name: r.Name(), settled: replicasOnline}
	primary, err := freeAddr()
	if err != nil {
		return nil, err
	}
	for i := range clusterNodes {
		s := &Server{Name: r.Name(), ready: respReady}
		if i == 0 {
			s.Addr = primary
		}
		s.start = func(s *Server) (err error) {
			args := redisArgs(s, Always)
			if i > 0 {
				args = append(args, "--replicaof", "127.0.0.1 "+port(primary))
			}
			s.Proc, err = proc.Start("redis-server", s.Dir, r.Program, args...)
			return err
		}
		c.Nodes = append(c.Nodes, s)
	}
	return c.startAll(ctx, dir)
}

// replicasOnline asks the primary whether both replicas follow it.
func replicasOnline(ctx context.Context, c *Cluster) error {
	conn := c.Nodes[0].Client()
	defer conn.Close()
	info, err := conn.Info(ctx, "replication").Result()
	if err != nil {
		return err
	}
	if n := strings.Count(info, "state=online"); n != clusterNodes-1 {
		return fmt.Errorf("%d of %d replicas follow the primary", n, clusterNodes-1)
	}
	return nil
}
