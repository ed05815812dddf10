package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/prakashpandey/vegadb/internal/mutant"
	"github.com/prakashpandey/vegadb/internal/sim"
)

const help = `Run simulated clusters: one seed with everything that it did, or many, and sum up what they did.

  go run ./internal/sim/cmd -seed 7                         replay one
  go run ./internal/sim/cmd -seed 7 -trace t.json           and write its trace, as JSON lines
  go run ./internal/sim/cmd -seeds 1000 -from 1 -workers 2  a thousand, on two cores
  go run ./internal/sim/cmd -time 5m -json                  fresh ones for five minutes; the sums as JSON
  go run ./internal/sim/cmd -seed 7 -members                nodes join and leave as well
  go run ./internal/sim/cmd -seeds 100 -nodes 3 -keys 1 -faults cuts,links,every=200
  go run -tags mutants ./internal/sim/cmd -mutant early-ack -seeds 100 -from 1
                                                            with a known bug in the product

Of several seeds, every second one has nodes that join and leave. A seed that fails ends the run; what is printed ends with the
command that replays it. Interrupted, it sums up what has been run.
Exit codes: 0 all promises were kept, 1 one was broken, 2 it could not run.

`

// options are what the command itself is told; the rest is a sim.Config.
type options struct {
	from    uint64
	seeds   int
	limit   time.Duration
	workers int
	part    string
	trace   string
	mutant  string
	json    bool
	verbose bool
}

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, out, errs io.Writer) int {
	o, c, err := parse(args, errs)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintln(errs, err)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	switch {
	case c.Seed != 0:
		return one(c, o, out, errs)
	case o.workers > 1:
		return spread(ctx, args, o, out, errs)
	}
	return many(ctx, c, o, out, errs)
}

// parse reads the flags twice: what the mutant's world says are the defaults of the second time.
func parse(args []string, errs io.Writer) (o options, c sim.Config, err error) {
	for range 2 {
		fs := flag.NewFlagSet("cmd", flag.ContinueOnError)
		fs.SetOutput(errs)
		fs.Usage = func() { fmt.Fprint(errs, help); fs.PrintDefaults() }
		if c, err = world(o.mutant); err != nil {
			return o, c, err
		}
		c.Bind(fs)
		o.bind(fs)
		if err := fs.Parse(args); err != nil {
			return o, c, err
		}
		if fs.NArg() > 0 {
			return o, c, fmt.Errorf("%q is no flag: -h lists them", fs.Arg(0))
		}
	}
	if c.Seed == 0 && o.seeds == 0 && o.limit == 0 {
		err = errors.New("say -seed, -seeds or -time: -h has examples")
	}
	return o, c, err
}

func (o *options) bind(fs *flag.FlagSet) {
	fs.Uint64Var(&o.from, "from", 0, "the first of several seeds; 0: a fresh one")
	fs.IntVar(&o.seeds, "seeds", 0, "how many seeds to run")
	fs.DurationVar(&o.limit, "time", 0, "run fresh seeds for this long")
	fs.IntVar(&o.workers, "workers", 1, "processes to spread several seeds over")
	fs.StringVar(&o.part, "part", "", "`I/N`: of several seeds, only every N-th, from the I-th on")
	fs.StringVar(&o.trace, "trace", "", "`file` to write the whole trace of -seed to, as JSON lines")
	fs.StringVar(&o.mutant, "mutant", "", "put a known bug into the product (needs -tags mutants)")
	fs.BoolVar(&o.json, "json", false, "print sums as JSON")
	fs.BoolVar(&o.verbose, "v", false, "a line for each seed")
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

func one(c sim.Config, o options, out, errs io.Writer) int {
	if o.trace != "" {
		c.Keep = 10_000_000
	}
	r := sim.Run(c)
	if o.trace != "" {
		if err := writeTrace(o.trace, r); err != nil {
			fmt.Fprintln(errs, err)
			return 2
		}
		r.Forget()
	}
	fmt.Fprintln(out, r)
	fmt.Fprint(out, sums(&r.Figures, o.json))
	if r.Failed() {
		return 1
	}
	return 0
}

func writeTrace(name string, r *sim.Result) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	err = r.WriteTrace(f)
	return errors.Join(err, f.Close())
}

// sums are figures as they are printed.
func sums(f *sim.Figures, asJSON bool) string {
	if asJSON {
		return string(f.JSON()) + "\n"
	}
	return f.String()
}
