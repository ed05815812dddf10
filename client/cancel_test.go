package client

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prakashpandey/vegadb/internal/wire"
)

// bubble runs f in a bubble of its own with a client on a server over a pipe.
// Time stands still unless everybody waits.
func bubble(t *testing.T, f func(t *testing.T, s *fakeServer, c *Client), change ...func(*Options)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := newPipeServer(t)
		c := open(t, s, change...)
		f(t, s, c)
		must(t, c.Close())
		s.stop()
	})
}

// swallow lets the server take requests of one operation without answering. The
// frames swallowed are answered by the function returned.
func swallow(s *fakeServer, op wire.Op) (answer func()) {
	var mu sync.Mutex
	var session *fakeSession
	var held []uint32
	s.on(func(fs *fakeSession, r *wire.Request) bool {
		if r.Op != op {
			return false
		}
		mu.Lock()
		defer mu.Unlock()
		session = fs
		held = append(held, r.ID)
		return true
	})
	return func() {
		mu.Lock()
		defer mu.Unlock()
		var out []byte
		for _, id := range held {
			out = wire.AppendReply(out, id, wire.OK, 1, []byte("late"))
		}
		held = nil
		session.nc.Write(out)
	}
}

func TestTimeOutOfAReadIsATimeout(t *testing.T) {
	bubble(t, func(t *testing.T, s *fakeServer, c *Client) {
		swallow(s, wire.OpGet)
		began := time.Now()
		_, err := c.Get(context.Background(), "k")
		wantErr(t, err, ErrTimeout)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if took := time.Since(began); took < 3*time.Second || took > 3300*time.Millisecond {
			t.Errorf("gave up after %v", took)
		}
	}, func(o *Options) { o.Timeout = 3 * time.Second })
}

