//go:build unix

package test

import (
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/internal/clustertest"
	"github.com/prakashpandey/vegadb/internal/history"
)

// three is the cluster of most tests.
var three = clustertest.Options{Nodes: 3, Network: clustertest.Proxied}

// allLevels are the reads that a cluster offers.
var allLevels = []history.Level{history.Linearizable, history.Linearizable, history.Lease, history.Session, history.Bounded, history.Local}

func TestAClusterWhoseNodesAreKilledKeepsItsPromises(t *testing.T) {
	t.Parallel()
	scenario{
		options: three, workload: history.Workload{Levels: allLevels},
		faults: []clustertest.Fault{
			clustertest.Kill(clustertest.AnyLeader, 300*time.Millisecond),
			clustertest.Kill(clustertest.AnyNode, 2*time.Second),
			clustertest.Kill(clustertest.MetaLeader, 300*time.Millisecond),
			clustertest.Terminate(clustertest.AnyNode, 300*time.Millisecond),
		},
		count: 3, atLeast: 50,
	}.run(t)
}

func TestAClusterWithABadNetworkKeepsItsPromises(t *testing.T) {
	t.Parallel()
	scenario{
		options: three, workload: history.Workload{Levels: allLevels},
		faults: []clustertest.Fault{
			clustertest.Isolate(clustertest.AnyLeader, 2*time.Second),
			clustertest.Mute(clustertest.AnyLeader, 2*time.Second),
			clustertest.Deafen(clustertest.AnyLeader, 2*time.Second),
			clustertest.Triangle(clustertest.AnyLeader, 2*time.Second),
			clustertest.Flap(clustertest.AnyNode, 3*time.Second, 300*time.Millisecond),
			clustertest.Lossy(2*time.Second, 100*time.Millisecond),
		},
		count: 3, atLeast: 50,
	}.run(t)
}

func TestAClusterWhoseNodesPauseKeepsItsPromises(t *testing.T) {
	t.Parallel()
	scenario{
		options: three, workload: history.Workload{Levels: allLevels},
		faults: []clustertest.Fault{
			clustertest.Pause(clustertest.AnyLeader, 2*time.Second),
			clustertest.Stutter(clustertest.AnyLeader, 2*time.Second, 40*time.Millisecond),
		},
		count: 3, atLeast: 50,
	}.run(t)
}

func TestWritesRepeatedUnderASessionTakeEffectOnce(t *testing.T) {
	t.Parallel()
	options := three
	options.Sessions, options.LossyClients = true, 300*time.Millisecond
	_, r := scenario{
		options: options,
		// Time enough to learn the outcome, whatever happens.
		workload: history.Workload{Timeout: 30 * time.Second, Mix: history.Mix{Get: 2, Put: 1, CompareAndPut: 2, Increment: 5}},
		faults: []clustertest.Fault{
			clustertest.Kill(clustertest.AnyLeader, 300*time.Millisecond),
			clustertest.Pause(clustertest.AnyLeader, 1500*time.Millisecond),
			clustertest.Transfer(),
		},
		count: 3, atLeast: 50,
	}.run(t)
	if r.Unknown > 0 {
		t.Errorf("%d writes of unknown outcome, though each had time to be repeated", r.Unknown)
	}
}

func TestLeadershipMovedUnderLoadLosesNothing(t *testing.T) {
	t.Parallel()
	scenario{
		options: three, workload: history.Workload{Levels: allLevels},
		faults: []clustertest.Fault{clustertest.Transfer()},
		count:  10, calm: 200 * time.Millisecond, atLeast: 50,
	}.run(t)
}

func TestARollingRestartUnderLoadRefusesNothing(t *testing.T) {
	t.Parallel()
	options := three
	options.Sessions = true
	_, r := scenario{
		options: options, workload: history.Workload{Levels: allLevels, Timeout: 20 * time.Second},
		faults: []clustertest.Fault{clustertest.RollingRestart()},
		count:  1, atLeast: 50,
	}.run(t)
	if r.Failed > 0 || r.Unknown > 0 {
		t.Errorf("%d operations failed and %d are of unknown outcome, though a majority was there at all times", r.Failed, r.Unknown)
	}
}

func TestNodesReplacedUnderLoadAndKillsLoseNothing(t *testing.T) {
	t.Parallel()
	scenario{
		options: three, workload: history.Workload{Levels: allLevels},
		faults: []clustertest.Fault{clustertest.Replacement(clustertest.AnyNode)},
		beside: []clustertest.Fault{clustertest.Kill(clustertest.AnyNode, 300*time.Millisecond)},
		count:  1, calm: time.Second, atLeast: 50,
	}.run(t)
}

func TestFiveNodesSplitAndReplacedKeepTheirPromises(t *testing.T) {
	longForm(t)
	t.Parallel()
	scenario{
		options:  clustertest.Options{Nodes: 5, Network: clustertest.Proxied},
		workload: history.Workload{Levels: allLevels},
		faults: []clustertest.Fault{
			clustertest.Split(2 * time.Second),
			clustertest.Isolate(clustertest.MetaLeader, 2*time.Second),
			clustertest.Triangle(clustertest.AnyLeader, 2*time.Second),
		},
		beside: []clustertest.Fault{clustertest.Replacement(clustertest.AnyNode)},
		count:  1, calm: time.Second, atLeast: 50,
	}.run(t)
}
