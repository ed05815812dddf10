package router

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/config"
)

func TestCommandsWithoutKeysAreAnsweredByTheRouter(t *testing.T) {
	f := newFakeCluster(t)
	r := startRouter(t, f)
	c := r.dial()
	c.ask("PING", "PONG")
	c.ask("PING hi", "hi")
	c.ask("PING a b", "-ERR wrong number of arguments for 'ping' command")
	c.ask("ECHO x", "x")
	c.ask("SELECT 0", "OK")
	c.ask("SELECT 1", "-ERR DB index is out of range")
	c.ask("READONLY", "OK")
	c.ask("READWRITE", "OK")
	c.ask("CLIENT SETNAME me", "OK")
	c.ask("CLIENT GETNAME", "me")
	c.ask("CLIENT SETINFO lib-name x", "OK")
	c.ask("COMMAND COUNT", fmt.Sprint(len(command.All())))
	c.ask("COMMAND GETKEYS mset a 1 b 2", "[a b]")
	c.ask("CLUSTER KEYSLOT foo", "12182")
	c.ask("CLUSTER MYID", r.redisID())
	c.ask("CONFIG GET maxclients", "[maxclients 10000]")
	c.ask("CONFIG SET maxclients 5", "-ERR a router's settings are those it was started with: see vega-router --help")
	c.ask("SAVE", "-ERR a router does not serve this command: ask a node")
	c.ask("SHUTDOWN", "-ERR a router is not stopped by its clients; send its process SIGTERM")
	c.ask("NONSENSE a", "-ERR unknown command 'NONSENSE', with args beginning with: 'a' ")
	c.ask("GET", "-ERR wrong number of arguments for 'get' command")
	for line, want := range map[string]string{
		"CLIENT LIST": "name=me", "CLIENT INFO": "lib-name=x", "INFO": "cluster_partitions:16", "INFO commandstats": "cmdstat_ping:calls=3",
		"INFO everything": "vegadb_role:router", "CLUSTER INFO": "cluster_state:ok", "CLUSTER NODES": "connected 0-16383",
		"TIME": "[", "CLIENT HELP": "SETNAME", "HELLO 3": "proto 3",
	} {
		c.send(line)
		if got := c.reply(); !strings.Contains(got, want) {
			t.Errorf("%s: %q does not contain %q", line, got, want)
		}
	}
	c.ask("RESET", "RESET")
	c.ask("CLIENT GETNAME", "(nil)")
	c.send("CLIENT INFO")
	if got := c.reply(); !strings.Contains(got, " lib-name=x ") {
		t.Errorf("the library is forgotten after RESET: %q", got)
	}
	c.ask("QUIT", "OK")
	c.wantClosed()
}

// Cluster-aware clients go to the address that they came to.
func TestTheRouterIsALoneNodeThatHoldsEverySlot(t *testing.T) {
	r := startRouter(t, newFakeCluster(t))
	c := r.dial()
	host, port, _ := strings.Cut(r.Addr(), ":")
	c.ask("CLUSTER SLOTS", fmt.Sprintf("[[0 16383 [%s %s %s []]]]", host, port, r.redisID()))
	c.send("CLUSTER SHARDS")
	if got := c.reply(); !strings.Contains(got, "[0 16383]") || !strings.Contains(got, "endpoint "+host) || !strings.Contains(got, "port "+port) {
		t.Errorf("%q", got)
	}
}

// A command that is added to the table must not be answered with silence.
func TestEveryCommandIsAnsweredOrRefused(t *testing.T) {
	r := startRouter(t, newFakeCluster(t))
	args := func(s *command.Spec) string {
		words := strings.ToUpper(strings.ReplaceAll(s.FullName(), "|", " "))
		n := s.Arity
		if n < 0 {
			n = -n
		}
		for len(strings.Fields(words)) < n {
			words += " 1"
		}
		return words
	}
	for id := range command.MaxID() + 1 {
		spec := command.ByID(uint16(id))
		if len(spec.Subs) > 0 && spec.Arity != -1 {
			continue
		}
		c := r.dial()
		c.send(args(spec))
		if got := c.reply(); got == "" {
			t.Errorf("%s: an empty reply", args(spec))
		}
		c.Close()
	}
}

