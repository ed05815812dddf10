package main

import (
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/prakashpandey/vegadb/internal/mutant"
)

func main() {
	only := flag.String("only", "", "try this mutant alone")
	limit := flag.Duration("time", 30*time.Second, "how long to look for a seed that shows a mutant, for clusters and for groups each")
	updateDocs := flag.Bool("update-docs", false, "write the table into docs/reliability.md")
	flag.Parse()
	code, err := run(*only, *limit, *updateDocs)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 2
	}
	os.Exit(code)
}

func run(only string, limit time.Duration, updateDocs bool) (code int, err error) {
	if !mutant.Enabled {
		return 0, fmt.Errorf("this program is built without mutants: go run -tags mutants ./internal/mutant/cmd, in the module's root")
	}
	chosen := catalogue
	if only != "" && updateDocs {
		return 0, fmt.Errorf("-update-docs writes the whole table: leave -only out")
	}
	if only != "" {
		if chosen = chosenBy(only); len(chosen) == 0 {
			return 0, fmt.Errorf("there is no mutant %q: %v", only, mutant.All())
		}
	}
	began := time.Now()
	tests, err := buildTests(chosen)
	if err != nil {
		return 0, err
	}
	defer tests.remove()
	fmt.Println("without a bug:")
	if err := control(chosen, tests); err != nil {
		return 0, err
	}
	var rows []row
	survived := 0
	for _, e := range chosen {
		r, err := try(e, tests, limit)
		if err != nil {
			return 0, err
		}
		fmt.Println(r)
		if !r.caught() {
			survived++
		}
		rows = append(rows, r)
	}
	fmt.Printf("%d of %d mutants caught, in %v\n", len(rows)-survived, len(rows), time.Since(began).Round(time.Second))
	if survived > 0 {
		return 1, nil
	}
	if updateDocs {
		return 0, writeDocs(rows)
	}
	return 0, nil
}

func chosenBy(name string) (chosen []entry) {
	for _, e := range catalogue {
		if e.bug.String() == name {
			chosen = append(chosen, e)
		}
	}
	return chosen
}
