package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/prakashpandey/vegadb/client"
	"github.com/prakashpandey/vegadb/internal/loader"
)

// loadFlags are the options of load.
type loadFlags struct {
	format, header, onError string
	reader                  loader.Options
	load                    loader.LoadOptions
	ttl                     ttlFlag
	ifAbsent                bool
}

func (a *app) loadCommand() *cobra.Command {
	var l loadFlags
	cmd := &cobra.Command{
		Use:   "load FILE...",
		Short: "Store the records of files",
		Long: `Store the records of files: JSONL, TSV and CSV as dump writes them or as others do,
and plain lines (each line is a key, its number the value). Compressed files (gzip,
zstd) are recognised. FILE - is standard input.

In TSV and CSV a first row with the columns key and value is a header; otherwise
the first column is the key and the second the value. --key-column and --value-column
choose others, by name or number; for JSONL they name fields, and --value-column .
takes the whole line.

Records are stored in batches, several at once. A batch that was interrupted, by a
restart of the server for example, is stored again: that does no harm.`,
		Example: `  vega-client load backup.jsonl.gz
  vega-client load /usr/share/dict/words --prefix word: --format lines
  vega-client load users.csv --key-column email --value-column name --on-error skip
  vega-client load events.jsonl --key-column id --value-column . --ttl 7d
  generate | vega-client load - --format tsv`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("FILE is missing; - is standard input")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := l.complete(); err != nil {
				return err
			}
			for _, name := range args {
				if err := a.loadFile(cmd.Context(), name, &l); err != nil {
					return err
				}
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&l.format, "format", "auto", "`FORMAT`: jsonl, tsv, csv or lines; auto goes by the file's name, then by its first byte")
	f.StringVar(&l.reader.KeyColumn, "key-column", "", "`COLUMN` of the key: its name in the header, or its number from 1")
	f.StringVar(&l.reader.ValueColumn, "value-column", "", "`COLUMN` of the value; . is the whole line of JSONL")
	f.StringVar(&l.header, "header", "auto", "whether the first row of TSV and CSV names the columns: `auto|yes|no`")
	f.BoolVar(&l.reader.Raw, "raw", false, `TSV without escapes: a backslash is a backslash`)
	f.BoolVar(&l.reader.EmptyValues, "empty-values", false, "plain lines: store empty values instead of line numbers")
	f.StringVar(&l.load.Prefix, "prefix", "", "put `PREFIX` before every key")
	f.Var(&l.ttl, "ttl", "let records without an expiry of their own expire after `TTL`")
	f.BoolVar(&l.ifAbsent, "if-absent", false, "leave keys that have an entry as they are")
	f.StringVar(&l.onError, "on-error", "stop", "at a bad line or a refused record: `stop|skip`")
	f.IntVar(&l.load.Concurrency, "concurrency", 8, "batches under way at once")
	f.IntVar(&l.load.BatchSize, "batch", 256, "records per batch")
	f.IntVar(&l.reader.MaxRecordBytes, "max-line-bytes", loader.DefaultMaxRecordBytes, "longest line or record")
	return cmd
}

func (l *loadFlags) complete() error {
	f, err := loader.ParseFormat(l.format)
	if err != nil {
		return &usageError{err: err}
	}
	l.reader.Format = f
	switch h := loader.HeaderMode(l.header); h {
	case loader.HeaderAuto, loader.HeaderYes, loader.HeaderNo:
		l.reader.Header = h
	default:
		return usagef("--header %s: use auto, yes or no", l.header)
	}
	switch l.onError {
	case "stop":
	case "skip":
		l.load.SkipBad = true
	default:
		return usagef("--on-error %s: use stop or skip", l.onError)
	}
	if l.load.Concurrency < 1 || l.load.BatchSize < 1 || l.reader.MaxRecordBytes < 1 {
		return usagef("--concurrency, --batch and --max-line-bytes must be above zero")
	}
	l.load.TTL = l.ttl.d
	return nil
}

func (a *app) loadFile(ctx context.Context, name string, l *loadFlags) error {
	source, size := io.Reader(nil), int64(0)
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return err
		}
		defer file.Close()
		if info, err := file.Stat(); err == nil && info.Mode().IsRegular() {
			size = info.Size()
		}
		source = file
	} else if a.session.shell {
		return usagef("the shell cannot load from standard input: name a file")
	} else {
		source = interruptible(ctx, a.env.In)
	}
	reader := l.reader
	reader.Name = name
	in, err := loader.NewInput(source, reader)
	if err != nil {
		return err
	}
	defer in.Close()
	db, err := a.db(ctx)
	if err != nil {
		return err
	}
	var p loader.Progress
	line, begin := a.statusLine(), a.env.Now()
	o := l.load
	o.Name, o.Store, o.Retry, o.Now = name, storeBatch(db, l.ifAbsent), a.retryLoad(), a.env.Now
	o.OnBad = a.badLines(line, name)
	stop := every(200*time.Millisecond, func() {
		share := float64(in.Consumed()) / float64(max(size, 1))
		line.show(progressText("records", p.Loaded.Load(), share, size > 0, a.env.Now().Sub(begin)))
	})
	err = loader.Load(ctx, in, o, &p)
	stop()
	line.wipe()
	sumErr := a.loadSummary(name, in.Format, &p, a.env.Now().Sub(begin))
	if err != nil {
		return err
	}
	return sumErr
}

