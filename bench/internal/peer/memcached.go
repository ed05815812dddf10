package peer

import (
	"context"
	"net"
	"os"

	"github.com/prakashpandey/vegadb/bench/internal/proc"
)

// Memcached starts memcached. It keeps nothing on disk, so every durability is InMemory.
type Memcached struct{ Program string }

// Name implements Kind.
func (Memcached) Name() string { return "memcached" }

// Start implements Kind.
func (m Memcached) Start(ctx context.Context, dir string, _ Durability) (*Server, error) {
	return launch(ctx, &Server{
		Name: m.Name(),
		ready: func(ctx context.Context, s *Server) error {
			conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.Addr)
			if err != nil {
				return err
			}
			return conn.Close()
		},
		start: func(s *Server) (err error) {
			args := []string{"-l", "127.0.0.1", "-p", port(s.Addr), "-U", "0", "-m", "2048", "-c", "4096"}
			if os.Geteuid() == 0 {
				args = append(args, "-u", "nobody") // it refuses to run as root
			}
			s.Proc, err = proc.Start("memcached", s.Dir, m.Program, args...)
			return err
		},
	}, dir)
}
