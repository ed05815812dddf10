package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/prakashpandey/vegadb/client"
	"github.com/prakashpandey/vegadb/internal/loader"
)

func (a *app) scanCommand() *cobra.Command {
	var prefix string
	var limit, pageSize int
	var keysOnly, valuesOnly bool
	cmd := &cobra.Command{
		Use:     "scan",
		Aliases: []string{"keys"},
		Short:   "List entries, as they come",
		Long: `List entries in no particular order, while they arrive. To a pipe, each is a line
of key, tab, value, in which \t \n \r \\ and \xHH stand for bytes that would break
the line; with --json each is an object as in a dump.`,
		Example: `  vega-client scan --prefix user: --limit 20
  vega-client scan --keys-only | wc -l
  vega-client scan --prefix user: --values-only
  vega-client --json scan --prefix user: | jq -r .key`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 0 || pageSize < 1 {
				return usagef("--limit and --page-size must be above zero")
			}
			db, err := a.db(cmd.Context())
			if err != nil {
				return err
			}
			if limit > 0 {
				pageSize = min(pageSize, limit)
			}
			options := []client.Option{client.WithPageSize(pageSize)}
			if prefix != "" {
				options = append(options, client.WithPrefix(prefix))
			}
			if keysOnly {
				options = append(options, client.WithKeysOnly())
			}
			w := newEntryWriter(a, keysOnly, valuesOnly)
			n := 0
			for e, err := range db.Scan(cmd.Context(), options...) {
				if err == nil {
					err = w.write(&e)
				}
				if err != nil {
					return errors.Join(err, w.flush())
				}
				if n++; n == limit {
					break
				}
			}
			return w.flush()
		},
	}
	f := cmd.Flags()
	f.StringVar(&prefix, "prefix", "", "only keys that start with `PREFIX`")
	f.IntVar(&limit, "limit", 0, "stop after `N` entries")
	f.BoolVar(&keysOnly, "keys-only", false, "only the keys; values are not fetched")
	f.BoolVar(&valuesOnly, "values-only", false, "only the values")
	f.IntVar(&pageSize, "page-size", 1000, "fetch `N` entries at a time")
	exclusive(cmd, "keys-only", "values-only")
	return cmd
}

// entryWriter prints entries as they come.
type entryWriter struct {
	out          *bufio.Writer
	json         loader.Writer // nil: not asked for
	keys, values bool
	terminal     bool // entries are shown at once and fit a line
	width        func() int
	style        style
	escaped      []byte
}

func newEntryWriter(a *app, keysOnly, valuesOnly bool) *entryWriter {
	w := &entryWriter{
		out: bufio.NewWriterSize(a.env.Out, 64<<10), keys: !valuesOnly, values: !keysOnly,
		terminal: a.env.OutTerminal, width: a.env.Width, style: a.outStyle(),
	}
	if a.json {
		w.json, _ = loader.NewWriter(w.out, loader.JSONL) // that format can be written
	}
	return w
}

func (w *entryWriter) write(e *client.Entry) error {
	if err := w.writeOne(e); err != nil {
		return err
	}
	if w.terminal {
		return w.out.Flush()
	}
	return nil
}

func (w *entryWriter) writeOne(e *client.Entry) error {
	switch {
	case w.json != nil && !w.values:
		writeJSON(w.out, keyFields(e.Key))
		return nil
	case w.json != nil:
		return errors.Join(w.json.Write(toRecord(e)), w.json.Flush())
	case w.terminal:
		var parts []string
		if w.keys {
			parts = append(parts, w.style.cyan(oneLine([]byte(e.Key))))
		}
		if w.values {
			used := 0
			if w.keys {
				used = utf8.RuneCountInString(oneLine([]byte(e.Key))) + 2
			}
			parts = append(parts, shorten(oneLine(e.Value), max(w.width()-used, 20)))
		}
		_, err := fmt.Fprintln(w.out, strings.Join(parts, "  "))
		return err
	}
	w.escaped = w.escaped[:0]
	if w.keys {
		w.escaped = loader.AppendEscaped(w.escaped, []byte(e.Key))
	}
	if w.keys && w.values {
		w.escaped = append(w.escaped, '\t')
	}
	if w.values {
		w.escaped = loader.AppendEscaped(w.escaped, e.Value)
	}
	w.escaped = append(w.escaped, '\n')
	_, err := w.out.Write(w.escaped)
	return err
}

func (w *entryWriter) flush() error { return w.out.Flush() }

// shorten cuts s to most characters, so that an entry is a line on a terminal.
func shorten(s string, most int) string {
	runes := []rune(s)
	if len(runes) <= most {
		return s
	}
	return string(runes[:most-1]) + "…"
}

func (a *app) countCommand() *cobra.Command {
	var prefix string
	cmd := &cobra.Command{
		Use:   "count",
		Short: "Print how many entries there are",
		Long: `Print how many entries there are. With --prefix the keys are scanned, which takes
time; without it the server knows, give or take expired entries that it has not
reclaimed yet.`,
		Example: `  vega-client count
  vega-client count --prefix user:`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			db, err := a.db(cmd.Context())
			if err != nil {
				return err
			}
			n := int64(0)
			if prefix == "" {
				n, err = db.Count(cmd.Context())
				if err != nil {
					return err
				}
			} else {
				for _, err := range db.Scan(cmd.Context(), client.WithPrefix(prefix), client.WithKeysOnly(), client.WithPageSize(5000)) {
					if err != nil {
						return err
					}
					n++
				}
			}
			return a.printCount(n)
		},
	}
	cmd.Flags().StringVar(&prefix, "prefix", "", "only keys that start with `PREFIX`")
	return cmd
}

func (a *app) printCount(n int64) error {
	if a.json {
		writeJSON(a.env.Out, map[string]int64{"count": n})
		return nil
	}
	text := fmt.Sprint(n)
	if a.env.OutTerminal {
		text = thousands(n)
	}
	_, err := io.WriteString(a.env.Out, text+"\n")
	return err
}
