package cli

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/prakashpandey/vegadb/client"
)

// jsonKey gives the name and value of the JSON field for a key.
func jsonKey(key string) (name, value string) {
	if utf8.ValidString(key) {
		return "key", key
	}
	return "key_base64", base64.StdEncoding.EncodeToString([]byte(key))
}

func (a *app) expireCommand() *cobra.Command {
	var at timeFlag
	var ifNone, ifAny, ifLater, ifEarlier bool
	cmd := &cobra.Command{
		Use:   "expire KEY [TTL]",
		Short: "Set when an entry expires",
		Example: `  vega-client expire session:42 30m
  vega-client expire offer --at 2030-01-31T12:00:00Z
  vega-client expire session:42 30m --if-later`,
		Args: between(1, "KEY", "TTL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if (len(args) == 2) == !at.t.IsZero() {
				return usagef("say when: a TTL such as 30m, or --at TIME")
			}
			var options []client.Option
			for _, c := range []struct {
				asked  bool
				option func() client.Option
			}{{ifNone, client.IfNoExpiry}, {ifAny, client.IfExpiry}, {ifLater, client.IfLater}, {ifEarlier, client.IfEarlier}} {
				if c.asked {
					options = append(options, c.option())
				}
			}
			var ttl time.Duration
			if len(args) == 2 {
				var err error
				if ttl, err = parseTTL(args[1]); err != nil {
					return &usageError{err: err}
				}
			}
			db, err := a.db(cmd.Context())
			if err != nil {
				return err
			}
			if ttl > 0 {
				err = db.Expire(cmd.Context(), args[0], ttl, options...)
			} else {
				err = db.ExpireAt(cmd.Context(), args[0], at.t, options...)
			}
			if err != nil {
				return conditionError(err, args[0])
			}
			return a.printDone("expiry set", "OK", keyFields(args[0]))
		},
	}
	f := cmd.Flags()
	f.Var(&at, "at", "expire at `TIME`: 2030-01-31T12:00:00Z or unix seconds")
	f.BoolVar(&ifNone, "if-none", false, "only if the entry has no expiry yet (exit code 4 otherwise)")
	f.BoolVar(&ifAny, "if-any", false, "only if the entry has an expiry (exit code 4 otherwise)")
	f.BoolVar(&ifLater, "if-later", false, "only to postpone (exit code 4 otherwise)")
	f.BoolVar(&ifEarlier, "if-earlier", false, "only to bring forward (exit code 4 otherwise)")
	exclusive(cmd, "if-none", "if-any", "if-later", "if-earlier")
	return cmd
}

func (a *app) ttlCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "ttl KEY",
		Short: "Print how long an entry has to live",
		Long: `Print how long an entry has to live: in words on a terminal, in milliseconds to a
pipe, where -1 means that it never expires.`,
		Example: `  vega-client ttl session:42
  vega-client --json ttl session:42`,
		Args: exactly("KEY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			db, err := a.db(cmd.Context())
			if err != nil {
				return err
			}
			left, err := db.TTL(cmd.Context(), args[0])
			if err != nil {
				return notFound(err, args[0])
			}
			if a.json {
				fields := keyFields(args[0])
				fields["ttl_ms"] = any(nil)
				if left != client.NoExpiry {
					fields["ttl_ms"] = left.Milliseconds()
				}
				writeJSON(a.env.Out, fields)
				return nil
			}
			text := "never expires"
			switch {
			case !a.env.OutTerminal && left == client.NoExpiry:
				text = "-1"
			case !a.env.OutTerminal:
				text = strconv.FormatInt(left.Milliseconds(), 10)
			case left != client.NoExpiry:
				text = span(left)
			}
			_, err = fmt.Fprintln(a.env.Out, text)
			return err
		},
	}
}

func (a *app) persistCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "persist KEY",
		Short:   "Take the expiry off an entry",
		Example: `  vega-client persist session:42`,
		Args:    exactly("KEY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			db, err := a.db(cmd.Context())
			if err != nil {
				return err
			}
			if err := db.Persist(cmd.Context(), args[0]); err != nil {
				return notFound(err, args[0])
			}
			return a.printDone("it never expires now", "OK", keyFields(args[0]))
		},
	}
}
