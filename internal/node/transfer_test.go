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

func TestATransferredPartitionStaysWhereItIsForAWhile(t *testing.T) {
	c := startPeers(t, 3, wal.Always)
	c.settled(3)
	for i, to := range c.nodes {
		if reply := c.transfer(c.nodes[(i+1)%3], 1, to); !reply.Changed && i > 0 {
			t.Errorf("node %d led it already", i)
		}
		for range 40 { // longer than a look for preferred leaders
			if !to.Leads(to.partitions[1]) {
				t.Fatalf("node %d leads it no longer", i)
			}
			time.Sleep(10 * time.Millisecond)
		}
		if reply := c.transfer(to, 1, to); reply.Changed {
			t.Error("a transfer to who leads changed something")
		}
	}
}
