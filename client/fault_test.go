package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prakashpandey/vegadb/internal/attempt"
	"github.com/prakashpandey/vegadb/internal/wire"
)

func TestConnectionLostWithARequestOut(t *testing.T) {
	bubble(t, func(t *testing.T, s *fakeServer, c *Client) {
		_, err := c.Put(context.Background(), "k", []byte("v"))
		must(t, err)
		dropOnce := func() {
			first := true
			s.on(func(fs *fakeSession, _ *wire.Request) bool {
				if !first {
					return false
				}
				first = false
				fs.nc.Close()
				return true
			})
		}
		dropOnce()
		_, err = c.Put(context.Background(), "k", []byte("w"))
		e := wantErr(t, err, ErrUnknownOutcome)
		if !errors.Is(err, io.ErrUnexpectedEOF) || e.Node != "fake:1" {
			t.Errorf("%v", err)
		}
		_, err = c.Increment(context.Background(), "n", 1)
		must(t, err)
		dropOnce()
		value, err := c.Get(context.Background(), "k") // a read is simply repeated
		if err != nil || string(value) != "v" {
			t.Errorf("%q %v", value, err)
		}
		dropOnce()
		if results, err := c.GetBatch(context.Background(), []string{"k"}); err != nil || !results[0].Found() {
			t.Error(err)
		}
		if n := s.accepted.Load(); n != 4 {
			t.Errorf("%d connections", n)
		}
	})
}

func TestWriteThatNeverLeftIsSentAgain(t *testing.T) {
	bubble(t, func(t *testing.T, s *fakeServer, c *Client) {
		swallow(s, wire.OpPut)
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := c.Put(context.Background(), "sent", nil)
			wantErr(t, err, ErrUnknownOutcome)
		})
		synctest.Wait()
		wg.Go(func() { // waits for the window
			if _, err := c.Increment(context.Background(), "waiting", 1); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		s.behave()
		s.dropConnections()
		wg.Wait()
		if n, err := c.Increment(context.Background(), "waiting", 0); n != 1 || err != nil {
			t.Errorf("executed %d times, %v", n, err)
		}
	}, func(o *Options) { o.MaxInFlight = 1 })
}

func TestServerThatCannotBeReachedIsTriedAgainAndAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newPipeServer(t)
		var mu sync.Mutex
		var dials []time.Time
		down := false
		c := open(t, s, func(o *Options) {
			o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				mu.Lock()
				defer mu.Unlock()
				dials = append(dials, time.Now())
				if down {
					return nil, errors.New("no route")
				}
				return s.dialPipe(ctx, network, address)
			}
		})
		must(t, c.Ping(context.Background()))
		mu.Lock()
		down = true
		mu.Unlock()
		s.dropConnections()
		synctest.Wait()
		began := time.Now()
		_, err := c.Put(context.Background(), "k", nil)
		e := wantErr(t, err, ErrUnavailable)
		if took := time.Since(began); took < 4*time.Second || took > 6*time.Second || e.Message == "" {
			t.Errorf("%v after %v", err, took)
		}
		time.Sleep(time.Hour - time.Since(began))
		mu.Lock()
		if n := len(dials); n < 1000 || n > 4000 { // at most every second, at least every two
			t.Errorf("%d dials in an hour", n)
		}
		longest := attempt.DialPauses().Last
		for i := 20; i < len(dials)-1; i++ {
			if gap := dials[i+1].Sub(dials[i]); gap < longest/2 || gap > longest {
				t.Errorf("gap of %v", gap)
				break
			}
		}
		down = false
		mu.Unlock()
		_, err = c.Put(context.Background(), "k", nil) // waits for the connection
		must(t, err)
		must(t, c.Close())
		s.stop()
	})
}

func TestWrongPasswordLaterFailsAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, s *fakeServer, c *Client) {
		s.hello = func(wire.ClientHello) wire.ServerHello {
			return wire.ServerHello{Status: wire.Unauthenticated, Message: "user was removed"}
		}
		s.dropConnections()
		synctest.Wait()
		time.Sleep(time.Second)
		began := time.Now()
		_, err := c.Get(context.Background(), "k")
		if e := wantErr(t, err, ErrUnauthenticated); e.Message != "user was removed" || e.Op != "GET" {
			t.Errorf("%+v", e)
		}
		if time.Since(began) != 0 {
			t.Error("it waited for its deadline")
		}
	})
}

