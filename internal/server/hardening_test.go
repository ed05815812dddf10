package server

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/internal/auth"
	"github.com/prakashpandey/vegadb/internal/config"
	"github.com/prakashpandey/vegadb/internal/front"
	"github.com/prakashpandey/vegadb/internal/vfs"
	"github.com/prakashpandey/vegadb/internal/wal"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// testUsers writes a users file: root (admin), shop (write, keys shop:*), viewer
// (read), each with its name as password.
func testUsers(t testing.TB) (users *auth.Users, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "users.toml")
	writeUsers(t, path, [][2]string{
		{"root", `role = "admin"`}, {"viewer", `role = "read"`}, {"shop", "role = \"write\"\nprefixes = [\"shop:\"]"}, {"default", `role = "write"`},
	})
	users, err := auth.Load(vfs.OS(), path)
	if err != nil {
		t.Fatal(err)
	}
	return users, path
}

// writeUsers writes a users file from names and what is to be said of them.
func writeUsers(t testing.TB, path string, users [][2]string) {
	t.Helper()
	var text strings.Builder
	for _, u := range users {
		hash, err := auth.HashIterations(u[0], 10_000)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&text, "[users.%s]\n%s\npassword = %q\n", u[0], u[1], hash)
	}
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

// rewriteUsers leaves one user in the users file and has it read again.
func (h *harness) rewriteUsers(name, rest string) {
	h.t.Helper()
	writeUsers(h.t, h.users, [][2]string{{name, rest}})
	if err := h.srv.users.Reload(); err != nil {
		h.t.Fatal(err)
	}
}

func guarded(t *testing.T, o harnessOptions) *harness {
	users, path := testUsers(t)
	o.server = func(so *Options) { so.Users = users }
	h := newHarness(t, o)
	h.users = path
	return h
}

func TestOnlyAuthenticationIsServedBeforeAuthentication(t *testing.T) {
	h := guarded(t, harnessOptions{})
	for _, command := range []string{"GET a", "SET a 1", "INFO", "CONFIG GET *", "CLIENT LIST", "COMMAND", "KEYS *", "SHUTDOWN", "PING", "CLUSTER SLOTS", "FLUSHALL", "HELLO 3"} {
		if got := h.connect().send(command + "\r\n"); !strings.HasPrefix(got, "-NOAUTH ") {
			t.Errorf("%s before authentication: %.80q", command, got)
		}
	}
	if got := h.connect().send("QUIT\r\n"); got != "+OK\r\n" {
		t.Errorf("QUIT: %q", got)
	}
}

func TestLimitsBeforeAuthenticationAreTight(t *testing.T) {
	h := guarded(t, harnessOptions{})
	for name, input := range map[string]string{
		"11 arguments":      "*11\r\n",
		"an argument 16 K":  "*2\r\n$4\r\nAUTH\r\n$16385\r\n",
		"a huge argument":   "*2\r\n$4\r\nAUTH\r\n$18446744073709551615\r\n",
		"a negative count":  "*-5\r\n$4\r\nAUTH\r\n$-2\r\n",
		"an endless line":   strings.Repeat("A", 1<<20),
		"endless questions": strings.Repeat("GET a\r\n", 1000),
	} {
		c := h.connect()
		c.ses.Input([]byte(input))
		if name == "a negative count" { // no arguments: Redis ignores it as well
			continue
		}
		if !c.ses.Closing() {
			t.Errorf("%s: the connection stays open, output %.80q", name, c.take())
		}
		if out := c.take(); len(out) > 2*unauthenticatedOutput {
			t.Errorf("%s: %d bytes of output", name, len(out))
		}
	}
}

func TestAuthenticationOpensWhatTheRoleAllows(t *testing.T) {
	for name, o := range policies() {
		t.Run(name, func(t *testing.T) {
			h := guarded(t, o)
			as := func(user string) *testConn {
				c := h.connect()
				// Sent in one write: the command behind AUTH waits for its outcome.
				if got := c.send("AUTH " + user + " " + user + "\r\nPING\r\n"); got != "+OK\r\n+PONG\r\n" {
					t.Fatalf("AUTH as %s: %q", user, got)
				}
				return c
			}
			root, shop, viewer := as("root"), as("shop"), as("viewer")
			expect := func(c *testConn, command, prefix string) {
				t.Helper()
				if got := c.send(command + "\r\n"); !strings.HasPrefix(got, prefix) {
					t.Errorf("%s: %.80q, want %s…", command, got, prefix)
				}
			}
			expect(root, "SET other 1", "+OK")
			expect(root, "CONFIG GET maxmemory", "*2")
			expect(shop, "SET shop:1 x", "+OK")
			expect(shop, "SET other 2", "-NOPERM")
			expect(shop, "MSET shop:1 a other b", "-NOPERM")
			expect(shop, "MGET shop:1 other", "-NOPERM")
			expect(shop, "FLUSHALL", "-NOPERM")
			expect(shop, "KEYS *", "*1\r\n$6\r\nshop:1")
			expect(shop, "CONFIG GET *", "-NOPERM")
			expect(shop, "SHUTDOWN", "-NOPERM")
			expect(viewer, "GET other", "$1\r\n1")
			expect(viewer, "SET other 3", "-NOPERM")
			expect(viewer, "DEL other", "-NOPERM")
			expect(viewer, "BGSAVE", "-NOPERM")
			expect(viewer, "RESET", "+RESET")
			expect(viewer, "GET other", "-NOAUTH")
		})
	}
}

