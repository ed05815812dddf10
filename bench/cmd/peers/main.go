// Command peers measures VegaDB beside Redis and memcached on this machine.
//
//	make bench-peers                              every row, five rounds: about half an hour
//	make bench-peers ROWS=resp-p16,memory         some rows
//	make bench-peers ARGS=--quick                 a look in a few minutes; not to be quoted
//	make bench-peers ARGS=--update-docs           and write the tables of the docs
//
// It starts every server itself, on free loopback ports, and ends every one it started. Raw results are kept by row in
// bench/results. With --calibrate, Redis runs on both sides: what the ratios then differ from 1 is the machine's noise.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"runtime/pprof"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/prakashpandey/vegadb/bench/internal/peer"
	"github.com/prakashpandey/vegadb/bench/internal/report"
	"github.com/prakashpandey/vegadb/bench/internal/rows"
)

type options struct {
	rows       string
	rounds     int
	quick      bool
	list       bool
	calibrate  bool
	updateDocs bool
	dir        string
	repository string
	server     string
	timeout    time.Duration
	profile    string
}

func main() {
	var o options
	flag.StringVar(&o.rows, "rows", "all", "rows to run, separated by commas (see --list)")
	flag.IntVar(&o.rounds, "rounds", 5, "rounds per row; each side runs once per round")
	flag.BoolVar(&o.quick, "quick", false, "a tenth of the data and time: to try things, not to quote")
	flag.BoolVar(&o.list, "list", false, "list the rows and exit")
	flag.BoolVar(&o.calibrate, "calibrate", false, "Redis on both sides: shows the machine's noise; nothing is kept")
	flag.BoolVar(&o.updateDocs, "update-docs", false, "write all kept rows into docs/performance.md and README.md")
	flag.StringVar(&o.dir, "dir", "", "where servers keep their files (default: bench/results/data, on a real disk)")
	flag.StringVar(&o.repository, "repository", "..", "root of the repository")
	flag.StringVar(&o.server, "server", "", "a vega-server to measure (default: build one from the repository)")
	flag.DurationVar(&o.timeout, "timeout", 2*time.Hour, "give up after this time")
	flag.StringVar(&o.profile, "cpuprofile", "", "write a CPU profile of the load generators and client libraries to this file")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	if o.list {
		for _, r := range rows.All() {
			fmt.Printf("%-14s %s\n", r.Name, r.Title)
		}
		return nil
	}
	chosen, err := choose(rows.All(), o.rows)
	if err != nil {
		return err
	}
	results := filepath.Join(o.repository, "bench", "results")
	env, machine, cleanup, err := prepare(ctx, o, results)
	if err != nil {
		return err
	}
	defer cleanup()
	stopProfile, err := startProfile(o.profile)
	if err != nil {
		return err
	}
	defer stopProfile()

	var failures error
	for _, r := range chosen {
		if ctx.Err() != nil {
			return errors.Join(failures, ctx.Err())
		}
		fmt.Printf("%s: %s\n", r.Name, r.Title)
		begin := time.Now()
		outcome := report.Row{
			Name: r.Name, Title: r.Title, Date: begin.UTC().Format(time.RFC3339), Rounds: o.rounds, Quick: o.quick,
			Command: fmt.Sprintf("make bench-peers ROWS=%s ROUNDS=%d", r.Name, o.rounds), Machine: machine,
		}
		// A row that fails does not keep the others from running; it fails the whole at the end.
		if outcome.Results, err = r.Run(ctx, env); err != nil {
			err = fmt.Errorf("%s: %w", r.Name, err)
			fmt.Fprintln(os.Stderr, "  FAILED", err)
			failures = errors.Join(failures, err)
			continue
		}
		for _, line := range outcome.Results {
			fmt.Println(report.Line(line))
		}
		fmt.Printf("  (%.0f s)\n", time.Since(begin).Seconds())
		if !o.calibrate {
			failures = errors.Join(failures, report.Save(results, outcome))
		}
	}
	if o.calibrate {
		return failures
	}
	return errors.Join(failures, publish(o, results))
}

// startProfile profiles this process, when asked to, until the function it returns is called.
func startProfile(path string) (func(), error) {
	if path == "" {
		return func() {}, nil
	}
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() {
		pprof.StopCPUProfile()
		if err := f.Close(); err != nil {
			fmt.Fprintln(os.Stderr, "peers: the profile:", err)
		}
	}, nil
}

// publish writes the table of all kept rows next to them and, when asked for, into the docs.
func publish(o options, results string) error {
	kept, err := report.Load(results, names(rows.All()))
	if err != nil || len(kept) == 0 {
		return err
	}
	table := report.Markdown(kept)
	if err := os.WriteFile(filepath.Join(results, "table.md"), []byte(table), 0o644); err != nil {
		return err
	}
	if !o.updateDocs {
		return nil
	}
	if slices.ContainsFunc(kept, func(r report.Row) bool { return r.Quick }) {
		return errors.New("some kept rows are from quick runs: run them in full before updating the docs")
	}
	return errors.Join(
		report.UpdateDocs(filepath.Join(o.repository, "docs", "performance.md"), report.TablePlace, table),
		report.UpdateDocs(filepath.Join(o.repository, "README.md"), report.SummaryPlace, report.Summary(kept)))
}

// prepare finds and builds the programs and makes the directory for the servers' files.
func prepare(ctx context.Context, o options, results string) (*rows.Env, report.Machine, func(), error) {
	none := func() {}
	logf := func(format string, args ...any) { fmt.Printf(format+"\n", args...) }
	programs, err := peer.Find(ctx, logf)
	if err != nil {
		return nil, report.Machine{}, none, err
	}
	if o.dir == "" {
		o.dir = filepath.Join(results, "data")
	}
	if err := os.MkdirAll(o.dir, 0o755); err != nil {
		return nil, report.Machine{}, none, err
	}
	dir, err := os.MkdirTemp(o.dir, "run-")
	if err != nil {
		return nil, report.Machine{}, none, err
	}
	cleanup := func() { _ = os.RemoveAll(dir) }
	if report.FileSystem(dir) == report.Tmpfs {
		cleanup()
		return nil, report.Machine{}, none, fmt.Errorf("%s is on tmpfs, where fsync costs nothing: choose a directory on a disk with --dir", dir)
	}
	env := &rows.Env{
		Rounds: o.rounds, Quick: o.quick, Dir: dir, Programs: programs, Log: logf,
		Theirs: peer.Redis{Program: programs.Redis}, Memcached: peer.Memcached{Program: programs.Memcached},
	}
	env.Ours = env.Theirs
	if !o.calibrate {
		if o.server == "" {
			if o.server, err = filepath.Abs(filepath.Join(dir, "vega-server")); err == nil {
				err = peer.BuildVega(ctx, o.repository, o.server)
			}
		} else {
			o.server, err = filepath.Abs(o.server)
		}
		if err != nil {
			cleanup()
			return nil, report.Machine{}, none, err
		}
		env.Ours = peer.Vega{Program: o.server}
	}
	machine := report.ThisMachine(dir)
	machine.VegaDB = report.Commit(o.repository)
	machine.Redis = peer.Version(ctx, programs.Redis, "--version")
	machine.Memcached = peer.Version(ctx, programs.Memcached, "-V")
	machine.Rueidis = moduleVersion("github.com/redis/rueidis")
	return env, machine, cleanup, nil
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

func moduleVersion(path string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, dep := range info.Deps {
		if dep.Path == path {
			return dep.Version
		}
	}
	return "unknown"
}
