package transport

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/internal/ring"
)

func TestEveryRefusalSaysWhyToTheOneRefused(t *testing.T) {
	b := newBook()
	z := startNode(t, b, 2, withBoot(7), func(o *Options) {
		o.Admit = func(node ring.NodeID, boot uint64) error {
			if node == nodeID(0xbb) {
				return fmt.Errorf("node %s was removed from the cluster", node)
			}
			return nil
		}
	})
	for name, test := range map[string]struct {
		change func(h *hello)
		code   RefusalCode
		text   string
	}{
		"a version from the future":    {func(h *hello) { h.lowest, h.highest = 2, 9 }, WrongVersion, "versions 2 to 9"},
		"no node id":                   {func(h *hello) { h.from = ring.NodeID{} }, BadRequest, "node id"},
		"an unknown purpose":           {func(h *hello) { h.purpose = 9 }, BadRequest, "purpose"},
		"frames to whom it concerns":   {func(h *hello) { h.to = ring.NodeID{} }, BadRequest, "expected"},
		"another cluster":              {func(h *hello) { h.cluster = ring.NodeID{0xc2} }, WrongCluster, "cluster c1000000…, you to c2000000…"},
		"another node at this address": {func(h *hello) { h.to = nodeID(3) }, WrongNode, nodeID(2).String() + " lives at this address"},
		"itself":                       {func(h *hello) { h.from, h.boot = nodeID(2), 7 }, OwnAddress, "own address"},
		"a copy of itself":             {func(h *hello) { h.from, h.boot = nodeID(2), 8 }, CopyRunning, "copy of its data directory"},
		"a removed member":             {func(h *hello) { h.from = nodeID(0xbb) }, NotAdmitted, "was removed from the cluster"},
		"a stranger's frames":          {func(h *hello) { h.cluster = ring.NodeID{} }, BadRequest, "without the id"},
	} {
		t.Run(name, func(t *testing.T) {
			h := validHello(z, purposeFrames)
			test.change(&h)
			c := dialRaw(t, z.Addr())
			if a := shake(t, c, h); a.code != test.code || !strings.Contains(a.text, test.text) || !a.node.IsZero() {
				t.Errorf("got %v: %q from %v", a.code, a.text, a.node)
			}
			if _, err := c.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("the connection stays: %v", err)
			}
			until(t, "a line in the log", func() bool { return strings.Contains(z.logs.String(), fmt.Sprintf("reason=%q", test.code)) })
		})
	}
	if z.all() != "" {
		t.Errorf("the handler has heard of them:\n%s", z.all())
	}
}

func TestAnAddressThatHasGoneToAnotherNodeGetsNoFrames(t *testing.T) {
	b := newBook()
	refused := make(chan *RefusedError, 100)
	a := startNode(t, b, 1, func(o *Options) {
		o.Refused = func(err *RefusedError) {
			select {
			case refused <- err:
			default:
			}
		}
	})
	other := startNode(t, b, 3)
	b.set(nodeID(2), other.Addr())
	a.Send(nodeID(2), []byte("for node 2 only"))
	if err := <-refused; err.Code != WrongNode || err.Addr != other.Addr() {
		t.Errorf("refused with %v", err)
	}
	until(t, "the error in the statistics", func() bool { return strings.Contains(a.peerStats(nodeID(2)).LastError, "lives at this address") })
	z := startNode(t, b, 2) // and the book is right again
	sendUntilHeard(t, a, z, "found")
	if s := a.peerStats(z.id); s.LastError != "" || !s.Connected {
		t.Errorf("%+v", s)
	}
	if other.count("1: for node 2 only") != 0 {
		t.Error("the wrong node got the frame")
	}
}

func TestANodeWithoutAClusterTakesOnlyStrangersCalls(t *testing.T) {
	b := newBook()
	z := startNode(t, b, 2, func(o *Options) { o.Cluster = ring.NodeID{} })
	if a := shake(t, dialRaw(t, z.Addr()), validHello(z, purposeFrames)); a.code != WrongCluster || !strings.Contains(a.text, "does not belong to a cluster yet") {
		t.Errorf("%v %q", a.code, a.text)
	}
}