func TestWrongPasswordsAreRefusedAndLimited(t *testing.T) {
	h := guarded(t, harnessOptions{settings: func(c *config.Server) { c.AuthFailuresPerMinute = 5 }})
	limited := 0
	for i := range 10 {
		switch got := h.connect().send(fmt.Sprintf("AUTH root wrong-%d\r\n", i)); {
		case strings.HasPrefix(got, "-ERR too many failed logins"):
			limited++
		case got != "-WRONGPASS invalid username-password pair or user is disabled.\r\n":
			t.Errorf("a wrong password: %q", got)
		}
	}
	if limited != 5 {
		t.Errorf("%d of 10 wrong passwords were turned away unheard, want 5", limited)
	}
	h.clock.Advance(time.Minute)
	if got := h.connect().send("AUTH root root\r\n"); got != "+OK\r\n" {
		t.Errorf("the right password a minute later: %q", got)
	}
	if st := h.srv.Stats(); st.AuthFailures != 10 {
		t.Errorf("%d failures counted, want 10", st.AuthFailures)
	}
}

func TestNativeHandshakeChecksCredentials(t *testing.T) {
	h := guarded(t, harnessOptions{})
	for password, want := range map[string]wire.Status{"root": wire.OK, "wrong": wire.Unauthenticated} {
		hello := wire.ClientHello{MinVersion: 1, MaxVersion: 1, Auth: wire.AuthPassword, Username: "root", Password: password}
		c := h.connect()
		reply := parseServerHello(t, c.send(string(hello.Append(nil))))
		if reply.Status != want || c.ses.Closing() != (want != wire.OK) {
			t.Errorf("password %q: status %v, closing %v", password, reply.Status, c.ses.Closing())
		}
	}
	anonymous := wire.ClientHello{MinVersion: 1, MaxVersion: 1}
	if reply := parseServerHello(t, h.connect().send(string(anonymous.Append(nil)))); reply.Status != wire.Unauthenticated {
		t.Errorf("without credentials: %v", reply.Status)
	}
	future := wire.ClientHello{MinVersion: 7, MaxVersion: 9}
	if reply := parseServerHello(t, h.connect().send(string(future.Append(nil)))); reply.Status != wire.UnsupportedVersion {
		t.Errorf("a future version: %v", reply.Status)
	}
}

func parseServerHello(t *testing.T, out string) (reply wire.ServerHello) {
	t.Helper()
	payload, n, err := wire.ParseHello([]byte(out))
	if err != nil || n == 0 {
		t.Fatalf("no hello in %q: %v", out, err)
	}
	if err := reply.Decode(payload); err != nil {
		t.Fatal(err)
	}
	return reply
}

// reaped advances the clock and says why the session was cut off, if it was.
func (h *harness) reaped(c *testConn, after time.Duration) string {
	before := h.srv.Stats().Closed
	h.clock.Advance(after)
	h.srv.reap(c.ses, h.srv.nowMs())
	for reason, n := range h.srv.Stats().Closed {
		if n > before[reason] {
			return reason
		}
	}
	return ""
}

func TestSlowPeersAreCutOff(t *testing.T) {
	h := guarded(t, harnessOptions{settings: func(c *config.Server) { c.IdleTimeout = time.Hour }})
	silent := h.connect()
	if got := h.reaped(silent, 4*time.Second); got != "" {
		t.Errorf("cut off after 4 s: %s", got)
	}
	if got := h.reaped(silent, 2*time.Second); got != "handshake_timeout" {
		t.Errorf("not authenticated after 6 s: %q", got)
	}

	dripping := h.connect()
	dripping.send("AUTH root root\r\n")
	for range 10 { // a byte now and then does not buy more time: the deadline is for the whole frame
		dripping.send("*")
		h.clock.Advance(2 * time.Second)
	}
	if got := h.reaped(dripping, 11*time.Second); got != "frame_timeout" && !dripping.ses.Closing() {
		t.Errorf("a command incomplete for 31 s: %q", got)
	}

	idle := h.connect()
	idle.send("AUTH root root\r\n")
	if got := h.reaped(idle, 59*time.Minute); got != "" {
		t.Errorf("idle for 59 minutes: %q", got)
	}
	if got := h.reaped(idle, 2*time.Minute); got != "idle_timeout" {
		t.Errorf("idle for 61 minutes: %q", got)
	}
}

