//go:build linux

package test

import (
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/internal/clustertest"
	"github.com/prakashpandey/vegadb/internal/history"
)

func TestAClusterWhosePacketsAreDroppedKeepsItsPromises(t *testing.T) {
	longForm(t)
	t.Parallel()
	options := three
	options.Network = clustertest.Namespaces
	scenario{
		options: options, workload: history.Workload{Levels: allLevels},
		faults: []clustertest.Fault{
			clustertest.Isolate(clustertest.AnyLeader, 2*time.Second),
			clustertest.Mute(clustertest.AnyLeader, 2*time.Second),
			clustertest.Triangle(clustertest.AnyLeader, 2*time.Second),
		},
		count: 2, atLeast: 200,
	}.run(t)
}
