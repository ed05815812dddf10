package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/prakashpandey/vegadb/client"
	"github.com/prakashpandey/vegadb/internal/workload"
)

// benchFlags are the options of bench.
type benchFlags struct {
	mix, distribution  string
	valueSize          string
	protocol           string
	connections        int
	load, noLoad       bool
	plot               string
	duration           time.Duration
	config             workload.Config
	seed               uint64
	durationWasDefault bool
}

// The protocols of bench.
const (
	protocolNative = "native"
	protocolRESP   = "resp"
)

func (a *app) benchCommand() *cobra.Command {
	var b benchFlags
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Put a load on the server and measure it",
		Long: `Put a load on the server and measure it, with the mixes of the Yahoo! Cloud Serving
Benchmark:

  a  50 % reads, 50 % updates           d  95 % reads of the latest, 5 % inserts
  b  95 % reads,  5 % updates           e  95 % scans, 5 % inserts
  c  reads only                         f  50 % reads, 50 % read-modify-writes

The records are loaded first (--no-load if they are there), then the mix runs.
By default each caller sends its next request when its last one is answered; with
--rate requests have a timetable, and time that a request spends waiting for its
turn because the server is slow counts as latency.

--protocol resp puts the same load on Redis, Valkey or VegaDB's RESP port: each
caller has a connection of its own there, unless --connections says less.

--verify checks every value read against its checksum and every version against
those acknowledged before, and reads everything back at the end: exit code 9 if
anything that was acknowledged is gone. The load goes on across restarts of the server.`,
		Example: `  vega-client bench
  vega-client bench --workload b --records 1000000 --callers 256 --duration 60s --plot b.svg
  vega-client bench --workload read=90,update=10 --distribution uniform --rate 50000
  vega-client bench --protocol resp --addr 127.0.0.1:6379 --callers 50 --pipeline 16
  vega-client bench --batch 100 --value-size 64-1024
  vega-client bench --workload a --duration 1m --verify      and kill the server meanwhile`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			b.durationWasDefault = !cmd.Flags().Changed("duration")
			if !cmd.Flags().Changed("seed") {
				b.seed = a.env.Seed() >> 12 // what JSON and people can repeat exactly
			}
			if err := b.complete(); err != nil {
				return err
			}
			return a.bench(cmd.Context(), &b)
		},
	}
	b.bind(cmd)
	return cmd
}

func (b *benchFlags) bind(cmd *cobra.Command) {
	f := cmd.Flags()
	c := &b.config
	f.StringVarP(&b.mix, "workload", "w", "a", "`MIX`: a letter from a to f, or shares such as read=90,update=10")
	f.Int64Var(&c.Records, "records", 100_000, "records loaded and asked for")
	f.StringVar(&b.distribution, "distribution", "", "`which` records: uniform, zipfian or latest (default: the mix's own)")
	f.IntVar(&c.KeySize, "key-size", 16, "bytes of a key")
	f.StringVar(&b.valueSize, "value-size", "100", "bytes of a value, or a range such as 64-1024")
	f.IntVarP(&c.Callers, "callers", "c", 64, "goroutines that each have one request (batch, pipeline) under way")
	f.DurationVarP(&b.duration, "duration", "d", 10*time.Second, "how long to measure")
	f.Int64VarP(&c.Count, "count", "n", 0, "how many requests to measure, instead of --duration or within it")
	f.DurationVar(&c.Warmup, "warmup", 0, "run the mix so long before measuring")
	f.Float64Var(&c.Rate, "rate", 0, "requests per second by a timetable; 0: as fast as replies come")
	f.StringVar(&b.protocol, "protocol", protocolNative, "`native|resp`")
	f.IntVar(&b.connections, "connections", 0, "connections (default: native 1, resp one per caller)")
	f.IntVar(&c.Batch, "batch", 1, "records per request: batches of the native protocol, MGET and MSET")
	f.IntVar(&c.Pipeline, "pipeline", 1, "requests per caller sent before the first reply (resp only: the native client pipelines by itself)")
	f.BoolVar(&b.load, "load", true, "store the records first")
	f.BoolVar(&b.noLoad, "no-load", false, "the records are there already")
	f.BoolVar(&c.Verify, "verify", false, "check what is read, and everything at the end (exit code 9)")
	f.Uint64Var(&b.seed, "seed", 0, "repeat the requests of an earlier run (default: random, printed)")
	f.StringVar(&b.plot, "plot", "", "draw latencies to `FILE`.svg or .png")
	exclusive(cmd, "batch", "pipeline")
	exclusive(cmd, "load", "no-load")
}

