package transport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/prakashpandey/vegadb/internal/ring"
)

func TestACallIsAnsweredOrRefusedByTheOtherNodesHandler(t *testing.T) {
	b := newBook()
	a, z := startNode(t, b, 1), startNode(t, b, 2)
	z.calls(func(_ context.Context, from ring.NodeID, kind uint8, body []byte) ([]byte, error) {
		if kind == 9 {
			return nil, errors.New("there is\nno kind 9")
		}
		return fmt.Appendf(nil, "%x %d %s", from[0], kind, body), nil
	})
	for name, call := range map[string]func(kind uint8, body []byte) ([]byte, error){
		"by node":    func(kind uint8, body []byte) ([]byte, error) { return a.CallNode(t.Context(), z.id, kind, body) },
		"by address": func(kind uint8, body []byte) ([]byte, error) { return a.Call(t.Context(), z.Addr(), kind, body) },
	} {
		if reply, err := call(7, []byte("hello")); err != nil || string(reply) != "1 7 hello" {
			t.Errorf("%s: %q, %v", name, reply, err)
		}
		_, err := call(9, nil)
		if remote := (*RemoteError)(nil); !errors.As(err, &remote) || remote.Node != z.id || remote.Text != "there is no kind 9" {
			t.Errorf("%s: %v", name, err)
		}
	}
	until(t, "the connections to be gone", func() bool { return z.Stats().Connections == 0 })
}

func TestAStrangerMayCallAndNothingElse(t *testing.T) {
	b := newBook()
	z := startNode(t, b, 2)
	z.calls(func(_ context.Context, from ring.NodeID, _ uint8, body []byte) ([]byte, error) {
		return fmt.Appendf(nil, "stranger: %v", from.IsZero()), nil
	})
	a := startNode(t, b, 1, func(o *Options) { o.Cluster = ring.NodeID{} })
	if reply, err := a.Call(t.Context(), z.Addr(), 1, []byte("may I join?")); err != nil || string(reply) != "stranger: true" {
		t.Fatalf("%q, %v", reply, err)
	}
	if _, err := a.Call(t.Context(), z.Addr(), 1, make([]byte, 65<<10)); err == nil {
		t.Error("a stranger's request of 65 KiB was taken")
	}
	err := a.SendSnapshot(t.Context(), z.id, nil, 0, strings.NewReader(""), nil)
	if refused := (*RefusedError)(nil); !errors.As(err, &refused) || refused.Code != BadRequest {
		t.Errorf("a stranger's snapshot: %v", err)
	}
	a.SetCluster(testCluster)
	sendUntilHeard(t, a, z, "now we are one")
}

func TestACallEndsWithItsContextOnBothSides(t *testing.T) {
	b := newBook()
	quick := withLimits(func(l *Limits) { l.Keepalive = 5 * time.Millisecond })
	a, z := startNode(t, b, 1, quick), startNode(t, b, 2, quick)
	started, ended := make(chan struct{}), make(chan error)
	z.calls(func(ctx context.Context, _ ring.NodeID, _ uint8, _ []byte) ([]byte, error) {
		started <- struct{}{}
		<-ctx.Done()
		ended <- ctx.Err()
		return nil, ctx.Err()
	})
	for name, test := range map[string]struct {
		limit time.Duration // of the caller; 0: it is cancelled
		want  error
	}{"cancelled": {0, context.Canceled}, "out of time": {50 * time.Millisecond, context.DeadlineExceeded}} {
		ctx, cancel := context.WithCancel(t.Context())
		if test.limit > 0 {
			ctx, cancel = context.WithTimeout(t.Context(), test.limit)
		}
		result := make(chan error)
		go func() {
			_, err := a.CallNode(ctx, z.id, 1, nil)
			result <- err
		}()
		<-started
		if test.limit == 0 {
			cancel()
		}
		if err := <-result; !errors.Is(err, test.want) {
			t.Errorf("%s: the caller got %v", name, err)
		}
		<-ended
		cancel()
	}
}

// pattern is a body of which every piece of 8 bytes differs.
type pattern struct{ at int64 }

func (p *pattern) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(p.at >> (8 * (p.at % 3)))
		p.at++
	}
	return len(b), nil
}

