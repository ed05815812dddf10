//go:build linux

package server

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/prakashpandey/vegadb/internal/vfs"
	"github.com/prakashpandey/vegadb/internal/wal"
)

func openDescriptors(t *testing.T) (n int, what []string) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		target, _ := os.Readlink("/proc/self/fd/" + e.Name())
		what = append(what, target)
	}
	return len(entries), what
}

// TestNoDescriptorIsLeaked leaves connections in every state when the server stops.
func TestNoDescriptorIsLeaked(t *testing.T) {
	onDrivers(t, func(t *testing.T, driver string) {
		h := newHarness(t, harnessOptions{dir: "data", fs: vfs.NewMem(), policy: wal.Always})
		h.connect().send(fmt.Sprintf("SET big %s\r\n", strings.Repeat("x", 60<<10)))
		before, _ := openDescriptors(t)
		h.listen(driver)
		var conns []io.Closer
		for i := range 200 {
			conn := h.dial()
			switch i % 5 {
			case 1:
				write(t, conn, "*2\r\n$3\r\nGET\r\n$100\r\nhalf")
			case 2:
				write(t, conn, "SET k v\r\n")
				conn.CloseWrite()
			case 3:
				write(t, conn, "GET big\r\n")
			case 4:
				conn.SetLinger(0)
				conn.Close()
			}
			conns = append(conns, conn)
		}
		h.await("they are open", func() bool { return h.srv.Stats().Accepted > 160 }) // a reset one may have gone unseen
		h.stop(patience)
		for _, conn := range conns {
			conn.Close()
		}
		h.await("all descriptors are closed", func() bool {
			n, what := openDescriptors(t)
			return n <= before || strings.Count(strings.Join(what, " "), "socket:")+strings.Count(strings.Join(what, " "), "eventfd") == 0
		})
	})
}

// TestAnIdleConnectionIsCheap measures what connections hold that have worked and
// now rest. The clients are bare descriptors, so the process's memory is the server's.
func TestAnIdleConnectionIsCheap(t *testing.T) {
	const each = 8 << 10
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	n := min(2000, int(limit.Cur)/2-200)
	if testing.Short() {
		n = min(n, 1000)
	}
	h := newHarness(t, harnessOptions{dir: t.TempDir(), policy: wal.Always})
	h.listen("loops")
	before := memoryInUse()
	addr := &unix.SockaddrInet4{Port: int(h.srv.Addr().Port()), Addr: [4]byte{127, 0, 0, 1}}
	work := []byte(strings.Repeat("SET key value\r\n", 100) + "MGET a b c d\r\n*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$10\r\n01234")
	rest := []byte("56789\r\n")
	var fds []int
	defer func() {
		for _, fd := range fds {
			unix.Close(fd)
		}
	}()
	for range n {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
		if err != nil {
			t.Fatal(err)
		}
		fds = append(fds, fd)
		if err := unix.Connect(fd, addr); err != nil {
			t.Fatal(err)
		}
		for _, part := range [][]byte{work, rest} {
			if _, err := unix.Write(fd, part); err != nil {
				t.Fatal(err)
			}
		}
	}
	h.await("all has been served", func() bool { return h.srv.Stats().Calls == uint64(102*n) })
	working := memoryInUse()
	h.clock.Advance(2 * trimAfter)
	h.srv.reapAll(h.srv.nowMs())
	trimmed := make(chan struct{})
	l := h.srv.driver.(*loopDriver).loops
	for _, l := range l { // behind what the reaper has posted
		l.post(func() { trimmed <- struct{}{} })
	}
	for range l {
		<-trimmed
	}
	idle := memoryInUse()
	t.Logf("%d connections hold %d bytes each, %d right after work", n, (idle-before)/int64(n), (working-before)/int64(n))
	if (idle-before)/int64(n) > each {
		t.Errorf("an idle connection holds %d bytes, more than %d", (idle-before)/int64(n), each)
	}
}

func memoryInUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}

// Out of descriptors, the server waits and goes on, and does not spin meanwhile.
func TestRunningOutOfDescriptorsPausesAccepting(t *testing.T) {
	h := newHarness(t, harnessOptions{})
	h.listen("loops")
	l := h.srv.driver.(*loopDriver).loops[0]
	paused := make(chan struct{})
	l.post(func() { l.pauseAccepting(unix.EMFILE); close(paused) })
	<-paused
	conn := h.dial() // the kernel takes it
	began := time.Now()
	write(t, conn, "PING\r\n")
	var reply [7]byte
	if _, err := io.ReadFull(conn, reply[:]); err != nil {
		t.Fatal(err)
	}
	if waited := time.Since(began); waited < acceptAgain/4 {
		t.Errorf("accepted after %v, the pause is %v", waited, acceptAgain)
	}
}

// Whoever is late must not reach a descriptor that is another file's by now.
func TestAnEndedLoopTakesNoMail(t *testing.T) {
	h := newHarness(t, harnessOptions{})
	h.listen("loops")
	h.dial()
	h.await("it is open", func() bool { return len(h.srv.door.Open()) == 1 })
	c := h.srv.door.Open()[0].link.(*conn)
	h.stop(patience)
	if c.loop.post(func() { t.Error("ran") }) {
		t.Error("an ended loop promises to run a function")
	}
	c.close()
	c.trim()
	w := c.ses.newWait()
	c.deliver(w)
	if c.loop.wakeup != -1 || c.loop.epoll != -1 || c.loop.listener != -1 {
		t.Error("a descriptor is still open")
	}
}
