package servercmd

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/prakashpandey/vegadb"
	"github.com/prakashpandey/vegadb/internal/config"
)

// Run runs the command that env.Args asks for and returns the exit code.
func Run(env *Env) int {
	root := newRoot(env)
	root.SetArgs(append([]string{}, env.Args...)) // nil would mean those of the process
	root.SetIn(env.Stdin)
	root.SetOut(env.Stdout)
	root.SetErr(env.Stderr)
	if err := root.Execute(); err != nil {
		fmt.Fprintf(env.Stderr, "vega-server: %s\n", oneLine(err.Error()))
		return 1
	}
	return 0
}

// oneLine joins the lines of errors that come from elsewhere.
func oneLine(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}

func newRoot(env *Env) *cobra.Command {
	root := &cobra.Command{
		Use:               "vega-server",
		Short:             "a node of VegaDB, the in-memory key-value store that keeps what it acknowledged",
		Version:           vegadb.Version,
		SilenceUsage:      true,
		SilenceErrors:     true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.SetVersionTemplate("vega-server {{.Version}}\n")
	config.AddFlags(root.Flags())
	dev := root.Flags().Int("dev", 0, "run that many nodes in this process, on loopback, as one cluster")
	root.Flags().SortFlags = false
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return config.FlagError(err) })
	root.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		var names []string
		for _, c := range cmd.Commands() {
			names = append(names, c.Name())
		}
		return fmt.Errorf("unknown command %q%s", args[0], config.Suggestion(args[0], names))
	}
	root.RunE = func(cmd *cobra.Command, _ []string) error {
		c, _, err := config.Resolve(cmd.Flags(), env.Environ, env.ReadFile)
		if err != nil {
			return err
		}
		if cmd.Flags().Changed("dev") {
			return runDev(env, c, *dev, cmd.Flags().Changed("data-dir"))
		}
		return runServer(env, c)
	}
	root.AddCommand(newCheck(env), newRepair(env), newHashPassword(env), newConfig(env), newVersion(env))

	plain := root.HelpFunc()
	root.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		if cmd == root {
			fmt.Fprint(env.Stdout, rootHelp(root))
			return
		}
		plain(cmd, args)
	})
	return root
}

// rootHelp is what vega-server --help prints.
func rootHelp(root *cobra.Command) string {
	var b strings.Builder
	b.WriteString(`vega-server runs a node of VegaDB.

Usage:
  vega-server [settings]              run a node
  vega-server COMMAND [arguments]     see vega-server COMMAND --help

Commands:
`)
	for _, c := range root.Commands() {
		if !c.Hidden && c.Name() != "help" {
			fmt.Fprintf(&b, "  %-34s  %s\n", c.Use, c.Short)
		}
	}
	b.WriteString(`
Examples:
  vega-server                                           durable, on loopback, data in ./vega-data
  vega-server --in-memory --addr 127.0.0.1:7000         a cache
  vega-server --fsync everysec --memory-limit 2GiB      faster writes, a second at risk
  vega-server --config /etc/vegadb/vega-server.toml     settings from a file
  VEGA_LOG_FORMAT=json vega-server                      settings from the environment
  vega-server --dev 3                                   a cluster of three in one process, for trying
  vega-server --addr 10.0.0.2:8342 --peer-addr 10.0.0.2:8344 --join 10.0.0.1:8344 …
                                                        one more node of a cluster

Every setting below can be a flag, a line of the file (memory-limit = "2GiB") or a
variable (VEGA_MEMORY_LIMIT=2GiB); a flag overrides a variable, and that the file.

  --config file                       TOML file of settings
  --dev n                             run n nodes in this process, on loopback, as one cluster: for trying. Data is
                                      temporary unless --data-dir is given; --addr is the first node's
  --help                              this text

`)
	b.WriteString(config.Help())
	return b.String()
}
