package archtest

import (
	"fmt"
	"slices"
	"strings"
)

// violations returns one line for each import or call that breaks a rule.
func violations(files []sourceFile) []string {
	var out []string
	unknown := map[string]bool{}
	for _, f := range files {
		if !known(f.Package) {
			if !unknown[f.Package] {
				out = append(out, fmt.Sprintf("package %s has no layer: add it to internal/archtest/layers.go", f.Package))
			}
			unknown[f.Package] = true
			continue
		}
		for _, imported := range f.Imports {
			if why := judge(f, imported); why != "" {
				out = append(out, fmt.Sprintf("%s: imports %s: %s", f.Path, imported, why))
			}
		}
		if !f.Test && slices.Contains(noDirectFiles, f.Package) {
			for _, call := range f.OSCalls {
				if fileCalls[call] {
					out = append(out, fmt.Sprintf("%s: calls os.%s: files are reached through internal/vfs", f.Path, call))
				}
			}
		}
	}
	return out
}

// judge returns why a file may not import a package, or "".
func judge(f sourceFile, imported string) string {
	if !f.Test && slices.Contains(purity[f.Package], imported) {
		return "the package promises to do without it"
	}
	target, ours := relative(imported)
	if !ours || target == f.Package {
		return ""
	}
	if f.Test {
		// A test may use a higher package (a client against a server), but nothing depends on a command.
		if strings.HasPrefix(target, "cmd/") {
			return "tests run commands as processes, they do not import them"
		}
		return ""
	}
	if allowed, ok := aside[f.Package]; ok {
		if !slices.Contains(allowed, target) {
			return "it may only import " + fmt.Sprint(allowed)
		}
		return ""
	}
	if users, ok := asideUsers[target]; ok {
		if !slices.Contains(users, f.Package) {
			return "it is used only by " + fmt.Sprint(users)
		}
		return ""
	}
	from, to := layerOf(f.Package), layerOf(target)
	switch {
	case to < 0:
		return "it has no layer: add it to internal/archtest/layers.go"
	case to < from:
		return "imports point one way, and it is above"
	case to == from && !slices.Contains(siblings[f.Package], target):
		return "it is in the same layer"
	}
	return ""
}

// relative turns an import path of this module into a path below its root.
func relative(imported string) (string, bool) {
	if imported == module {
		return ".", true
	}
	rest, ok := strings.CutPrefix(imported, module+"/")
	return rest, ok
}

func known(pkg string) bool {
	_, ok := aside[pkg]
	return ok || layerOf(pkg) >= 0
}

// layerOf returns the layer's number from the top, or -1.
func layerOf(pkg string) int {
	return slices.IndexFunc(layers, func(layer []string) bool { return slices.Contains(layer, pkg) })
}
