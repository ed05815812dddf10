package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/prakashpandey/vegadb/client"
	"github.com/prakashpandey/vegadb/internal/loader"
)

func (a *app) getCommand() *cobra.Command {
	var meta bool
	cmd := &cobra.Command{
		Use:   "get KEY",
		Short: "Print the value of a key",
		Long: `Print the value of a key: readable on a terminal (quoted if it is not printable
text), the raw bytes and nothing else to a pipe or a file.`,
		Example: `  vega-client get greeting
  vega-client get photo > photo.jpg
  vega-client get greeting --meta
  vega-client --json get greeting`,
		Args: exactly("KEY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			db, err := a.db(cmd.Context())
			if err != nil {
				return err
			}
			e, err := db.GetEntry(cmd.Context(), args[0])
			if err != nil {
				return notFound(err, args[0])
			}
			return a.printEntry(&e, meta)
		},
	}
	cmd.Flags().BoolVar(&meta, "meta", false, "also print the version and the expiry, on standard error")
	return cmd
}

// notFound words the commonest error for a person.
func notFound(err error, key string) error {
	if errors.Is(err, client.ErrNotFound) {
		return &keyError{err: err, text: oneLine([]byte(key)) + ": not found"}
	}
	return err
}

// keyError has a text of its own and the code of err.
type keyError struct {
	err  error
	text string
}

func (e *keyError) Error() string { return e.text }
func (e *keyError) Unwrap() error { return e.err }

func (a *app) printEntry(e *client.Entry, meta bool) error {
	if a.json {
		return a.writeRecord(e)
	}
	var err error
	if a.env.OutTerminal {
		_, err = fmt.Fprintln(a.env.Out, readable(e.Value))
	} else {
		_, err = a.env.Out.Write(e.Value)
	}
	if err != nil || !meta {
		return err
	}
	fmt.Fprintln(a.env.Err, a.errStyle().dim(fmt.Sprintf("version %d, %s, %s", e.Version, byteSize(float64(len(e.Value))), a.expiry(e.ExpiresAt))))
	return nil
}

func (a *app) expiry(at time.Time) string {
	if at.IsZero() {
		return "never expires"
	}
	return "expires in " + span(at.Sub(a.env.Now()))
}

// writeRecord prints an entry as JSON, as in a dump.
func (a *app) writeRecord(e *client.Entry) error {
	w, err := loader.NewWriter(a.env.Out, loader.JSONL)
	if err != nil {
		return err
	}
	return errors.Join(w.Write(toRecord(e)), w.Flush())
}

func toRecord(e *client.Entry) *loader.Record {
	r := &loader.Record{Key: []byte(e.Key), Value: e.Value, Version: e.Version}
	if !e.ExpiresAt.IsZero() {
		r.ExpireAt = e.ExpiresAt.UnixMilli()
	}
	return r
}

// printDone reports a write: with words on a terminal, with the bare result to a
// pipe, so that v=$(vega-client put …) has the version.
func (a *app) printDone(words, bare string, fields map[string]any) error {
	if a.json {
		writeJSON(a.env.Out, fields)
		return nil
	}
	text := bare
	if a.env.OutTerminal {
		text = a.outStyle().green("OK") + " " + words
	}
	_, err := fmt.Fprintln(a.env.Out, text)
	return err
}

// keyFields starts the JSON of a result about key, base64 where need be.
func keyFields(key string) map[string]any {
	name, value := jsonKey(key)
	return map[string]any{name: value}
}

// putFlags are the conditions and expiry of put and cas.
type putFlags struct {
	ttl                 ttlFlag
	at                  timeFlag
	keepTTL             bool
	ifAbsent, ifPresent bool
	ifVersion           uint64
	file                string
}

func (p *putFlags) options(cmd *cobra.Command) []client.Option {
	var o []client.Option
	if p.ttl.d > 0 {
		o = append(o, client.WithTTL(p.ttl.d))
	}
	if !p.at.t.IsZero() {
		o = append(o, client.WithExpireAt(p.at.t))
	}
	if p.keepTTL {
		o = append(o, client.KeepTTL())
	}
	if p.ifAbsent {
		o = append(o, client.IfAbsent())
	}
	if p.ifPresent {
		o = append(o, client.IfPresent())
	}
	if cmd.Flags().Changed("if-version") {
		o = append(o, client.IfVersion(p.ifVersion))
	}
	return o
}