func TestASnapshotArrivesWhole(t *testing.T) {
	b := newBook()
	a, z := startNode(t, b, 1), startNode(t, b, 2)
	var got []byte
	z.snapshots(func(_ context.Context, from ring.NodeID, header []byte, size int64, body io.Reader) error {
		if from != a.id || string(header) != "partition 3" {
			return fmt.Errorf("from %v, header %q", from, header)
		}
		all, err := io.ReadAll(body)
		if err == nil && size >= 0 && int(size) != len(all) {
			err = fmt.Errorf("announced %d, got %d", size, len(all))
		}
		got = all
		return err
	})
	for _, size := range []int64{0, 1, bodyPiece - 1, bodyPiece, bodyPiece + 1, 10*bodyPiece + 17} {
		for _, announced := range []int64{size, -1} {
			var paced int64
			err := a.SendSnapshot(t.Context(), z.id, []byte("partition 3"), announced, iotest.HalfReader(io.LimitReader(&pattern{}, size)), func(n int) { paced += int64(n) })
			want, _ := io.ReadAll(io.LimitReader(&pattern{}, size))
			if err != nil || !bytes.Equal(got, want) || paced != size {
				t.Errorf("size %d, announced %d: %v, got %d bytes, paced %d", size, announced, err, len(got), paced)
			}
		}
	}
}

func TestTheReceiversErrorEndsASnapshotEarly(t *testing.T) {
	b := newBook()
	a, z := startNode(t, b, 1), startNode(t, b, 2)
	z.snapshots(func(_ context.Context, _ ring.NodeID, _ []byte, _ int64, body io.Reader) error {
		io.ReadFull(body, make([]byte, 100))
		return errors.New("the disk is full")
	})
	endless := &pattern{}
	err := a.SendSnapshot(t.Context(), z.id, nil, -1, endless, nil)
	if remote := (*RemoteError)(nil); !errors.As(err, &remote) || remote.Text != "the disk is full" {
		t.Errorf("after %d bytes: %v", endless.at, err)
	}
}

func TestASnapshotThatBreaksOffIsNeverTakenForComplete(t *testing.T) {
	b := newBook()
	a, z := startNode(t, b, 1), startNode(t, b, 2)
	received := make(chan error, 1)
	z.snapshots(func(_ context.Context, _ ring.NodeID, _ []byte, _ int64, body io.Reader) error {
		_, err := io.Copy(io.Discard, body)
		received <- err
		return err
	})
	broken := errors.New("the image went away")
	ctx, cancel := context.WithCancel(t.Context())
	for name, test := range map[string]struct {
		size int64
		body io.Reader
		want string
	}{
		"the source fails":    {-1, io.MultiReader(io.LimitReader(&pattern{}, 1<<20), iotest.ErrReader(broken)), broken.Error()},
		"the source is short": {2 << 20, io.LimitReader(&pattern{}, 1<<20), "announced"},
		"the source is long":  {1 << 20, io.LimitReader(&pattern{}, 2<<20), "announced"},
		"the sender cancels":  {-1, io.MultiReader(io.LimitReader(&pattern{}, 1<<20), cancelReader{cancel}, &pattern{}), context.Canceled.Error()},
	} {
		if err := a.SendSnapshot(ctx, z.id, nil, test.size, test.body, nil); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: the sender got %v", name, err)
		}
		if ctx.Err() != nil {
			ctx, cancel = context.WithCancel(t.Context())
		}
		if err := <-received; err == nil {
			t.Errorf("%s: the receiver took it for complete", name)
		}
	}
	cancel()
}

// cancelReader cancels a context in the middle of a body.
type cancelReader struct{ cancel func() }

func (c cancelReader) Read([]byte) (int, error) { c.cancel(); return 0, io.EOF }

func TestFramesFlowWhileASnapshotIsUnderWay(t *testing.T) {
	b := newBook()
	a, z := startNode(t, b, 1), startNode(t, b, 2)
	var frames, read atomic.Int64
	stalled, release := make(chan struct{}), make(chan struct{})
	z.frames(func(ring.NodeID, []byte) { frames.Add(1) })
	z.snapshots(func(_ context.Context, _ ring.NodeID, _ []byte, _ int64, body io.Reader) error {
		n, err := io.CopyN(io.Discard, body, 1<<20)
		read.Add(n)
		close(stalled)
		<-release
		rest, _ := io.Copy(io.Discard, body)
		read.Add(rest)
		return err
	})
	const size = 64 << 20
	result := make(chan error)
	go func() { result <- a.SendSnapshot(t.Context(), z.id, nil, size, io.LimitReader(&pattern{}, size), nil) }()
	<-stalled // and with it the snapshot's connection, full to the brim
	for i := range int64(100) {
		a.Send(z.id, []byte("heartbeat"))
		until(t, "a frame", func() bool { return frames.Load() > i })
	}
	close(release)
	if err := <-result; err != nil || read.Load() != size {
		t.Errorf("%v after %d bytes", err, read.Load())
	}
}
