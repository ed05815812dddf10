package server

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/internal/config"
	"github.com/prakashpandey/vegadb/internal/vfs"
	"github.com/prakashpandey/vegadb/internal/wal"
	"github.com/prakashpandey/vegadb/internal/wire"
)

func (c *testConn) setLarge(key string, size int) {
	c.h.t.Helper()
	text := fmt.Sprintf("*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n", len(key), key, size, strings.Repeat("x", size))
	if got := c.send(text); got != "+OK\r\n" {
		c.h.t.Fatalf("SET of %d bytes: %.80q", size, got)
	}
}

// A few bytes of input ask for gigabytes of output: the session stops and goes on
// as its output is taken.
func TestLittleInputCannotAskForUnboundedOutput(t *testing.T) {
	const size, gets = 512 << 10, 2000
	for name, o := range policies() {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, o)
			c := h.connect()
			c.setLarge("k", size)
			for range 10 { // enough data for commands to be looked at ahead
				c.setLarge(fmt.Sprint("more", c.ses.now), size)
			}
			native := h.connectNative()
			for protocol, conn := range map[string]*testConn{"resp": c, "native": native} {
				var input []byte
				for i := range gets {
					if protocol == "resp" {
						input = append(input, "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"...)
					} else {
						input = append(input, request(uint32(i), wire.OpGet, 0, []byte("k"))...)
					}
				}
				conn.ses.Input(input)
				taken := 0
				for taken < gets*size {
					out := len(conn.ses.Output())
					if out == 0 {
						t.Fatalf("%s: the session does not go on after %d bytes", protocol, taken)
					}
					if out > crowdedOutput+2*size {
						t.Fatalf("%s: %d bytes of output at once", protocol, out)
					}
					taken += out
					conn.ses.w.Buf = conn.ses.w.Buf[:0]
					conn.ses.Resume()
				}
				if conn.ses.parked || len(conn.ses.Output()) > 0 {
					t.Errorf("%s: parked %v with %d bytes of output at the end", protocol, conn.ses.parked, len(conn.ses.Output()))
				}
			}
		})
	}
}

func TestOneReplyCannotExceedTheOutputLimit(t *testing.T) {
	const size = 100 << 10
	h := newHarness(t, harnessOptions{settings: func(c *config.Server) { c.OutputLimit = 1 << 20 }})
	c := h.connect()
	c.setLarge("k", size)
	if got := c.send("MGET" + strings.Repeat(" k", 5) + "\r\n"); len(got) < 5*size {
		t.Errorf("5 values: %.80q", got)
	}
	if got := c.send("MGET" + strings.Repeat(" k", 20_000) + "\r\nPING\r\n"); got != "-ERR the values asked for exceed output-limit: ask for fewer keys at once\r\n+PONG\r\n" {
		t.Errorf("20,000 values: %.80q", got)
	}
	h.srv.limits.MaxFrame = 1 << 20
	n := h.connectNative()
	body := wire.BeginBatch(nil)
	for range 11 {
		body = wire.AppendBatchKey(body, "k")
	}
	wire.FinishBatch(body, 0, 11)
	if r := n.roundTrip(wire.Request{Op: wire.OpGetBatch, Body: body}); r.Status != wire.TooLarge {
		t.Errorf("GETBATCH of more than a frame: %v", r.Status)
	}
	if r := n.roundTrip(wire.Request{Op: wire.OpGet, Body: []byte("absent")}); r.Status != wire.NotFound {
		t.Errorf("after it: %v", r.Status)
	}
}

// Under policy always the replies of many writes exist before the first is sent.
func TestOldValuesOfWaitingWritesAreBounded(t *testing.T) {
	const size, total = 200 << 10, 1 << 20
	disk := newStallingDisk()
	h := newHarness(t, harnessOptions{dir: "data", fs: disk.fs(), policy: wal.Always, settings: func(c *config.Server) { c.OutputLimitTotal = total }})
	c, n := h.connect(), h.connectNative()
	c.setLarge("k", size)
	release := disk.stall()
	c.ses.Input([]byte(strings.Repeat("GETEX k EX 100\r\n", 20)))
	c.settleLog()
	release()
	out := c.send("")
	if values, refused := strings.Count(out, fmt.Sprintf("$%d\r\n", size)), strings.Count(out, "-"+wire.UnknownOutcome.RESPCode()+" "); values+refused != 20 || values > total/size || refused == 0 {
		t.Errorf("%d values and %d refusals", values, refused)
	}
	if held := h.srv.outBytes.Load(); held != 0 {
		t.Errorf("%d bytes stay counted", held)
	}

	h.srv.limits.MaxFrame = 1 << 20 // and in one reply
	batch := wire.BeginBatch(nil)
	for range 10 {
		start := len(batch)
		batch = wire.BeginWriteItem(batch, wire.OpPut, wire.WriteIfAbsent|wire.WriteReturnOld)
		batch = wire.AppendPut(batch, wire.WriteIfAbsent|wire.WriteReturnOld, "k", "other", 0, 0)
		wire.FinishWriteItem(batch, start)
	}
	wire.FinishBatch(batch, 0, 10)
	if r := n.roundTrip(wire.Request{Op: wire.OpWriteBatch, Body: batch}); r.Status != wire.UnknownOutcome {
		t.Errorf("a batch whose old values exceed a frame: %v", r.Status)
	}
}