func TestGarbageFromTheServer(t *testing.T) {
	frame := func(kind, flags byte, status uint16, id uint32, body ...byte) []byte {
		r := wire.Response{Kind: kind, Flags: 0, Status: wire.Status(status), ID: id, Body: body}
		b := r.Append(nil)
		b[5] = flags
		return b
	}
	for name, garbage := range map[string][]byte{
		"an HTTP reply":            []byte("HTTP/1.1 400 Bad Request\r\n\r\n"),
		"a frame of 4 GiB":         {0xFF, 0xFF, 0xFF, 0xFF, 0, 0},
		"a frame of no bytes":      {0, 0, 0, 0},
		"a reply nobody asked for": frame(0, 0, 0, 0xABCD1234),
		"a reply to slot 0 of old": frame(0, 0, 0, 0),
		"last words":               frame(0, 0, uint16(wire.TooLarge), 0, []byte("too much")...),
		"flags of another time":    frame(0, 0xFF, 0, 0),
		"header fields cut off":    frame(0, 1, 0, 0, 1, 2, 3),
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *fakeServer, c *Client) {
				s.on(func(fs *fakeSession, r *wire.Request) bool {
					if s.accepted.Load() > 1 {
						return false
					}
					fs.out = append(fs.out, garbage...)
					return true
				})
				_, err := c.Get(context.Background(), "k")
				wantErr(t, err, ErrNotFound) // asked again over a new connection
				if n := s.accepted.Load(); n != 2 {
					t.Errorf("%d connections", n)
				}
			})
		})
	}
}

func TestMalformedReplyToAWriteIsAnUnknownOutcome(t *testing.T) {
	bubble(t, func(t *testing.T, s *fakeServer, c *Client) {
		s.on(func(fs *fakeSession, r *wire.Request) bool {
			reply := wire.Response{ID: r.ID}
			b := reply.Append(nil)
			b[5] = 0xFF // flags that nobody knows
			fs.out = append(fs.out, b...)
			return true
		})
		_, err := c.Put(context.Background(), "k", nil)
		wantErr(t, err, ErrUnknownOutcome)
	})
}

func TestMalformedBodyIsAProtocolErrorOfThatCallAlone(t *testing.T) {
	bubble(t, func(t *testing.T, s *fakeServer, c *Client) {
		s.on(func(fs *fakeSession, r *wire.Request) bool {
			if r.Op == wire.OpPut {
				return false
			}
			fs.out = wire.AppendReply(fs.out, r.ID, wire.OK, 0, []byte{1, 2, 3})
			return true
		})
		ctx := context.Background()
		_, err := c.Increment(ctx, "k", 1)
		wantErr(t, err, ErrProtocol)
		_, err = c.TTL(ctx, "k")
		wantErr(t, err, ErrProtocol)
		_, err = c.GetBatch(ctx, []string{"k"})
		wantErr(t, err, ErrProtocol)
		_, err = c.Topology(ctx)
		wantErr(t, err, ErrProtocol)
		for _, err := range c.Scan(ctx) {
			wantErr(t, err, ErrProtocol)
		}
		_, err = c.Put(ctx, "k", nil)
		must(t, err)
		if n := s.accepted.Load(); n != 1 {
			t.Errorf("%d connections", n)
		}
	})
}

func TestNewsFromALaterServerAreDropped(t *testing.T) {
	bubble(t, func(t *testing.T, s *fakeServer, c *Client) {
		s.on(func(fs *fakeSession, r *wire.Request) bool {
			news := wire.Response{Kind: 7, Body: []byte("something new")}
			fs.out = news.Append(fs.out)
			return false
		})
		_, err := c.Put(context.Background(), "k", nil)
		must(t, err)
	})
}

// trickle gives its reader one byte at a time.
type trickle struct{ net.Conn }

func (c trickle) Read(b []byte) (int, error) { return c.Conn.Read(b[:min(1, len(b))]) }

func TestRepliesMayComeByteByByte(t *testing.T) {
	bubble(t, func(t *testing.T, s *fakeServer, c *Client) {
		for i := range 20 {
			value := bytes.Repeat([]byte{byte(i)}, i*100)
			_, err := c.Put(context.Background(), "k", value)
			must(t, err)
			got, err := c.Get(context.Background(), "k")
			if err != nil || !bytes.Equal(got, value) {
				t.Fatal(len(got), err)
			}
		}
	}, func(o *Options) {
		dial := o.Dial
		o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			nc, err := dial(ctx, network, address)
			return trickle{nc}, err
		}
	})
}