func (p *putFlags) bind(cmd *cobra.Command) {
	f := cmd.Flags()
	f.Var(&p.ttl, "ttl", "let the entry expire after `TTL`: 90s, 15m, 24h, 7d or seconds")
	f.Var(&p.at, "expire-at", "let the entry expire at `TIME`: 2030-01-31T12:00:00Z or unix seconds")
	f.BoolVar(&p.keepTTL, "keep-ttl", false, "leave the expiry of an existing entry as it is")
	f.StringVar(&p.file, "file", "", "take the value from `FILE`; - is standard input")
	exclusive(cmd, "ttl", "expire-at", "keep-ttl")
}

func (a *app) putCommand() *cobra.Command {
	var p putFlags
	cmd := &cobra.Command{
		Use:   "put KEY [VALUE]",
		Short: "Store a value under a key",
		Long: `Store a value under a key. When the command returns, the write is as durable as
the server promises (by default: on its disk). It prints the entry's new version.`,
		Example: `  vega-client put greeting "hello, world"
  vega-client put session:42 token --ttl 30m
  vega-client put photo --file photo.jpg
  date | vega-client put now -
  vega-client put lock me --if-absent --ttl 10s`,
		Args: between(1, "KEY", "VALUE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			value, err := a.value(args, 1, p.file)
			if err != nil {
				return err
			}
			db, err := a.db(cmd.Context())
			if err != nil {
				return err
			}
			version, err := db.Put(cmd.Context(), args[0], value, p.options(cmd)...)
			if err != nil {
				return conditionError(err, args[0])
			}
			return a.printVersion(args[0], version)
		},
	}
	p.bind(cmd)
	cmd.Flags().BoolVar(&p.ifAbsent, "if-absent", false, "only if there is no entry yet (exit code 4 otherwise)")
	cmd.Flags().BoolVar(&p.ifPresent, "if-present", false, "only if there is an entry (exit code 3 otherwise)")
	cmd.Flags().Uint64Var(&p.ifVersion, "if-version", 0, "only if the entry has version `N`; 0: if there is none (exit code 4 otherwise)")
	exclusive(cmd, "if-absent", "if-present", "if-version")
	return cmd
}

func (a *app) printVersion(key string, version uint64) error {
	fields := keyFields(key)
	fields["version"] = version
	return a.printDone(fmt.Sprintf("version %d", version), strconv.FormatUint(version, 10), fields)
}

// value finds the value of a put: the argument at position i, standard input
// or a file.
func (a *app) value(args []string, i int, file string) ([]byte, error) {
	switch {
	case len(args) > i && file != "":
		return nil, usagef("the value is given twice: as an argument and with --file")
	case len(args) <= i && file == "":
		return nil, usagef("VALUE is missing (or --file FILE, or - for standard input)")
	case len(args) > i && args[i] != "-":
		return []byte(args[i]), nil
	case file != "" && file != "-":
		return os.ReadFile(file)
	case a.session.shell:
		return nil, usagef("in the shell a value cannot come from standard input: use --file FILE")
	}
	value, err := io.ReadAll(a.env.In)
	if err != nil {
		return nil, fmt.Errorf("read the value from standard input: %w", err)
	}
	return value, nil
}

// conditionError words a condition that does not hold.
func conditionError(err error, key string) error {
	name := oneLine([]byte(key))
	var failed *client.Error
	switch {
	case errors.Is(err, client.ErrNotFound):
		return &keyError{err: err, text: name + ": not found"}
	case errors.Is(err, client.ErrAlreadyExists):
		return &keyError{err: err, text: name + ": exists already"}
	case errors.Is(err, client.ErrVersionMismatch) && errors.As(err, &failed):
		if failed.Version == 0 {
			return &keyError{err: err, text: name + ": there is no entry"}
		}
		return &keyError{err: err, text: fmt.Sprintf("%s: the entry has version %d by now", name, failed.Version)}
	case errors.Is(err, client.ErrConditionFailed):
		return &keyError{err: err, text: name + ": the condition does not hold"}
	case errors.Is(err, client.ErrNotInteger), errors.Is(err, client.ErrOverflow):
		return &keyError{err: err, text: name + ": " + plainMessage(err)}
	}
	return err
}

