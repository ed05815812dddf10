package peer

import (
	"context"

	"github.com/prakashpandey/vegadb/bench/internal/proc"
)

// Vega starts vega-server.
type Vega struct{ Program string }

// Name implements Kind.
func (Vega) Name() string { return "VegaDB" }

// Start implements Kind.
func (v Vega) Start(ctx context.Context, dir string, d Durability) (*Server, error) {
	admin, err := freeAddr()
	if err != nil {
		return nil, err
	}
	return launch(ctx, &Server{
		Name:      v.Name(),
		AdminAddr: admin,
		ready:     respReady,
		start: func(s *Server) (err error) {
			s.Proc, err = proc.Start("vega-server", s.Dir, v.Program, vegaArgs(s, d)...)
			return err
		},
	}, dir)
}

// vegaArgs keeps the server's defaults but for durability and the number of connections.
func vegaArgs(s *Server, d Durability) []string {
	args := []string{
		"--addr", s.Addr, "--admin-addr", s.AdminAddr, "--max-connections", "15000", "--log-level", "warn",
	}
	if d == InMemory {
		return append(args, "--in-memory")
	}
	return append(args, "--data-dir", s.Dir, "--fsync", string(d))
}