func TestScanFindsEveryKeyOnceAndOnlyThose(t *testing.T) {
	f := newFakeCluster(t)
	for i := range 500 {
		f.data[fmt.Sprintf("user:%d", i)] = "x"
		f.data[fmt.Sprintf("other:%d", i)] = "x"
	}
	r := startRouter(t, f)
	c := r.dial()
	for _, tc := range []struct {
		options string
		want    int
	}{{"", 1000}, {"COUNT 1", 1000}, {"COUNT 100000", 1000}, {"MATCH user:*", 500}, {"MATCH user:1 COUNT 3", 1}, {"MATCH *:7", 2}, {"TYPE string", 1000}, {"TYPE list", 0}} {
		var found []string
		cursor := "0"
		for calls := 0; ; calls++ {
			if calls > 3000 {
				t.Fatalf("SCAN %s does not end", tc.options)
			}
			c.send("SCAN " + cursor + " " + tc.options)
			next, keys, _ := strings.Cut(strings.Trim(c.reply(), "[]"), " [")
			cursor = strings.TrimSpace(next)
			found = append(found, strings.Fields(strings.TrimSuffix(keys, "]"))...)
			if cursor == "0" {
				break
			}
		}
		slices.Sort(found)
		if n := len(slices.Compact(slices.Clone(found))); n != tc.want || len(found) != n {
			t.Errorf("SCAN %s: %d keys, %d different, want %d", tc.options, len(found), n, tc.want)
		}
	}
	c.ask("SCAN x", "-ERR invalid cursor")
	c.ask("SCAN 0 COUNT 0", "-ERR syntax error")
	c.ask("SCAN 0 COUNT x", "-ERR value is not an integer or out of range")
	c.ask("SCAN 0 MATCH", "-ERR syntax error")
	c.ask(fmt.Sprintf("SCAN %d", startOf(16)), "[0 []]")
	c.ask("DBSIZE", "1000")
	c.send("KEYS user:*")
	if keys := strings.Fields(strings.Trim(c.reply(), "[]")); len(keys) != 500 {
		t.Errorf("KEYS: %d", len(keys))
	}
	slot := "CLUSTER COUNTKEYSINSLOT 12182"
	c.ask(slot, "0")
	c.ask("SET foo 1", "OK")
	c.ask(slot, "1")
	c.ask("CLUSTER GETKEYSINSLOT 12182 10", "[foo]")
	c.ask("CLUSTER GETKEYSINSLOT 12182 0", "[]")
	c.ask("CLUSTER COUNTKEYSINSLOT 16384", "-ERR Invalid slot")
	c.ask("FLUSHALL", "OK")
	c.ask("DBSIZE", "0")
	c.ask("FLUSHDB later", "-ERR syntax error")
}

func TestAListingThatIsTooLongIsRefused(t *testing.T) {
	f := newFakeCluster(t)
	for i := range 3000 {
		f.data[fmt.Sprintf("%s%d", strings.Repeat("k", 40), i)] = ""
	}
	c := startRouter(t, f, func(s *config.Router) { s.Front.MaxValueBytes, s.Front.OutputLimit = 1<<10, 65<<10 }).dial()
	c.ask("KEYS *", "-ERR the keys that match exceed output-limit (66560 bytes): use SCAN")
	c.ask("PING", "PONG")
}

func TestWithoutAClusterClientsAreToldSo(t *testing.T) {
	r := startRouter(t, nil)
	c := r.dial()
	c.ask("PING", "PONG")
	for _, line := range []string{"GET k", "MGET a b c d e", "DBSIZE", "KEYS *", "SCAN 0", "FLUSHALL", "CLUSTER COUNTKEYSINSLOT 1"} {
		c.ask(line, "-CLUSTERDOWN "+errNotConnected.Text)
	}
	r.eventually("the failure is known", func() bool { return strings.Contains(r.State().What, "no cluster in this test") })
	if s := r.State(); s.Ready {
		t.Errorf("%+v", s)
	}
	r.eventually("it is logged", func() bool { return strings.Contains(r.log.String(), "cannot be reached") })
}

func TestARequestThatTakesTooLongIsAnError(t *testing.T) {
	f := newFakeCluster(t)
	b := newBlocker()
	b.on(f, func(args []string) bool { return len(args) > 1 && args[1] == "slow" })
	f.timeout = 100 * time.Millisecond
	r := startRouter(t, f, func(s *config.Router) { s.RequestTimeout = 100 * time.Millisecond })
	c := r.dial()
	began := time.Now()
	c.send(append(slices.Repeat([]string{"INCR slow"}, 100), "GET k")...)
	for range 100 {
		if got := c.reply(); got != "-ERR "+errLate.Text {
			t.Errorf("%q", got)
		}
	}
	if took := time.Since(began); took > 5*time.Second { // and not 100 times the limit
		t.Errorf("it took %v", took)
	}
	if got := c.reply(); got != "(nil)" {
		t.Errorf("%q", got)
	}
	if n := len(b.waiting); n > 20 {
		t.Errorf("%d requests for the key were sent", n)
	}
}
