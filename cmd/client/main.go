// Command vega-client is the command line client of VegaDB: an interactive
// shell, one-shot commands, dump and load of files, and a load generator.
// docs/client.md is its manual.
package main

import (
	"os"

	"github.com/prakashpandey/vegadb/internal/cli"
)

func main() { os.Exit(cli.Main()) }
