package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/prakashpandey/vegadb/internal/mutant"
)

func TestEveryMutantHasATestThatIsThere(t *testing.T) {
	var bugs []mutant.Bug
	for _, e := range catalogue {
		bugs = append(bugs, e.bug)
		if !hasTest(t, "../../"+e.pkg, e.test) {
			t.Errorf("%v: internal/%s has no %s", e.bug, e.pkg, e.test)
		}
	}
	if !slices.Equal(bugs, mutant.All()) {
		t.Errorf("the catalogue has %v, there are %v", bugs, mutant.All())
	}
}

func hasTest(t *testing.T, dir, test string) bool {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !strings.HasSuffix(file.Name(), "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), dir+"/"+file.Name(), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Name.Name == test {
				return true
			}
		}
	}
	return false
}

func TestTheTableTakesThePlaceOfTheOneBeforeIt(t *testing.T) {
	rows := []row{{entry: catalogue[0], clusters: search{tried: 12, caught: true}, groups: search{tried: 7}, byTest: true}}
	got, err := replaceTable("before\n"+tableFrom+"\nold\n"+tableTo+"\nafter\n", table(rows))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(got, "old") || !strings.HasPrefix(got, "before\n"+tableFrom+"\n| mutant |") || !strings.HasSuffix(got, "|\n"+tableTo+"\nafter\n") ||
		!strings.Contains(got, "| 12 | not in 7 | replica `"+catalogue[0].test+"` |") {
		t.Error(got)
	}
	if _, err := replaceTable("no lines", ""); err == nil {
		t.Error("a page without the lines is taken")
	}
}

func TestSeedsOfHistoriesAreCountedFromZero(t *testing.T) {
	if n, err := lastSeed([]byte("=== RUN\nseed 0\nseed 1\n--- FAIL\n    seed 1: broken\n")); n != 2 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if _, err := lastSeed([]byte("nothing")); err == nil {
		t.Error("output without seeds is taken")
	}
}
