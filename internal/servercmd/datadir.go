package servercmd

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/prakashpandey/vegadb/internal/datadir"
)

func newCheck(env *Env) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check DIR",
		Short: "read a data directory and say whether a server would start on it",
		Long: `Reads every snapshot and the whole log of a data directory that no server uses, and says whether a
server would start on it with nothing missing. Changes nothing.

The exit code is 0 when all is well and 1 when something is damaged.`,
		Example: "  vega-server check ./vega-data\n  vega-server check --json /var/lib/vegadb",
		Args:    oneDir,
		RunE: func(_ *cobra.Command, args []string) error {
			report, err := datadir.Check(env.FS, args[0])
			if err != nil {
				return err
			}
			if err := printReport(env, &report, asJSON); err != nil {
				return err
			}
			return verdictError(&report)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the report as JSON")
	return cmd
}

func newRepair(env *Env) *cobra.Command {
	var asJSON, apply bool
	cmd := &cobra.Command{
		Use:   "repair DIR",
		Short: "say what a repair of a data directory would do; with --apply, do it",
		Long: `Says what would have to go from a damaged data directory so that a server starts on it again, and what
would be lost by that. Changes nothing unless --apply is given; then it moves damaged files aside, and
deletes none. Make a copy of the directory first.

The exit code is 0 when the directory is in order, or is again, and 1 otherwise.`,
		Example: "  vega-server repair ./vega-data\n  vega-server repair --apply ./vega-data",
		Args:    oneDir,
		RunE: func(_ *cobra.Command, args []string) error {
			report, repairErr := datadir.Repair(env.FS, args[0], datadir.Options{Apply: apply})
			if repairErr != nil && len(report.Findings) == 0 {
				return repairErr // it could not even look
			}
			if err := printReport(env, &report, asJSON); err != nil {
				return err
			}
			if repairErr != nil || report.Applied {
				return repairErr
			}
			return verdictError(&report)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the report as JSON")
	cmd.Flags().BoolVar(&apply, "apply", false, "make the changes")
	return cmd
}

func oneDir(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("%s takes one argument, the data directory: vega-server %s DIR", cmd.Name(), cmd.Name())
	}
	return nil
}

func printReport(env *Env, r *datadir.Report, asJSON bool) error {
	text := strings.Join(r.Lines(), "\n")
	if asJSON {
		body, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			return err
		}
		text = string(body)
	}
	_, err := fmt.Fprintln(env.Stdout, text)
	return err
}

// verdictError makes the exit code say what the report says.
func verdictError(r *datadir.Report) error {
	if r.Verdict == datadir.OK {
		return nil
	}
	return fmt.Errorf("%s is %s; nothing was changed", r.Dir, r.Verdict)
}
