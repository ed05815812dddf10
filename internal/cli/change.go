package cli

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/prakashpandey/vegadb/client"
)

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
