package main

import (
	"fmt"
	"time"

	"github.com/prakashpandey/vegadb/internal/mutant"
	"github.com/prakashpandey/vegadb/internal/sim"
)

// How much is run without a bug, of each world and of each group's histories: enough to see that they hold.
const (
	controlSeeds  = 5
	controlGroups = 20
)

// control runs what is to notice the mutants without any.
func control(chosen []entry, tests *tests) error {
	for _, e := range chosen {
		if c, ok := sim.MutantWorld(e.bug); ok {
			c.Mutant = mutant.None
			for c.Seed = 1; c.Seed <= controlSeeds; c.Seed++ {
				if r := sim.Run(c); r.Failed() {
					return fmt.Errorf("the world of %v fails without it:\n%v", e.bug, r)
				}
			}
		}
		if failed, out, err := tests.fails(e.pkg, e.test, mutant.None, testPatience); err != nil || failed {
			return fmt.Errorf("%s fails without a mutant (%v):\n%s", e.test, err, out)
		}
		fmt.Printf("  %-22s %s\n", e.bug, "its clusters and its test keep their promises")
	}
	failed, out, err := tests.fails("replica", histories, mutant.None, testPatience, fmt.Sprint("-seeds=", controlGroups))
	if err != nil || failed {
		return fmt.Errorf("histories of a group fail without a mutant (%v):\n%s", err, out)
	}
	return nil
}

// search is how a search for a seed has ended.
type search struct {
	tried  int // 0: it was not made
	caught bool
	why    string
}

func (s search) String() string {
	switch {
	case s.tried == 0:
		return "–"
	case s.caught:
		return fmt.Sprint(s.tried)
	}
	return fmt.Sprintf("not in %d", s.tried)
}

// row is what has become of a mutant.
type row struct {
	entry
	clusters, groups search
	byTest           bool
	took             time.Duration
}

func (r row) caught() bool { return r.clusters.caught || r.groups.caught || r.byTest }

func (r row) String() string {
	line := fmt.Sprintf("%-22s clusters: %-12v groups: %-12v", r.bug, r.clusters, r.groups)
	if r.byTest {
		line += r.test
	}
	if !r.caught() {
		line += "NOT CAUGHT"
	}
	if r.clusters.why != "" {
		line += "\n    " + r.clusters.why
	}
	return line
}

// try runs a mutant until it is noticed, in each way.
func try(e entry, tests *tests, limit time.Duration) (r row, err error) {
	began := time.Now()
	r.entry = e
	if r.clusters, err = clusters(e.bug, limit); err != nil {
		return r, err
	}
	if e.groups {
		if r.groups, err = tests.groups(e.bug, limit); err != nil {
			return r, err
		}
	}
	r.byTest, _, err = tests.fails(e.pkg, e.test, e.bug, testPatience)
	r.took = time.Since(began)
	return r, err
}

// clusters runs simulated clusters, from seed 1 on. The one that shows the mutant must keep its promises without it.
func clusters(b mutant.Bug, limit time.Duration) (s search, err error) {
	c, ok := sim.MutantWorld(b)
	if !ok {
		return s, nil
	}
	for began := time.Now(); time.Since(began) < limit && !s.caught; {
		s.tried++
		c.Seed = uint64(s.tried)
		r := sim.Run(c)
		s.caught, s.why = r.Failed(), r.Why()
	}
	if s.caught {
		c.Mutant = mutant.None
		if r := sim.Run(c); r.Failed() {
			return s, fmt.Errorf("the cluster that shows %v fails without it:\n%v", b, r)
		}
	}
	return s, nil
}
