package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/prakashpandey/vegadb/internal/checker"
	"github.com/prakashpandey/vegadb/internal/history"
)

// checkFlags are the options of check.
type checkFlags struct {
	consistency string
	duration    time.Duration
	callers     int
	keys        int
	rate        float64
	maxAge      time.Duration
	judge       string
	prefix      string
	seed        uint64
	keep        bool
	historyFile string
	htmlFile    string
}

// What the exit code follows: --judge.
const (
	judgeLevel  = "level"
	judgeStrict = "linearizable"
)

func (a *app) checkCommand() *cobra.Command {
	var f checkFlags
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check that the server keeps its promises, while you break things",
		Long: `Check that the server, or the cluster, keeps its promises.

Callers put, get, delete, compare-and-put and increment keys below a prefix of their
own and write down every reply. Meanwhile do what you like: kill a node, pause it,
cut its network, let one join. At the end every key is read once more, and the
history is judged:

  legal      every reply can be explained
  illegal    it cannot: the smallest history that shows it is printed (exit code 9)
  unknown    the search was given up at its bounds (exit code 11)

--consistency chooses the level of the reads. Each is judged by what it promises:
linearizable and lease reads show the latest write, session reads what their caller
has seen, bounded reads nothing older than --max-age, local reads something that was
written. For the last three it is also shown what a reader would have noticed who
had taken them for linearizable; with --judge linearizable that decides.

Ctrl-C ends the work early, and what was done is judged. The keys are deleted unless
something is wrong with them.`,
		Example: `  vega-client check
  vega-client check --duration 1m                       and kill -9 a node meanwhile
  vega-client check --consistency local --judge linearizable --duration 1m
  vega-client check --rate 0 --callers 64 --keys 32 --history history.json
  vega-client check --duration 0                        until Ctrl-C`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("seed") {
				f.seed = a.env.Seed() >> 12 // what JSON and people can repeat exactly
			}
			o, err := f.options(a)
			if err != nil {
				return err
			}
			return a.check(cmd.Context(), &f, o)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.consistency, "consistency", "linearizable", "`LEVEL` of the reads: linearizable, lease, session, bounded or local")
	flags.DurationVarP(&f.duration, "duration", "d", 10*time.Second, "how long to work; 0: until Ctrl-C")
	flags.IntVarP(&f.callers, "callers", "c", 8, "goroutines that each have one request under way")
	flags.IntVar(&f.keys, "keys", 8, "registers, and as many counters, in use at a time")
	flags.Float64Var(&f.rate, "rate", 1000, "requests per second of all callers, about; 0: as fast as replies come")
	flags.DurationVar(&f.maxAge, "max-age", time.Second, "how old a bounded read may be")
	flags.StringVar(&f.judge, "judge", judgeLevel, "`WHAT` decides: level (what the reads' level promises) or linearizable")
	flags.StringVar(&f.prefix, "prefix", "check:", "`PREFIX` of the keys; seed and time of the run come after it")
	flags.Uint64Var(&f.seed, "seed", 0, "repeat the requests of an earlier run (default: random, printed)")
	flags.BoolVar(&f.keep, "keep", false, "leave the keys where they are")
	flags.StringVar(&f.historyFile, "history", "", "write all requests and replies to `FILE`, a JSON object per line")
	flags.StringVar(&f.htmlFile, "html", "", "draw the first illegal history to `FILE`, for a browser")
	return cmd
}