func TestServerThatDoesNotReadStallsNobodyForEver(t *testing.T) {
	bubble(t, func(t *testing.T, s *fakeServer, c *Client) {
		stuck := make(chan struct{})
		s.on(func(*fakeSession, *wire.Request) bool { <-stuck; return true })
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				defer cancel()
				began := time.Now()
				_, err := c.Put(ctx, "k", make([]byte, i*10_000))
				if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
					t.Errorf("%v after %v", err, time.Since(began))
				}
			})
		}
		wg.Wait()
		close(stuck)
	})
}

func TestCloseWhileCallsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newPipeServer(t)
		c := open(t, s, func(o *Options) { o.MaxInFlight = 2 })
		swallow(s, wire.OpPut)
		var wg sync.WaitGroup
		var mu sync.Mutex
		unknown, closed := 0, 0
		for range 5 { // two are out, three wait for the window
			wg.Go(func() {
				_, err := c.Put(context.Background(), "k", nil)
				mu.Lock()
				defer mu.Unlock()
				if !errors.Is(err, ErrClosed) {
					t.Error(err)
				}
				if errors.Is(err, ErrUnknownOutcome) {
					unknown++
				} else {
					closed++
				}
			})
		}
		synctest.Wait()
		must(t, c.Close())
		must(t, c.Close())
		wg.Wait()
		if unknown != 2 || closed != 3 {
			t.Errorf("%d unknown, %d closed", unknown, closed)
		}
		_, err := c.Get(context.Background(), "k")
		wantErr(t, err, ErrClosed)
		s.stop()
	})
}

func TestCloseWhileCallsWaitForAConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newPipeServer(t)
		c := open(t, s)
		s.stop()
		result := make(chan error)
		go func() { _, err := c.Put(context.Background(), "k", nil); result <- err }()
		synctest.Wait()
		must(t, c.Close())
		wantErr(t, <-result, ErrClosed)
	})
}

func TestCloseWhileAServerStallsTheHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newPipeServer(t)
		var stalled []net.Conn
		stall := false
		c := open(t, s, func(o *Options) {
			o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				if stall {
					ours, theirs := net.Pipe()
					stalled = append(stalled, theirs)
					return ours, nil
				}
				return s.dialPipe(ctx, network, address)
			}
		})
		stall = true
		s.dropConnections()
		time.Sleep(time.Second)
		began := time.Now()
		must(t, c.Close())
		if time.Since(began) != 0 {
			t.Error("Close waited for the handshake")
		}
		if len(stalled) == 0 {
			t.Error("nothing stalled")
		}
		s.stop()
	})
}

func TestServerRestart(t *testing.T) {
	s := newFakeServer(t)
	c := open(t, s)
	ctx := context.Background()
	for i := range 5 {
		_, err := c.Put(ctx, "k", []byte(fmt.Sprint(i)))
		if err != nil && !errors.Is(err, ErrUnknownOutcome) {
			t.Fatal(err)
		}
		s.stop()
		got := make(chan error)
		go func() { _, err := c.Get(ctx, "k"); got <- err }()
		s.restart()
		must(t, <-got)
	}
}

func TestServerThatStartsAnewIsAccepted(t *testing.T) {
	bubble(t, func(t *testing.T, s *fakeServer, c *Client) {
		_, err := c.Put(context.Background(), "k", nil)
		must(t, err)
		s.hello = func(wire.ClientHello) wire.ServerHello {
			return wire.ServerHello{Version: 1, Limits: wire.DefaultLimits(), ClusterID: "new"}
		}
		s.dropConnections()
		synctest.Wait()
		_, err = c.Get(context.Background(), "k")
		must(t, err)
	})
}

func TestSecondAddressTakesOver(t *testing.T) {
	first, second := newFakeServer(t), newFakeServer(t)
	c := open(t, first, func(o *Options) { o.Addresses = append(o.Addresses, second.address()) })
	ctx := context.Background()
	must(t, c.Ping(ctx))
	first.stop()
	must(t, c.Ping(ctx))
	if second.requests.Load() == 0 {
		t.Fatal("the second server was not asked")
	}
}
