//go:build unix

package test

import (
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/internal/clustertest"
	"github.com/prakashpandey/vegadb/internal/history"
)

// A power cut takes what was not synced, and random sectors and names of it stay: see package faultfs.

func TestANodeWhosePowerIsCutUnderLoadKeepsItsPromises(t *testing.T) {
	t.Parallel()
	scenario{
		options: clustertest.Options{Faulty: true},
		faults: []clustertest.Fault{
			clustertest.PowerCut(clustertest.AnyNode, 50*time.Millisecond),
		},
		count: 4, calm: 300 * time.Millisecond, atLeast: 50,
	}.run(t)
}

func TestAClusterWhosePowerIsCutKeepsItsPromises(t *testing.T) {
	t.Parallel()
	options := three
	options.Faulty = true
	scenario{
		options: options, workload: history.Workload{Levels: allLevels},
		faults: []clustertest.Fault{
			clustertest.PowerCut(clustertest.AnyLeader, 300*time.Millisecond),
			clustertest.PowerCutOfAll(100 * time.Millisecond),
		},
		count: 3, calm: 300 * time.Millisecond, atLeast: 50,
	}.run(t)
}
