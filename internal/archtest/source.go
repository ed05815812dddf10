package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// sourceFile is what the rules need to know of one Go file.
type sourceFile struct {
	Path    string   // relative to the module's root
	Package string   // directory relative to the root, "." for the root
	Test    bool     // _test.go
	Imports []string // import paths as written
	OSCalls []string // functions of package os that it mentions
}

// readModule parses every Go file below root that belongs to the module: nested modules, testdata and hidden
// directories are left out.
func readModule(root string) ([]sourceFile, error) {
	var files []sourceFile
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name == root {
				return nil
			}
			base := d.Name()
			if strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") || base == "testdata" || isModule(name) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		f, err := readFile(root, name)
		files = append(files, f)
		return err
	})
	return files, err
}

func isModule(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}

func readFile(root, name string) (sourceFile, error) {
	rel, err := filepath.Rel(root, name)
	if err != nil {
		return sourceFile{}, err
	}
	rel = filepath.ToSlash(rel)
	parsed, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
	if err != nil {
		return sourceFile{}, err
	}
	f := sourceFile{Path: rel, Package: path.Dir(rel), Test: strings.HasSuffix(rel, "_test.go")}
	for _, spec := range parsed.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return sourceFile{}, err
		}
		f.Imports = append(f.Imports, imported)
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if pkg, ok := sel.X.(*ast.Ident); ok && pkg.Name == "os" {
				f.OSCalls = append(f.OSCalls, sel.Sel.Name)
			}
		}
		return true
	})
	return f, nil
}
