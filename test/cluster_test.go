//go:build unix

package test

import (
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/internal/clustertest"
)

func TestAClusterWhoseLeadersAreKilledKeepsItsPromises(t *testing.T) {
	t.Parallel()
	scenario{
		options: clustertest.Options{Nodes: 3, Network: clustertest.Proxied},
		faults:  []clustertest.Fault{clustertest.Kill(clustertest.AnyLeader, 300*time.Millisecond)},
		count:   3, atLeast: 300,
	}.run(t)
}