func TestRepliesThatNobodyReadsAreBounded(t *testing.T) {
	h := newHarness(t, harnessOptions{settings: func(c *config.Server) { c.OutputLimit, c.OutputLimitTotal = 1000, 1500 }})
	a, b := h.connect(), h.connect()
	var heldA, heldB int
	h.srv.holdOutput(&heldA, 900)
	if a.ses.checkOutput(heldA, false); a.ses.Closing() {
		t.Error("closed below the limit")
	}
	h.srv.holdOutput(&heldB, 700)
	if b.ses.checkOutput(heldB, false); !b.ses.Closing() {
		t.Error("1,600 bytes in all are within a total of 1,500")
	}
	h.srv.holdOutput(&heldB, 0)
	h.srv.holdOutput(&heldA, 1001)
	if a.ses.checkOutput(heldA, true); !a.ses.Closing() {
		t.Error("1,001 bytes are within 1,000")
	}
	h.srv.holdOutput(&heldA, 0)

	slow := h.connect()
	slow.ses.checkOutput(10, false)
	h.clock.Advance(29 * time.Second)
	slow.ses.checkOutput(10, true) // it has taken some: the deadline begins anew
	if got := h.reaped(slow, 29*time.Second); got != "" {
		t.Errorf("cut off although it reads: %s", got)
	}
	if got := h.reaped(slow, 2*time.Second); got != "write_timeout" {
		t.Errorf("nothing read for 31 s: %q", got)
	}
}

func TestConnectionsAreLimitedInAllAndPerAddress(t *testing.T) {
	h := newHarness(t, harnessOptions{settings: func(c *config.Server) { c.MaxConnections, c.MaxConnectionsPerAddress = 5, 3 }})
	var open []*testConn
	for range 3 {
		open = append(open, h.connect())
	}
	addr := open[0].ses.remote
	if ses, why := h.srv.admit(addr, addr, open[0]); ses != nil || why != front.ClosedTooManyFromAddress {
		t.Errorf("a fourth connection of one address: %v", why.String())
	}
	h.srv.forget(open[0].ses)
	if ses, _ := h.srv.admit(addr, addr, open[0]); ses == nil {
		t.Error("a closed connection still counts")
	}
}

func TestNativeFramesPastTheLimitEndTheConnection(t *testing.T) {
	c := newHarness(t, harnessOptions{}).connect()
	hello := wire.ClientHello{MinVersion: 1, MaxVersion: 1}
	c.send(string(hello.Append(nil)))
	out := c.send("\xff\xff\xff\xff")
	var reply wire.Response
	frame, n, err := wire.ParseFrame([]byte(out), 1<<20)
	if err != nil || n == 0 {
		t.Fatalf("no last words in %q", out)
	}
	if err := reply.Decode(frame); err != nil || reply.ID != 0 || reply.Status != wire.TooLarge {
		t.Errorf("last words: %+v, %v", reply, err)
	}
	if !c.ses.Closing() {
		t.Error("the connection stays open")
	}
}

func TestKeysDoesNotHoldUpOtherClients(t *testing.T) {
	h := newHarness(t, harnessOptions{})
	busy, other := h.connect(), h.connect()
	for i := range 5000 {
		busy.send(fmt.Sprintf("SET key-%d x\r\n", i))
	}
	busy.ses.Input([]byte("KEYS *\r\nPING\r\n"))
	if got := busy.take(); got != "" {
		t.Errorf("KEYS was answered on the session's own goroutine: %.40q", got)
	}
	if got := other.send("PING\r\n"); got != "+PONG\r\n" {
		t.Errorf("meanwhile: %q", got)
	}
	busy.settle()
	if got := busy.take(); !strings.HasPrefix(got, "*5000\r\n") || !strings.HasSuffix(got, "+PONG\r\n") {
		t.Errorf("KEYS: %.40q … %q", got, got[max(0, len(got)-20):])
	}
}

func TestValuesUpToTheLimitAndNotBeyond(t *testing.T) {
	h := newHarness(t, harnessOptions{dir: "data", fs: vfs.NewMem(), policy: wal.Always, settings: func(c *config.Server) { c.MaxValueBytes = 256 << 10 }})
	for _, size := range []int{0, 1, 256<<10 - 1, 256 << 10} {
		c := h.connect()
		value := strings.Repeat("v", size)
		got := c.send(fmt.Sprintf("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n%s\r\nSTRLEN k\r\n", size, value))
		if want := fmt.Sprintf("+OK\r\n:%d\r\n", size); got != want {
			t.Errorf("%d bytes: %.80q", size, got)
		}
	}
	c := h.connect()
	if got := c.send(fmt.Sprintf("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n", 256<<10+1)); !strings.HasPrefix(got, "-ERR Protocol error: invalid bulk length") {
		t.Errorf("one byte too many: %.80q", got)
	}
	if got := h.connect().send(fmt.Sprintf("APPEND k %s\r\nSTRLEN k\r\n", strings.Repeat("x", 1000))); !strings.Contains(got, "-ERR string exceeds maximum allowed size") || !strings.HasSuffix(got, ":262144\r\n") {
		t.Errorf("APPEND past the limit: %.80q", got)
	}
}
