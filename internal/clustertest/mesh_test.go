//go:build unix

package clustertest

import (
	"encoding/hex"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// peer is a node as the mesh sees it: an identity, and a port that sends back whatever comes.
func peer(t *testing.T, m *mesh, number int) (advertised string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				io.Copy(conn, conn)
				conn.Close()
			}()
		}
	}()
	n := &Node{Number: number, Peer: l.Addr().String(), dataDir: t.TempDir()}
	if err := os.WriteFile(filepath.Join(n.dataDir, "VEGA"), []byte("vega-data 1\nnode "+identity(number)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if advertised, err = m.advertise(n); err != nil {
		t.Fatal(err)
	}
	return advertised
}

func identity(number int) string { return strings.Repeat("0", 31) + string(rune('0'+number)) }

// call connects as a node does and gets its hello back.
func call(t *testing.T, from int, to string) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	id, _ := hex.DecodeString(identity(from))
	hello := append([]byte("VPEER\x01\x01\x03----the cluster-"), id...) // for a call, which is any bytes
	say(t, conn, string(hello)+"----the called---and the rest")
	return conn.(*net.TCPConn)
}

func say(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	if _, err := conn.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

// hears reads until want has come, or nothing comes for a while.
func hears(conn net.Conn, want string, within time.Duration) bool {
	conn.SetReadDeadline(time.Now().Add(within))
	got := ""
	buf := make([]byte, 1024)
	for !strings.Contains(got, want) {
		n, err := conn.Read(buf)
		got += string(buf[:n])
		if err != nil {
			return false
		}
	}
	return true
}

const (
	long  = 20 * time.Second
	short = 100 * time.Millisecond
)

func TestTheMeshHoldsOneDirectionAndDeliversLater(t *testing.T) {
	t.Parallel()
	m := newMesh()
	defer m.close()
	one, two := peer(t, m, 1), peer(t, m, 2)
	there, back := call(t, 1, two), call(t, 2, one)
	if !hears(there, "the rest", long) || !hears(back, "the rest", long) {
		t.Fatal("an open mesh does not let pass")
	}
	m.Block(1, 2)
	say(t, there, "held")
	say(t, back, "passes")
	if !hears(back, "passes", long) {
		t.Error("the other direction is held too")
	}
	if hears(there, "held", short) {
		t.Error("what is blocked has passed")
	}
	late := call(t, 1, two)
	if hears(late, "the rest", short) {
		t.Error("a new connection passes")
	}
	m.Unblock(1, 2)
	if !hears(there, "held", long) || !hears(late, "the rest", long) {
		t.Error("what was held is lost")
	}
}

func TestTheMeshBreaksOnlyTheConnectionsOfOneDirection(t *testing.T) {
	t.Parallel()
	m := newMesh()
	defer m.close()
	one, two := peer(t, m, 1), peer(t, m, 2)
	there, back := call(t, 1, two), call(t, 2, one)
	if !hears(there, "the rest", long) || !hears(back, "the rest", long) {
		t.Fatal("an open mesh does not let pass")
	}
	m.Reset(1, 2)
	there.SetReadDeadline(time.Now().Add(long))
	if _, err := there.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
		t.Errorf("the connection lives: %v", err)
	}
	say(t, back, "passes")
	if !hears(back, "passes", long) || !hears(call(t, 1, two), "the rest", long) {
		t.Error("more is broken than was asked for")
	}
}

func TestTheMeshDelaysAndSlows(t *testing.T) {
	t.Parallel()
	m := newMesh()
	defer m.close()
	peer(t, m, 1)
	conn := call(t, 1, peer(t, m, 2))
	if !hears(conn, "the rest", long) {
		t.Fatal("an open mesh does not let pass")
	}
	timed := func(text string) time.Duration {
		began := time.Now()
		say(t, conn, text)
		if !hears(conn, text[len(text)-8:], long) {
			t.Fatal("lost")
		}
		return time.Since(began)
	}
	m.Slow(1, 2, 60*time.Millisecond, 0)
	if took := timed("delayed, there and back"); took < 120*time.Millisecond {
		t.Errorf("it took %s", took)
	}
	m.Slow(1, 2, 0, 100_000)
	if took := timed(strings.Repeat("x", 10_000) + "slow end"); took < 200*time.Millisecond {
		t.Errorf("it took %s", took)
	}
}

func TestTheMeshPassesOnWhereAStreamEnds(t *testing.T) {
	t.Parallel()
	m := newMesh()
	defer m.close()
	conn := call(t, 1, peer(t, m, 2))
	say(t, conn, "the end")
	conn.CloseWrite()
	conn.SetReadDeadline(time.Now().Add(long))
	all, err := io.ReadAll(conn)
	if err != nil || !strings.HasSuffix(string(all), "the end") {
		t.Errorf("%q, %v", all, err)
	}
}

func TestAClosedMeshLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	m := newMesh()
	to := peer(t, m, 2)
	held := call(t, 1, to)
	m.Block(1, 2)
	say(t, held, "held")
	silent, err := net.Dial("tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	closed := make(chan struct{})
	go func() {
		m.close() // waits for every goroutine
		close(closed)
	}()
	select {
	case <-closed:
	case <-time.After(long):
		t.Fatal("it does not end")
	}
}