// complete turns the flags into b.config.
func (b *benchFlags) complete() error {
	c := &b.config
	var err error
	if c.Mix, err = workload.ParseMix(b.mix); err != nil {
		return &usageError{err: err}
	}
	if b.distribution != "" {
		if c.Distribution, err = workload.ParseDistribution(b.distribution); err != nil {
			return &usageError{err: err}
		}
	}
	if c.ValueSizes, err = workload.ParseSizes(b.valueSize); err != nil {
		return usagef("--value-size: %v", err)
	}
	switch {
	case b.protocol != protocolNative && b.protocol != protocolRESP:
		return usagef("--protocol %s: use native or resp", b.protocol)
	case b.protocol == protocolNative && c.Pipeline > 1:
		return usagef("--pipeline is for --protocol resp: the native client pipelines by itself; use more --callers")
	case b.plot != "" && !workload.PlotFormatKnown(b.plot):
		return usagef("--plot %s: the name must end in .svg or .png", b.plot)
	case b.connections < 0 || c.Count < 0 || b.duration < 0 || c.Warmup < 0:
		return usagef("--connections, --count, --duration and --warmup may not be negative")
	case c.Batch < 1 || c.Pipeline < 1:
		return usagef("--batch and --pipeline must be above zero")
	}
	c.Load = b.load && !b.noLoad
	c.Duration, c.Seed, c.Classify = b.duration, b.seed, classify
	if b.durationWasDefault && c.Count > 0 {
		c.Duration = 0 // the count alone says when it ends
	}
	if err := c.Check(); err != nil {
		return &usageError{err: err}
	}
	return nil
}

// classify names the class of an error for the report.
func classify(err error) string {
	var failed *client.Error
	var server workload.ServerError
	switch {
	case errors.As(err, &failed):
		return failed.Status.String()
	case errors.As(err, &server):
		return server.Class()
	}
	return deepest(err)
}

func (a *app) bench(ctx context.Context, b *benchFlags) error {
	target, err := a.benchTarget(ctx, b)
	if err != nil {
		return err
	}
	defer target.Close()
	line := a.statusLine()
	b.config.OnTick = func(t workload.Tick) { a.showTick(line, t) }
	if !a.json {
		fmt.Fprintln(a.env.Err, a.errStyle().dim(fmt.Sprintf("workload %s on %s, %s protocol, seed %d", b.config.Mix.Name, a.session.conn.address, b.protocol, b.seed)))
	}
	report, err := workload.Run(ctx, target, b.config)
	line.wipe()
	if report == nil {
		return err
	}
	s := &report.Settings
	s.Protocol, s.Address, s.Connections = b.protocol, a.session.conn.address, b.connections
	if a.json {
		writeJSON(a.env.Out, report)
	} else if writeErr := writeReport(a.env.Out, report, a.outStyle()); writeErr != nil {
		return writeErr
	}
	if plotErr := a.writePlot(b.plot, report); plotErr != nil {
		return errors.Join(err, plotErr)
	}
	switch {
	case err != nil:
		return err
	case report.Violations.Count > 0:
		return &checkError{text: fmt.Sprintf("the verification failed for %s reads", thousands(report.Violations.Count))}
	case report.Interrupted:
		return &silentError{exitInterrupted} // the report says so
	}
	return nil
}

func (a *app) benchTarget(ctx context.Context, b *benchFlags) (workload.Target, error) {
	if b.protocol == protocolNative {
		if b.connections > 0 && a.session.client != nil {
			return nil, usagef("in the shell the native connections are shared already: leave out --connections")
		}
		a.session.conn.connections = b.connections
		db, err := a.db(ctx)
		if err != nil {
			return nil, err
		}
		return workload.Native{Client: db}, nil
	}
	o, err := a.session.options(a.timeout)
	if err != nil {
		return nil, err
	}
	if o.TLS != nil && o.TLS.ServerName == "" {
		o.TLS.ServerName = hostOf(a.session.conn.address)
	}
	return workload.NewRESP(workload.RESPOptions{
		Address: a.session.conn.address, Username: o.Username, Password: o.Password, TLS: o.TLS,
		Timeout: a.timeout, Connections: b.connections,
	}, b.config.Callers), nil
}

func hostOf(address string) string {
	return strings.Trim(address[:max(strings.LastIndexByte(address, ':'), 0)], "[]")
}

// showTick is the live line. Where standard error is no terminal, the seconds
// of the measured run are printed one below the other.
func (a *app) showTick(line *statusLine, t workload.Tick) {
	text := fmt.Sprintf("%-6s %4.0f s  %10s/s", t.Phase, t.Elapsed.Seconds(), thousands(int64(t.Rate)))
	if t.P50 > 0 {
		text += fmt.Sprintf("   p50 %s   p99 %s", milliseconds(float64(t.P50)/1e3), milliseconds(float64(t.P99)/1e3))
	}
	if t.Of > 0 {
		text += fmt.Sprintf("   %s %3.0f %%", bar(float64(t.Done)/float64(t.Of)), 100*float64(t.Done)/float64(t.Of))
	}
	if t.Errors > 0 {
		text += a.errStyle().red(fmt.Sprintf("   %s errors", thousands(t.Errors)))
	}
	switch {
	case line.on:
		line.show(text)
	case !a.json && !t.Last:
		fmt.Fprintln(a.env.Err, strings.TrimRight(text, " "))
	}
}

func (a *app) writePlot(name string, report *workload.Report) error {
	if name == "" || report.Run == nil || report.Run.All.Count == 0 {
		return nil
	}
	file, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("--plot: %w", err)
	}
	if err := errors.Join(workload.WritePlot(file, name, report), file.Close()); err != nil {
		return fmt.Errorf("--plot %s: %w", name, err)
	}
	if !a.json {
		fmt.Fprintf(a.env.Err, "latencies drawn to %s\n", name)
	}
	return nil
}
