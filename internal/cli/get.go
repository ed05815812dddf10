package cli

import (
	"errors"
	"fmt"
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