func TestTheDialledSideMustBeWhoItIsTakenFor(t *testing.T) {
	b := newBook()
	a := startNode(t, b, 1)
	for name, test := range map[string]struct {
		answer answer
		want   string
	}{
		"another node":         {answer{version: 1, node: nodeID(8), cluster: testCluster}, "not " + nodeID(3).String()},
		"another cluster":      {answer{version: 1, node: nodeID(3), cluster: ring.NodeID{1}}, "another cluster"},
		"a version not wanted": {answer{version: 2, node: nodeID(3), cluster: testCluster}, "version 2"},
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			c, err := l.Accept()
			if err != nil {
				return
			}
			defer c.Close()
			readHello(c)
			c.Write(test.answer.append(nil))
		}()
		b.set(nodeID(3), l.Addr().String())
		if _, err := a.CallNode(t.Context(), nodeID(3), 1, nil); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
		l.Close()
		<-done
	}
}

func TestTheSameProcessReplacesItsOwnConnection(t *testing.T) {
	b := newBook()
	z := startNode(t, b, 2)
	first, second := dialRaw(t, z.Addr()), dialRaw(t, z.Addr())
	for _, c := range []net.Conn{first, second} {
		if a := shake(t, c, validHello(z, purposeFrames)); a.code != 0 {
			t.Fatal(a.text)
		}
	}
	if _, err := io.Copy(io.Discard, first); err != nil && !strings.Contains(err.Error(), "reset") {
		t.Errorf("the first connection: %v", err)
	}
	second.Write(appendFrame(nil, []byte("hello")))
	z.waitFor(t, "ee: hello", 1)
	if got, want := z.all(), "ee up 9\nee down\nee up 9\nee: hello"; got != want {
		t.Errorf("the handler heard\n%s\ninstead of\n%s", got, want)
	}
	if a := shake(t, dialRaw(t, z.Addr()), validHello(z, purposeCall)); a.code != 0 {
		t.Errorf("a call by the same process: %s", a.text)
	}
}

func TestANewStreamWaitsUntilTheHandlerIsDoneWithTheOld(t *testing.T) {
	b := newBook()
	z := startNode(t, b, 2)
	busy, release := make(chan struct{}), make(chan struct{})
	z.frames(func(_ ring.NodeID, frame []byte) {
		close(busy)
		<-release
	})
	first := dialRaw(t, z.Addr())
	shake(t, first, validHello(z, purposeFrames))
	first.Write(appendFrame(nil, []byte("slow")))
	<-busy
	second := dialRaw(t, z.Addr())
	second.Write(validHello(z, purposeFrames).bytes())
	if _, err := io.Copy(io.Discard, first); err != nil && !strings.Contains(err.Error(), "reset") {
		t.Errorf("the first stream is not closed: %v", err)
	}
	second.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if a, err := readAnswer(second); err == nil {
		t.Errorf("the second is welcome while the handler is busy with the first: %+v", a)
	}
	if got, want := z.all(), "ee up 9"; got != want {
		t.Errorf("the handler has heard %s", got)
	}
	close(release)
	z.waitFor(t, "ee up 9", 2)
	if got, want := z.all(), "ee up 9\nee down\nee up 9"; !strings.HasPrefix(got, want) {
		t.Errorf("the handler has heard %s", got)
	}
}