func (f *checkFlags) options(a *app) (o checker.Options, err error) {
	var level history.Level
	switch f.consistency {
	case "linearizable":
	case "lease", "session", "bounded", "local":
		level = history.Level(f.consistency)
	default:
		return o, usagef("--consistency %s: use linearizable, lease, session, bounded or local", f.consistency)
	}
	switch {
	case f.judge != judgeLevel && f.judge != judgeStrict:
		return o, usagef("--judge %s: use %s or %s", f.judge, judgeLevel, judgeStrict)
	case f.callers < 1 || f.callers > 1000:
		return o, usagef("--callers %d: from 1 to 1000", f.callers)
	case f.keys < 1 || f.keys > 10_000:
		return o, usagef("--keys %d: from 1 to 10000", f.keys)
	case f.duration < 0 || f.rate < 0 || f.maxAge <= 0:
		return o, usagef("--duration and --rate may not be negative, --max-age must be above zero")
	}
	// Keys that an earlier run with the same seed has left would look like lost writes.
	f.prefix += fmt.Sprintf("%d-%s:", f.seed, strconv.FormatInt(a.env.Now().UnixMilli(), 36))
	w := history.Workload{
		Seed: f.seed, Clients: f.callers, Keys: f.keys, Levels: []history.Level{level}, MaxAge: f.maxAge,
		Timeout: a.timeout, Prefix: f.prefix,
	}
	if f.rate > 0 {
		w.Pause = time.Duration(float64(f.callers) / f.rate * float64(time.Second))
	}
	return checker.Options{Workload: w, For: f.duration, Keep: f.keep}, nil
}

func (a *app) check(ctx context.Context, f *checkFlags, o checker.Options) error {
	db, err := a.db(ctx)
	if err != nil {
		return err
	}
	line := a.statusLine()
	note := func(text string) {
		if line.on {
			line.show(text)
		} else if !a.json {
			fmt.Fprintln(a.env.Err, strings.TrimRight(text, " "))
		}
	}
	o.OnTick = func(t checker.Tick) { note(a.checkTick(t, f.duration)) }
	o.OnPhase = func(p checker.Phase) {
		if p != checker.Working {
			note(string(p))
		}
	}
	if !a.json {
		fmt.Fprintln(a.env.Err, a.errStyle().dim(fmt.Sprintf("checking %s, %s reads, keys %s…, seed %d; Ctrl-C ends and judges", a.session.conn.address, f.consistency, f.prefix, f.seed)))
	}
	r, err := checker.Run(ctx, db, o)
	line.wipe()
	if err != nil {
		return err
	}
	if a.json {
		writeJSON(a.env.Out, checkJSON(f, r))
	} else {
		fmt.Fprint(a.env.Out, checkText(f, r, a.outStyle()))
	}
	if err := f.writeFiles(r); err != nil {
		return err
	}
	return f.judged(r)
}

// judged is the exit code of what decides.
func (f *checkFlags) judged(r *checker.Result) error {
	switch f.decides(r).Verdict {
	case history.Legal:
		if r.Unread > 0 {
			return &silentError{exitUndecided}
		}
		return nil
	case history.Illegal:
		return &silentError{exitCheck}
	default:
		return &silentError{exitUndecided}
	}
}

func (f *checkFlags) decides(r *checker.Result) *history.Report {
	if f.judge == judgeStrict && r.AsLinearizable != nil {
		return r.AsLinearizable
	}
	return &r.Promised
}

func (a *app) checkTick(t checker.Tick, of time.Duration) string {
	text := fmt.Sprintf("%4.0f s  %s ok, %s failed, %s unknown", t.Elapsed.Seconds(), thousands(t.OK), thousands(t.Failed), thousands(t.Unknown))
	if of > 0 {
		share := float64(t.Elapsed) / float64(of)
		text = fmt.Sprintf("%s  %s", bar(share), text)
	}
	if t.Silent > 0 {
		text += a.errStyle().yellow(fmt.Sprintf("  no answer for %.0f s", t.Silent.Seconds()))
	}
	return text
}

// writeFiles writes what was asked for.
func (f *checkFlags) writeFiles(r *checker.Result) error {
	if f.historyFile != "" {
		if err := writeHistory(f.historyFile, r.History); err != nil {
			return fmt.Errorf("--history: %w", err)
		}
	}
	problems := f.decides(r).Problems
	if f.htmlFile == "" || len(problems) == 0 {
		return nil
	}
	file, err := os.Create(f.htmlFile)
	if err != nil {
		return fmt.Errorf("--html: %w", err)
	}
	if err := errors.Join(problems[0].WriteHTML(file), file.Close()); err != nil {
		return fmt.Errorf("--html: %w", err)
	}
	return nil
}

func writeHistory(name string, h history.History) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	for _, op := range h {
		writeJSON(file, op)
	}
	return file.Close()
}
