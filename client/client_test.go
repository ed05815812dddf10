package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/internal/wire"
	"github.com/prakashpandey/vegadb/vegadbtest"
	"go.uber.org/goleak"
)

// TestMain ignores what the server's libraries have started in their init.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m, goleak.IgnoreCurrent()) }

// open connects to s with further options and closes the client at the end.
func open(t testing.TB, s *fakeServer, change ...func(*Options)) *Client {
	t.Helper()
	opts := Options{Addresses: []string{s.address()}}
	if s.listener == nil {
		opts.Dial = s.dialPipe
	}
	for _, f := range change {
		f(&opts)
	}
	c, err := Open(context.Background(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// eachServer runs f with a client of the fake server, which keeps the fake
// honest, and of a real one.
func eachServer(t *testing.T, f func(t *testing.T, c *Client)) {
	t.Run("fake", func(t *testing.T) { f(t, open(t, newFakeServer(t))) })
	t.Run("real", func(t *testing.T) {
		c, err := Open(context.Background(), Options{Addresses: []string{vegadbtest.Start(t).Addr()}})
		must(t, err)
		t.Cleanup(func() { c.Close() })
		f(t, c)
	})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantErr(t testing.TB, err, target error) *Error {
	t.Helper()
	if !errors.Is(err, target) {
		t.Fatalf("got %v, want %v", err, target)
	}
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("%v is no *Error", err)
	}
	return e
}

func TestPutThenGet(t *testing.T) {
	eachServer(t, func(t *testing.T, c *Client) {
		ctx := context.Background()
		for _, value := range []string{"", "hello", "\x00\r\n\xff", strings.Repeat("x", 100_000)} {
			version, err := c.Put(ctx, "k", []byte(value))
			must(t, err)
			if version == 0 {
				t.Fatal("no version")
			}
			got, err := c.Get(ctx, "k")
			must(t, err)
			if string(got) != value || got == nil {
				t.Fatalf("got %d bytes, want %d", len(got), len(value))
			}
		}
		_, err := c.Get(ctx, "absent")
		if e := wantErr(t, err, ErrNotFound); e.Key != "absent" || e.Op != "GET" || e.Node == "" {
			t.Fatalf("%+v", e)
		}
	})
}

func TestGetIntoUsesTheCallersMemory(t *testing.T) {
	eachServer(t, func(t *testing.T, c *Client) {
		ctx := context.Background()
		_, err := c.Put(ctx, "k", []byte("hello"))
		must(t, err)
		dst := make([]byte, 3, 100)
		got, err := c.GetInto(ctx, "k", dst)
		must(t, err)
		if string(got) != "hello" || &got[0] != &dst[0] {
			t.Fatalf("%q, in another place: %v", got, &got[0] != &dst[0])
		}
		if got, err = c.GetInto(ctx, "k", nil); err != nil || string(got) != "hello" {
			t.Fatalf("into nil: %q %v", got, err)
		}
		if got, err = c.GetInto(ctx, "absent", dst); !errors.Is(err, ErrNotFound) || len(got) != 0 {
			t.Fatalf("absent: %q %v", got, err)
		}
	})
}

func TestConditionsOfPut(t *testing.T) {
	eachServer(t, func(t *testing.T, c *Client) {
		ctx := context.Background()
		_, err := c.Put(ctx, "k", nil, IfPresent())
		wantErr(t, err, ErrNotFound)
		v1, err := c.Put(ctx, "k", []byte("1"), IfAbsent())
		must(t, err)
		_, err = c.Put(ctx, "k", []byte("2"), IfAbsent())
		wantErr(t, err, ErrAlreadyExists)
		v2, err := c.Put(ctx, "k", []byte("2"), IfVersion(v1))
		must(t, err)
		if v2 <= v1 {
			t.Fatalf("version %d after %d", v2, v1)
		}
		_, err = c.CompareAndPut(ctx, "k", v1, []byte("3"))
		if e := wantErr(t, err, ErrVersionMismatch); e.Version != v2 {
			t.Fatalf("the error has version %d, the entry %d", e.Version, v2)
		}
		_, err = c.CompareAndPut(ctx, "k", v2, []byte("3"))
		must(t, err)
		_, err = c.CompareAndPut(ctx, "new", 0, []byte("1"))
		must(t, err)
		_, err = c.CompareAndPut(ctx, "new", 0, []byte("1"))
		wantErr(t, err, ErrVersionMismatch)
		var before Previous
		_, err = c.Put(ctx, "k", []byte("4"), WithPrevious(&before))
		must(t, err)
		if !before.Found || string(before.Value) != "3" {
			t.Fatalf("%+v", before)
		}
		_, err = c.Put(ctx, "k", []byte("5"), IfAbsent(), WithPrevious(&before))
		wantErr(t, err, ErrAlreadyExists)
		if !before.Found || string(before.Value) != "4" {
			t.Fatalf("%+v", before)
		}
	})
}

func TestDelete(t *testing.T) {
	eachServer(t, func(t *testing.T, c *Client) {
		ctx := context.Background()
		deleted, err := c.Delete(ctx, "k")
		if deleted || err != nil {
			t.Fatal(deleted, err)
		}
		version, err := c.Put(ctx, "k", []byte("v"))
		must(t, err)
		_, err = c.Delete(ctx, "k", IfVersion(version+1))
		wantErr(t, err, ErrVersionMismatch)
		var before Previous
		deleted, err = c.Delete(ctx, "k", IfVersion(version), WithPrevious(&before))
		if !deleted || err != nil || string(before.Value) != "v" {
			t.Fatal(deleted, err, before)
		}
		deleted, err = c.Delete(ctx, "k", WithPrevious(&before))
		if deleted || err != nil || before.Found {
			t.Fatal(deleted, err, before)
		}
	})
}

func TestIncrement(t *testing.T) {
	eachServer(t, func(t *testing.T, c *Client) {
		ctx := context.Background()
		for _, step := range []struct{ delta, want int64 }{{5, 5}, {-7, -2}, {0, -2}} {
			got, err := c.Increment(ctx, "n", step.delta)
			if err != nil || got != step.want {
				t.Fatalf("%d %v, want %d", got, err, step.want)
			}
		}
		_, err := c.Increment(ctx, "n", -1<<63)
		wantErr(t, err, ErrOverflow)
		_, err = c.Put(ctx, "s", []byte("text"))
		must(t, err)
		_, err = c.Increment(ctx, "s", 1)
		wantErr(t, err, ErrNotInteger)
		_, err = c.Increment(ctx, "limited", 1, WithTTL(time.Hour))
		must(t, err)
		if ttl, err := c.TTL(ctx, "limited"); err != nil || ttl <= 0 || ttl > time.Hour {
			t.Fatal(ttl, err)
		}
	})
}

func TestExpiry(t *testing.T) {
	eachServer(t, func(t *testing.T, c *Client) {
		ctx := context.Background()
		wantErr(t, c.Expire(ctx, "k", time.Hour), ErrNotFound)
		wantErr(t, c.Persist(ctx, "k"), ErrNotFound)
		_, err := c.TTL(ctx, "k")
		wantErr(t, err, ErrNotFound)
		_, err = c.Put(ctx, "k", []byte("v"))
		must(t, err)
		ttl, err := c.TTL(ctx, "k")
		if ttl != NoExpiry || err != nil {
			t.Fatal(ttl, err)
		}
		must(t, c.Persist(ctx, "k"))
		wantErr(t, c.Expire(ctx, "k", time.Hour, IfExpiry()), ErrConditionFailed)
		must(t, c.Expire(ctx, "k", time.Hour, IfNoExpiry()))
		wantErr(t, c.Expire(ctx, "k", time.Minute, IfLater()), ErrConditionFailed)
		must(t, c.ExpireAt(ctx, "k", time.Now().Add(time.Minute), IfEarlier()))
		e, err := c.GetEntry(ctx, "k")
		must(t, err)
		if left := time.Until(e.ExpiresAt); left <= 0 || left > time.Minute || string(e.Value) != "v" || e.Version == 0 {
			t.Fatalf("%+v", e)
		}
		must(t, c.Persist(ctx, "k"))
		e, err = c.GetEntry(ctx, "k")
		if err != nil || !e.ExpiresAt.IsZero() {
			t.Fatalf("%+v %v", e, err)
		}
		_, err = c.Put(ctx, "k", nil, WithExpireAt(time.Unix(0, 0)))
		must(t, err)
		_, err = c.Get(ctx, "k")
		wantErr(t, err, ErrNotFound)
	})
}

func TestOptionsThatDoNotApplyAreRefused(t *testing.T) {
	c, ctx := open(t, newFakeServer(t)), context.Background()
	_, err := c.Get(ctx, "k", WithTTL(time.Second))
	if e := wantErr(t, err, ErrInvalidArgument); !strings.Contains(e.Message, "WithTTL") {
		t.Fatal(e)
	}
	_, err = c.Put(ctx, "k", nil, WithConsistency(Lease))
	wantErr(t, err, ErrInvalidArgument)
	_, err = c.Put(ctx, "k", nil, WithTTL(0))
	wantErr(t, err, ErrInvalidArgument)
	_, err = c.Put(ctx, "k", nil, Option{})
	wantErr(t, err, ErrInvalidArgument)
	_, err = c.Put(ctx, "k", nil, IfAbsent(), IfPresent())
	wantErr(t, err, ErrInvalidArgument)
	var b Batch
	b.Put("k", nil, WithDurability(SyncNever))
	_, err = c.Batch(ctx, &b)
	wantErr(t, err, ErrInvalidArgument)
}

func TestHeaderOptionsTravel(t *testing.T) {
	s := newFakeServer(t)
	c := open(t, s)
	seen := make(chan wire.Request, 1)
	s.on(func(_ *fakeSession, r *wire.Request) bool {
		seen <- *r
		return false
	})
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var receipt Receipt
	_, err := c.Put(ctx, "k", nil, WithDurability(SyncEverySec), WithAcks(AcksLeader), WithReceipt(&receipt))
	must(t, err)
	r := <-seen
	if r.Durability != wire.DurabilityEverySec || r.Acks != wire.AcksLeader || r.Flags&wire.FlagDeadline == 0 ||
		r.DeadlineMs == 0 || r.DeadlineMs > 60_001 {
		t.Fatalf("%+v", r)
	}
	want := Receipt{Node: s.address(), Version: receipt.Version, Term: 7, Consistency: Linearizable, Acks: AcksQuorum,
		Durability: SyncAlways, Queue: 1, Apply: 2, Sync: 3}
	if receipt != want || receipt.Version == 0 {
		t.Fatalf("%+v, want %+v", receipt, want)
	}
	_, err = c.Get(context.Background(), "k", WithMaxStaleness(2*time.Second))
	must(t, err)
	if r = <-seen; r.Consistency != wire.Bounded || r.ConsistencyArg != 2000 || r.Flags&wire.FlagDeadline != 0 {
		t.Fatalf("%+v", r)
	}
	// Nothing of the last call clings to the pooled object.
	_, err = c.Get(context.Background(), "k", WithDurability(SyncAlways))
	wantErr(t, err, ErrInvalidArgument)
	_, err = c.Get(context.Background(), "k")
	must(t, err)
	if r = <-seen; r.Flags != 0 || r.OpFlags != 0 {
		t.Fatalf("%+v", r)
	}
}

func TestBatch(t *testing.T) {
	eachServer(t, func(t *testing.T, c *Client) {
		ctx := context.Background()
		var b Batch
		if results, err := c.Batch(ctx, &b); results != nil || err != nil {
			t.Fatal(results, err)
		}
		for range 2 { // a batch can be used again
			b.Reset()
			b.Put("a", []byte("1"), WithTTL(time.Hour))
			b.Delete("absent")
			b.Increment("n", 2)
			b.Put("a", []byte("2"), IfAbsent())
			b.CompareAndPut("a", 999999, nil)
			b.Increment("a", 1)
			b.Expire("a", time.Minute)
			b.Persist("a")
			if b.Len() != 8 {
				t.Fatal(b.Len())
			}
			results, err := c.Batch(ctx, &b)
			must(t, err)
			var names []string
			for i := range results {
				names = append(names, results[i].Status.String())
			}
			want := []string{"OK", "NOT_FOUND", "OK", "ALREADY_EXISTS", "VERSION_MISMATCH", "OK", "OK", "OK"}
			if !slices.Equal(names, want) {
				t.Fatalf("%v", names)
			}
			if results[2].Int == 0 || results[5].Int != 2 || results[0].Version == 0 || !results[0].Found() || results[0].Err() != nil {
				t.Fatalf("%+v", results)
			}
			wantErr(t, results[4].Err(), ErrVersionMismatch)
		}
		results, err := c.GetBatch(ctx, []string{"a", "absent", "n"})
		must(t, err)
		if string(results[0].Value) != "2" || results[1].Found() || !errors.Is(results[1].Err(), ErrNotFound) || string(results[2].Value) != "4" {
			t.Fatalf("%+v", results)
		}
		if results, err := c.GetBatch(ctx, nil); results != nil || err != nil {
			t.Fatal(results, err)
		}
	})
}

func TestScan(t *testing.T) {
	eachServer(t, func(t *testing.T, c *Client) {
		ctx := context.Background()
		var want []string
		for i := range 25 {
			key := fmt.Sprintf("user:%03d", i)
			want = append(want, key)
			_, err := c.Put(ctx, key, []byte{byte(i)})
			must(t, err)
		}
		_, err := c.Put(ctx, "other", nil)
		must(t, err)
		var got []string
		for e, err := range c.Scan(ctx, WithPrefix("user:"), WithPageSize(10)) {
			must(t, err)
			if e.Version == 0 || len(e.Value) != 1 || !e.ExpiresAt.IsZero() {
				t.Fatalf("%+v", e)
			}
			got = append(got, e.Key)
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Fatalf("%v", got)
		}
		count := 0
		for e, err := range c.Scan(ctx, WithKeysOnly()) {
			must(t, err)
			if e.Value != nil {
				t.Fatal("a value with WithKeysOnly")
			}
			if count++; count == 3 {
				break
			}
		}
		ended, cancel := context.WithCancel(ctx)
		cancel()
		errs := 0
		for _, err := range c.Scan(ended) {
			wantErr(t, err, ErrCanceled)
			errs++
		}
		if errs != 1 {
			t.Fatalf("%d errors", errs)
		}
	})
}

func TestServerCalls(t *testing.T) {
	s := newFakeServer(t)
	c, ctx := open(t, s), context.Background()
	must(t, c.Ping(ctx))
	_, err := c.Put(ctx, "k", nil)
	must(t, err)
	if n, err := c.Count(ctx); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if stats, err := c.Stats(ctx); string(stats) != `{"keys":1}` || err != nil {
		t.Fatal(string(stats), err)
	}
	must(t, c.Snapshot(ctx, WithWait()))
	topology, err := c.Topology(ctx)
	must(t, err)
	want := Topology{Epoch: 1, ClusterID: "c", Nodes: []TopologyNode{{ID: "n", Address: s.address(), State: "active"}},
		Partitions: []TopologyPartition{{Leader: 0, Replicas: []int{0}}, {Leader: -1, Replicas: []int{}}}}
	if !reflect.DeepEqual(topology, want) {
		t.Fatalf("%+v", topology)
	}
	must(t, c.Flush(ctx))
	if n, err := c.Count(ctx); n != 0 || err != nil {
		t.Fatal(n, err)
	}
}

func TestWhatTheServerWouldRefuseIsNotSent(t *testing.T) {
	s := newFakeServer(t)
	s.hello = func(wire.ClientHello) wire.ServerHello {
		return wire.ServerHello{Version: 1, Limits: wire.Limits{MaxFrame: 4096, MaxKey: 10, MaxValue: 100, MaxBatch: 3, MaxScan: 10}}
	}
	c, ctx := open(t, s), context.Background()
	_, err := c.Get(ctx, "01234567890")
	wantErr(t, err, ErrTooLarge)
	_, err = c.Put(ctx, "k", make([]byte, 101))
	wantErr(t, err, ErrTooLarge)
	_, err = c.GetBatch(ctx, []string{"a", "b", "c", "d"})
	wantErr(t, err, ErrTooLarge)
	var b Batch
	for range 3 {
		b.Put("k", make([]byte, 2000))
	}
	_, err = c.Batch(ctx, &b)
	wantErr(t, err, ErrTooLarge)
	if n := s.requests.Load(); n != 0 {
		t.Fatalf("%d requests were sent", n)
	}
	_, err = c.Put(ctx, "0123456789", make([]byte, 100))
	must(t, err)
}

func TestOpenRefusesBadOptions(t *testing.T) {
	for _, opts := range []Options{{}, {Addresses: []string{"nohost"}}, {Addresses: []string{"h:1"}, Connections: 17}} {
		if _, err := Open(context.Background(), opts); err == nil {
			t.Errorf("%+v was accepted", opts)
		}
	}
}

func TestOpenSaysWhyItFailed(t *testing.T) {
	s := newFakeServer(t)
	ctx := context.Background()
	s.hello = func(h wire.ClientHello) wire.ServerHello {
		if h.Auth != wire.AuthPassword || h.Username != "ann" || h.Password != "right" || h.ClientName != "tests" {
			return wire.ServerHello{Status: wire.Unauthenticated, Message: "wrong password"}
		}
		return wire.ServerHello{Version: 1, Limits: wire.DefaultLimits()}
	}
	opts := Options{Addresses: []string{s.address()}, Username: "ann", Password: "wrong", Name: "tests"}
	_, err := Open(ctx, opts)
	if e := wantErr(t, err, ErrUnauthenticated); e.Message != "wrong password" || strings.Contains(err.Error(), "wrong\"") {
		t.Fatal(e)
	}
	opts.Password = "right"
	c, err := Open(ctx, opts)
	must(t, err)
	must(t, c.Close())

	s.hello = func(wire.ClientHello) wire.ServerHello { return wire.ServerHello{Status: wire.UnsupportedVersion} }
	_, err = Open(ctx, opts)
	wantErr(t, err, ErrProtocol)
	s.hello = func(wire.ClientHello) wire.ServerHello {
		return wire.ServerHello{Version: 9, Limits: wire.DefaultLimits()}
	}
	_, err = Open(ctx, opts)
	wantErr(t, err, ErrProtocol)
	s.stop()
	_, err = Open(ctx, opts)
	wantErr(t, err, ErrUnavailable)
}

func TestOpenEndsWithItsContext(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts by way of its queue and says nothing
	must(t, err)
	defer silent.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	_, err = Open(ctx, Options{Addresses: []string{silent.Addr().String()}})
	wantErr(t, err, ErrTimeout)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
}

func TestOpenTakesTheFirstAddressThatAnswers(t *testing.T) {
	dead := newFakeServer(t)
	dead.stop()
	s := newFakeServer(t)
	c := open(t, s, func(o *Options) { o.Addresses = []string{dead.address(), s.address()} })
	must(t, c.Ping(context.Background()))
	if s.requests.Load() != 1 {
		t.Fatal("the second server was not asked")
	}
}

func TestAnotherClustersServerIsRefused(t *testing.T) {
	first, second := newFakeServer(t), newFakeServer(t)
	second.hello = func(wire.ClientHello) wire.ServerHello {
		return wire.ServerHello{Version: 1, Limits: wire.DefaultLimits(), ClusterID: "another"}
	}
	c := open(t, first, func(o *Options) {
		o.Addresses = append(o.Addresses, second.address())
		o.Timeout = 200 * time.Millisecond
	})
	first.stop()
	if err := c.Ping(context.Background()); err == nil || second.requests.Load() != 0 {
		t.Fatalf("%v; %d requests went to another cluster", err, second.requests.Load())
	}
}

func TestErrorTextSaysWhatWhereAndWhy(t *testing.T) {
	e := &Error{Op: "PUT", Key: "k\n", Node: "h:1", Status: Status(wire.Busy), Message: "queue is full",
		RetryAfter: 20 * time.Millisecond, Cause: context.DeadlineExceeded}
	want := `vegadb: PUT "k\n" on h:1: BUSY: queue is full: context deadline exceeded (retry after 20ms)`
	if e.Error() != want {
		t.Fatalf("%s", e)
	}
	long := &Error{Op: "GET", Key: strings.Repeat("k", 1000), Status: Status(wire.NotFound)}
	if len(long.Error()) > 200 {
		t.Fatalf("%d bytes of text", len(long.Error()))
	}
}

func TestEveryStatusHasAnErrorToTestFor(t *testing.T) {
	sentinels := []error{ErrNotFound, ErrAlreadyExists, ErrConditionFailed, ErrVersionMismatch, ErrInvalidArgument, ErrWrongType,
		ErrNotInteger, ErrOverflow, ErrTooLarge, ErrUnsupported, ErrUnauthenticated, ErrPermission, ErrBusy, ErrMemoryLimit, ErrNoSpace,
		ErrTimeout, ErrUnknownOutcome, ErrUnavailable, ErrCorrupt, ErrInternal, ErrProtocol, ErrCanceled, ErrClosed}
	for _, info := range wire.Statuses() {
		matches := 0
		for _, s := range sentinels {
			if errors.Is(&Error{Status: Status(info.Status)}, s) {
				matches++
			}
		}
		if matches != 1 && info.Status != wire.OK {
			t.Errorf("%s matches %d errors", info.Name, matches)
		}
	}
}
