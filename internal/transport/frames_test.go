package transport

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/internal/ring"
)

func TestFramesArriveInOrderAndWhole(t *testing.T) {
	b := newBook()
	a, z := startNode(t, b, 1), startNode(t, b, 2)
	const frames = 20000
	var mu sync.Mutex
	var next uint64
	var wrong string
	z.frames(func(from ring.NodeID, frame []byte) {
		mu.Lock()
		defer mu.Unlock()
		n := binary.LittleEndian.Uint64(frame)
		if from != a.id || n != next || len(frame) != 8+int(n%1000) || bytes.ContainsFunc(frame[8:], func(r rune) bool { return r != 'x' }) {
			wrong = fmt.Sprintf("frame %d of %d bytes where %d was expected", n, len(frame), next)
		}
		next = n + 1
	})
	filler := []byte(strings.Repeat("x", 1000))
	for i := range uint64(frames) {
		header := binary.LittleEndian.AppendUint64(nil, i)
		until(t, "room in the queue", func() bool { return a.SendParts(z.id, header, filler[:i%1000]) })
	}
	until(t, "the last frame", func() bool { mu.Lock(); defer mu.Unlock(); return next == frames || wrong != "" })
	if wrong != "" {
		t.Fatal(wrong)
	}
	until(t, "the statistics", func() bool { return a.peerStats(z.id).SentFrames == frames })
	s, r := a.peerStats(z.id), z.peerStats(a.id)
	if !s.Connected || s.QueueBytes != 0 || r.ReceivedFrames != frames || !r.Incoming {
		t.Errorf("sender %+v, receiver %+v", s, r)
	}
}

func TestAFrameOfTheLargestSizeArrivesAndALargerOneIsNotSent(t *testing.T) {
	b := newBook()
	small := withLimits(func(l *Limits) { l.FrameBytes, l.QueueBytes, l.OfflineBytes = 3<<20, 1<<20, 1<<10 })
	a, z := startNode(t, b, 1, small), startNode(t, b, 2, small)
	got := make(chan []byte, 1)
	z.frames(func(_ ring.NodeID, frame []byte) { got <- bytes.Clone(frame) })
	want := make([]byte, 3<<20)
	for i := range want {
		want[i] = byte(i * 31)
	}
	if !a.Send(z.id, want) {
		t.Fatal("an empty queue did not take a frame of the largest size")
	}
	if a.Send(z.id, append(want, 0)) || a.Send(z.id, nil) {
		t.Error("a frame that is too large or empty was taken")
	}
	if !bytes.Equal(<-got, want) {
		t.Error("it arrived changed")
	}
}

func TestSendNeverBlocksAndDropsWhenTheQueueIsFull(t *testing.T) {
	b := newBook()
	a := startNode(t, b, 1, withLimits(func(l *Limits) { l.QueueBytes = 1 << 20 }))
	z := startNode(t, b, 2)
	release := make(chan struct{})
	z.frames(func(ring.NodeID, []byte) { <-release })
	frame := make([]byte, 10<<10)
	until(t, "a full queue", func() bool { return !a.Send(z.id, frame) && a.Connected(z.id) })
	if s := a.peerStats(z.id); s.Dropped == 0 || s.QueueBytes > 1<<20 {
		t.Errorf("%+v", s)
	}
	close(release)
	until(t, "room again", func() bool { return a.Send(z.id, frame) })
}

func TestNothingIsTakenForNodesWithoutAnAddress(t *testing.T) {
	a := startNode(t, newBook(), 1)
	if a.Send(nodeID(9), []byte("x")) || a.Send(a.id, []byte("x")) {
		t.Error("frames for an unknown node, or for the node itself, were taken")
	}
	if err := a.SendSnapshot(t.Context(), nodeID(9), nil, 0, strings.NewReader(""), nil); err == nil || !strings.Contains(err.Error(), "no address") {
		t.Errorf("snapshot: %v", err)
	}
	if _, err := a.CallNode(t.Context(), nodeID(9), 1, nil); err == nil || !strings.Contains(err.Error(), "no address") {
		t.Errorf("call: %v", err)
	}
}

func TestFramesFlowAgainAfterAPeerRestartsAtAnotherAddress(t *testing.T) {
	b := newBook()
	a, z := startNode(t, b, 1), startNode(t, b, 2)
	sendUntilHeard(t, a, z, "before")
	z.Close()
	until(t, "the loss to be noticed", func() bool { return !a.Connected(z.id) })
	again := startNode(t, b, 2, withBoot(2)) // another port
	sendUntilHeard(t, a, again, "after")
	sendUntilHeard(t, again, a, "back")
	a.waitFor(t, "2 up 2", 1)
}

func TestAPeerThatIsHeardFromIsDialledAtOnce(t *testing.T) {
	b := newBook()
	slow := withLimits(func(l *Limits) { l.PauseMin, l.PauseMax = time.Hour, time.Hour })
	a := startNode(t, b, 1, slow)
	b.set(nodeID(2), unusedAddr(t))
	a.Send(nodeID(2), []byte("lost"))
	until(t, "a failed dial", func() bool { return a.peerStats(nodeID(2)).LastError != "" })
	z := startNode(t, b, 2)
	sendUntilHeard(t, z, a, "I am here")
	sendUntilHeard(t, a, z, "then I need not wait an hour")
}

