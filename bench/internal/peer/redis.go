package peer

import (
	"context"

	"github.com/prakashpandey/vegadb/bench/internal/proc"
)

// Redis starts redis-server.
type Redis struct{ Program string }

// Name implements Kind.
func (Redis) Name() string { return "Redis" }

// Start implements Kind.
func (r Redis) Start(ctx context.Context, dir string, d Durability) (*Server, error) {
	return launch(ctx, &Server{
		Name:  r.Name(),
		ready: respReady,
		start: func(s *Server) (err error) {
			s.Proc, err = proc.Start("redis-server", s.Dir, r.Program, redisArgs(s, d)...)
			return err
		},
	}, dir)
}

// redisArgs keeps Redis's defaults but for durability. Snapshots are taken only when asked for (save ""), and the
// append-only file is not rewritten, so that neither falls into a measurement.
func redisArgs(s *Server, d Durability) []string {
	args := []string{
		"--port", port(s.Addr), "--bind", "127.0.0.1", "--dir", s.Dir, "--save", "", "--loglevel", "warning",
		"--maxclients", "15000", "--auto-aof-rewrite-percentage", "0",
	}
	if d == InMemory {
		return append(args, "--appendonly", "no")
	}
	return append(args, "--appendonly", "yes", "--appendfsync", string(d))
}