func (a *app) loadSummary(name string, f loader.Format, p *loader.Progress, took time.Duration) error {
	n, bad, expired := p.Loaded.Load(), p.Bad.Load(), p.Expired.Load()
	fields := map[string]any{"file": name, "format": f, "loaded": n, "skipped": bad, "expired": expired, "bytes": p.Bytes.Load()}
	return a.summary(fields, n, took, func(rate string) string {
		text := fmt.Sprintf("%s: loaded %s records (%s)%s", name, thousands(n), byteSize(float64(p.Bytes.Load())), rate)
		if bad > 0 {
			text += fmt.Sprintf("; %s bad", thousands(bad))
		}
		if expired > 0 {
			text += fmt.Sprintf("; %s left out: expired", thousands(expired))
		}
		return text
	})
}

// badLines names bad lines, up to a number that can be read.
func (a *app) badLines(line *statusLine, name string) func(error) {
	const most = 20
	n := 0
	return func(err error) {
		n++
		switch {
		case n <= most:
			line.println(a.errStyle().yellow("skipped ") + plainMessage(err))
		case n == most+1:
			line.println(a.errStyle().yellow(fmt.Sprintf("%s: more bad lines are only counted from here on", name)))
		}
	}
}

// storeBatch puts a batch in one frame.
func storeBatch(db *client.Client, ifAbsent bool) loader.Store {
	return func(ctx context.Context, records []loader.Record, fail func(int, error)) error {
		return storeSome(ctx, db, ifAbsent, records, fail)
	}
}

// storeSome stores records. When the server refuses them together because of
// some of them, it halves them until it knows which.
func storeSome(ctx context.Context, db *client.Client, ifAbsent bool, records []loader.Record, fail func(int, error)) error {
	var b client.Batch
	for i := range records {
		b.Put(string(records[i].Key), records[i].Value, putOptions(&records[i], ifAbsent)...)
	}
	results, err := db.Batch(ctx, &b)
	switch {
	case err != nil && !concernsRecords(err):
		return err
	case err != nil && len(records) == 1:
		fail(0, err)
		return nil
	case err != nil:
		half := len(records) / 2
		if err := storeSome(ctx, db, ifAbsent, records[:half], fail); err != nil {
			return err
		}
		return storeSome(ctx, db, ifAbsent, records[half:], func(i int, err error) { fail(half+i, err) })
	}
	for i := range results {
		err := results[i].Err()
		switch {
		case err == nil, ifAbsent && errors.Is(err, client.ErrAlreadyExists):
		case statusCode(err) == exitBusy, statusCode(err) == exitUnknown:
			return err // the whole batch again
		default:
			fail(i, err)
		}
	}
	return nil
}

func putOptions(r *loader.Record, ifAbsent bool) (o []client.Option) {
	switch {
	case r.ExpireAt > 0:
		o = append(o, client.WithExpireAt(time.UnixMilli(r.ExpireAt)))
	case r.TTL > 0:
		o = append(o, client.WithTTL(time.Duration(min(r.TTL, math.MaxInt64/int64(time.Millisecond)))*time.Millisecond))
	}
	if ifAbsent {
		o = append(o, client.IfAbsent())
	}
	return o
}

// concernsRecords tells that a batch was refused for what is in it.
func concernsRecords(err error) bool {
	return errors.Is(err, client.ErrTooLarge) || errors.Is(err, client.ErrInvalidArgument) || errors.Is(err, client.ErrPermission)
}

// retryLoad repeats what may be repeated for half a minute: long enough for a
// server to restart.
func (a *app) retryLoad() func(error, int) (time.Duration, bool) {
	const attempts = 20
	return func(err error, attempt int) (time.Duration, bool) {
		code := statusCode(err)
		again := code == exitBusy || code == exitUnknown || code == exitUnreachable
		if errors.Is(err, client.ErrMemoryLimit) {
			again = false // that does not pass by itself
		}
		return min(100*time.Millisecond<<min(attempt-1, 5), 2*time.Second), again && attempt <= attempts
	}
}

// interruptible makes reads of r, which may wait for ever (a terminal, a pipe),
// end with ctx. The goroutine that waits in r is left to the end of the process.
func interruptible(ctx context.Context, r io.Reader) io.Reader {
	in, out := io.Pipe()
	go func() {
		_, err := io.Copy(out, r)
		_ = out.CloseWithError(err) // never fails; nil means end of file
	}()
	context.AfterFunc(ctx, func() { _ = in.CloseWithError(ctx.Err()) })
	return in
}
