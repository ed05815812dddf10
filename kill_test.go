package vegadb_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/prakashpandey/vegadb"
)

// serverEnv makes this test binary a server: directory and policy, separated by
// a space. The processes that tests kill are this program itself.
const serverEnv = "VEGADB_TEST_SERVER"

func TestMain(m *testing.M) {
	if spec := os.Getenv(serverEnv); spec != "" {
		serveUntilKilled(spec)
	}
	os.Exit(m.Run())
}

func serveUntilKilled(spec string) {
	dir, policy, _ := strings.Cut(spec, " ")
	cfg := vegadb.DefaultConfig()
	cfg.Addr, cfg.AdminAddr, cfg.DataDir, cfg.Fsync = "127.0.0.1:0", "", dir, policy
	cfg.LogSegmentBytes, cfg.MaxValueBytes, cfg.SnapshotLogBytes = 4<<20, 1<<20, 1<<20
	node, err := vegadb.Start(cfg)
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	fmt.Println("listening:", node.Addr())
	select {}
}

// serverProcess is a server that can be killed.
type serverProcess struct {
	cmd  *exec.Cmd
	addr string
}

func startServer(t *testing.T, dir, policy string) *serverProcess {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), serverEnv+"="+dir+" "+policy)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	addr, ok := strings.CutPrefix(strings.TrimSpace(line), "listening: ")
	if err != nil || !ok {
		cmd.Process.Kill()
		t.Fatalf("server did not start: %q, %v", line, err)
	}
	return &serverProcess{cmd, addr}
}

// kill is SIGKILL: the process gets no chance to finish anything.
func (s *serverProcess) kill() { s.cmd.Process.Kill() }

// promise is what one worker has been told, and what it has asked for since.
type promise struct {
	acked, sent       atomic.Int64 // newest value of its register and its pair
	increments, tried atomic.Int64 // of its counter
}

// TestKillingTheServerLosesNothingAcknowledged kills a server under load, again
// and again, and checks every promise after each start. It holds for every
// policy: each acknowledgement is given after the log's bytes were handed to the
// operating system, which survives the process.
func TestKillingTheServerLosesNothingAcknowledged(t *testing.T) {
	for policy, kills := range map[string]int{"always": 20, "everysec": 8, "never": 4} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			promises := make([]promise, 12)
			for round := range kills {
				server := startServer(t, dir, policy)
				checkPromises(t, server.addr, promises, round)
				load(t, server, promises, time.Duration(50+rand.IntN(200))*time.Millisecond)
			}
			server := startServer(t, dir, policy)
			defer func() { server.kill(); server.cmd.Wait() }()
			checkPromises(t, server.addr, promises, kills)
			var total int64
			for i := range promises {
				total += promises[i].increments.Load()
			}
			t.Logf("%d kills, %d acknowledged rounds of SET, INCR and MSET, none lost", kills, total)
			if total < int64(kills) {
				t.Errorf("only %d rounds were acknowledged: the load was no load", total)
			}
		})
	}
}

// load lets workers write until the server is killed in their midst.
func load(t *testing.T, server *serverProcess, promises []promise, during time.Duration) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	c := redis.NewClient(&redis.Options{Addr: server.addr, MaxRetries: -1, PoolSize: len(promises)})
	defer c.Close()
	var wg sync.WaitGroup
	for i := range promises {
		wg.Go(func() {
			for writeOnce(ctx, c, i, &promises[i]) == nil {
			}
		})
	}
	time.AfterFunc(during, server.kill)
	wg.Wait()
	server.cmd.Wait()
}

// writeOnce raises worker i's register, counter and pair by one, in one pipeline.
func writeOnce(ctx context.Context, c *redis.Client, i int, p *promise) error {
	next := p.acked.Load() + 1
	if sent := p.sent.Load(); sent >= next {
		next = sent + 1 // an earlier attempt may have taken effect
	}
	p.sent.Store(next)
	p.tried.Add(1)
	_, err := c.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		pipe.Set(ctx, fmt.Sprintf("register-%d", i), next, 0)
		pipe.IncrBy(ctx, fmt.Sprintf("counter-%d", i), 1)
		pipe.MSet(ctx, fmt.Sprintf("{pair-%d}a", i), next, fmt.Sprintf("{pair-%d}b", i), next, fmt.Sprintf("{pair-%d}padding", i), strings.Repeat("x", 500))
		return nil
	})
	if err == nil {
		p.acked.Store(next)
		p.increments.Add(1)
	}
	return err
}

func checkPromises(t *testing.T, addr string, promises []promise, round int) {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: addr})
	defer c.Close()
	get := func(key string) int64 {
		v, err := c.Get(t.Context(), key).Result()
		if err == redis.Nil {
			return 0
		}
		if err != nil {
			t.Fatal(err)
		}
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			t.Fatalf("%s = %q", key, v)
		}
		return n
	}
	for i := range promises {
		acked, sent := promises[i].acked.Load(), promises[i].sent.Load()
		register, counter := get(fmt.Sprintf("register-%d", i)), get(fmt.Sprintf("counter-%d", i))
		a, b := get(fmt.Sprintf("{pair-%d}a", i)), get(fmt.Sprintf("{pair-%d}b", i))
		if register < acked || register > sent {
			t.Errorf("start %d, worker %d: register is %d; acknowledged %d, sent %d", round, i, register, acked, sent)
		}
		if a != b {
			t.Errorf("start %d, worker %d: MSET half applied: %d and %d", round, i, a, b)
		}
		if a < acked || a > sent {
			t.Errorf("start %d, worker %d: pair is %d; acknowledged %d, sent %d", round, i, a, acked, sent)
		}
		if low, high := promises[i].increments.Load(), promises[i].tried.Load(); counter < low || counter > high {
			t.Errorf("start %d, worker %d: counter is %d; %d increments acknowledged, %d sent", round, i, counter, low, high)
		}
	}
}
