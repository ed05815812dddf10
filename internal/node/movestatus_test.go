package node

import (
	"testing"

	"github.com/prakashpandey/vegadb/internal/meta"
	"github.com/prakashpandey/vegadb/internal/ring"
	"github.com/prakashpandey/vegadb/internal/wire"
)

func TestAMoveIsAsFarAsItsLeaderHasSent(t *testing.T) {
	to, other := ring.NodeID{4}, ring.NodeID{5}
	part := wire.PartitionStatus{Number: 7, Bytes: 10_000_000, Commit: 1000, Replicas: []wire.ReplicaStatus{{Node: to.String()}}}
	copying := &meta.Move{Partition: 7, To: to, Step: meta.Copying}
	// The file is a fifth of what it holds in memory. It is another node that sends it.
	reports := map[ring.NodeID]nodeReport{{1}: {Sends: []sendReport{
		{Partition: 6, To: to, Sent: 1, Total: 2, TookMs: 1}, {Partition: 7, To: other, Sent: 1, Total: 2, TookMs: 1},
		{Partition: 7, To: to, Sent: 500_000, Total: 2_000_000, TookMs: 2000},
	}}}

	s := moveStatus(copying, &part, reports)
	if s.Percent != 25 || s.BytesDone != 2_500_000 || s.BytesPerSecond != 1_250_000 || s.SecondsLeft != 6 {
		t.Errorf("a quarter has been sent: %+v", s)
	}
	if s := moveStatus(copying, &part, nil); s.Percent != 0 || s.SecondsLeft != -1 {
		t.Errorf("nothing is being sent: %+v", s)
	}
	part.Replicas[0].Match = 900
	if s := moveStatus(copying, &part, nil); s.Percent != 90 || s.SecondsLeft != -1 {
		t.Errorf("it has 900 of 1000 entries: %+v", s)
	}
}
