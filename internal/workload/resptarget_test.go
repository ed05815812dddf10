package workload

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/internal/resp"
)

// respServer is a small server that speaks RESP2, for tests.
type respServer struct {
	listener net.Listener
	done     sync.WaitGroup

	mu       sync.Mutex
	values   map[string][]byte
	conns    map[net.Conn]bool
	accepted int
	password string
}

func startRESPServer(t *testing.T) *respServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &respServer{listener: l, values: map[string][]byte{}, conns: map[net.Conn]bool{}}
	s.done.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns[conn] = true
			s.accepted++
			s.mu.Unlock()
			s.done.Go(func() { s.serve(conn) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		s.cut()
		s.done.Wait()
	})
	return s
}

// cut ends all connections.
func (s *respServer) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn := range s.conns {
		_ = conn.Close()
	}
}

func (s *respServer) serve(conn net.Conn) {
	defer conn.Close()
	var parser resp.Parser
	parser.Limits = resp.DefaultLimits()
	var in []byte
	var w resp.Writer
	w.Proto = 2
	piece := make([]byte, 64<<10)
	for {
		n, err := conn.Read(piece)
		if err != nil {
			return
		}
		in = append(in, piece[:n]...)
		for {
			args, used, err := parser.Next(in, nil)
			if err != nil {
				return
			}
			if used == 0 {
				break
			}
			s.execute(&w, args)
			in = in[used:]
		}
		if _, err := conn.Write(w.Buf); err != nil {
			return
		}
		w.Buf = w.Buf[:0]
	}
}

func (s *respServer) execute(w *resp.Writer, args [][]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	bulk := func(key []byte) {
		if value, ok := s.values[string(key)]; ok {
			w.Bulk(value)
		} else {
			w.Null()
		}
	}
	switch strings.ToUpper(string(args[0])) {
	case "AUTH":
		if string(args[len(args)-1]) != s.password {
			w.Errorf("WRONGPASS", "invalid username-password pair or user is disabled.")
			return
		}
		w.OK()
	case "GET":
		bulk(args[1])
	case "MGET":
		w.Array(len(args) - 1)
		for _, key := range args[1:] {
			bulk(key)
		}
	case "SET":
		s.values[string(args[1])] = bytes.Clone(args[2])
		w.OK()
	case "MSET":
		for i := 1; i < len(args); i += 2 {
			s.values[string(args[i])] = bytes.Clone(args[i+1])
		}
		w.OK()
	case "SCAN":
		count, _ := strconv.Atoi(string(args[3]))
		w.Array(2)
		w.BulkString("7")
		w.Array(min(count, len(s.values)))
		for key := range s.values {
			if count--; count < 0 {
				break
			}
			w.BulkString(key)
		}
	default:
		w.Errorf("ERR", "unknown command")
	}
}

func TestMixesRunOverRESP(t *testing.T) {
	for _, c := range []struct {
		name        string
		mix         string
		batch, pipe int
		connections int
	}{
		{"single", "a", 1, 1, 0}, {"pipeline", "f", 1, 16, 0}, {"batch", "b", 20, 1, 0},
		{"shared", "a", 1, 1, 2}, {"shared pipelines of scans", "e", 1, 8, 2}, {"inserts", "d", 1, 4, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := startRESPServer(t)
			cfg := testConfig(t, c.mix)
			cfg.Batch, cfg.Pipeline, cfg.Verify, cfg.Callers = c.batch, c.pipe, true, 6
			target := NewRESP(RESPOptions{Address: server.listener.Addr().String(), Connections: c.connections}, cfg.Callers)
			defer target.Close()
			report, err := Run(context.Background(), target, cfg)
			if err != nil {
				t.Fatal(err)
			}
			if report.Run.Ops != 4000 || report.Run.ErrorCount() != 0 || report.Violations.Count != 0 || report.Run.Misses != 0 {
				t.Fatalf("%d requests, %v, %+v, %d misses", report.Run.Ops, report.Run.Errors, report.Violations, report.Run.Misses)
			}
			server.mu.Lock()
			defer server.mu.Unlock()
			if want := cmpOr(c.connections, 6); server.accepted != want {
				t.Fatalf("%d connections, want %d", server.accepted, want)
			}
		})
	}
}

func cmpOr(n, otherwise int) int {
	if n != 0 {
		return n
	}
	return otherwise
}

func TestRESPConnectsAnewAfterAnError(t *testing.T) {
	for _, connections := range []int{0, 1} {
		server := startRESPServer(t)
		target := NewRESP(RESPOptions{Address: server.listener.Addr().String(), Connections: connections}, 2)
		conn, err := target.Conn(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		ops := []Op{{Kind: Update, Key: []byte("k"), Value: []byte("v")}}
		conn.Do(context.Background(), ops, false)
		if ops[0].Err != nil {
			t.Fatal(ops[0].Err)
		}
		server.cut()
		ops = []Op{{Kind: Read, Key: []byte("k")}}
		conn.Do(context.Background(), ops, false)
		if ops[0].Err == nil {
			t.Fatal("a read over a broken connection succeeded")
		}
		ops[0] = Op{Kind: Read, Key: []byte("k")}
		conn.Do(context.Background(), ops, false)
		if ops[0].Err != nil || string(ops[0].Got) != "v" {
			t.Fatalf("%v, %q", ops[0].Err, ops[0].Got)
		}
		_ = conn.Close()
		_ = target.Close()
	}
}

func TestRESPAuthenticates(t *testing.T) {
	server := startRESPServer(t)
	server.password = "right"
	for password, want := range map[string]string{"right": "", "wrong": "WRONGPASS"} {
		target := NewRESP(RESPOptions{Address: server.listener.Addr().String(), Username: "u", Password: password}, 1)
		conn, err := target.Conn(context.Background())
		if want == "" {
			if err != nil {
				t.Fatal(err)
			}
			_ = conn.Close()
			continue
		}
		var refused ServerError
		if !errors.As(err, &refused) || refused.Class() != want {
			t.Fatalf("got %v", err)
		}
	}
}

func TestLargePipelinesDoNotWaitForEachOther(t *testing.T) {
	// Requests and replies of many MiB at once: whoever only writes, or only
	// reads, is stuck when the buffers between are full.
	server := startRESPServer(t)
	target := NewRESP(RESPOptions{Address: server.listener.Addr().String(), Timeout: 20 * time.Second}, 1)
	conn, err := target.Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	value := bytes.Repeat([]byte("x"), 4<<20)
	ops := make([]Op, 16)
	for i := range ops {
		ops[i] = Op{Kind: Update, Key: []byte("k"), Value: value}
		if i%2 == 1 {
			ops[i] = Op{Kind: Read, Key: []byte("k")}
		}
	}
	conn.Do(context.Background(), ops, false)
	for i := range ops {
		if ops[i].Err != nil || (i%2 == 1 && len(ops[i].Got) != len(value)) {
			t.Fatalf("%d: %v, %d bytes", i, ops[i].Err, len(ops[i].Got))
		}
	}
}

func FuzzReplyReader(f *testing.F) {
	for _, seed := range []string{"+OK\r\n", "-ERR x\r\n", ":42\r\n", "$3\r\nabc\r\n", "$-1\r\n", "*2\r\n+a\r\n:1\r\n", "$536870912\r\nab"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		r := newReplyReader(bytes.NewReader(in))
		for {
			var out reply
			if err := r.read(&out); err != nil {
				return
			}
			if cap(out.bulk) > len(in)+2<<20 {
				t.Fatalf("%d bytes allocated for an input of %d", cap(out.bulk), len(in))
			}
		}
	})
}
