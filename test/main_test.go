//go:build unix

// Package test holds the tests of built servers under faults: kills, pauses, cut networks, full and stalled disks. What
// clients saw meanwhile is recorded and judged.
//
// Each test has a short form for `go test ./...` and goes on for longer when told to: `make test-cluster TIME=10m`.
// Every random choice follows from a seed, which is printed; -seed replays it, as far as the machine's timing allows.
package test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/internal/clustertest"
	"github.com/prakashpandey/vegadb/internal/history"
)

var (
	lasting = flag.Duration("lasting", 0, "how long each test of this package torments its cluster; 0: its short form")
	seedSet = flag.Uint64("seed", 0, "seed of every random choice; 0: a new one")
)

// sideBySide is how many tests of the short form run at a time: they wait for most of their time.
const sideBySide = 4

func TestMain(m *testing.M) {
	holdLockIfAsked()
	flag.Parse()
	if *lasting == 0 && runtime.GOMAXPROCS(0) < sideBySide {
		flag.Set("test.parallel", strconv.Itoa(sideBySide))
	}
	os.Exit(clustertest.Main(m))
}

// scenario is what most tests of this package are: clients at work, faults that strike, a history that must be legal.
type scenario struct {
	options  clustertest.Options
	workload history.Workload
	faults   []clustertest.Fault
	beside   []clustertest.Fault // of a second nemesis, at work at the same time
	count    int                 // of faults of each nemesis, in the short form
	calm     time.Duration       // between two faults
	atLeast  int                 // operations that must have succeeded: a test without load proves nothing
}

// shortest bounds the short form.
const shortest = 2 * time.Minute

func (s scenario) run(t *testing.T) (*clustertest.Cluster, clustertest.Tormented) {
	t.Helper()
	seed := *seedSet
	if seed == 0 {
		seed = rand.Uint64()
	}
	replay := fmt.Sprintf("go test ./test -run '^%s$' -seed %d -lasting %s", t.Name(), seed, *lasting)
	t.Log(replay)
	c := clustertest.Start(t, s.options)
	s.workload.Seed = seed
	if s.workload.Pause == 0 {
		s.workload.Pause = 2 * time.Millisecond
	}
	nemesis := clustertest.Nemesis{Seed: seed, Faults: s.faults, Calm: s.calm, Count: s.count}
	during := shortest
	if *lasting > 0 {
		nemesis.Count, during = 0, *lasting
	}
	nemeses := []clustertest.Nemesis{nemesis}
	if len(s.beside) > 0 {
		nemesis.Seed, nemesis.Faults = seed+1, s.beside
		nemeses = append(nemeses, nemesis)
	}
	r := c.Torment(t, s.workload, during, nemeses...)
	if r.OK < s.atLeast {
		t.Errorf("only %d operations succeeded: the load was no load", r.OK)
	}
	return c, r
}

// patience bounds what a test waits for; the machine may be busy.
const patience = 60 * time.Second

// within returns a context that ends when patience does.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// longForm skips what is left to the long form: what it promises is also promised by a smaller or faster test.
func longForm(t *testing.T) {
	t.Helper()
	if *lasting == 0 {
		t.Skip("only with -lasting: see make test-cluster")
	}
}
