//go:build unix

package test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prakashpandey/vegadb/internal/clustertest"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// snapshotRounds writes rounds of entries, each followed by snapshots of all partitions, and some after the last.
func snapshotRounds(t *testing.T, c *clustertest.Cluster, rounds, size int) map[string]string {
	t.Helper()
	cl := c.Client(t)
	all := map[string]string{}
	for round := range rounds + 1 {
		for k, v := range fill(within(t), t, cl, 200, size+round) { // the same keys, with other values
			all[k] = v
		}
		if round < rounds {
			snapshots(t, c)
		}
	}
	return all
}

// newest returns the newest snapshot of each partition.
func (f files) newest() []string {
	of := map[string]string{}
	for _, name := range f.named("snapshots/*.snap") { // sorted by partition, then by index
		of[strings.Split(filepath.Base(name), "-")[0]] = name
	}
	var names []string
	for _, name := range of {
		names = append(names, name)
	}
	return names
}

// damaged is text with a bit flipped in the middle.
func damaged(text string) string { return flipped(text, len(text)/2, 3) }

func TestABuiltServerMakesUpForDamagedNewestSnapshots(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, clustertest.Options{Fsync: "everysec"})
	n := c.Node(1)
	all := snapshotRounds(t, c, 3, 2000)
	n.Kill()
	whole := readFiles(t, n.DataDir())
	bad := whole
	for _, name := range whole.newest() {
		bad = bad.but(name, damaged(whole[name]))
	}
	bad.write(t, n.DataDir())
	if ok, said := checked(t, n.DataDir()); ok || !strings.Contains(said, filepath.Join(n.DataDir(), whole.newest()[0])) {
		t.Errorf("check: %v %s", ok, said)
	}
	if wrong := bad.differences(readFiles(t, n.DataDir())); wrong != "" {
		t.Errorf("check has changed %s", wrong)
	}
	if err := n.Start(within(t)); err != nil {
		t.Fatal(err)
	}
	shows(t, n, all)
	if aside := readFiles(t, n.DataDir()).named("snapshots/*.bad"); len(aside) == 0 {
		t.Error("no damaged snapshot was set aside")
	}
}

func TestABuiltServerWithoutAnyGoodSnapshotRefusesToStart(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, clustertest.Options{Fsync: "everysec"})
	n := c.Node(1)
	for rounds := 0; ; rounds++ {
		if rounds == 20 {
			t.Fatal("the log was never shortened: nothing is proved")
		}
		snapshotRounds(t, c, 1, 8000)
		if _, err := os.Stat(filepath.Join(n.DataDir(), firstSegment)); errors.Is(err, os.ErrNotExist) {
			break
		}
	}
	n.Kill()
	bad := readFiles(t, n.DataDir())
	for _, name := range bad.named("snapshots/*.snap") {
		bad = bad.but(name, damaged(bad[name]))
	}
	bad.write(t, n.DataDir())
	if ok, said := checked(t, n.DataDir()); ok {
		t.Errorf("check finds nothing: %s", said)
	}
	if err := n.Launch(); err != nil {
		t.Fatal(err)
	}
	if code, err := n.ExpectExit(within(t)); err != nil || code != 1 {
		t.Fatalf("exit code %d, %v", code, err)
	}
	// The first start has set the damaged ones aside; nothing changes any more.
	refused(t, n, "group ", "vega-server check")
	if kept := readFiles(t, n.DataDir()).named("snapshots/*.bad"); len(kept) == 0 {
		t.Error("the damaged snapshots are gone: they are evidence and are to be kept")
	}
}

// One node of a cluster is damaged while it is down: in a newest snapshot, then in the middle of its log. It comes back
// with what all hold or ends and says why, and the others go on.
func TestAClusterGoesOnWithADamagedNode(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, three)
	cl := c.Client(t)
	n := c.Node(3)
	all := snapshotRounds(t, c, 2, 500)
	n.Kill()
	whole := readFiles(t, n.DataDir())
	name := whole.newest()[0]
	whole.but(name, damaged(whole[name])).write(t, n.DataDir())
	c.Event("%s of %s is damaged", name, n)
	mustPut(t, cl, "k", "beside a damaged snapshot")
	if err := n.Start(within(t)); err != nil {
		t.Fatal(err)
	}
	holds(t, n, all)
	follows(t, n, "k", "beside a damaged snapshot")

	n.Kill()
	whole = readFiles(t, n.DataDir())
	logs := whole.named("log/*.wal")
	name = logs[len(logs)-1]
	end := len(strings.TrimRight(whole[name], "\x00"))
	whole.but(name, flipped(whole[name], 4096+(end-4096)/2, 3)).write(t, n.DataDir())
	c.Event("%s of %s is damaged", name, n)
	if err := n.Launch(); err != nil {
		t.Fatal(err)
	}
	mustPut(t, cl, "k", "beside a damaged log")
	ended := false
	err := clustertest.Poll(within(t), func() error {
		if ended = !n.Running(); ended {
			return nil
		}
		r, err := n.Get(within(t), "k", wire.Local)
		if err == nil && (r.Status != wire.OK || string(r.Body) != "beside a damaged log") {
			err = fmt.Errorf("it shows %s %q", r.Status, r.Body)
		}
		return err
	})
	switch {
	case err != nil:
		t.Fatal(err)
	case ended:
		if code, err := n.ExpectExit(within(t)); err != nil || code != 1 || !strings.Contains(n.Log(1), filepath.Join(n.DataDir(), name)) {
			t.Errorf("it ended with %d: %s", code, n.Log(1))
		}
	default:
		holds(t, n, all)
	}
	mustPut(t, cl, "k", "after")
}
