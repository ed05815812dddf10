package client

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prakashpandey/vegadb/internal/attempt"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// loseReplies lets a cluster execute the next n requests of one operation and close the
// connection instead of answering.
func loseReplies(fc *fakeCluster, op wire.Op, n int32) {
	var left atomic.Int32
	left.Store(n)
	fc.on(nil, func(_ int, fs *fakeSession, r *wire.Request) {
		if r.Op == op && left.Add(-1) >= 0 {
			fs.out = nil
			fs.nc.Close()
		}
	})
}

func TestWriteWhoseReplyWasLostTakesEffectOnce(t *testing.T) {
	clusterBubble(t, 3, 3, func(t *testing.T, fc *fakeCluster, c *Client) {
		ctx := context.Background()
		key := fc.keyIn(1)
		loseReplies(fc, wire.OpIncrement, 3)
		if n, err := c.Increment(ctx, key, 5); n != 5 || err != nil {
			t.Error(n, err)
		}
		loseReplies(fc, wire.OpPut, 2)
		_, err := c.Put(ctx, "absent", nil, IfAbsent())
		must(t, err)
		loseReplies(fc, wire.OpDelete, 1)
		if deleted, err := c.Delete(ctx, "absent"); !deleted || err != nil {
			t.Error(deleted, err)
		}
		loseReplies(fc, wire.OpWriteBatch, 2)
		var b Batch
		for p := range 3 {
			b.Increment(fc.keysIn(p, 2)[1], 1)
			b.Increment(fc.keysIn(p, 2)[1], 1)
		}
		results, err := c.Batch(ctx, &b)
		must(t, err)
		for i := range results {
			if want := int64(i%2 + 1); results[i].Int != want {
				t.Errorf("%d: %+v", i, results[i])
			}
		}
		loseReplies(fc, wire.OpCommand, 1)
		_, err = c.Do(ctx, [][]byte{[]byte("APPEND"), []byte(key), []byte("x")}, false, 2)
		must(t, err)
	})
}

func TestWriteWhoseReplyWasLostInAFailoverTakesEffectOnce(t *testing.T) {
	clusterBubble(t, 3, 3, func(t *testing.T, fc *fakeCluster, c *Client) {
		key := fc.keyIn(1)
		fc.on(nil, func(node int, fs *fakeSession, r *wire.Request) {
			if r.Op == wire.OpIncrement && node == 1 {
				fs.out = nil
				fc.mu.Lock()
				fc.down[1] = true
				fc.mu.Unlock()
				fs.nc.Close()
			}
		})
		result := make(chan int64)
		go func() {
			n, err := c.Increment(context.Background(), key, 1)
			must(t, err)
			result <- n
		}()
		time.Sleep(500 * time.Millisecond)
		fc.failOver(1)
		if n := <-result; n != 1 {
			t.Error(n)
		}
	})
}

