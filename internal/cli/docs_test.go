package cli

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

var update = flag.Bool("update", false, "write the golden files anew")

// manual is docs/client.md, seen from this package.
const manual = "../../docs/client.md"

// commands returns the tree's commands, without cobra's own.
func commands() []*cobra.Command {
	root := newRoot(&app{env: world{}.build(nil, nil, nil), session: &session{env: world{}.build(nil, nil, nil)}})
	return root.Commands()
}

func TestHelpIsAsReviewed(t *testing.T) {
	var all strings.Builder
	for _, args := range append([][]string{{}}, names()...) {
		r := world{}.run(t, append(args, "--help")...)
		r.want(t, exitOK, "~Usage:", "")
		fmt.Fprintf(&all, "$ vega-client %s\n%s\n", strings.Join(append(args, "--help"), " "), r.out)
	}
	name := filepath.Join("testdata", "help.golden")
	if *update {
		if err := os.WriteFile(name, []byte(all.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	golden, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if string(golden) != all.String() {
		t.Errorf("the help differs from %s; if it is meant to: go test ./internal/cli -update", name)
	}
}

// names returns the words of every command, those of subcommands included.
func names() (args [][]string) {
	for _, c := range commands() {
		args = append(args, wordsOf(c)...)
	}
	return args
}

func wordsOf(c *cobra.Command) [][]string {
	all := [][]string{{c.Name()}}
	for _, sub := range c.Commands() {
		for _, words := range wordsOf(sub) {
			all = append(all, append([]string{c.Name()}, words...))
		}
	}
	return all
}

// everyCommand returns the tree's commands, subcommands included, by their words.
func everyCommand() map[string]*cobra.Command {
	all := map[string]*cobra.Command{}
	var add func(c *cobra.Command, before string)
	add = func(c *cobra.Command, before string) {
		all[before+c.Name()] = c
		for _, sub := range c.Commands() {
			add(sub, before+c.Name()+" ")
		}
	}
	for _, c := range commands() {
		add(c, "")
	}
	return all
}

func TestEveryCommandHasExamples(t *testing.T) {
	for name, c := range everyCommand() {
		top := !strings.Contains(name, " ")
		if !strings.Contains(c.Example, "vega-client "+name) && !(top && strings.Contains(c.Example, "vega-client ")) || c.Short == "" || top && c.GroupID == "" {
			t.Errorf("%s: an example, a short text or a group is missing", name)
		}
	}
}

func TestTheManualKnowsEveryCommandAndExitCode(t *testing.T) {
	text, err := os.ReadFile(manual)
	if err != nil {
		t.Fatal(err)
	}
	for name := range everyCommand() {
		if !strings.Contains(string(text), "| `"+name) {
			t.Errorf("%s does not mention the command %s", manual, name)
		}
	}
	for _, e := range ExitCodes() {
		if row := fmt.Sprintf("| %d | %s |", e.Code, e.Meaning); !strings.Contains(string(text), row) {
			t.Errorf("%s lacks the row %s", manual, row)
		}
	}
}

func TestTheManualNamesOnlyFlagsThatExist(t *testing.T) {
	text, err := os.ReadFile(manual)
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{"help": true}
	for _, c := range everyCommand() {
		for _, name := range flagNames(c) {
			known[strings.TrimPrefix(name, "--")] = true
		}
	}
	for _, m := range regexp.MustCompile(`--([a-z][a-z-]+)`).FindAllStringSubmatch(string(text), -1) {
		if !known[m[1]] {
			t.Errorf("%s names the flag --%s, which no command has", manual, m[1])
		}
	}
}
