package servercmd

import (
	"github.com/spf13/cobra"

	"github.com/prakashpandey/vegadb/internal/config"
	"github.com/prakashpandey/vegadb/internal/program"
)

// Run runs the command that env.Args asks for and returns the exit code.
func Run(env *Env) int {
	p := &program.Program[config.Server]{
		Table:   config.ServerTable(),
		Short:   "a node of VegaDB, the in-memory key-value store that keeps what it acknowledged",
		Help:    help(),
		Environ: env.Environ, ReadFile: env.ReadFile, Stdin: env.Stdin, Stdout: env.Stdout, Stderr: env.Stderr,
	}
	var dev *int
	root := p.Root(func(cmd *cobra.Command, c config.Server) error {
		if cmd.Flags().Changed("dev") {
			return runDev(env, c, *dev, cmd.Flags().Changed("data-dir"))
		}
		return runServer(env, c)
	})
	dev = root.Flags().Int("dev", 0, "run that many nodes in this process, on loopback, as one cluster")
	root.AddCommand(newCheck(env), newRepair(env), newHashPassword(env), p.Config(
		`Prints the settings that a server started with the same flags, environment and file would use,
in the form of a configuration file, with the origin of each. Starts nothing.`,
		"  vega-server config --memory-limit 2GiB > vega-server.toml\n  vega-server config --config vega-server.toml"), p.Version())
	return p.Execute(root, env.Args)
}

// help is what vega-server --help prints of its own.
func help() program.Help {
	return program.Help{
		Usage: `vega-server runs a node of VegaDB.

Usage:
  vega-server [settings]              run a node
  vega-server COMMAND [arguments]     see vega-server COMMAND --help
`,
		Examples: `  vega-server                                           durable, on loopback, data in ./vega-data
  vega-server --in-memory --addr 127.0.0.1:7000         a cache
  vega-server --fsync everysec --memory-limit 2GiB      faster writes, a second at risk
  vega-server --config /etc/vegadb/vega-server.toml     settings from a file
  VEGA_LOG_FORMAT=json vega-server                      settings from the environment
  vega-server --dev 3                                   a cluster of three in one process, for trying
  vega-server --addr 10.0.0.2:8342 --peer-addr 10.0.0.2:8344 --join 10.0.0.1:8344 …
                                                        one more node of a cluster

Every setting below can be a flag, a line of the file (memory-limit = "2GiB") or a
variable (VEGA_MEMORY_LIMIT=2GiB); a flag overrides a variable, and that the file.
`,
		Flags: `  --dev n                             run n nodes in this process, on loopback, as one cluster: for trying. Data is
                                      temporary unless --data-dir is given; --addr is the first node's
`,
	}
}
