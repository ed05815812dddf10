package cli

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/spf13/cobra"

	"github.com/prakashpandey/vegadb/client"
	"github.com/prakashpandey/vegadb/internal/version"
)

func (a *app) statsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "stats",
		Short: "Print the server's figures",
		Long: `Print the server's figures: memory, log, snapshots, connections, commands. With
--json they come as the server sends them.`,
		Example: `  vega-client stats
  vega-client --json stats | jq .`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			db, err := a.db(cmd.Context())
			if err != nil {
				return err
			}
			stats, err := db.Stats(cmd.Context())
			if err != nil {
				return err
			}
			if a.json {
				_, err := fmt.Fprintf(a.env.Out, "%s\n", stats)
				return err
			}
			return printStats(a.env.Out, stats, a.outStyle())
		},
	}
}

// pingResult is what ping --json prints.
type pingResult struct {
	Address   string  `json:"address"`
	Sent      int     `json:"sent"`
	Failed    int     `json:"failed"`
	ConnectMS float64 `json:"connect_ms"`
	MinMS     float64 `json:"min_ms"`
	P50MS     float64 `json:"p50_ms"`
	P90MS     float64 `json:"p90_ms"`
	P99MS     float64 `json:"p99_ms"`
	MaxMS     float64 `json:"max_ms"`
}

func (a *app) pingCommand() *cobra.Command {
	var count int
	var interval time.Duration
	cmd := &cobra.Command{
		Use:   "ping",
		Short: "Ask the server for a sign of life and measure how long it takes",
		Example: `  vega-client ping
  vega-client ping -n 1000
  vega-client ping -n 60 --interval 1s
  until vega-client ping; do sleep 1; done`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if count < 1 {
				return usagef("-n must be at least 1")
			}
			begin := a.env.Now()
			db, err := a.db(cmd.Context())
			if err != nil {
				return err
			}
			connect := a.env.Now().Sub(begin)
			times, failed, err := a.pings(cmd.Context(), db, count, interval)
			if err != nil {
				return err
			}
			return a.printPings(times, failed, connect)
		},
	}
	cmd.Flags().IntVarP(&count, "count", "n", 1, "send `N` pings")
	cmd.Flags().DurationVar(&interval, "interval", 0, "wait so long between pings")
	return cmd
}

// pings sends count pings. It fails only when none came back.
func (a *app) pings(ctx context.Context, db *client.Client, count int, interval time.Duration) (*hdrhistogram.Histogram, int, error) {
	times := hdrhistogram.New(1000, int64(time.Minute), 3)
	failed := 0
	var last error
	for i := range count {
		if i > 0 && interval > 0 {
			select {
			case <-time.After(interval):
			case <-ctx.Done():
			}
		}
		if ctx.Err() != nil {
			break // what was measured so far is shown
		}
		begin := a.env.Now()
		if err := db.Ping(ctx); err != nil {
			last = err
			failed++
			continue
		}
		_ = times.RecordValue(int64(min(a.env.Now().Sub(begin), time.Minute))) // within its range
	}
	if times.TotalCount() == 0 {
		return nil, failed, errors.Join(last, ctx.Err())
	}
	return times, failed, nil
}

func (a *app) printPings(times *hdrhistogram.Histogram, failed int, connect time.Duration) error {
	ms := func(ns int64) float64 { return float64(ns/1000) / 1000 }
	r := pingResult{
		Address: a.session.conn.address, Sent: int(times.TotalCount()) + failed, Failed: failed, ConnectMS: ms(int64(connect)),
		MinMS: ms(times.Min()), P50MS: ms(times.ValueAtPercentile(50)), P90MS: ms(times.ValueAtPercentile(90)),
		P99MS: ms(times.ValueAtPercentile(99)), MaxMS: ms(times.Max()),
	}
	if a.json {
		writeJSON(a.env.Out, r)
		return nil
	}
	s := a.outStyle()
	if r.Sent == 1 {
		_, err := fmt.Fprintf(a.env.Out, "%s from %s in %.3f ms (connected in %.3f ms)\n", s.green("PONG"), r.Address, r.P50MS, r.ConnectMS)
		return err
	}
	_, err := fmt.Fprintf(a.env.Out, "%s from %s: %d sent, %d failed; min %.3f, p50 %.3f, p90 %.3f, p99 %.3f, max %.3f ms\n",
		s.green("PONG"), r.Address, r.Sent, r.Failed, r.MinMS, r.P50MS, r.P90MS, r.P99MS, r.MaxMS)
	return err
}

func (a *app) snapshotCommand() *cobra.Command {
	var wait bool
	cmd := &cobra.Command{
		Use:   "snapshot",
		Short: "Have the server write a snapshot",
		Long: `Have the server write a snapshot of its data to its data directory, after which
older parts of its log can go. Clients are served meanwhile. Needs the role admin.`,
		Example: `  vega-client snapshot
  vega-client snapshot --wait --timeout 10m`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			db, err := a.db(cmd.Context())
			if err != nil {
				return err
			}
			var options []client.Option
			words := "the snapshot has begun"
			if wait {
				options, words = append(options, client.WithWait()), "the snapshot is complete"
			}
			if err := db.Snapshot(cmd.Context(), options...); err != nil {
				return err
			}
			return a.printDone(words, words, map[string]any{"complete": wait})
		},
	}
	cmd.Flags().BoolVar(&wait, "wait", false, "return when the snapshot is complete")
	return cmd
}

// versionText tells what this program was built from.
func versionText() (release, revision string) {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				revision = s.Value[:min(12, len(s.Value))]
			}
		}
	}
	return version.Release, revision
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version of this program",
		Example: `  vega-client version`,
		Args:    exactly(),
		RunE: func(*cobra.Command, []string) error {
			version, revision := versionText()
			if a.json {
				writeJSON(a.env.Out, map[string]string{"version": version, "revision": revision, "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH})
				return nil
			}
			text := "vega-client " + version
			if revision != "" {
				text += " (" + revision + ")"
			}
			_, err := fmt.Fprintf(a.env.Out, "%s, %s %s/%s\n", text, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}