// unusedAddr is one on which nobody listens.
func unusedAddr(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestUpAndDownAlternate(t *testing.T) {
	b := newBook()
	z := startNode(t, b, 2)
	for boot := range uint64(5) {
		a := startNode(t, b, 1, withBoot(boot+1))
		sendUntilHeard(t, a, z, fmt.Sprint("boot ", boot))
		a.Close()
	}
	z.waitFor(t, "1 down", 5)
	up := false
	for line := range strings.Lines(z.all()) {
		switch is := strings.Contains(line, "up"); {
		case strings.Contains(line, ":"):
			if !up {
				t.Fatalf("a frame between down and up:\n%s", z.all())
			}
		case is == up:
			t.Fatalf("twice the same:\n%s", z.all())
		default:
			up = is
		}
	}
}

func TestASilentPeerIsNoticedByBothSides(t *testing.T) {
	b := newBook()
	quick := withLimits(func(l *Limits) { l.Keepalive, l.Idle = 10*time.Millisecond, 100*time.Millisecond })

	// One that has said hello and nothing since.
	z := startNode(t, b, 2, quick)
	c := dialRaw(t, z.Addr())
	if a := shake(t, c, validHello(z, purposeFrames)); a.code != 0 {
		t.Fatal(a.text)
	}
	z.waitFor(t, "ee down", 1)
	if _, err := io.Copy(io.Discard, c); err != nil {
		t.Errorf("the connection was not closed in order: %v", err)
	}

	// One that takes the connection and says nothing.
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			c, err := mute.Accept()
			if err != nil {
				return
			}
			conns.Go(func() {
				defer c.Close()
				if _, err := readHello(c); err == nil {
					c.Write((&answer{version: 1, node: nodeID(3), cluster: testCluster}).append(nil))
					io.Copy(io.Discard, c)
				}
			})
		}
	})
	b.set(nodeID(3), mute.Addr().String())
	z.Send(nodeID(3), []byte("anybody there?"))
	until(t, "the silence to be noticed", func() bool { return strings.Contains(z.peerStats(nodeID(3)).LastError, "timeout") })
	z.Close()
	mute.Close()
	conns.Wait()
}

func TestAConnectionWithoutTrafficStaysUp(t *testing.T) {
	b := newBook()
	quick := withLimits(func(l *Limits) { l.Keepalive, l.Idle = 5*time.Millisecond, 2*time.Second })
	a, z := startNode(t, b, 1, quick), startNode(t, b, 2, quick)
	sendUntilHeard(t, a, z, "once")
	before := z.peerStats(a.id).ReceivedBytes
	until(t, "keepalives", func() bool { return z.peerStats(a.id).ReceivedBytes > before+20*frameHeader })
	if z.count("1 down") != 0 || !a.Connected(z.id) {
		t.Errorf("events:\n%s", z.all())
	}
}

func TestDisconnectEndsBothStreams(t *testing.T) {
	b := newBook()
	a, z := startNode(t, b, 1), startNode(t, b, 2)
	sendUntilHeard(t, a, z, "hello")
	sendUntilHeard(t, z, a, "hello")
	b.set(z.id, "")
	a.Disconnect(z.id)
	a.waitFor(t, "2 down", 1)
	z.waitFor(t, "1 down", 1)
	until(t, "no more frames to be taken", func() bool { return !a.Send(z.id, []byte("x")) })
	b.set(z.id, z.Addr())
	sendUntilHeard(t, a, z, "back")
}

func TestLostFramesAreReported(t *testing.T) {
	b := newBook()
	lost := make(chan ring.NodeID, 100)
	a := startNode(t, b, 1, func(o *Options) {
		o.Lost = func(node ring.NodeID) {
			select {
			case lost <- node:
			default:
			}
		}
	})
	b.set(nodeID(2), unusedAddr(t))
	a.Send(nodeID(2), []byte("x"))
	if got := <-lost; got != nodeID(2) {
		t.Errorf("lost for %v", got)
	}
}

func TestCloseEndsEverythingAndSaysSo(t *testing.T) {
	b := newBook()
	a, z := startNode(t, b, 1), startNode(t, b, 2)
	sendUntilHeard(t, a, z, "hello")
	started := make(chan struct{})
	z.calls(func(ctx context.Context, _ ring.NodeID, _ uint8, _ []byte) ([]byte, error) {
		close(started)
		<-ctx.Done()
		return nil, ctx.Err()
	})
	called := make(chan error, 1)
	go func() {
		_, err := a.CallNode(context.Background(), z.id, 1, nil)
		called <- err
	}()
	<-started
	a.Close()
	z.Close()
	if err := <-called; err != ErrClosed {
		t.Errorf("the call under way: %v", err)
	}
	if a.Send(z.id, []byte("x")) {
		t.Error("a closed transport takes frames")
	}
	if _, err := a.CallNode(t.Context(), z.id, 1, nil); err != ErrClosed {
		t.Errorf("a call on a closed transport: %v", err)
	}
	if err := a.Close(); err != nil {
		t.Errorf("closing twice: %v", err)
	}
}
