package cli

import (
	"io"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
)

// The groups of commands in --help.
const (
	groupData   = "data"
	groupBulk   = "bulk"
	groupServer = "server"
)

// newRoot builds the command tree for one command line.
func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "vega-client",
		Short: "Command line client of VegaDB",
		Long: `vega-client talks to a VegaDB server.

Without a command it is an interactive shell on a terminal; lines from a pipe
are carried out one after the other.`,
		Example: `  vega-client                               the shell
  vega-client put greeting "hello, world"
  vega-client get greeting
  vega-client --json scan --prefix user: --limit 10
  echo 'incr visits' | vega-client
  vega-client bench --workload b --callers 256 --plot latency.svg`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if a.session.shell {
				return cmd.Help()
			}
			return a.session.interactive(cmd.Context(), a)
		},
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err: err} })
	root.AddGroup(
		&cobra.Group{ID: groupData, Title: "Keys and values:"},
		&cobra.Group{ID: groupBulk, Title: "Files and load:"},
		&cobra.Group{ID: groupServer, Title: "Server and cluster:"},
	)
	plainHelp(root)
	flags := root.PersistentFlags()
	flags.SortFlags, root.Flags().SortFlags = false, false
	if a.session.shell {
		root.Use = "vega-client" // names stay as users know them
		root.Long, root.Example = "Type a command, quit or Ctrl-D to leave; Tab completes, Ctrl-R searches the history.", ""
		root.CompletionOptions.DisableDefaultCmd = true
	} else {
		a.session.bindConnection(flags)
	}
	a.bindOutput(flags)
	for group, commands := range map[string][]*cobra.Command{
		groupData: {a.getCommand(), a.putCommand(), a.deleteCommand(), a.casCommand(), a.incrCommand(),
			a.expireCommand(), a.ttlCommand(), a.persistCommand(), a.scanCommand(), a.countCommand()},
		groupBulk:   {a.dumpCommand(), a.loadCommand(), a.benchCommand(), a.checkCommand()},
		groupServer: {a.clusterCommand(), a.statsCommand(), a.pingCommand(), a.snapshotCommand(), a.versionCommand()},
	} {
		for _, c := range commands {
			c.GroupID = group
			c.Flags().SortFlags = false
			root.AddCommand(c)
		}
	}
	return root
}

// plainHelp takes pflag's "[=true|false]" out of the help of every switch: it
// is true and in the way.
func plainHelp(root *cobra.Command) {
	const noise = "[=true|false]"
	usual := root.HelpFunc()
	root.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		out := cmd.OutOrStdout()
		var text strings.Builder
		cmd.SetOut(&text)
		usual(cmd, args)
		cmd.SetOut(out)
		_, _ = io.WriteString(out, strings.ReplaceAll(text.String(), noise, strings.Repeat(" ", len(noise))))
	})
}

func unknownCommand(root *cobra.Command, name string) error {
	root.SuggestionsMinimumDistance = 2
	if s := root.SuggestionsFor(name); len(s) > 0 {
		return usagef("unknown command %q; did you mean %s?", name, strings.Join(s, " or "))
	}
	return usagef("unknown command %q", name)
}

var negativeNumber = regexp.MustCompile(`^-[0-9]+$`)

// protectNegative lets `incr KEY -5` be typed as it is: the number would be
// taken for flags. It goes to the end, behind "--".
func protectNegative(args []string) []string {
	command := -1
	for i, arg := range args {
		switch {
		case arg == "--":
			return args
		case command < 0 && arg == "incr":
			command = i
		case command >= 0 && negativeNumber.MatchString(arg) && args[i-1] != "--timeout" && args[i-1] != "--ttl":
			out := append([]string{}, args[:i]...)
			return append(append(out, args[i+1:]...), "--", arg)
		}
	}
	return args
}
