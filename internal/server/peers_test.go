package server

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/prakashpandey/vegadb/internal/config"
	"github.com/prakashpandey/vegadb/internal/node"
	"github.com/prakashpandey/vegadb/internal/vfs"
	"github.com/prakashpandey/vegadb/internal/wal"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// realCluster is three nodes with peers, with disks in memory and sockets on the
// loopback, behind servers.
func realCluster(t *testing.T, policy wal.SyncPolicy) (servers [3]*Server) {
	var first *node.Node
	for i := range servers {
		settings := config.Default()
		settings.Partitions = 8
		peers := &node.ClusterOptions{PeerAddr: "127.0.0.1:0", Replicas: 3, Version: "test"}
		o := node.Options{
			FS: vfs.NewMem(), Dir: "data", Partitions: 8, Durability: policy, LogSegmentBytes: 1 << 20, LogQueueBytes: 4 << 20, MaxRecordBytes: 1 << 20, Cluster: peers,
			OnFatal: func(err error) { t.Errorf("node %d: %v", i, err) },
		}
		if first != nil {
			peers.Join, o.Partitions = []string{first.PeerAddr()}, 0
		}
		n, err := node.Open(o)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = n
		}
		s := New(Options{Node: n, Live: config.NewLive(settings), Logger: slog.New(slog.DiscardHandler), Version: "test", Facts: func() any { return n.Stats() }})
		servers[i] = s
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			if err := s.Stop(ctx); err != nil {
				t.Errorf("stop node %d: %v", i, err)
			}
			if err := n.Close(); err != nil {
				t.Errorf("close node %d: %v", i, err)
			}
		})
		if err := s.Start("127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		n.Advertise(s.Addr().String(), "")
		if err := n.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	h := &harness{t: t}
	h.await("every partition has three replicas and a leader, and each node leads some", func() bool {
		for _, s := range servers {
			topology, _ := s.node.Topology()
			leads := map[uint16]bool{}
			for _, p := range topology.Partitions {
				if p.Leader == wire.NoLeader || p.Term == 0 || len(p.Replicas) != 3 {
					return false
				}
				leads[p.Leader] = true
			}
			if len(leads) != 3 {
				return false
			}
		}
		return true
	})
	return servers
}

func TestClientsOfARealClusterThatMovesItsLeaders(t *testing.T) {
	for _, policy := range []wal.SyncPolicy{wal.Always, wal.EverySec} {
		t.Run(policy.String(), func(t *testing.T) {
			servers := realCluster(t, policy)
			ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
			defer cancel()
			c := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{servers[1].Addr().String()}, MaxRedirects: 16})
			defer c.Close()
			stop := make(chan struct{})
			var wg sync.WaitGroup
			var counts [4]int64
			for w := range counts {
				wg.Add(1)
				go func() {
					defer wg.Done()
					key := fmt.Sprint("counter-", w)
					pipe := newPipe(t, servers[w%3], "{"+key+"}copy")
					for done := false; !done; {
						select {
						case <-stop:
							done = true
						default:
						}
						n, err := c.Incr(ctx, key).Result()
						if err != nil && strings.Contains(err.Error(), node.ErrUnknownOutcome.Error()) {
							if counts[w], err = c.Get(ctx, key).Int64(); err == nil || err == redis.Nil {
								continue
							}
						}
						if err != nil {
							t.Errorf("INCR %s: %v", key, err)
							return
						}
						if n != counts[w]+1 {
							t.Errorf("%s is %d after %d", key, n, counts[w])
						}
						counts[w] = n
						if !pipe.check(n) {
							return
						}
					}
				}()
			}
			before := terms(servers)
			for p := range 8 {
				transfer(t, servers, p)
			}
			(&harness{t: t}).await("leaders move", func() bool { return terms(servers) >= before+4 })
			close(stop)
			wg.Wait()
			if slices.Min(counts[:]) == 0 {
				t.Errorf("counters %v", counts)
			}
			readEverywhere(t, servers, "counter-0", fmt.Sprint(counts[0]))
		})
	}
}

// pipe is a connection to one node that writes and reads a key in one pipeline. A
// client that follows redirections would not do: it sends again what was refused, and
// that behind what was not.
type pipe struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
	key  string
}

func newPipe(t *testing.T, s *Server, key string) *pipe {
	conn := (&harness{t: t, srv: s}).dial()
	return &pipe{t, conn, bufio.NewReader(conn), key}
}

