//go:build unix

// Package test holds the tests of built servers under faults: kills, pauses, cut networks, full and stalled disks. What
// clients saw meanwhile is recorded and judged.
//
// Each test has a short form for `go test ./...` and goes on for longer when told to: `make test-cluster TIME=10m`.
// Every random choice follows from a seed, which is printed; -seed replays it, as far as the machine's timing allows.
package test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/internal/clustertest"
	"github.com/prakashpandey/vegadb/internal/history"
)

var (
	lasting = flag.Duration("lasting", 0, "how long each test of this package torments its cluster; 0: its short form")
	seedSet = flag.Uint64("seed", 0, "seed of every random choice; 0: a new one")
)

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(clustertest.Main(m))
}

// scenario is what most tests of this package are: clients at work, faults that strike, a history that must be legal.
type scenario struct {
	options  clustertest.Options
	workload history.Workload
	faults   []clustertest.Fault
	count    int           // of faults, in the short form
	calm     time.Duration // between two faults
	atLeast  int           // operations that must have succeeded: a test without load proves nothing
}

func (s scenario) run(t *testing.T) (*clustertest.Cluster, history.Report) {
	t.Helper()
	c := clustertest.Start(t, s.options)
	seed := *seedSet
	if seed == 0 {
		seed = rand.Uint64()
	}
	s.workload.Seed = seed
	if s.workload.Pause == 0 {
		s.workload.Pause = 2 * time.Millisecond
	}
	nemesis := clustertest.Nemesis{Seed: seed, Faults: s.faults, Calm: s.calm, Count: s.count}
	during := time.Minute
	if *lasting > 0 {
		nemesis.Count, during = 0, *lasting
	}
	r := c.Torment(t, s.workload, nemesis, during)
	if r.OK < s.atLeast {
		t.Errorf("only %d operations succeeded: the load was no load", r.OK)
	}
	if t.Failed() {
		fmt.Printf("replay with: go test ./test -run '^%s$' -seed %d -lasting %s\n", t.Name(), seed, *lasting)
	}
	return c, r
}
