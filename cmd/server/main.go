// Command vega-server runs a node of VegaDB: see vega-server --help.
package main

import (
	"os"

	"github.com/prakashpandey/vegadb/internal/servercmd"
)

func main() { os.Exit(servercmd.Main()) }