func (a *app) casCommand() *cobra.Command {
	var p putFlags
	cmd := &cobra.Command{
		Use:   "cas KEY VERSION [VALUE]",
		Short: "Store a value if the entry still has a version (compare and set)",
		Long: `Store a value only if the entry still has the version that you have seen.
Version 0 means: only if there is no entry. Otherwise the exit code is 4 and the
message names the present version.`,
		Example: `  vega-client get counter --meta        shows the version, say 17
  vega-client cas counter 17 "new value"
  vega-client cas leader 0 me --ttl 10s`,
		Args: between(2, "KEY", "VERSION", "VALUE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			seen, err := strconv.ParseUint(args[1], 10, 64)
			if err != nil {
				return usagef("VERSION %q is not a number", args[1])
			}
			value, err := a.value(args, 2, p.file)
			if err != nil {
				return err
			}
			db, err := a.db(cmd.Context())
			if err != nil {
				return err
			}
			version, err := db.CompareAndPut(cmd.Context(), args[0], seen, value, p.options(cmd)...)
			if err != nil {
				return conditionError(err, args[0])
			}
			return a.printVersion(args[0], version)
		},
	}
	p.bind(cmd)
	return cmd
}

func (a *app) deleteCommand() *cobra.Command {
	var ifVersion uint64
	cmd := &cobra.Command{
		Use:     "delete KEY...",
		Aliases: []string{"del", "rm"},
		Short:   "Delete keys",
		Long:    `Delete keys and print how many there were. The exit code is 3 if there was none.`,
		Example: `  vega-client delete greeting
  vega-client delete a b c
  vega-client delete greeting --if-version 17`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("KEY is missing")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			var options []client.Option
			if cmd.Flags().Changed("if-version") {
				if len(args) > 1 {
					return usagef("--if-version can only speak of one key")
				}
				options = append(options, client.IfVersion(ifVersion))
			}
			db, err := a.db(cmd.Context())
			if err != nil {
				return err
			}
			deleted := 0
			for _, key := range args {
				was, err := db.Delete(cmd.Context(), key, options...)
				if err != nil {
					return conditionError(err, key)
				}
				if was {
					deleted++
				}
			}
			if err := a.printDone(fmt.Sprintf("%d deleted", deleted), strconv.Itoa(deleted), map[string]any{"deleted": deleted}); err != nil {
				return err
			}
			if deleted == 0 {
				return &silentError{exitNotFound}
			}
			return nil
		},
	}
	cmd.Flags().Uint64Var(&ifVersion, "if-version", 0, "only if the entry has version `N` (exit code 4 otherwise)")
	return cmd
}

func (a *app) incrCommand() *cobra.Command {
	var ttl ttlFlag
	cmd := &cobra.Command{
		Use:   "incr KEY [DELTA]",
		Short: "Add to an integer and print the sum",
		Long: `Add DELTA (default 1, may be negative) to the decimal integer that a key holds,
and print the sum. A missing entry counts as 0.`,
		Example: `  vega-client incr visits
  vega-client incr stock -3
  vega-client incr hits:10.0.0.7 --ttl 60s     the window starts with the first hit`,
		Args: between(1, "KEY", "DELTA"),
		RunE: func(cmd *cobra.Command, args []string) error {
			delta := int64(1)
			if len(args) > 1 {
				var err error
				if delta, err = strconv.ParseInt(args[1], 10, 64); err != nil {
					return usagef("DELTA %q is not an integer of 64 bits", args[1])
				}
			}
			var options []client.Option
			if ttl.d > 0 {
				options = append(options, client.WithTTL(ttl.d))
			}
			db, err := a.db(cmd.Context())
			if err != nil {
				return err
			}
			sum, err := db.Increment(cmd.Context(), args[0], delta, options...)
			if err != nil {
				return conditionError(err, args[0])
			}
			if a.json {
				fields := keyFields(args[0])
				fields["value"] = sum
				writeJSON(a.env.Out, fields)
				return nil
			}
			_, err = fmt.Fprintln(a.env.Out, sum)
			return err
		},
	}
	cmd.Flags().Var(&ttl, "ttl", "if the entry is created, let it expire after `TTL`")
	return cmd
}
