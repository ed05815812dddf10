//go:build unix

package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prakashpandey/vegadb/internal/clustertest"
)

// vegaClient runs vega-client against a cluster.
func vegaClient(t *testing.T, c *clustertest.Cluster, args ...string) (code int, said string) {
	t.Helper()
	var addresses []string
	for _, n := range c.Nodes() {
		addresses = append(addresses, n.Addr)
	}
	cmd := exec.CommandContext(t.Context(), clustertest.Client(t), append([]string{"--timeout", "30s", "--addr", strings.Join(addresses, ",")}, args...)...)
	out, err := cmd.CombinedOutput()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

func TestABuiltClientRestoresIntoAForeignClusterOnlyWhenAsked(t *testing.T) {
	t.Parallel()
	from, into := clustertest.Start(t, clustertest.Options{Nodes: 3}), clustertest.Start(t, clustertest.Options{Partitions: 4})
	all := fill(within(t), t, from.Client(t), 200, 100)
	dir := filepath.Join(t.TempDir(), "backup")
	if code, said := vegaClient(t, from, "cluster", "backup", dir); code != 0 {
		t.Fatalf("backup: %s", said)
	}
	if code, said := vegaClient(t, into, "cluster", "restore", dir); code == 0 || !strings.Contains(said, "--into-other-cluster") {
		t.Errorf("a restore into another cluster: %d %s", code, said)
	}
	whole := readFiles(t, dir)
	var largest string
	for name, text := range whole {
		if len(text) > len(whole[largest]) && name != "BACKUP.json" {
			largest = name
		}
	}
	whole.but(largest, damaged(whole[largest])).write(t, dir)
	if code, said := vegaClient(t, into, "cluster", "restore", dir, "--into-other-cluster"); code == 0 || !strings.Contains(said, largest) {
		t.Errorf("a restore of a damaged backup: %d %s", code, said)
	}
	whole.write(t, dir)
	if err := os.Remove(filepath.Join(dir, largest)); err != nil {
		t.Fatal(err)
	}
	if code, said := vegaClient(t, into, "cluster", "restore", dir, "--into-other-cluster"); code == 0 || !strings.Contains(said, largest) {
		t.Errorf("a restore of a backup with a file missing: %d %s", code, said)
	}
	whole.write(t, dir)
	if n, err := into.Client(t).Count(within(t)); err != nil || n != 0 {
		t.Errorf("refused restores have written %d entries, %v", n, err)
	}
	if code, said := vegaClient(t, into, "cluster", "restore", dir, "--into-other-cluster"); code != 0 {
		t.Fatalf("a restore that is meant: %s", said)
	}
	shows(t, into.Node(1), all)
}
