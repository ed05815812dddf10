package cli

import (
	"context"
	"encoding/json"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// serveCluster starts n nodes in this process and returns a world whose commands go
// to them.
func serveCluster(t testing.TB, n int) (*vegadb.DevCluster, world) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cfg := vegadb.DefaultConfig()
	cfg.Partitions, cfg.LogSegmentBytes, cfg.MaxValueBytes, cfg.LogQueueBytes = 6, 8<<20, 1<<20, 8<<20
	cfg.OnFatal = func(err error) { t.Errorf("vegadb: %v", err) }
	c, err := vegadb.StartDevCluster(ctx, n, vegadb.DevConfig{Node: cfg, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := c.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	var addresses []string
	for _, node := range c.Nodes() {
		addresses = append(addresses, node.Addr())
	}
	return c, world{env: map[string]string{"VEGA_ADDR": strings.Join(addresses, ",")}}
}

// TestCommandsOnARealCluster goes through the life of a cluster as a user would.
func TestCommandsOnARealCluster(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes some seconds")
	}
	c, w := serveCluster(t, 3)
	dir := filepath.Join(t.TempDir(), "backup")
	w.run(t, "cluster", "status", "--wait", "--within", "1m").want(t, exitOK, "~is whole", "")
	someData(t, w)
	for deadline := time.Now().Add(time.Minute); w.run(t, "ttl", "dying").code != exitNotFound; {
		if time.Now().After(deadline) {
			t.Fatal("dying lives on")
		}
	}

	// A backup while it serves, and again when a node is gone.
	w.run(t, "cluster", "backup", dir).want(t, exitOK, "~6 partitions with 1,00", "")
	stop, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := c.Stop(stop, 2); err != nil {
		t.Fatal(err)
	}
	w.run(t, "put", "later", "entry").want(t, exitOK, "~\n", "")
	w.run(t, "cluster", "backup", dir+"2").want(t, exitOK, "~6 partitions with 1,00", "")
	w.run(t, "cluster", "backup", "verify", dir+"2").want(t, exitOK, "~is whole: 6 partitions", "")
	w.run(t, "cluster", "status", "--check").want(t, exitNotYet, "~ is down", "")
	if _, err := c.Restart(2); err != nil {
		t.Fatal(err)
	}
	w.run(t, "cluster", "status", "--wait", "--within", "2m").want(t, exitOK, "~is whole", "")

	// Back into a node alone, and into the cluster itself.
	to := serve(t, partitions(3))
	to.run(t, "cluster", "restore", dir+"2", "--into-other-cluster").want(t, exitOK, "", "~restored 1,003 entries (")
	to.run(t, "get", "later").want(t, exitOK, "entry", "")
	to.run(t, "get", "key-299").want(t, exitOK, strings.Repeat("v", 299), "")
	w.run(t, "put", "later", "changed").want(t, exitOK, "~\n", "")
	w.run(t, "delete", "key-299").want(t, exitOK, "1\n", "")
	w.run(t, "cluster", "restore", dir+"2").want(t, exitCondition, "", "~the cluster is not empty")
	w.run(t, "cluster", "restore", dir+"2", "--overwrite").want(t, exitOK, "", "~restored 1,003 entries (")
	w.run(t, "get", "later").want(t, exitOK, "entry", "")
	w.run(t, "get", "key-299").want(t, exitOK, strings.Repeat("v", 299), "")
	w.run(t, "count").want(t, exitOK, "1003\n", "")

	// Grow, hand over, shrink.
	added, err := c.Add()
	if err != nil {
		t.Fatal(err)
	}
	w.run(t, "cluster", "rebalance", "--wait").want(t, exitOK, "~everything is where it should be", "")
	w.run(t, "cluster", "status", "--wait", "--within", "2m").want(t, exitOK, "~4 nodes", "")
	r := w.run(t, "--json", "cluster", "partitions", "--node", added.Addr())
	var p wire.PartitionStatus
	if err := json.NewDecoder(strings.NewReader(r.out)).Decode(&p); err != nil || len(p.Replicas) != 3 {
		t.Fatalf("%v %+v %s", err, p, r.err)
	}
	w.run(t, "cluster", "transfer", strconv.Itoa(p.Number), added.Addr()).want(t, exitOK, "~partition ", "")
	w.run(t, "cluster", "remove", added.Addr(), "--wait", "--within", "2m").want(t, exitOK, "~is no member any more", "")
	w.run(t, "cluster", "status", "--wait", "--within", "2m").want(t, exitOK, "~3 nodes", "")
	w.run(t, "count").want(t, exitOK, "1003\n", "")

	w.run(t, "cluster", "settings", "replicas", "2").want(t, exitOK, "2\n", "")
	w.run(t, "cluster", "settings", "replicas").want(t, exitOK, "2\n", "")
	w.run(t, "cluster", "settings", "nonsense", "2").want(t, exitError, "", "~there is no setting")
	w.run(t, "cluster", "pause").want(t, exitOK, "placement is paused\n", "")
	w.run(t, "cluster", "resume").want(t, exitOK, "placement goes on\n", "")
	w.run(t, "cluster", "users").want(t, exitOK, "~none: ", "")
}
