package main

import (
	"fmt"
	"os"
	"strings"
)

// page is where the table is written, between these two lines.
const (
	page      = "docs/reliability.md"
	tableFrom = "<!-- mutants:begin, written by make mutants ARGS=-update-docs -->"
	tableTo   = "<!-- mutants:end -->"
)

func writeDocs(rows []row) error {
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	changed, err := replaceTable(string(text), table(rows))
	if err != nil {
		return fmt.Errorf("%s: %w", page, err)
	}
	return os.WriteFile(page, []byte(changed), 0o644)
}

func replaceTable(text, table string) (string, error) {
	before, rest, begins := strings.Cut(text, tableFrom+"\n")
	_, after, ends := strings.Cut(rest, tableTo)
	if !begins || !ends {
		return "", fmt.Errorf("it has no lines %q and %q", tableFrom, tableTo)
	}
	return before + tableFrom + "\n" + table + tableTo + after, nil
}

// table is the rows in Markdown.
func table(rows []row) string {
	var b strings.Builder
	b.WriteString("| mutant | the bug | where | clusters | groups | test | s |\n| --- | --- | --- | --: | --: | --- | --: |\n")
	for _, r := range rows {
		test := "–"
		if r.byTest {
			test = fmt.Sprintf("%s `%s`", r.pkg, r.test)
		}
		fmt.Fprintf(&b, "| %v | %s | %s | %v | %v | %s | %.1f |\n", r.bug, r.what, r.where, r.clusters, r.groups, test, r.took.Seconds())
	}
	return b.String()
}
