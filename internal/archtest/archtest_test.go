package archtest

import (
	"strings"
	"testing"
)

// The module's root, seen from this package.
const root = "../.."

func TestImportsPointOneWay(t *testing.T) {
	files, err := readModule(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 10 {
		t.Fatalf("found %d Go files under %s: the walk is broken", len(files), root)
	}
	for _, v := range violations(files) {
		t.Error(v)
	}
}

func TestEveryPackageHasItsContractInOnePlace(t *testing.T) {
	files, err := readModule(root)
	if err != nil {
		t.Fatal(err)
	}
	product, documented := map[string]int{}, map[string]bool{}
	for _, f := range files {
		if !f.Test {
			product[f.Package]++
			documented[f.Package] = documented[f.Package] || strings.HasSuffix(f.Path, "doc.go")
		}
	}
	for pkg, files := range product {
		// A package of one file carries its contract there, the root in vegadb.go. That there is one, staticcheck sees.
		if !documented[pkg] && pkg != "." && files > 1 {
			t.Errorf("package %s has no doc.go: it is the package's contract", pkg)
		}
	}
}

func TestTheRulesCatchEachKindOfViolation(t *testing.T) {
	file := func(pkg string, imports ...string) sourceFile {
		return sourceFile{Path: pkg + "/x.go", Package: pkg, Imports: imports}
	}
	cases := []struct {
		name string
		file sourceFile
		want string // part of the violation; empty: none
	}{
		{"down is fine", file("internal/node", module+"/internal/store"), ""},
		{"the standard library is fine", file("internal/node", "net"), ""},
		{"up", file("internal/store", module+"/internal/node"), "imports point one way"},
		{"sideways", file("internal/wal", module+"/internal/snapshot"), "same layer"},
		{"the root from below", file("internal/server", module), "imports point one way"},
		{"a leaf reaching out", file("internal/auth", module+"/internal/node"), "may only import"},
		{"a leaf used too low", file("internal/store", module+"/internal/config"), "used only by"},
		{"the client reaching the server", file("client", module+"/internal/server"), "may only import"},
		{"an unknown package", file("internal/shiny", "fmt"), "has no layer"},
		{"an unknown import", file("internal/node", module+"/internal/shiny"), "has no layer"},
		{"a socket in the replicated core", file("internal/replica", "net"), "do without"},
		{"a file past vfs", sourceFile{Path: "internal/wal/x.go", Package: "internal/wal", OSCalls: []string{"ErrExist", "Open"}}, "calls os.Open"},
		{"a test reaching up", sourceFile{Path: "client/x_test.go", Package: "client", Test: true, Imports: []string{module}}, ""},
		{"a test importing a command", sourceFile{Path: "client/x_test.go", Package: "client", Test: true, Imports: []string{module + "/cmd/server"}}, "as processes"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := violations([]sourceFile{c.file})
			switch {
			case c.want == "" && len(got) > 0:
				t.Errorf("unexpected: %v", got)
			case c.want != "" && (len(got) != 1 || !strings.Contains(got[0], c.want)):
				t.Errorf("got %q, want one line with %q", got, c.want)
			}
		})
	}
}