func TestTimeOutOfASentWriteIsAnUnknownOutcome(t *testing.T) {
	bubble(t, func(t *testing.T, s *fakeServer, c *Client) {
		swallow(s, wire.OpPut)
		_, err := c.Put(context.Background(), "k", nil)
		wantErr(t, err, ErrUnknownOutcome)
		if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrTimeout) {
			t.Error(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err = c.Put(ctx, "k", nil)
		wantErr(t, err, ErrUnknownOutcome)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

func TestContextThatHasEndedSendsNothing(t *testing.T) {
	bubble(t, func(t *testing.T, s *fakeServer, c *Client) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		time.Sleep(2 * time.Second)
		_, err := c.Put(ctx, "k", nil)
		wantErr(t, err, ErrTimeout)
		canceled, cancel := context.WithCancel(context.Background())
		cancel()
		_, err = c.Put(canceled, "k", nil)
		wantErr(t, err, ErrCanceled)
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if n := s.requests.Load(); n != 0 {
			t.Errorf("%d requests were sent", n)
		}
	})
}

func TestCancelWhileTheReplyIsOutstanding(t *testing.T) {
	bubble(t, func(t *testing.T, s *fakeServer, c *Client) {
		for _, op := range []wire.Op{wire.OpGet, wire.OpPut} {
			answer := swallow(s, op)
			ctx, cancel := context.WithCancel(context.Background())
			result := make(chan error)
			go func() {
				var err error
				if op == wire.OpGet {
					_, err = c.Get(ctx, "k")
				} else {
					_, err = c.Put(ctx, "k", nil)
				}
				result <- err
			}()
			synctest.Wait()
			cancel()
			err := <-result
			want := ErrCanceled
			if op == wire.OpPut {
				want = ErrUnknownOutcome
			}
			wantErr(t, err, want)
			if !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			// The connection lives on, and the late reply reaches nobody.
			s.behave()
			_, err = c.Put(context.Background(), "other", []byte("mine"))
			must(t, err)
			answer()
			value, err := c.Get(context.Background(), "other")
			if err != nil || string(value) != "mine" {
				t.Errorf("got %q %v", value, err)
			}
		}
		if n := s.accepted.Load(); n != 1 {
			t.Errorf("%d connections", n)
		}
	})
}

func TestLateReplyNeverReachesACallThatTookThePlace(t *testing.T) {
	bubble(t, func(t *testing.T, s *fakeServer, c *Client) {
		answer := swallow(s, wire.OpGet)
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				defer cancel()
				_, err := c.Get(ctx, fmt.Sprint(i))
				if !errors.Is(err, ErrTimeout) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		s.behave()
		for i := range 200 {
			key := fmt.Sprint("key", i)
			_, err := c.Put(context.Background(), key, []byte(key))
			must(t, err)
			if i == 100 {
				answer()
			}
			got, err := c.Get(context.Background(), key)
			if err != nil || string(got) != key {
				t.Fatalf("%q %v", got, err)
			}
		}
	})
}

func TestCancelWhileWaitingForTheWindow(t *testing.T) {
	bubble(t, func(t *testing.T, s *fakeServer, c *Client) {
		answer := swallow(s, wire.OpPut)
		var wg sync.WaitGroup
		for range 2 { // fill the window
			wg.Go(func() {
				if _, err := c.Put(context.Background(), "k", nil); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		ctx, cancel := context.WithCancel(context.Background())
		result := make(chan error, 3)
		go func() { _, err := c.Put(ctx, "first in line", nil); result <- err }()
		synctest.Wait()
		go func() { _, err := c.Put(context.Background(), "second", nil); result <- err }()
		synctest.Wait()
		cancel()
		// It never left: the outcome is known.
		wantErr(t, <-result, ErrCanceled)
		ctx, cancel = context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err := c.Put(ctx, "third", nil)
		wantErr(t, err, ErrTimeout)
		s.behave()
		answer()
		wg.Wait()
		must(t, <-result)
		s.mu.Lock()
		defer s.mu.Unlock()
		if _, ok := s.entries["second"]; !ok || len(s.entries) != 1 {
			t.Errorf("%v", s.entries)
		}
	}, func(o *Options) { o.MaxInFlight = 2 })
}

func TestWaitingForTheWindowTimesOut(t *testing.T) {
	bubble(t, func(t *testing.T, s *fakeServer, c *Client) {
		swallow(s, wire.OpPut)
		var wg sync.WaitGroup
		var mu sync.Mutex
		kinds := map[string]int{}
		for range 3 {
			wg.Go(func() {
				_, err := c.Put(context.Background(), "k", nil)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case errors.Is(err, ErrUnknownOutcome):
					kinds["sent"]++
				case errors.Is(err, ErrTimeout):
					kinds["waited"]++
				}
			})
		}
		wg.Wait()
		if kinds["sent"] != 1 || kinds["waited"] != 2 {
			t.Errorf("%v", kinds)
		}
	}, func(o *Options) { o.MaxInFlight = 1 })
}

func TestBytesInFlightAreBounded(t *testing.T) {
	bubble(t, func(t *testing.T, s *fakeServer, c *Client) {
		answer := swallow(s, wire.OpPut)
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				if _, err := c.Put(context.Background(), "k", make([]byte, 900)); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		if n := s.requests.Load(); n != 2 {
			t.Errorf("%d requests of 900 bytes are out, the bound is 2000", n)
		}
		s.behave()
		answer()
		wg.Wait()
		// Larger than the bound: alone, but not never.
		_, err := c.Put(context.Background(), "k", make([]byte, 100_000))
		must(t, err)
	}, func(o *Options) { o.MaxInFlightBytes = 2000 })
}

func TestBusyIsRetriedAfterTheHint(t *testing.T) {
	bubble(t, func(t *testing.T, s *fakeServer, c *Client) {
		var times []time.Time
		s.on(func(fs *fakeSession, r *wire.Request) bool {
			times = append(times, time.Now())
			if len(times) == 3 {
				return false
			}
			fs.out = wire.AppendErrorReply(fs.out, r.ID, wire.Busy, 700, "queue is full")
			return true
		})
		_, err := c.Put(context.Background(), "k", nil)
		must(t, err)
		if len(times) != 3 || times[1].Sub(times[0]) < 700*time.Millisecond || times[2].Sub(times[1]) < 700*time.Millisecond {
			t.Errorf("%v", times)
		}
	})
}

func TestBusyUntilTheDeadlineIsErrBusy(t *testing.T) {
	bubble(t, func(t *testing.T, s *fakeServer, c *Client) {
		s.on(func(fs *fakeSession, r *wire.Request) bool {
			fs.out = wire.AppendErrorReply(fs.out, r.ID, wire.Busy, 300, "queue is full")
			return true
		})
		for _, withDeadline := range []bool{false, true} {
			ctx, cancel := context.Background(), func() {}
			if withDeadline {
				ctx, cancel = context.WithTimeout(ctx, 2*time.Second)
			}
			began := time.Now()
			_, err := c.Put(ctx, "k", nil)
			cancel()
			e := wantErr(t, err, ErrBusy)
			if e.RetryAfter != 300*time.Millisecond || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%+v", e)
			}
			if took := time.Since(began); took < 1500*time.Millisecond || took > 2200*time.Millisecond {
				t.Errorf("gave up after %v", took)
			}
		}
	}, func(o *Options) { o.Timeout = 2 * time.Second })
}

func TestVerdictsAreNotRetried(t *testing.T) {
	bubble(t, func(t *testing.T, s *fakeServer, c *Client) {
		for _, status := range []wire.Status{wire.MemoryLimit, wire.NoSpace, wire.Internal, wire.PermissionDenied, wire.Timeout, wire.UnknownOutcome} {
			s.requests.Store(0)
			s.on(func(fs *fakeSession, r *wire.Request) bool {
				fs.out = wire.AppendErrorReply(fs.out, r.ID, status, 0, "because")
				return true
			})
			_, err := c.Put(context.Background(), "k", nil)
			var e *Error
			if !errors.As(err, &e) || e.Status != Status(status) || e.Message != "because" {
				t.Errorf("%v", err)
			}
			if n := s.requests.Load(); n != 1 {
				t.Errorf("%v: %d requests", status, n)
			}
		}
	})
}

func TestNegativeTimeoutMeansNone(t *testing.T) {
	bubble(t, func(t *testing.T, s *fakeServer, c *Client) {
		answer := swallow(s, wire.OpGet)
		result := make(chan error)
		go func() { _, err := c.Get(context.Background(), "k"); result <- err }()
		time.Sleep(time.Hour) // PINGs keep the connection alive meanwhile
		answer()
		must(t, <-result)
	}, func(o *Options) { o.Timeout = -1 })
}

func TestSilentServerIsGivenUp(t *testing.T) {
	bubble(t, func(t *testing.T, s *fakeServer, c *Client) {
		began := time.Now()
		s.on(func(*fakeSession, *wire.Request) bool { return s.accepted.Load() == 1 })
		_, err := c.Put(context.Background(), "k", nil)
		e := wantErr(t, err, ErrUnknownOutcome)
		if !strings.Contains(e.Error(), "no sign of life") {
			t.Error(err)
		}
		if took := time.Since(began); took < 2*probeAfter || took > 3*probeAfter {
			t.Errorf("given up after %v", took)
		}
		// The next connection answers.
		_, err = c.Get(context.Background(), "k")
		wantErr(t, err, ErrNotFound)
	}, func(o *Options) { o.Timeout = time.Hour })
}

func TestIdleClientIsQuiet(t *testing.T) {
	bubble(t, func(t *testing.T, s *fakeServer, c *Client) {
		must(t, c.Ping(context.Background()))
		time.Sleep(time.Hour)
		if c.sweeper.awake.Load() || c.sweeper.now.Load() > 100 {
			t.Errorf("awake %v after %d ticks", c.sweeper.awake.Load(), c.sweeper.now.Load())
		}
		must(t, c.Ping(context.Background()))
		if n := s.accepted.Load(); n != 1 {
			t.Errorf("%d connections", n)
		}
	})
}
