package node

import (
	"errors"
	"fmt"
	"testing"

	"github.com/prakashpandey/vegadb/internal/wal"
)

// backUp backs up every partition from whoever leads it.
func (c *peers) backUp() map[string]string {
	c.t.Helper()
	all := map[string]string{}
	for p := range c.leader(0).partitions {
		var n *Node
		var info BackupInfo
		eventually(c.t, fmt.Sprintf("a backup of partition %d begins", p), func() bool {
			n = c.leader(p)
			var err error
			info, err = n.BeginBackup(c.t.Context(), n.partitions[p])
			return err == nil
		})
		meta, entries := entriesOf(c.t, readAll(c.t, n, info))
		if meta.Index != info.Index || meta.Cluster != [16]byte(n.dir.Cluster) {
			c.t.Errorf("partition %d: %+v of %+v", p, meta, info)
		}
		for k, v := range entries {
			all[k] = v
		}
		n.EndBackup(info.Token)
	}
	return all
}

func TestABackupOfAClusterHoldsEveryAcknowledgedWriteWhoeverLeads(t *testing.T) {
	for _, policy := range policies {
		t.Run(policy.String(), func(t *testing.T) {
			c := startPeers(t, 3, policy)
			c.settled(3)
			want := map[string]string{}
			put := func(prefix string) {
				for i := range 30 {
					key := fmt.Sprint(prefix, i%20)
					want[key] = fmt.Sprint(prefix, i)
					c.put(key, want[key])
				}
			}
			put("one-")
			if got := c.backUp(); canonical(got) != canonical(want) {
				t.Errorf("got\n%s\nwant\n%s", canonical(got), canonical(want))
			}
			put("two-")
			dead := c.nodes[0]
			c.nodes[0] = nil
			dead.Close()
			if got := c.backUp(); canonical(got) != canonical(want) {
				t.Errorf("after a node was stopped: got\n%s\nwant\n%s", canonical(got), canonical(want))
			}
		})
	}
}

func TestOnlyTheLeaderBeginsABackup(t *testing.T) {
	c := startPeers(t, 3, wal.Always)
	c.settled(3)
	leader := c.leader(1)
	for _, n := range c.nodes {
		if n == leader {
			continue
		}
		eventually(t, "a follower says who leads", func() bool {
			_, err := n.BeginBackup(t.Context(), n.partitions[1])
			var elsewhere *NotLeaderError
			return errors.As(err, &elsewhere)
		})
	}
}
