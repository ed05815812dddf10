package router

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/internal/config"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// fuzzCeiling is what one connection may cost, whatever is sent on it: above what the
// inputs here can ask for, below what a length in them could.
const fuzzCeiling = 64 << 20

// FuzzConnection promises that no bytes of a client make the router panic, hang, forget
// a request, or take memory by a length it was told.
func FuzzConnection(f *testing.F) {
	hello := (&wire.ClientHello{MinVersion: 1, MaxVersion: 1}).Append(nil)
	native := func(requests ...wire.Request) []byte {
		out := bytes.Clone(hello)
		for i := range requests {
			out = requests[i].Append(out)
		}
		return out
	}
	for _, seed := range [][]byte{
		[]byte("PING\r\nSET k v\r\nGET k\r\nMGET a b c d\r\nMSET a 1 b 2\r\nDEL a b c\r\nQUIT\r\n"),
		[]byte("*2\r\n$3\r\nGET\r\n$1\r\nk\r\n*1\r\n$4\r\nPING\r\n"),
		[]byte("*1\r\n$999999999\r\n"), []byte("*1000000\r\n$3\r\nGET\r\n"),
		[]byte("HELLO 3 SETNAME x\r\nSCAN 0 MATCH a* COUNT 5\r\nKEYS *\r\nDBSIZE\r\nCLUSTER SLOTS\r\nVEGA CONSISTENCY SESSION\r\nGET k\r\n"),
		[]byte("INFO\r\nCOMMAND\r\nCLIENT LIST\r\nCONFIG GET *\r\nCLUSTER GETKEYSINSLOT 1 1\r\nFLUSHALL\r\n"),
		[]byte("GET / HTTP/1.1\r\n\r\n"), hello,
		native(wire.Request{Op: wire.OpPut, ID: 1, Body: wire.AppendPut(nil, 0, "k", "v", 0, 0)}, wire.Request{Op: wire.OpGet, ID: 2, Body: []byte("k")}),
		native(wire.Request{Op: wire.OpWriteBatch, Body: batchOf([]string{"a", "b", "c"})}, wire.Request{Op: wire.OpScan, Body: wire.AppendScan(nil, 0, 5, "")}),
		native(wire.Request{Op: wire.OpCommand, Body: appendCommand(nil, 3, [][]byte{[]byte("DEL"), []byte("a")})}),
		native(wire.Request{Op: wire.OpGetBatch, Body: []byte{255, 255, 255, 255}}), append(bytes.Clone(hello), 255, 255, 255, 127, 1),
	} {
		f.Add(seed)
	}
	s := config.DefaultRouter()
	s.Front.Addr, s.Front.AdminAddr, s.Cluster = "127.0.0.1:0", "", "fake:1"
	s.Front.HandshakeTimeout, s.Front.FrameTimeout = time.Minute, time.Minute
	cluster := newFakeCluster(f)
	r, err := Start(Options{Settings: s, Logger: slog.New(slog.DiscardHandler), open: func(context.Context) (backend, error) { return cluster, nil }})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { r.Close(context.Background()) })
	for r.view.Load() == nil {
		runtime.Gosched()
	}
	ln, err := net.Listen("unix", filepath.Join(f.TempDir(), "s"))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { ln.Close() })
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 64<<10 {
			return
		}
		cluster.mu.Lock()
		cluster.t = t
		clear(cluster.data)
		cluster.requests, cluster.executed = nil, nil
		cluster.mu.Unlock()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		fuzzConnection(t, r, ln, data)
		runtime.ReadMemStats(&after)
		if spent := after.TotalAlloc - before.TotalAlloc; spent > fuzzCeiling {
			t.Errorf("%d bytes of input cost %d MiB", len(data), spent>>20)
		}
		if n := r.stats.inFlight.Load(); n != 0 {
			t.Errorf("%d requests are counted as in flight behind the end", n)
		}
		if n := r.held.Load(); n != 0 {
			t.Errorf("%d bytes are counted as held behind the end", n)
		}
	})
}

// fuzzConnection serves one connection that sends data in three pieces and then no more.
func fuzzConnection(t *testing.T, r *Router, ln net.Listener, data []byte) {
	peer, err := net.Dial("unix", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	socket, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	there := netip.MustParseAddrPort("127.0.0.1:1")
	c, refused := r.admit(socket, there, there)
	if c == nil {
		t.Fatalf("refused: %s", refused.String())
	}
	var wg sync.WaitGroup
	wg.Go(func() { io.Copy(io.Discard, peer) })
	go c.read()
	go c.write()
	for rest := data; len(rest) > 0; {
		n := min(len(rest), 1+len(data)/3)
		if _, err := peer.Write(rest[:n]); err != nil {
			break // the router has had enough
		}
		rest = rest[n:]
	}
	peer.(*net.UnixConn).CloseWrite()
	wg.Wait()
	r.eventuallyGone(c)
}

// eventuallyGone waits until a connection is counted out.
func (r *Router) eventuallyGone(c *conn) {
	for {
		open := slices.Contains(r.door.Open(), c)
		if !open {
			return
		}
		runtime.Gosched()
	}
}
