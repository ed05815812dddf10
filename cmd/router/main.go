// Command vega-router runs a proxy in front of a cluster: see vega-router --help.
package main

import (
	"os"

	"github.com/prakashpandey/vegadb/internal/routercmd"
)

func main() { os.Exit(routercmd.Main()) }