func TestOfTwoProcessesWithOneNodeIDTheNewerStays(t *testing.T) {
	b := newBook()
	z := startNode(t, b, 2)
	join := func(boot uint64, proof string) net.Conn {
		c := dialRaw(t, z.Addr())
		h := validHello(z, purposeFrames)
		h.boot = boot
		if a := shake(t, c, h); a.code != 0 {
			t.Fatal(a.text)
		}
		if proof != "" {
			c.Write(appendFrame(nil, []byte(proof)))
			z.waitFor(t, "ee: "+proof, 1)
		}
		return c
	}
	older := join(1, "older")
	newer := join(2, "newer")
	if _, err := io.Copy(io.Discard, older); err != nil && !strings.Contains(err.Error(), "reset") {
		t.Errorf("the older process's connection stays: %v", err)
	}
	if !strings.Contains(z.logs.String(), "another process with its node id") {
		t.Errorf("not in the log:\n%s", z.logs)
	}
	for _, what := range []purpose{purposeFrames, purposeSnapshot, purposeCall} {
		h := validHello(z, what)
		h.boot = 1
		if a := shake(t, dialRaw(t, z.Addr()), h); a.code != DuplicateID || !strings.Contains(a.text, "copy of the data directory") {
			t.Errorf("the older process comes back for a %v: %v %q", what, a.code, a.text)
		}
	}
	newer.Write(appendFrame(nil, []byte("still here")))
	z.waitFor(t, "ee: still here", 1)
	if until(t, "a loud line in the log", func() bool { return strings.Contains(z.logs.String(), "level=ERROR") }); !strings.Contains(z.logs.String(), "duplicate node id") {
		t.Errorf("not in the log:\n%s", z.logs)
	}
}

// A hello may wait in the kernel of a node that is slow while its sender ends and starts anew. It must not lock the
// sender's next life out.
func TestAHelloFromBeforeARestartDoesNotReplaceTheNewProcessForGood(t *testing.T) {
	b := newBook()
	z := startNode(t, b, 2)
	hello := func(boot uint64) hello { h := validHello(z, purposeFrames); h.boot = boot; return h }

	living := dialRaw(t, z.Addr())
	shake(t, living, hello(2))
	living.Write(appendFrame(nil, []byte("I live")))
	z.waitFor(t, "ee: I live", 1)
	dead := dialRaw(t, z.Addr())
	shake(t, dead, hello(1)) // says no more
	dead.Close()
	z.waitFor(t, "ee down", 2)
	again := dialRaw(t, z.Addr())
	if a := shake(t, again, hello(2)); a.code != 0 {
		t.Fatalf("the living process is locked out: %s", a.text)
	}
}

func TestRealNodesWithOneIDAreTold(t *testing.T) {
	b := newBook()
	z := startNode(t, b, 2)
	original := startNode(t, b, 1, withBoot(1))
	sendUntilHeard(t, original, z, "original")
	copied := startNode(t, b, 1, withBoot(2))
	sendUntilHeard(t, copied, z, "copy")
	until(t, "the original to be told", func() bool {
		original.Send(z.id, []byte("x"))
		return strings.Contains(original.peerStats(z.id).LastError, "copy of the data directory")
	})
	b.set(nodeID(9), copied.Addr())
	_, err := original.Call(t.Context(), copied.Addr(), 1, nil)
	if refused := (*RefusedError)(nil); !errors.As(err, &refused) || refused.Code != CopyRunning {
		t.Errorf("the two meet: %v", err)
	}
}

func TestSlowHandshakesKeepNobodyOut(t *testing.T) {
	b := newBook()
	z := startNode(t, b, 2, withLimits(func(l *Limits) { l.Handshakes = 4 }))
	var slow []net.Conn
	for range 20 {
		c := dialRaw(t, z.Addr())
		c.Write([]byte(magic)) // and no more
		slow = append(slow, c)
	}
	until(t, "the bound to hold", func() bool { return z.Stats().Handshakes == 4 })
	a := startNode(t, b, 1)
	sendUntilHeard(t, a, z, "hello")
	for _, c := range slow[:16] { // the oldest had to go
		if _, err := io.Copy(io.Discard, c); err != nil && !strings.Contains(err.Error(), "reset") {
			t.Errorf("a slow connection stays: %v", err)
		}
	}
}

func TestAHandshakeThatTakesTooLongIsCutOff(t *testing.T) {
	b := newBook()
	z := startNode(t, b, 2, withLimits(func(l *Limits) { l.Handshake = 50 * time.Millisecond }))
	h := validHello(z, purposeCall)
	for name, said := range map[string][]byte{"nothing": nil, "half a hello": h.append(nil)[:20]} {
		c := dialRaw(t, z.Addr())
		c.Write(said)
		if _, err := io.Copy(io.Discard, c); err != nil && !strings.Contains(err.Error(), "reset") {
			t.Errorf("%s: %v", name, err)
		}
	}
	c := dialRaw(t, z.Addr()) // a call without a request
	shake(t, c, h)
	if _, err := io.Copy(io.Discard, c); err != nil {
		t.Errorf("no request: %v", err)
	}
}

