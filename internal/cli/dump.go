package cli

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/prakashpandey/vegadb/client"
	"github.com/prakashpandey/vegadb/internal/loader"
)

func (a *app) dumpCommand() *cobra.Command {
	var format, prefix string
	var limit int64
	cmd := &cobra.Command{
		Use:   "dump FILE",
		Short: "Write entries to a file",
		Long: `Write all entries, or those with a prefix, to FILE: as JSONL (one object per line
with key, value, version and expiry), TSV or CSV, by the file's name or --format.
A name that ends in .gz or .zst is compressed. FILE - is standard output.

The file gets its name when it is complete. Entries written while the dump is at
work may or may not be in it; for a point in time, use snapshot.`,
		Example: `  vega-client dump backup.jsonl.gz
  vega-client dump users.csv --prefix user:
  vega-client dump - --format tsv | sort`,
		Args: exactly("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := dumpFormat(format, args[0])
			if err != nil {
				return err
			}
			return a.dump(cmd.Context(), args[0], f, prefix, limit)
		},
	}
	cmd.Flags().StringVar(&format, "format", "auto", "`FORMAT`: jsonl, tsv or csv; auto goes by the file's name")
	cmd.Flags().StringVar(&prefix, "prefix", "", "only keys that start with `PREFIX`")
	cmd.Flags().Int64Var(&limit, "limit", 0, "stop after `N` entries")
	return cmd
}

// dumpFormat defaults to JSONL, which keeps everything.
func dumpFormat(name, file string) (loader.Format, error) {
	f, err := loader.ParseFormat(name)
	if err != nil {
		return f, &usageError{err: err}
	}
	if f == loader.Auto {
		f = loader.DetectFormat(file)
	}
	switch f {
	case loader.Auto:
		f = loader.JSONL
	case loader.Lines:
		return f, usagef("plain lines cannot hold values: dump to a .jsonl, .tsv or .csv file, or say --format")
	}
	return f, nil
}

func (a *app) dump(ctx context.Context, name string, f loader.Format, prefix string, limit int64) error {
	db, err := a.db(ctx)
	if err != nil {
		return err
	}
	total := int64(0) // 0: not known
	if prefix == "" {
		if total, err = db.Count(ctx); err != nil {
			return err
		}
		if limit > 0 {
			total = min(total, limit)
		}
	}
	var out *loader.Output
	if name == "-" {
		out, err = loader.NewOutput(a.env.Out, name, f)
	} else {
		out, err = loader.Create(name, f)
	}
	if err != nil {
		return err
	}
	begin := a.env.Now()
	n, err := a.dumpEntries(ctx, db, out, prefix, limit, total)
	if err != nil {
		return errors.Join(err, out.Abort())
	}
	if err := out.Commit(); err != nil {
		return fmt.Errorf("finish %s: %w", name, err)
	}
	return a.summary(map[string]any{"dumped": n, "file": name, "format": f}, n, a.env.Now().Sub(begin),
		func(rate string) string { return fmt.Sprintf("dumped %s entries to %s%s", thousands(n), name, rate) })
}

func (a *app) dumpEntries(ctx context.Context, db *client.Client, out loader.Writer, prefix string, limit, total int64) (int64, error) {
	var done atomic.Int64
	line, begin := a.statusLine(), a.env.Now()
	stop := every(200*time.Millisecond, func() {
		n := done.Load()
		line.show(progressText("entries", n, float64(n)/float64(max(total, 1)), total > 0, a.env.Now().Sub(begin)))
	})
	defer line.wipe()
	defer stop()
	options := []client.Option{}
	if prefix != "" {
		options = append(options, client.WithPrefix(prefix))
	}
	for e, err := range db.Scan(ctx, options...) {
		if err == nil {
			err = out.Write(toRecord(&e))
		}
		if err != nil {
			return done.Load(), err
		}
		if done.Add(1) == limit {
			break
		}
	}
	return done.Load(), nil
}

// summary ends dump and load: one line on standard error, or JSON.
func (a *app) summary(fields map[string]any, n int64, took time.Duration, words func(rate string) string) error {
	perSecond := math.Round(float64(n) / max(took.Seconds(), 1e-3))
	if a.json {
		fields["seconds"], fields["per_s"] = math.Round(took.Seconds()*1000)/1000, perSecond
		// A dump to standard output must not have a summary in it.
		w := a.env.Out
		if fields["file"] == "-" && fields["dumped"] != nil {
			w = a.env.Err
		}
		writeJSON(w, fields)
		return nil
	}
	rate := fmt.Sprintf(" in %s: %s per second", span(took), thousands(int64(perSecond)))
	fmt.Fprintln(a.env.Err, words(rate))
	return nil
}
