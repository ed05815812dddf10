package routercmd

import (
	"fmt"
	"io"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/prakashpandey/vegadb/internal/config"
	"github.com/prakashpandey/vegadb/internal/version"
)

// Run runs the command that env.Args asks for and returns the exit code.
func Run(env *Env) int {
	root := newRoot(env)
	root.SetArgs(append([]string{}, env.Args...)) // nil would mean those of the process
	root.SetOut(env.Stdout)
	root.SetErr(env.Stderr)
	if err := root.Execute(); err != nil {
		fmt.Fprintf(env.Stderr, "vega-router: %s\n", oneLine(err.Error()))
		return 1
	}
	return 0
}

// oneLine joins the lines of errors that come from elsewhere.
func oneLine(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}

func newRoot(env *Env) *cobra.Command {
	table := config.RouterTable()
	root := &cobra.Command{
		Use:               "vega-router",
		Short:             "a proxy between clients that cannot route and a VegaDB cluster",
		Version:           version.Release,
		SilenceUsage:      true,
		SilenceErrors:     true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.SetVersionTemplate("vega-router {{.Version}}\n")
	table.AddFlags(root.Flags())
	root.Flags().SortFlags = false
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return table.FlagError(err) })
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
		s, _, err := table.Resolve(cmd.Flags(), env.Environ, env.ReadFile)
		if err != nil {
			return err
		}
		return run(env, s)
	}
	root.AddCommand(newConfig(env, table), newVersion(env))
	plain := root.HelpFunc()
	root.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		if cmd == root {
			fmt.Fprint(env.Stdout, rootHelp(root, table))
			return
		}
		plain(cmd, args)
	})
	return root
}

func newVersion(env *Env) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "print the version",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintf(env.Stdout, "vega-router %s (%s %s/%s)\n", version.Release, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}

func newConfig(env *Env, table *config.Table[config.Router]) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config [settings]",
		Short: "print the settings in effect and where each came from, as a file",
		Long: `Prints the settings that a router started with the same flags, environment and file would use,
in the form of a configuration file, with the origin of each. Starts nothing.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, from, err := table.Resolve(cmd.Flags(), env.Environ, env.ReadFile)
			if err != nil {
				return err
			}
			_, err = io.WriteString(env.Stdout, table.FileText(&s, from))
			return err
		},
	}
	table.AddFlags(cmd.Flags())
	return cmd
}

// rootHelp is what vega-router --help prints.
func rootHelp(root *cobra.Command, table *config.Table[config.Router]) string {
	var b strings.Builder
	b.WriteString(`vega-router runs a stateless proxy: clients that cannot route by themselves speak RESP or the
native protocol to it as to a single node, and it finds the right node of the cluster.

Usage:
  vega-router --cluster HOST:PORT[,HOST:PORT] [settings]
  vega-router COMMAND [arguments]     see vega-router COMMAND --help

Commands:
`)
	for _, c := range root.Commands() {
		if !c.Hidden && c.Name() != "help" {
			fmt.Fprintf(&b, "  %-34s  %s\n", c.Use, c.Short)
		}
	}
	b.WriteString(`
Examples:
  vega-router --cluster 127.0.0.1:8342                       then: redis-cli -p 8350
  vega-router --cluster 10.0.0.1:8342,10.0.0.2:8342 \
    --addr 0.0.0.0:8350 --users-file /etc/vegadb/users.toml  for other machines, with logins
  vega-router --cluster 10.0.0.1:8342 --cluster-tls-ca /etc/vegadb/nodes.crt \
    --cluster-user router --cluster-password-file /etc/vegadb/router.password
  vega-router --config /etc/vegadb/vega-router.toml          settings from a file
  VEGA_ROUTER_CLUSTER=10.0.0.1:8342 vega-router              settings from the environment

Every setting below can be a flag, a line of the file (request-timeout = "2s") or a
variable (VEGA_ROUTER_REQUEST_TIMEOUT=2s); a flag overrides a variable, and that the file.

  --config file                       TOML file of settings
  --help                              this text

`)
	b.WriteString(table.Help())
	return b.String()
}
