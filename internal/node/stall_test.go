package node

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/prakashpandey/vegadb/internal/vfs"
	"github.com/prakashpandey/vegadb/internal/wal"
)

// A leader whose disk hangs still gives signs of life, so nobody would take over by itself.
func TestANodeWhoseDiskHangsGivesUpItsLeadershipsUntilItAnswers(t *testing.T) {
	c := startPeers(t, 3, wal.Always)
	c.settled(3)
	p := c.partitionOf("k")
	c.put("k", "before")
	var stuck *Node
	eventually(t, "the preferred leader leads", func() bool {
		stuck = c.leader(p)
		return stuck.meta.view.Load().Group(uint64(p) + 1).Target[0].Node == stuck.cluster.self
	})
	hook := c.hooks[slices.Index(c.nodes, stuck)]
	release := make(chan struct{})
	let := sync.OnceFunc(func() { close(release) })
	t.Cleanup(let) // before the nodes are closed
	hook.set(func(op vfs.Op) error {
		if op.Kind == vfs.OpSync && strings.HasSuffix(op.Name, ".wal") {
			<-release
		}
		return nil
	})
	c.put("k", "after") // only somebody else can acknowledge it
	if c.leader(p) == stuck {
		t.Error("it leads on")
	}
	if got := c.get("k"); got != "after" {
		t.Errorf("read %q", got)
	}
	hook.clear()
	let()
	eventually(t, "it leads again", func() bool { return stuck.Leads(stuck.partitions[p]) })
	if got := c.get("k"); got != "after" {
		t.Errorf("read %q", got)
	}
}