func TestScansOfLargeValuesComeInPagesThatFit(t *testing.T) {
	const keys, size = 60, 300 << 10
	h := newHarness(t, harnessOptions{})
	h.srv.limits.MaxFrame = 2 << 20
	c := h.connect()
	for i := range keys {
		c.setLarge(fmt.Sprintf("large-%d", i), size)
	}
	n := h.connectNative()
	for _, flags := range []uint8{0, wire.ScanKeysOnly} {
		seen := n.scanAll(flags, "large-", 1000)
		if len(seen) != keys {
			t.Errorf("flags %d: %d of %d keys", flags, len(seen), keys)
		}
	}
	if n.largest > 2<<20 {
		t.Errorf("a page of %d bytes", n.largest)
	}
	h.srv.limits.MaxFrame = 200 << 10
	scan := wire.Request{Op: wire.OpScan, Body: wire.AppendScan(nil, 0, 10, "large-")}
	if r := n.roundTrip(scan); r.Status != wire.TooLarge {
		t.Errorf("one entry larger than a frame: %v", r.Status)
	}
	scan.OpFlags = wire.ScanKeysOnly
	if r := n.roundTrip(scan); r.Status != wire.OK {
		t.Errorf("its key alone: %v", r.Status)
	}
}

// A stream whose reads always end within a command is not a command that never
// ends.
func TestAStreamThatNeverPausesIsNotCutOff(t *testing.T) {
	h := newHarness(t, harnessOptions{settings: func(c *config.Server) { c.FrameTimeout = 30 * time.Second }})
	c := h.connect()
	c.send("PI")
	for range 100 {
		if got := c.send("NG\r\nPI"); got != "+PONG\r\n" {
			t.Fatalf("%q", got)
		}
		if why := h.reaped(c, time.Second); why != "" {
			t.Fatalf("cut off: %s", why)
		}
	}
	if why := h.reaped(c, 31*time.Second); why != "frame_timeout" {
		t.Errorf("31 s in one command: %q", why)
	}
	if why := h.reaped(c, time.Second); why != "" {
		t.Errorf("counted twice: %s", why)
	}
}

// The applier brings waits back in its own order. A wait that it has rendered and
// not brought back yet is still its own.
func TestAWaitIsNotTakenBackBeforeItIsDelivered(t *testing.T) {
	h := newHarness(t, harnessOptions{dir: "data", fs: vfs.NewMem(), policy: wal.Always})
	c := h.connect()
	c.ses.Input([]byte("SET a 1\r\nSET b 2\r\nSET c 3\r\n"))
	c.settleLog()
	first := c.ses.waitHead
	waits := map[*wait]bool{<-c.delivered: true, <-c.delivered: true, <-c.delivered: true}
	for w := range waits {
		if w != first {
			c.ses.Complete(w)
		}
	}
	if got := c.take(); got != "" || c.ses.free != nil {
		t.Fatalf("%q went out, and the first wait is free: %v", got, c.ses.free != nil)
	}
	c.ses.Complete(first)
	if got := c.take(); got != "+OK\r\n+OK\r\n+OK\r\n" {
		t.Errorf("%q", got)
	}
}

// A session that is over waits for what it has begun, and takes nothing more.
func TestGarbageBehindALoginDoesNotLoseItsReply(t *testing.T) {
	h := guarded(t, harnessOptions{})
	c := h.connect()
	if got := c.send("AUTH root root\r\n*1\r\nx"); got != "+OK\r\n-ERR Protocol error: expected '$', got 'x'\r\n" {
		t.Errorf("%q", got)
	}
	if !c.ses.over() || c.ses.waits != 0 {
		t.Error("the session goes on")
	}
}
