package rows

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"golang.org/x/sys/unix"

	"github.com/prakashpandey/vegadb/bench/internal/peer"
	"github.com/prakashpandey/vegadb/bench/internal/stats"
)

// idleRow is what a connection costs that has answered one PING and then rests. Kernel memory for its socket is not
// in it; that is the same on both sides.
func idleRow() Row {
	const name = "idle"
	return Row{Name: name, Title: "10,000 idle connections", Run: func(ctx context.Context, env *Env) ([]stats.Result, error) {
		connections := int(env.scaled(10_000))
		if err := raiseFileLimit(uint64(connections) + 1000); err != nil {
			return nil, err
		}
		var each pair
		sides := []*side{{kind: env.Ours, ours: true}, {kind: env.Theirs}}
		err := env.alternate(sides, func(_ int, s *side) error {
			bytes, err := idleCost(ctx, env, s.kind, connections)
			each.add(s, bytes/1024)
			return err
		})
		if err != nil {
			return nil, err
		}
		work := fmt.Sprintf("%s idle connections", stats.Format(float64(connections)))
		return []stats.Result{env.result(name, work, "resident memory each", "KiB", each,
			stats.Promise{Kind: stats.AtMost, Limit: 8})}, nil
	}}
}

func idleCost(ctx context.Context, env *Env, kind peer.Kind, connections int) (each float64, err error) {
	s, err := kind.Start(ctx, env.Dir, peer.InMemory)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.Stop(false)) }()
	before, err := restingRSS(ctx, s)
	if err != nil {
		return 0, err
	}
	conns := make([]net.Conn, 0, connections)
	defer func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}()
	for range connections {
		c, err := net.DialTimeout("tcp", s.Addr, 5*time.Second)
		if err != nil {
			return 0, err
		}
		conns = append(conns, c)
		// A reset instead of the usual close leaves no port waiting behind.
		if err := c.(*net.TCPConn).SetLinger(0); err != nil {
			return 0, err
		}
		if err := ping(c); err != nil {
			return 0, fmt.Errorf("connection %d: %w", len(conns), err)
		}
	}
	after, err := restingRSS(ctx, s)
	return float64(after-before) / float64(connections), err
}

func ping(c net.Conn) error {
	if _, err := c.Write([]byte("*1\r\n$4\r\nPING\r\n")); err != nil {
		return err
	}
	if err := c.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return err
	}
	reply := make([]byte, 64)
	n, err := c.Read(reply)
	if err == nil && string(reply[:n]) != "+PONG\r\n" {
		err = fmt.Errorf("PING was answered with %q", reply[:n])
	}
	return err
}

// raiseFileLimit makes room for the load generator's sockets; servers started later inherit it.
func raiseFileLimit(want uint64) error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	if limit.Cur >= want {
		return nil
	}
	limit.Cur = want
	limit.Max = max(limit.Max, want)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("%d open files are needed (ulimit -n): %w", want, err)
	}
	return nil
}
