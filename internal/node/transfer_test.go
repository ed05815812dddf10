package node

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/internal/wal"
	"github.com/prakashpandey/vegadb/internal/wire"
)

func (c *peers) transfer(asked *Node, partition int, to *Node) wire.AdminReply {
	c.t.Helper()
	request := wire.AdminRequest{Op: wire.AdminTransfer, Node: to.nodeID, Partition: &partition}
	text, err := asked.Admin(c.t.Context(), request.Append(nil))
	if err != nil {
		c.t.Fatal(err)
	}
	var reply wire.AdminReply
	if err := json.Unmarshal(text, &reply); err != nil {
		c.t.Fatal(err)
	}
	return reply
}

// That it does not stay once may be an election, on a machine that is starved; a partition
// that is handed back is so every time.
func TestATransferredPartitionStaysWhereItIsForAWhile(t *testing.T) {
	const attempts = 3
	c := startPeers(t, 3, wal.Always)
	c.settled(3)
	for i, to := range c.nodes {
		stayed := false
		for range attempts {
			if stayed = c.staysAt(1, c.nodes[(i+1)%3], to); stayed {
				break
			}
		}
		if !stayed {
			t.Fatalf("node %d has led partition 1 no longer after each of %d transfers", i, attempts)
		}
		if reply := c.transfer(to, 1, to); reply.Changed {
			t.Error("a transfer to who leads changed something")
		}
	}
}

// staysAt has a partition transferred and reports whether it stays there for longer than a
// look for preferred leaders.
func (c *peers) staysAt(partition int, asked, to *Node) bool {
	led := to.Leads(to.partitions[partition])
	if reply := c.transfer(asked, partition, to); !reply.Changed && !led {
		c.t.Error("a transfer to who did not lead changed nothing")
	}
	for range 40 {
		if !to.Leads(to.partitions[partition]) {
			return false
		}
		time.Sleep(10 * time.Millisecond)
	}
	return true
}
