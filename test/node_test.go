//go:build unix

package test

import (
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/internal/clustertest"
	"github.com/prakashpandey/vegadb/internal/history"
)

func TestANodeKilledAndRestartedUnderLoadKeepsItsPromises(t *testing.T) {
	t.Parallel()
	scenario{
		faults: []clustertest.Fault{
			clustertest.Kill(clustertest.AnyNode, 50*time.Millisecond),
			clustertest.Terminate(clustertest.AnyNode, 50*time.Millisecond),
		},
		count: 4, atLeast: 50,
	}.run(t)
}

func TestANodePausedUnderLoadKeepsItsPromises(t *testing.T) {
	t.Parallel()
	scenario{
		workload: history.Workload{Levels: []history.Level{history.Linearizable, history.Session, history.Bounded, history.Local, history.Lease}},
		faults: []clustertest.Fault{
			clustertest.Pause(clustertest.AnyNode, 300*time.Millisecond),
			clustertest.Stutter(clustertest.AnyNode, 500*time.Millisecond, 20*time.Millisecond),
		},
		count: 3, calm: 200 * time.Millisecond, atLeast: 50,
	}.run(t)
}
