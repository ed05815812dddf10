// Package peer starts the servers that are compared: VegaDB, Redis, memcached and etcd, on loopback ports, with the same
// durability, alone or three of a kind as a cluster.
//
// What is equal and what is not: both sides listen on TCP on 127.0.0.1, keep their files in sibling directories of
// one file system, and acknowledge writes at the same moment (see Durability). Everything else is at each server's
// defaults, but Redis's own snapshots and the rewriting of its log are off, so that it never pays for compaction
// during a run; VegaDB's stay on.
//
// Clusters sync every write before its reply. VegaDB and etcd reply when a majority has synced it; Redis replicates
// asynchronously and replies when the primary has.
package peer

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/prakashpandey/vegadb/bench/internal/proc"
)

// Durability is when a write is acknowledged, in the words both servers use.
type Durability string

// The durabilities that are compared.
const (
	InMemory Durability = "in-memory" // nothing is written to disk
	EverySec Durability = "everysec"  // written before the reply, fsynced once a second
	Always   Durability = "always"    // fsynced before the reply
	Never    Durability = "never"     // written before the reply, fsynced when the system likes
)

// Server is one running server.
type Server struct {
	Name      string // "VegaDB", "Redis", "memcached"
	Addr      string
	AdminAddr string // VegaDB's HTTP port; empty for the others
	PeerAddr  string // where the other servers of its cluster reach it; empty for a lone one
	Dir       string // its files
	Proc      *proc.Process

	start func(*Server) error // starts the process again on the same port and directory
	ready func(context.Context, *Server) error
}

// Kind makes servers of one kind.
type Kind interface {
	Name() string
	// Start runs a server with an empty directory below dir and waits until it answers.
	Start(ctx context.Context, dir string, d Durability) (*Server, error)
}

// Stop ends the server and, unless it is to be started again, removes its files.
func (s *Server) Stop(keepFiles bool) error {
	err := s.Proc.Stop(20 * time.Second)
	if !keepFiles {
		err = errors.Join(err, s.Remove())
	}
	return err
}

// Remove deletes an ended server's files.
func (s *Server) Remove() error {
	if s.Dir == "" {
		return nil
	}
	return os.RemoveAll(s.Dir)
}

// Kill ends the server at once; its files stay.
func (s *Server) Kill() error { return s.Proc.Kill() }

// Restart starts an ended server again on its files and returns once it answers with all its data: the time that
// took, from the start of the process.
func (s *Server) Restart(ctx context.Context) (time.Duration, error) {
	begin := time.Now()
	if err := s.start(s); err != nil {
		return 0, err
	}
	if err := s.wait(ctx); err != nil {
		return 0, err
	}
	return time.Since(begin), nil
}

// Client returns a RESP connection for asking the server things between measurements.
func (s *Server) Client() *redis.Client {
	return redis.NewClient(&redis.Options{
		Addr: s.Addr, Protocol: 2, PoolSize: 1, ReadTimeout: 5 * time.Minute, MaxRetries: -1,
		DisableIdentity: true,
	})
}

func (s *Server) wait(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	return s.Proc.Wait(ctx, 5*time.Millisecond, func() error { return s.ready(ctx, s) })
}

// launch fills in a new server's port and directory, starts it and waits until it answers. When it does not, its
// process is ended before the error is returned.
func launch(ctx context.Context, s *Server, dir string) (*Server, error) {
	if err := s.begin(dir); err != nil {
		return nil, err
	}
	if err := s.wait(ctx); err != nil {
		return nil, errors.Join(err, s.Proc.Kill())
	}
	return s, nil
}

// begin is launch without waiting: some servers answer only when their peers have started too.
func (s *Server) begin(dir string) (err error) {
	if s.Addr == "" {
		if s.Addr, err = freeAddr(); err != nil {
			return err
		}
	}
	if s.Dir, err = os.MkdirTemp(dir, s.Name+"-"); err != nil {
		return err
	}
	if s.Dir, err = filepath.Abs(s.Dir); err != nil {
		return err
	}
	return s.start(s)
}

// Ports for servers come from below those that systems give to outgoing connections (from 32768 on Linux): the clients
// of one server would take the port of the next before it listens.
const firstPort, ports = 10_000, 20_000

// freeAddr finds a loopback port that was free a moment ago and is none of those in use.
func freeAddr(used ...string) (string, error) {
	var last error
	for range 1000 {
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(firstPort+rand.IntN(ports)))
		if slices.Contains(used, addr) {
			continue
		}
		l, err := net.Listen("tcp", addr)
		if err == nil {
			return addr, l.Close()
		}
		last = err
	}
	return "", fmt.Errorf("no free port from %d to %d: %w", firstPort, firstPort+ports-1, last)
}

// respReady asks for PONG on a fresh connection: a server that still loads answers with an error.
func respReady(ctx context.Context, s *Server) error {
	c := s.Client()
	defer c.Close()
	return c.Ping(ctx).Err()
}

func port(addr string) string {
	_, p, err := net.SplitHostPort(addr)
	if err != nil {
		panic(fmt.Sprintf("an address of our own making is malformed: %v", err))
	}
	return p
}
