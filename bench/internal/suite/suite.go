// Package suite is what the programs of this module have in common: their flags, the directory and the binaries that a run
// needs, and what becomes of the results.
package suite

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/prakashpandey/vegadb/bench/internal/report"
	"github.com/prakashpandey/vegadb/bench/internal/rows"
)

// Suite is one program's rows and what they need.
type Suite struct {
	Program string // "peers"; its make target is bench-peers
	Rows    []rows.Row
	Needs   []string // programs of peers, by the names in package peer
	// Set fills in who is compared, and which versions those are. The programs have been found, and ours built.
	Set func(ctx context.Context, o Options, env *rows.Env, machine *report.Machine) error
	// Calibrates: Redis can stand on our side, to show how far ratios stray by noise alone.
	Calibrates bool
	Table      report.Place // in docs/performance.md
	Summary    report.Place // in README.md
}

// Options are the flags.
type Options struct {
	Rows       string
	Rounds     int
	Quick      bool
	List       bool
	Calibrate  bool
	UpdateDocs bool
	Dir        string
	Repository string
	Server     string // after preparing: the vega-server to measure
	Against    string // another vega-server, in the peers' place
	Timeout    time.Duration
	Profile    string
	Profiles   string
}

// Main runs the program and exits if anything failed.
func (s Suite) Main() {
	o := s.parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	if err := s.run(ctx, o); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", s.Program, err)
		os.Exit(1)
	}
}

func (s Suite) parse() (o Options) {
	flag.StringVar(&o.Rows, "rows", "all", "rows to run, separated by commas (see --list)")
	flag.IntVar(&o.Rounds, "rounds", 5, "rounds per row; each side runs once per round")
	flag.BoolVar(&o.Quick, "quick", false, "a tenth of the data and time: to try things, not to quote")
	flag.BoolVar(&o.List, "list", false, "list the rows and exit")
	if s.Calibrates {
		flag.BoolVar(&o.Calibrate, "calibrate", false, "Redis on both sides: shows the machine's noise; nothing is kept")
	}
	flag.BoolVar(&o.UpdateDocs, "update-docs", false, "write all kept rows into docs/performance.md and README.md")
	flag.StringVar(&o.Dir, "dir", "", "where servers keep their files (default: bench/results/data, on a real disk)")
	flag.StringVar(&o.Repository, "repository", "..", "root of the repository")
	flag.StringVar(&o.Server, "server", "", "a vega-server to measure (default: build one from the repository)")
	flag.StringVar(&o.Against, "against", "", "another vega-server in the peers' place, such as the one before a change; nothing is kept")
	flag.DurationVar(&o.Timeout, "timeout", 2*time.Hour, "give up after this time")
	flag.StringVar(&o.Profile, "cpuprofile", "", "write a CPU profile of the load generators and client libraries to this file")
	flag.StringVar(&o.Profiles, "server-profiles", "", "write CPU profiles of a cluster's vega-servers under load into this directory; nothing is kept")
	flag.Parse()
	return o
}

func (s Suite) run(ctx context.Context, o Options) error {
	if o.List {
		for _, r := range s.Rows {
			fmt.Printf("%-18s %s\n", r.Name, r.Title)
		}
		return nil
	}
	chosen, err := choose(s.Rows, o.Rows)
	if err != nil {
		return err
	}
	results := filepath.Join(o.Repository, "bench", "results")
	env, machine, cleanup, err := s.prepare(ctx, o, results)
	if err != nil {
		return err
	}
	defer cleanup()
	stopProfile, err := startProfile(o.Profile)
	if err != nil {
		return err
	}
	defer stopProfile()

	keep := !o.Calibrate && o.Profiles == "" && o.Against == ""
	var failures error
	for _, r := range chosen {
		if ctx.Err() != nil {
			return errors.Join(failures, ctx.Err())
		}
		// A row that fails does not keep the others from running; it fails the whole at the end.
		outcome, err := s.runRow(ctx, o, r, env)
		if err != nil {
			failures = errors.Join(failures, err)
			continue
		}
		if outcome.Machine = machine; keep {
			failures = errors.Join(failures, report.Save(results, outcome))
		}
	}
	if !keep {
		return failures
	}
	return errors.Join(failures, s.publish(o, results))
}

// runRow runs one row and prints what it says.
func (s Suite) runRow(ctx context.Context, o Options, r rows.Row, env *rows.Env) (report.Row, error) {
	fmt.Printf("%s: %s\n", r.Name, r.Title)
	begin := time.Now()
	outcome := report.Row{
		Name: r.Name, Title: r.Title, Date: begin.UTC().Format(time.RFC3339), Rounds: o.Rounds, Quick: o.Quick,
		Command: fmt.Sprintf("make bench-%s ROWS=%s ROUNDS=%d", s.Program, r.Name, o.Rounds),
	}
	var err error
	if outcome.Results, err = r.Run(ctx, env); err != nil {
		err = fmt.Errorf("%s: %w", r.Name, err)
		fmt.Fprintln(os.Stderr, "  FAILED", err)
		return outcome, err
	}
	for _, line := range outcome.Results {
		fmt.Println(report.Line(line))
	}
	fmt.Printf("  (%.0f s)\n", time.Since(begin).Seconds())
	return outcome, nil
}

// publish writes the table of all kept rows next to them and, when asked for, into the docs.
func (s Suite) publish(o Options, results string) error {
	kept, err := report.Load(results, names(s.Rows))
	if err != nil || len(kept) == 0 {
		return err
	}
	table := report.Markdown(kept)
	if err := os.WriteFile(filepath.Join(results, s.Program+".md"), []byte(table), 0o644); err != nil {
		return err
	}
	if !o.UpdateDocs {
		return nil
	}
	if slices.ContainsFunc(kept, func(r report.Row) bool { return r.Quick }) {
		return errors.New("some kept rows are from quick runs: run them in full before updating the docs")
	}
	return errors.Join(
		report.UpdateDocs(filepath.Join(o.Repository, "docs", "performance.md"), s.Table, table),
		report.UpdateDocs(filepath.Join(o.Repository, "README.md"), s.Summary, report.Summary(kept)))
}

// choose picks rows by name.
func choose(all []rows.Row, list string) ([]rows.Row, error) {
	if list == "all" || list == "" {
		return all, nil
	}
	var out []rows.Row
	for name := range strings.SplitSeq(list, ",") {
		name = strings.TrimSpace(name)
		i := slices.IndexFunc(all, func(r rows.Row) bool { return r.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no row %q; rows are %s", name, strings.Join(names(all), ", "))
		}
		out = append(out, all[i])
	}
	return out, nil
}

func names(all []rows.Row) []string {
	out := make([]string, len(all))
	for i, r := range all {
		out[i] = r.Name
	}
	return out
}
