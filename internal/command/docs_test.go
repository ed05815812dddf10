package command

import (
	"bytes"
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write docs/commands.md")

func TestDocumentationIsThatOfTheTable(t *testing.T) {
	const path = "../../docs/commands.md"
	var want bytes.Buffer
	if err := WriteMarkdown(&want); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(path, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Fatalf("%s is not what the table says: run go test ./internal/command -update", path)
	}
}

func TestEveryCommandIsDescribed(t *testing.T) {
	documented := map[string]bool{}
	for _, g := range groups {
		documented[g.name] = true
	}
	for id := range MaxID() + 1 {
		s := ByID(uint16(id))
		if s.Summary == "" || s.Since == "" || s.Complexity == "" {
			t.Errorf("%s lacks a summary, a version or its complexity", s.FullName())
		}
		if !documented[s.Group] {
			t.Errorf("%s is in group %q, which the documentation leaves out", s.FullName(), s.Group)
		}
		if (s.Parent == nil || s.Arity != 2) && s.Arity != 1 && len(s.Subs) == 0 && s.Syntax == "" && s.Name != "quit" {
			t.Errorf("%s takes arguments and has no syntax", s.FullName())
		}
	}
}

// Least arguments by the syntax are least arguments by the arity.
func TestArityAgreesWithSyntax(t *testing.T) {
	for id := range MaxID() + 1 {
		s := ByID(uint16(id))
		if len(s.Subs) > 0 || s.Name == "quit" {
			continue
		}
		least, open := leastArgs(s.Args)
		least++
		if s.Parent != nil {
			least++
		}
		want := least
		if open {
			want = -least
		}
		if s.FullName() == "ping" || s.Arity == want {
			continue
		}
		t.Errorf("%s: arity %d, by its syntax %d", s.FullName(), s.Arity, want)
	}
}

// leastArgs returns how many arguments are needed, and whether there may be more.
func leastArgs(args []ArgDoc) (least int, open bool) {
	for i := range args {
		a := &args[i]
		n, more := 1, false
		switch a.Type {
		case ArgBlock:
			n, more = leastArgs(a.Args)
		case ArgOneOf:
			n, more = leastArgs(a.Args[:1])
		}
		if a.Token != "" && a.Type != ArgToken {
			n++
		}
		if a.Optional {
			n, more = 0, true
		}
		least += n
		open = open || more || a.Multiple
	}
	return least, open
}
