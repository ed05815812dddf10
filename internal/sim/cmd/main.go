// Command cmd runs simulated clusters: one seed with everything that it did, or many, one after the other.
//
//	go run ./internal/sim/cmd -seed 7               # replay one
//	go run ./internal/sim/cmd -seed 7 -trace t.json # and write its trace
//	go run ./internal/sim/cmd -seeds 1000 -from 1   # many
//	go run ./internal/sim/cmd -time 5m              # fresh ones, for as long
//
// Built with -tags mutants, -mutant NAME puts a known bug into the product, in the world in which it shows soonest:
//
//	go run -tags mutants ./internal/sim/cmd -mutant early-ack -seeds 100 -from 1
package main

import (
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/prakashpandey/vegadb/internal/mutant"
	"github.com/prakashpandey/vegadb/internal/sim"
)

func main() {
	seed := flag.Uint64("seed", 0, "run this seed alone and tell all about it")
	from := flag.Uint64("from", 0, "the first of several seeds; 0: a fresh one")
	seeds := flag.Int("seeds", 0, "how many seeds to run")
	limit := flag.Duration("time", 0, "run fresh seeds for this long")
	trace := flag.String("trace", "", "file to write the whole trace of -seed to, as JSON lines")
	name := flag.String("mutant", "", "put a known bug into the product (needs -tags mutants)")
	members := flag.Bool("members", false, "nodes join and leave as well; of several seeds, every second one does so in any case")
	verbose := flag.Bool("v", false, "a line for each seed")
	flag.Parse()
	c, err := world(*name)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	c.Membership = c.Membership || *members
	if *seed != 0 {
		c.Seed = *seed
		os.Exit(one(c, *trace))
	}
	os.Exit(many(*from, *seeds, *limit, c, *verbose))
}

// world is what is simulated: anything that a seed draws, or what shows a mutant.
func world(name string) (c sim.Config, err error) {
	if name == "" {
		return c, nil
	}
	b, known := mutant.Named(name)
	if !known || b == mutant.None {
		return c, fmt.Errorf("there is no mutant %q: %v", name, mutant.All())
	}
	c, simulated := sim.MutantWorld(b)
	switch {
	case !simulated:
		return c, fmt.Errorf("mutant %v is in code that the simulator does not run: make mutants shows what catches it", b)
	case !mutant.Enabled:
		return c, fmt.Errorf("mutants are in builds with the tag: go run -tags mutants ./internal/sim/cmd -mutant %v", b)
	}
	return c, nil
}

func one(c sim.Config, trace string) int {
	if trace != "" {
		c.Keep = 10_000_000
	}
	r := sim.Run(c)
	if trace != "" {
		f, err := os.Create(trace)
		if err == nil {
			err = r.WriteTrace(f)
		}
		if err == nil {
			err = f.Close()
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 2
		}
		r.Forget()
	}
	fmt.Println(r)
	if r.Failed() {
		return 1
	}
	return 0
}

func many(from uint64, seeds int, limit time.Duration, c sim.Config, verbose bool) int {
	began := time.Now()
	if from == 0 {
		from = uint64(began.UnixNano()) % 1_000_000_000 * 1000
	}
	fmt.Printf("seeds from %d on\n", from)
	n := 0
	for ; seeds == 0 || n < seeds; n++ {
		if limit > 0 && time.Since(began) > limit || seeds == 0 && limit == 0 {
			break
		}
		c := c
		c.Seed, c.Membership = from+uint64(n), c.Membership || n%2 == 1 && c.Mutant == mutant.None
		r := sim.Run(c)
		if verbose || r.Failed() {
			fmt.Println(r)
		}
		if r.Failed() {
			fmt.Printf("failed after %d seeds\n", n+1)
			return 1
		}
	}
	took := time.Since(began)
	fmt.Printf("%d seeds in %v: %.0f an hour\n", n, took.Round(time.Millisecond), float64(n)/took.Hours())
	return 0
}
