package routercmd

import (
	"github.com/spf13/cobra"

	"github.com/prakashpandey/vegadb/internal/config"
	"github.com/prakashpandey/vegadb/internal/program"
)

// Run runs the command that env.Args asks for and returns the exit code.
func Run(env *Env) int {
	p := &program.Program[config.Router]{
		Table:   config.RouterTable(),
		Short:   "a proxy between clients that cannot route and a VegaDB cluster",
		Help:    help(),
		Environ: env.Environ, ReadFile: env.ReadFile, Stdout: env.Stdout, Stderr: env.Stderr,
	}
	root := p.Root(func(_ *cobra.Command, s config.Router) error { return run(env, s) })
	root.AddCommand(p.Config(`Prints the settings that a router started with the same flags, environment and file would use,
in the form of a configuration file, with the origin of each. Starts nothing.`, ""), p.Version())
	return p.Execute(root, env.Args)
}

// help is what vega-router --help prints of its own.
func help() program.Help {
	return program.Help{
		Usage: `vega-router runs a stateless proxy: clients that cannot route by themselves speak RESP or the
native protocol to it as to a single node, and it finds the right node of the cluster.

Usage:
  vega-router --cluster HOST:PORT[,HOST:PORT] [settings]
  vega-router COMMAND [arguments]     see vega-router COMMAND --help
`,
		Examples: `  vega-router --cluster 127.0.0.1:8342                       then: redis-cli -p 8350
  vega-router --cluster 10.0.0.1:8342,10.0.0.2:8342 \
    --addr 0.0.0.0:8350 --users-file /etc/vegadb/users.toml  for other machines, with logins
  vega-router --cluster 10.0.0.1:8342 --cluster-tls-ca /etc/vegadb/nodes.crt \
    --cluster-user router --cluster-password-file /etc/vegadb/router.password
  vega-router --config /etc/vegadb/vega-router.toml          settings from a file
  VEGA_ROUTER_CLUSTER=10.0.0.1:8342 vega-router              settings from the environment

Every setting below can be a flag, a line of the file (request-timeout = "2s") or a
variable (VEGA_ROUTER_REQUEST_TIMEOUT=2s); a flag overrides a variable, and that the file.
`,
	}
}