func TestLostWriteIsUnknownWhenTheDeadlineEndsFirst(t *testing.T) {
	clusterBubble(t, 3, 3, func(t *testing.T, fc *fakeCluster, c *Client) {
		loseReplies(fc, wire.OpIncrement, 1)
		fc.kill(0) // nobody there to repeat it to, once it is lost
		fc.kill(2)
		fc.on(nil, func(node int, fs *fakeSession, r *wire.Request) {
			if r.Op == wire.OpIncrement {
				fs.out = nil
				fc.mu.Lock()
				fc.down[1] = true
				fc.mu.Unlock()
				fs.nc.Close()
			}
		})
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err := c.Increment(ctx, fc.keyIn(1), 1)
		wantErr(t, err, ErrUnknownOutcome)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

func TestRefusalAfterALostReplyDoesNotMakeTheOutcomeKnown(t *testing.T) {
	for _, status := range []wire.Status{wire.Busy, wire.PermissionDenied, wire.MemoryLimit, wire.SessionExpired} {
		clusterBubble(t, 3, 3, func(t *testing.T, fc *fakeCluster, c *Client) {
			lost := false
			fc.on(func(_ int, fs *fakeSession, r *wire.Request) bool {
				if r.Op == wire.OpIncrement && lost {
					fs.out = wire.AppendErrorReply(fs.out, r.ID, status, 0, "refused")
					return true
				}
				return false
			}, func(_ int, fs *fakeSession, r *wire.Request) {
				if r.Op == wire.OpIncrement {
					lost = true
					fs.out = nil
					fs.nc.Close()
				}
			})
			_, err := c.Increment(context.Background(), fc.keyIn(1), 1)
			wantErr(t, err, ErrUnknownOutcome)
		})
	}
}

func TestVerdictAfterALostReplyIsTheOutcome(t *testing.T) {
	clusterBubble(t, 3, 3, func(t *testing.T, fc *fakeCluster, c *Client) {
		_, err := c.Put(context.Background(), "k", []byte("text"))
		must(t, err)
		loseReplies(fc, wire.OpIncrement, 1)
		_, err = c.Increment(context.Background(), "k", 1)
		wantErr(t, err, ErrNotInteger)
		loseReplies(fc, wire.OpPut, 1)
		_, err = c.Put(context.Background(), "k", nil, IfAbsent())
		wantErr(t, err, ErrAlreadyExists)
	})
}

func TestUnknownOutcomeFromTheServerIsRepeatedUnderTheSession(t *testing.T) {
	clusterBubble(t, 3, 3, func(t *testing.T, fc *fakeCluster, c *Client) {
		answers := 0
		fc.on(nil, func(_ int, fs *fakeSession, r *wire.Request) {
			if r.Op == wire.OpIncrement && answers < 2 { // executed, and leadership lost
				answers++
				fs.out = wire.AppendErrorReply(nil, r.ID, wire.UnknownOutcome, 0, "leadership was lost")
			}
		})
		if n, err := c.Increment(context.Background(), "k", 1); n != 1 || err != nil {
			t.Error(n, err)
		}
		// But not for ever: an outcome that cannot be told stays so.
		answers = -100
		_, err := c.Increment(context.Background(), "k", 1)
		wantErr(t, err, ErrUnknownOutcome)
		if answers != -100+1+attempt.MaxDoubts {
			t.Errorf("%d answers", answers+100)
		}
	})
}

func TestExpiredSessionIsReplacedWhenNothingWasExecuted(t *testing.T) {
	clusterBubble(t, 3, 3, func(t *testing.T, fc *fakeCluster, c *Client) {
		sessions := map[wire.SessionID]bool{}
		fc.on(func(_ int, fs *fakeSession, r *wire.Request) bool {
			if r.Op == wire.OpTopology {
				return false
			}
			sessions[r.Session] = true
			if len(sessions) == 1 {
				fs.out = wire.AppendErrorReply(fs.out, r.ID, wire.SessionExpired, 0, "too old")
				return true
			}
			return false
		}, nil)
		if n, err := c.Increment(context.Background(), "k", 1); n != 1 || err != nil || len(sessions) != 2 {
			t.Error(n, err, sessions)
		}
		var b Batch
		b.Increment("k", 1)
		clear(sessions)
		if results, err := c.Batch(context.Background(), &b); err != nil || results[0].Int != 2 {
			t.Error(results, err)
		}
	})
}

func TestServerThatExpiresEverySessionGetsPlainWrites(t *testing.T) {
	clusterBubble(t, 3, 3, func(t *testing.T, fc *fakeCluster, c *Client) {
		fc.on(func(_ int, fs *fakeSession, r *wire.Request) bool {
			if r.Flags&wire.FlagSession != 0 {
				fs.out = wire.AppendErrorReply(fs.out, r.ID, wire.SessionExpired, 0, "too old")
				return true
			}
			return false
		}, nil)
		for range 2 {
			_, err := c.Put(context.Background(), "k", nil)
			must(t, err)
			time.Sleep(2 * time.Minute) // the second time the connection is replaced
		}
	})
}

// sessionsSeen records the requests that carry a session.
func sessionsSeen(fc *fakeCluster) func() []wire.Request {
	var mu sync.Mutex
	var seen []wire.Request
	fc.on(func(_ int, _ *fakeSession, r *wire.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		if r.Flags&wire.FlagSession != 0 {
			seen = append(seen, *r)
		}
		return false
	}, nil)
	return func() []wire.Request {
		mu.Lock()
		defer mu.Unlock()
		old := seen
		seen = nil
		return old
	}
}

func TestSessionsAreNumberedFromOneAndTellTheServersTime(t *testing.T) {
	clusterBubble(t, 1, 4, func(t *testing.T, fc *fakeCluster, c *Client) {
		ahead := 17 * time.Minute // the server's clock
		fc.nodes[0].hello = func(h wire.ClientHello) wire.ServerHello {
			return wire.ServerHello{Version: 1, Limits: wire.DefaultLimits(), ClusterID: "c", NodeID: "id-0", Features: h.Features,
				TimeMs: uint64(time.Now().Add(ahead).UnixMilli())}
		}
		fc.nodes[0].dropConnections()
		time.Sleep(time.Minute)
		seen := sessionsSeen(fc)
		for i := range 5 {
			_, err := c.Put(context.Background(), fmt.Sprint(i), nil)
			must(t, err)
		}
		_, err := c.Get(context.Background(), "0")
		must(t, err)
		must(t, c.Flush(context.Background()))
		requests := seen()
		for i, r := range requests {
			if r.Sequence != uint64(i+1) || r.Acknowledged != uint64(i) || r.Session != requests[0].Session {
				t.Errorf("%+v", r)
			}
		}
		born := time.UnixMilli(int64(binary.BigEndian.Uint64(requests[0].Session[:])))
		if off := time.Now().Add(ahead).Sub(born); off < -time.Second || off > time.Second || len(requests) != 5 {
			t.Errorf("%d requests, the session's time is %v off", len(requests), off)
		}
	})
}

func TestSessionsRotate(t *testing.T) {
	clusterBubble(t, 1, 4, func(t *testing.T, fc *fakeCluster, c *Client) {
		seen := sessionsSeen(fc)
		ids := map[wire.SessionID]int{}
		for range 60 {
			_, err := c.Put(context.Background(), "k", nil)
			must(t, err)
			for _, r := range seen() {
				ids[r.Session]++
				born := time.UnixMilli(int64(binary.BigEndian.Uint64(r.Session[:])))
				if age := time.Since(born); age > attempt.DefaultAges().Use+time.Second {
					t.Errorf("a write joined a session of %v", age)
				}
			}
			time.Sleep(10 * time.Second)
		}
		if len(ids) != 4 {
			t.Errorf("%d sessions in 10 minutes", len(ids))
		}
		time.Sleep(24 * time.Hour)
		_, err := c.Put(context.Background(), "k", nil)
		must(t, err)
	})
}

func TestStuckWriteDoesNotStopTheOthers(t *testing.T) {
	clusterBubble(t, 1, 4, func(t *testing.T, fc *fakeCluster, c *Client) {
		fc.on(func(_ int, fs *fakeSession, r *wire.Request) bool {
			return r.Op == wire.OpPut && strings.Contains(string(r.Body), "stuck")
		}, nil)
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := c.Put(context.Background(), "stuck", nil)
			wantErr(t, err, ErrUnknownOutcome)
		})
		synctest.Wait()
		for range 3 * attempt.Window {
			_, err := c.Put(context.Background(), "k", nil)
			must(t, err)
		}
		wg.Wait()
		fc.mu.Lock()
		defer fc.mu.Unlock()
		for id, acked := range fc.acked {
			for w := range fc.writes {
				if w.session == id && w.sequence > acked+attempt.Window+1 {
					t.Errorf("write %d with %d acknowledged", w.sequence, acked)
				}
			}
		}
		if len(fc.acked) != 2 { // nothing is stuck in the second one
			t.Errorf("%d sessions", len(fc.acked))
		}
	})
}

func TestWriteOfACallerWhoLeftIsAcknowledgedOnlyWhenItIsAnswered(t *testing.T) {
	clusterBubble(t, 1, 4, func(t *testing.T, fc *fakeCluster, c *Client) {
		release := make(chan struct{})
		answer := make(chan func(), 1)
		fc.on(func(_ int, fs *fakeSession, r *wire.Request) bool {
			if r.Op != wire.OpIncrement {
				return false
			}
			id := r.ID
			answer <- func() { fs.write(wire.AppendReply(nil, id, wire.OK, 9, wire.AppendInt(nil, 1)), true) }
			return true
		}, nil)
		ctx, cancel := context.WithCancel(context.Background())
		go func() {
			_, err := c.Increment(ctx, "slow", 1)
			wantErr(t, err, ErrUnknownOutcome)
			close(release)
		}()
		reply := <-answer
		cancel()
		<-release
		last := func() uint64 {
			seen := sessionsSeen(fc)
			_, err := c.Put(context.Background(), "k", nil)
			must(t, err)
			return seen()[0].Acknowledged
		}
		if n := last(); n != 0 {
			t.Errorf("%d acknowledged while the write is under way", n)
		}
		if n := last(); n != 0 {
			t.Errorf("%d acknowledged while the write is under way", n)
		}
		reply()
		synctest.Wait()
		if n := last(); n != 3 {
			t.Errorf("%d acknowledged, want 3", n)
		}
	})
}

func TestWriteThatTimedOutIsAcknowledgedWhenItsConnectionIsGone(t *testing.T) {
	clusterBubble(t, 2, 2, func(t *testing.T, fc *fakeCluster, c *Client) {
		fc.hang(1)
		_, err := c.Increment(context.Background(), fc.keyIn(1), 1)
		wantErr(t, err, ErrUnknownOutcome)
		cn := c.routes.Load().nodes[1].links[0].conn.Load()
		cn.mu.Lock()
		s := cn.session
		if s == nil || s.Acked() != 0 || s.Outstanding() != 1 {
			t.Errorf("%+v", s)
		}
		cn.mu.Unlock()
		fc.unhang(1)
		fc.nodes[1].dropConnections()
		synctest.Wait()
		cn.mu.Lock()
		if s.Acked() != 1 {
			t.Errorf("%d acknowledged", s.Acked())
		}
		cn.mu.Unlock()
	})
}

func TestServerWithoutSessionsGetsNone(t *testing.T) {
	clusterBubble(t, 1, 1, func(t *testing.T, fc *fakeCluster, c *Client) {
		fc.nodes[0].hello = func(h wire.ClientHello) wire.ServerHello {
			return wire.ServerHello{Version: 1, Limits: wire.DefaultLimits(), ClusterID: "c", NodeID: "id-0"}
		}
		fc.nodes[0].dropConnections()
		seen := sessionsSeen(fc)
		_, err := c.Put(context.Background(), "k", nil)
		must(t, err)
		if n := len(seen()); n != 0 {
			t.Errorf("%d writes with a session", n)
		}
		loseReplies(fc, wire.OpPut, 1)
		_, err = c.Put(context.Background(), "k", nil)
		wantErr(t, err, ErrUnknownOutcome)
	})
}

func TestLostWriteIsNotRepeatedToAServerWithoutSessions(t *testing.T) {
	clusterBubble(t, 1, 1, func(t *testing.T, fc *fakeCluster, c *Client) {
		fc.on(nil, func(_ int, fs *fakeSession, r *wire.Request) {
			if r.Op != wire.OpIncrement {
				return
			}
			fs.out = nil
			fc.nodes[0].hello = func(h wire.ClientHello) wire.ServerHello { // an older program takes its place
				return wire.ServerHello{Version: 1, Limits: wire.DefaultLimits(), ClusterID: "c", NodeID: "id-0"}
			}
			fs.nc.Close()
		})
		_, err := c.Increment(context.Background(), "k", 1)
		wantErr(t, err, ErrUnknownOutcome)
		if n := len(fc.executed()); n != 1 {
			t.Errorf("executed %d times", n)
		}
	})
}

func TestLargeWritesCarryTheSessionToo(t *testing.T) {
	clusterBubble(t, 2, 2, func(t *testing.T, fc *fakeCluster, c *Client) {
		loseReplies(fc, wire.OpPut, 1)
		_, err := c.Put(context.Background(), fc.keyIn(1), make([]byte, 5*largeFrame))
		must(t, err)
		seen := sessionsSeen(fc)
		_, err = c.Put(context.Background(), fc.keyIn(1), make([]byte, 5*largeFrame))
		must(t, err)
		if r := seen(); len(r) != 1 || r[0].Sequence == 0 {
			t.Errorf("%d requests with a session", len(r))
		}
	})
}

func TestWritesWithSessionsAllocateNothing(t *testing.T) {
	value := make([]byte, 64)
	s := newFakeServer(t)
	s.hello = func(h wire.ClientHello) wire.ServerHello {
		return wire.ServerHello{Version: 1, Limits: wire.DefaultLimits(), ClusterID: "c", Features: h.Features & wire.FeatureSessions}
	}
	s.on(func(fs *fakeSession, r *wire.Request) bool {
		if r.Flags&wire.FlagSession == 0 {
			t.Error("no session")
		}
		fs.out = wire.AppendReply(fs.out, r.ID, wire.OK, 7, nil)
		return true
	})
	c, ctx := open(t, s), context.Background()
	for name, call := range map[string]func(){
		"Put":    func() { c.Put(ctx, "key", value, WithTTL(time.Hour)) },
		"Delete": func() { c.Delete(ctx, "key") },
	} {
		call()
		if n := testing.AllocsPerRun(500, call); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
