package server

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/internal/front"
	"github.com/prakashpandey/vegadb/internal/vfs"
	"github.com/prakashpandey/vegadb/internal/wal"
	"github.com/prakashpandey/vegadb/internal/wire"
)

func TestStoppingAnswersWhatIsInFlight(t *testing.T) {
	const writes = 200
	onDrivers(t, func(t *testing.T, driver string) {
		disk := newStallingDisk()
		h := newHarness(t, harnessOptions{dir: "data", fs: disk.fs(), policy: wal.Always})
		h.listen(driver)
		release := disk.stall()
		defer release()
		conn, idle := h.dial(), h.dial()
		write(t, conn, strings.Repeat("INCR n\r\n", writes)+"GET n\r\n")
		h.await("the writes wait for the disk", func() bool { return h.srv.inFlight.Load() == writes })
		stopped := make(chan struct{})
		go func() { defer close(stopped); h.stop(patience) }()
		if out, err := io.ReadAll(idle); len(out) > 0 || err != nil {
			t.Errorf("an idle connection: %q, %v", out, err)
		}
		select {
		case <-stopped:
			t.Error("stopped while writes waited for the disk")
		default:
		}
		release()
		out, err := io.ReadAll(conn)
		if !strings.HasSuffix(string(out), ":200\r\n$3\r\n200\r\n") || strings.Count(string(out), "\n") != writes+2 || err != nil {
			t.Errorf("replies end with %q, %v", out[max(0, len(out)-40):], err)
		}
		<-stopped
		if _, err := net.DialTimeout("tcp", h.srv.Addr().String(), patience); err == nil {
			t.Error("a connection was accepted after the end")
		}
	})
}

// Clients that send without pause must not keep a server from stopping, and what
// they were told must be on the disk.
func TestStoppingUnderLoadIsQuickAndLosesNothing(t *testing.T) {
	const clients = 20
	onDrivers(t, func(t *testing.T, driver string) {
		disk := vfs.NewMem()
		h := newHarness(t, harnessOptions{dir: "data", fs: disk, policy: wal.Always})
		h.listen(driver)
		var told [clients]int
		var wg sync.WaitGroup
		for c := range clients {
			conn := h.dial()
			wg.Go(func() {
				in := bufio.NewReader(conn)
				for i := 1; ; i++ {
					if _, err := fmt.Fprintf(conn, "SET client-%d %d\r\n", c, i); err != nil {
						return
					}
					if line, _ := in.ReadString('\n'); line != "+OK\r\n" {
						return
					}
					told[c] = i
				}
			})
		}
		h.await("work is done", func() bool { return h.srv.Stats().Calls > 500 })
		if took := h.stop(patience); took > 5*time.Second {
			t.Errorf("stopping took %v", took)
		}
		after := disk.CrashClone(nil) // the power goes: what is not synced is lost
		wg.Wait()
		c := newHarness(t, harnessOptions{dir: "data", fs: after, policy: wal.Always}).connect()
		for i, n := range told {
			got := c.send(fmt.Sprintf("GET client-%d\r\n", i))
			var length, have int
			fmt.Sscanf(got, "$%d\r\n%d\r\n", &length, &have)
			if have != n && have != n+1 { // one more may have been written and not told
				t.Errorf("client %d was told %d, the disk has %q", i, n, got)
			}
		}
	})
}

// A peer that does not read is waited for a little while and no more.
func TestStoppingDoesNotWaitForPeersThatDoNotRead(t *testing.T) {
	t.Parallel()
	onDrivers(t, func(t *testing.T, driver string) {
		t.Parallel()
		h := newHarness(t, harnessOptions{})
		h.listen(driver)
		h.connect().send(fmt.Sprintf("SET big %s\r\n", strings.Repeat("x", 60<<10)))
		conn := h.dial()
		conn.SetReadBuffer(16 << 10)
		write(t, conn, strings.Repeat("GET big\r\n", 300))
		h.await("output piles up", func() bool { return h.srv.Stats().OutputHeld > 0 })
		if took := h.stop(patience); took < front.StopPatience || took > front.StopPatience+5*time.Second {
			t.Errorf("stopping took %v, patience is %v", took, front.StopPatience)
		}
	})
}

func TestStoppingWhenTheTimeIsUpEndsWhatStillWaits(t *testing.T) {
	onDrivers(t, func(t *testing.T, driver string) {
		disk := newStallingDisk()
		h := newHarness(t, harnessOptions{dir: "data", fs: disk.fs(), policy: wal.Always})
		h.listen(driver)
		release := disk.stall()
		defer release()
		conn := h.dial()
		write(t, conn, "SET a 1\r\n")
		h.await("the write waits", func() bool { return h.srv.inFlight.Load() == 1 })
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := h.srv.Stop(ctx); err == nil {
			t.Error("a stop that ran out of time calls itself a success")
		}
		if out, _ := io.ReadAll(conn); len(out) > 0 {
			t.Errorf("told %q before the write was durable", out)
		}
	})
}

// The same for reads: those that wait for leave, and those that have it and for whose
// replies there is no room.
func TestNoReadStaysInFlightWhenConnectionsGoAway(t *testing.T) {
	const size, gets = 512 << 10, 40
	onDrivers(t, func(t *testing.T, driver string) {
		h, p := clustered(t, harnessOptions{})
		h.preload("k", size)
		h.listen(driver)
		hello := wire.ClientHello{MinVersion: 1, MaxVersion: 1}
		frames := string(hello.Append(nil))
		for i := range gets {
			frames += string(request(uint32(i), wire.OpGet, 0, []byte("k")))
		}
		for name, input := range map[string]string{"resp": strings.Repeat("GET k\r\n", gets), "native": frames} {
			for _, leave := range []bool{false, true} {
				conn := h.dial()
				conn.SetReadBuffer(4 << 10)
				write(t, conn, input)
				h.await("the reads wait", func() bool { reads, _ := p.waiting(); return reads == gets })
				grant := func() {
					for range gets {
						p.grant(0, nil)
					}
				}
				if leave {
					grant()
					h.await("the output is full", func() bool { return h.srv.inFlight.Load() < gets && h.srv.inFlight.Load() > 0 })
				}
				conn.SetLinger(0)
				conn.Close()
				h.await("the connection has gone", func() bool { return len(h.srv.door.Open()) == 0 })
				if !leave {
					grant()
				}
				h.await(name+": nothing is in flight", func() bool { return h.srv.inFlight.Load() == 0 })
			}
		}
	})
}

// A connection that goes away while its writes wait must not leave them counted.
func TestNothingStaysInFlightWhenConnectionsGoAway(t *testing.T) {
	onDrivers(t, func(t *testing.T, driver string) {
		disk := newStallingDisk()
		h := newHarness(t, harnessOptions{dir: "data", fs: disk.fs(), policy: wal.Always})
		h.listen(driver)
		release := disk.stall()
		defer release()
		var conns []*net.TCPConn
		for range 5 {
			conn := h.dial()
			write(t, conn, strings.Repeat("INCR n\r\n", 10)+"GET n\r\n")
			conns = append(conns, conn)
		}
		h.await("the writes wait", func() bool { return h.srv.inFlight.Load() == 50 })
		for _, conn := range conns {
			conn.SetLinger(0)
			conn.Close()
		}
		h.await("the connections have gone", func() bool { return len(h.srv.door.Open()) == 0 })
		release()
		h.await("nothing is in flight", func() bool { return h.srv.inFlight.Load() == 0 })
		if got := h.connect().send("GET n\r\n"); got != "$2\r\n50\r\n" {
			t.Errorf("the writes had been accepted, and the counter is %q", got)
		}
	})
}
