package command

import (
	"fmt"
	"io"
	"strings"
)

// groups are the groups of commands in the order of the documentation. Read only.
var groups = []struct{ name, title string }{
	{"string", "Values"},
	{"generic", "Keys"},
	{"connection", "Connection"},
	{"server", "Server"},
	{"cluster", "Cluster"},
	{"vegadb", "VegaDB's own"},
}

// WriteMarkdown writes docs/commands.md: every command with its arguments.
func WriteMarkdown(out io.Writer) error {
	var b strings.Builder
	b.WriteString(`# RESP commands

Written from the command table by ` + "`go test ./internal/command -update`" + `; do not edit.

Replies and error texts are those of Redis 7.2. "Since" names the Redis version that brought the
command. A *read* or *write* concerns the keys it names and nothing else; a write is logged before it
is acknowledged. Where a command names several keys, those of one partition change together; on a node
that has peers they must be in one slot, which keys with the same hash tag (` + "`{…}`" + `) are.

| | commands |
| --- | --- |
`)
	for _, g := range groups {
		var names []string
		for _, s := range All() {
			if s.Group == g.name {
				names = append(names, fmt.Sprintf("[%s](#%s)", strings.ToUpper(s.Name), s.Name))
			}
		}
		fmt.Fprintf(&b, "| %s | %s |\n", g.title, strings.Join(names, " "))
	}
	for _, g := range groups {
		fmt.Fprintf(&b, "\n## %s\n", g.title)
		for _, s := range All() {
			if s.Group == g.name {
				s.writeMarkdown(&b)
			}
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}

func (s *Spec) writeMarkdown(b *strings.Builder) {
	fmt.Fprintf(b, "\n### %s\n\n", strings.ToUpper(s.Name))
	if len(s.Subs) == 0 || s.Arity == -1 {
		fmt.Fprintf(b, "`%s`\n\n", s.usage())
	}
	fmt.Fprintf(b, "%s\n", s.Summary)
	if len(s.Subs) > 0 {
		b.WriteString("\n| | | since |\n| --- | --- | --- |\n")
		for _, sub := range s.Subs {
			fmt.Fprintf(b, "| `%s` | %s | %s |\n", strings.ReplaceAll(sub.usage(), "|", `\|`), sub.Summary, sub.Since)
		}
		return
	}
	fmt.Fprintf(b, "%s. %s. Since %s.\n", s.nature(), s.Complexity, s.Since)
}

// usage is the line a person types.
func (s *Spec) usage() string {
	words := strings.ToUpper(strings.ReplaceAll(s.FullName(), "|", " "))
	if len(s.Args) > 0 {
		words += " " + plainSyntax(s.Args)
	}
	return words
}

func (s *Spec) nature() string {
	switch {
	case s.Flags&FlagWrite != 0:
		return "Write"
	case s.Flags&FlagReadOnly != 0:
		return "Read"
	case s.Flags&FlagAdmin != 0:
		return "For administrators"
	}
	return "No keys"
}