// check expects that a read behind a write that was done sees it, if it is done too. It
// reports whether the connection is good for another.
func (p *pipe) check(n int64) bool {
	p.conn.SetDeadline(time.Now().Add(patience))
	_, err := fmt.Fprintf(p.conn, "SET %s %d\r\nGET %s\r\n", p.key, n, p.key)
	line := func() (text string) {
		if err == nil {
			text, err = p.in.ReadString('\n')
		}
		return text
	}
	set, get := line(), line()
	if strings.HasPrefix(get, "$") && get != "$-1\r\n" {
		get = line()
	}
	if err != nil {
		p.t.Error(err)
		return false
	}
	if set == "+OK\r\n" && !strings.HasPrefix(get, "-") && get != fmt.Sprint(n, "\r\n") {
		p.t.Errorf("%s was set to %d, and read as %q right behind that", p.key, n, get)
	}
	return true
}

// terms is a number that grows with every change of a leader.
func terms(servers [3]*Server) (sum uint64) {
	for _, p := range servers[0].partitions {
		sum += servers[0].node.Term(p)
	}
	return sum
}

// transfer asks for a partition to be led by another node. It may be back with its
// preferred leader before anybody has noticed: no reply is waited for.
func transfer(t *testing.T, servers [3]*Server, partition int) {
	h := &harness{t: t, srv: servers[0]}
	topology, _ := servers[0].node.Topology()
	to := topology.Nodes[(topology.Partitions[partition].Leader+1)%3].ID
	conn := h.dial()
	in := bufio.NewReader(conn)
	hello := wire.ClientHello{MinVersion: 1, MaxVersion: 1}
	write(t, conn, string(hello.Append(nil)))
	readServerHello(t, in)
	body := (&wire.AdminRequest{Op: wire.AdminTransfer, Node: to, Partition: &partition}).Append(nil)
	write(t, conn, string(request(1, wire.OpAdmin, 0, body)))
}

// readEverywhere reads a key at every node: with READONLY, and natively at each level
// that any replica serves.
func readEverywhere(t *testing.T, servers [3]*Server, key, want string) {
	for i, s := range servers {
		h := &harness{t: t, srv: s}
		resp, native := h.dial(), h.dial()
		in := bufio.NewReader(native)
		hello := wire.ClientHello{MinVersion: 1, MaxVersion: 1}
		write(t, native, string(hello.Append(nil)))
		readServerHello(t, in)
		ask := func(req wire.Request) wire.Response {
			req.Op, req.ID, req.Body = wire.OpGet, 1, []byte(key)
			req.Flags |= wire.FlagConsistency | wire.FlagReceipt
			write(t, native, string(req.Append(nil)))
			return readReply(t, in)
		}
		h.await(fmt.Sprintf("node %d has applied the last write", i), func() bool {
			r := ask(wire.Request{Consistency: wire.Local})
			return r.Status == wire.OK && string(r.Body) == want
		})
		local := ask(wire.Request{Consistency: wire.Local})
		for _, req := range []wire.Request{{Consistency: wire.SessionReads, ConsistencyArg: local.Index}, {Consistency: wire.Bounded, ConsistencyArg: 10_000}, {Consistency: wire.Linearizable}, {Consistency: wire.Lease}} {
			var r wire.Response
			h.await(fmt.Sprintf("node %d can say something at level %v", i, req.Consistency), func() bool {
				r = ask(req) // leaders are still on the move
				return r.Status != wire.Unavailable && (r.Status != wire.NotLeader || req.Consistency <= wire.Lease)
			})
			switch {
			case r.Status == wire.OK && string(r.Body) == want && r.Consistency <= req.Consistency && r.Term > 0 && r.Index >= local.Index:
			case r.Status == wire.NotLeader && req.Consistency <= wire.Lease && len(r.Leader) > 0:
			default:
				t.Errorf("node %d, level %v: %+v", i, req.Consistency, r)
			}
		}
		write(t, resp, "READONLY\r\nGET "+key+"\r\nPING\r\n")
		out := bufio.NewReader(resp)
		got := ""
		for range 4 {
			line, err := out.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			got += line
		}
		if got != "+OK\r\n"+bulk(want)+"+PONG\r\n" {
			t.Errorf("node %d: %q", i, got)
		}
		resp.Close()
		native.Close()
	}
}
