//go:build unix

package test

import (
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/internal/clustertest"
	"github.com/prakashpandey/vegadb/internal/history"
)

// What nodes send each other comes twice, or behind what was sent later: whole frames, which TCP itself never does. Leaders
// change meanwhile, so that some of it is of an earlier term.
func TestAClusterWhoseFramesAreDoubledAndReorderedKeepsItsPromises(t *testing.T) {
	t.Parallel()
	options := three
	options.Sessions = true
	c, r := scenario{
		options:  options,
		workload: history.Workload{Levels: allLevels, Timeout: 20 * time.Second, Mix: history.Mix{Get: 3, Put: 2, CompareAndPut: 2, Increment: 3}},
		faults:   []clustertest.Fault{clustertest.Transfer(), clustertest.Isolate(clustertest.AnyLeader, 1500*time.Millisecond), clustertest.Kill(clustertest.AnyLeader, 100*time.Millisecond)},
		beside:   []clustertest.Fault{clustertest.Shuffled()},
		count:    4, calm: 200 * time.Millisecond, atLeast: 50,
	}.run(t)
	frames, err := c.ShuffleFrames(false)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d frames were doubled or late", frames)
	if frames < 20 {
		t.Errorf("only %d frames were doubled or late: nothing is proved", frames)
	}
	if r.Failed > 0 {
		t.Errorf("%d operations failed", r.Failed)
	}
}