func TestConnectionsAreBoundedAndTheRefusedAreTold(t *testing.T) {
	b := newBook()
	z := startNode(t, b, 2, withLimits(func(l *Limits) { l.Connections, l.Snapshots, l.Strangers, l.Peers = 3, 1, 1, 1 }))
	h := validHello(z, purposeSnapshot)
	stranger := validHello(z, purposeCall)
	stranger.cluster = ring.NodeID{}
	call := validHello(z, purposeCall)
	for i, step := range []struct {
		h    hello
		want RefusalCode
	}{{h, 0}, {h, Busy}, {stranger, 0}, {stranger, Busy}, {call, 0}, {call, Busy}} {
		if a := shake(t, dialRaw(t, z.Addr()), step.h); a.code != step.want || a.code == Busy && !strings.Contains(a.text, "limit") {
			t.Errorf("step %d: %v %q", i, a.code, a.text)
		}
	}
	call.from = nodeID(0x77)
	if a := shake(t, dialRaw(t, z.Addr()), call); a.code != Busy || !strings.Contains(a.text, "knows 1 nodes") {
		t.Errorf("one node too many: %v %q", a.code, a.text)
	}
}

func TestWhatIsNoNodeIsCutOffAndNamedInTheLog(t *testing.T) {
	damaged := validHello(&testNode{id: nodeID(2)}, purposeFrames).bytes()
	damaged[30] ^= 1
	for said, want := range map[string]string{
		"GET / HTTP/1.1\r\n\r\n":       "HTTP request",
		"\x16\x03\x01\x02\x00\x01\x00": "speaks TLS",
		"*1\r\n$4\r\nPING\r\n":         "no node's hello",
		string(damaged):                "checksum",
	} {
		z := startNode(t, newBook(), 2)
		c := dialRaw(t, z.Addr())
		c.Write([]byte(said))
		if n, err := io.Copy(io.Discard, c); n != 0 || err != nil && !strings.Contains(err.Error(), "reset") {
			t.Errorf("%q: %d bytes came back, %v", said, n, err)
		}
		until(t, want, func() bool { return strings.Contains(z.logs.String(), want) })
	}
}

// bytes is append for tests.
func (h hello) bytes() []byte { return h.append(nil) }

func TestABadFrameClosesTheConnectionWithALine(t *testing.T) {
	damaged := appendFrame(nil, []byte("hello"))
	damaged[len(damaged)-1] ^= 0x40
	for name, test := range map[string]struct {
		bytes []byte
		want  string
	}{
		"damaged":   {damaged, "checksum"},
		"oversize":  {[]byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}, "limit is"},
		"one above": {le.AppendUint32(nil, 65<<20+1), ""}, // no checksum yet: nothing happens until it is there
	} {
		t.Run(name, func(t *testing.T) {
			z := startNode(t, newBook(), 2)
			c := dialRaw(t, z.Addr())
			shake(t, c, validHello(z, purposeFrames))
			c.Write(appendFrame(nil, []byte("good")))
			z.waitFor(t, "ee: good", 1)
			c.Write(test.bytes)
			if test.want == "" {
				c.Close()
				test.want = "unexpected EOF"
			}
			z.waitFor(t, "ee down", 1)
			until(t, "a line in the log", func() bool { return strings.Contains(z.logs.String(), test.want) })
		})
	}
}

func TestAFrameThatDripsIsCutOff(t *testing.T) {
	z := startNode(t, newBook(), 2, withLimits(func(l *Limits) { l.Frame = 100 * time.Millisecond }))
	c := dialRaw(t, z.Addr())
	shake(t, c, validHello(z, purposeFrames))
	drip := appendFrame(nil, make([]byte, 1<<20))
	until(t, "the end", func() bool {
		c.Write(drip[:1])
		drip = drip[1:]
		return z.count("ee down") == 1
	})
}
