// Command endurance runs three nodes of VegaDB under mixed load and one trouble after the other, checks what clients see,
// and looks whether memory, goroutines, file descriptors and disk stay bounded.
//
//	make endurance                          an hour
//	make endurance ARGS="--for 10m"         a look; too short to say much about leaks
//	make endurance ARGS=--update-docs       and write table and plot into the docs
//
// Raw samples and the plot are kept in bench/results, and the nodes' logs as of the first failed call. The exit code is 1
// if a call failed, a history was not legal or something grew.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"github.com/prakashpandey/vegadb/bench/internal/endurance"
	"github.com/prakashpandey/vegadb/bench/internal/peer"
	"github.com/prakashpandey/vegadb/bench/internal/report"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "endurance: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	o := endurance.Options{Log: func(format string, args ...any) { fmt.Printf(format+"\n", args...) }}
	flag.DurationVar(&o.For, "for", time.Hour, "how long")
	flag.Float64Var(&o.Rate, "rate", 1000, "calls per second")
	flag.IntVar(&o.Entries, "entries", 100_000, "keys in use")
	flag.DurationVar(&o.Rest, "rest", 20*time.Second, "between two troubles")
	flag.DurationVar(&o.Every, "every", 5*time.Second, "between two samples")
	flag.Uint64Var(&o.Seed, "seed", 0, "of load and trouble (default: random, printed)")
	flag.StringVar(&o.Server, "server", "", "a vega-server to run (default: build one from the repository)")
	repository := flag.String("repository", "..", "root of the repository")
	updateDocs := flag.Bool("update-docs", false, "write table and plot into docs/reliability.md and docs/endurance.svg")
	flag.Parse()
	for o.Seed == 0 {
		o.Seed = rand.Uint64() >> 12
	}
	results, err := filepath.Abs(filepath.Join(*repository, "bench", "results"))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(results, 0o755); err != nil {
		return err
	}
	if o.Dir, err = os.MkdirTemp(results, "endurance-"); err != nil {
		return err
	}
	defer os.RemoveAll(o.Dir)
	if o.Server == "" {
		o.Server = filepath.Join(o.Dir, "vega-server")
		if err := peer.Build(ctx, *repository, "./cmd/server", o.Server); err != nil {
			return err
		}
	}
	o.Log("%v at %.0f calls per second, seed %d", o.For, o.Rate, o.Seed)
	r, err := endurance.Run(ctx, o)
	if r == nil {
		return err
	}
	machine := report.ThisMachine(o.Dir)
	machine.VegaDB = report.Commit(*repository)
	err = errors.Join(err, keep(r, results))
	fmt.Print("\n", r.Markdown())
	if *updateDocs && err == nil {
		err = publish(r, machine, *repository)
	}
	if err == nil && !r.Kept() {
		err = errors.New("not everything was as it has to be: see above")
	}
	return err
}

// keep writes the raw result and the plot.
func keep(r *endurance.Result, dir string) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(filepath.Join(dir, "endurance.json"), append(text, '\n'), 0o644), plot(r, filepath.Join(dir, "endurance.svg")))
}

func plot(r *endurance.Result, name string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(r.WritePlot(f), f.Close())
}

func publish(r *endurance.Result, m report.Machine, repository string) error {
	docs := filepath.Join(repository, "docs")
	text := fmt.Sprintf("%s · %d × %s, %d GiB, Linux %s, data on %s · %s · VegaDB %s\n\n%s\n![Memory, disk, goroutines and file descriptors of each node](endurance.svg)\n",
		time.Now().UTC().Format(time.DateOnly), m.CPUs, m.CPU, m.MemoryGiB, m.Kernel, m.Disk, m.Go, m.VegaDB, r.Markdown())
	return errors.Join(
		report.UpdateDocs(filepath.Join(docs, "reliability.md"), report.EndurancePlace, text),
		plot(r, filepath.Join(docs, "endurance.svg")))
}
