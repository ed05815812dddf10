// Command corpus keeps the inputs that fuzzing has found worth keeping in the repository: for every fuzz target, few and small
// inputs that together reach what all known ones reach.
//
//	make corpus                          all targets
//	go run ./scripts/corpus ./internal/wire ./internal/wal
//
// Go keeps what fuzzing finds in its build cache, on one machine. This takes those inputs and the ones already in
// testdata/fuzz, runs each of them with coverage, and adds those to testdata/fuzz that reach a block of code which neither the target's
// seeds nor the inputs there reach: of several the one that reaches most, then the smallest. It never deletes any: an input that once
// failed stays. Inputs of more than -bytes, and more than -inputs of a target, are passed over.
package main

import (
	"bufio"
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

func main() {
	maxBytes := flag.Int64("bytes", 4<<10, "the largest input to keep")
	maxInputs := flag.Int("inputs", 32, "how many inputs a target may have")
	flag.Usage = func() {
		fmt.Fprint(flag.CommandLine.Output(), "usage: corpus [flags] [package ...]\n\nAdds to testdata/fuzz what fuzzing has found and reaches more code.\n\n")
		flag.PrintDefaults()
	}
	flag.Parse()
	packages := flag.Args()
	if len(packages) == 0 {
		packages = []string{"./..."}
	}
	if err := run(packages, limits{*maxBytes, *maxInputs}); err != nil {
		fmt.Fprintf(os.Stderr, "corpus: %v\n", err)
		os.Exit(1)
	}
}

type limits struct {
	bytes  int64
	inputs int
}

func run(packages []string, max limits) error {
	cache, err := output("", "go", "env", "GOCACHE")
	if err != nil {
		return err
	}
	listed, err := output("", "go", append([]string{"list", "-f", "{{.ImportPath}} {{.Dir}}"}, packages...)...)
	if err != nil {
		return err
	}
	for line := range strings.Lines(listed) {
		path, dir, _ := strings.Cut(strings.TrimSpace(line), " ")
		targets, err := targetsIn(dir)
		if err != nil {
			return err
		}
		if len(targets) == 0 {
			continue
		}
		p, err := newProbe(path, dir)
		if err != nil {
			return err
		}
		for _, target := range targets {
			found := filepath.Join(strings.TrimSpace(cache), "fuzz", filepath.FromSlash(path), target)
			if err := p.keep(target, found, max); err != nil {
				os.RemoveAll(p.tmp)
				return fmt.Errorf("%s in %s: %w", target, path, err)
			}
		}
		if err := os.RemoveAll(p.tmp); err != nil {
			return err
		}
	}
	return nil
}

var targetLine = regexp.MustCompile(`(?m)^func (Fuzz[A-Za-z0-9_]+)`)

// targetsIn names the fuzz targets of a directory.
func targetsIn(dir string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		return nil, err
	}
	var targets []string
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		for _, m := range targetLine.FindAllSubmatch(text, -1) {
			targets = append(targets, string(m[1]))
		}
	}
	return targets, nil
}

// probe runs single inputs of a package's targets and sees which code they reach.
type probe struct {
	path, dir string
	tmp       string // where the test binary runs, with a copy of the package's testdata
	binary    string
}

func newProbe(path, dir string) (*probe, error) {
	tmp, err := os.MkdirTemp("", "corpus-")
	if err != nil {
		return nil, err
	}
	p := &probe{path: path, dir: dir, tmp: tmp, binary: filepath.Join(tmp, "test")}
	if err := os.CopyFS(filepath.Join(tmp, "testdata"), os.DirFS(filepath.Join(dir, "testdata"))); err != nil && !os.IsNotExist(err) {
		os.RemoveAll(tmp)
		return nil, err
	}
	if _, err := output("", "go", "test", "-c", "-cover", "-o", p.binary, path); err != nil {
		os.RemoveAll(tmp)
		return nil, err
	}
	return p, nil
}

// input is a file of a corpus and the blocks of code that it reaches.
type input struct {
	file    string
	size    int64
	reaches []string
}

// keep adds to a target's corpus what found has to add.
func (p *probe) keep(target, found string, max limits) error {
	corpus := filepath.Join(p.dir, "testdata", "fuzz", target)
	known, err := p.reach("^" + target + "$")
	if err != nil {
		return fmt.Errorf("the corpus as it is fails: %w", err)
	}
	have, _ := os.ReadDir(corpus)
	candidates, err := p.candidates(target, found, max)
	if err != nil {
		return err
	}
	kept := choose(blocks(known), candidates, max.inputs-len(have))
	for _, c := range kept {
		if err := copyFile(filepath.Join(corpus, filepath.Base(c.file)), c.file); err != nil {
			return err
		}
	}
	fmt.Printf("%-60s %3d inputs there, %3d found, %2d added\n", strings.TrimPrefix(p.path, "github.com/prakashpandey/vegadb/")+" "+target, len(have), len(candidates), len(kept))
	return nil
}

// candidates are the inputs that fuzzing has found, each with what it reaches alone.
func (p *probe) candidates(target, found string, max limits) ([]input, error) {
	files, _ := os.ReadDir(found)
	var all []input
	for _, f := range files {
		info, err := f.Info()
		if err != nil || info.Size() > max.bytes {
			continue
		}
		from := filepath.Join(found, f.Name())
		to := filepath.Join(p.tmp, "testdata", "fuzz", target, f.Name())
		if _, err := os.Stat(to); err == nil {
			continue // the repository has it
		}
		if err := copyFile(to, from); err != nil {
			return nil, err
		}
		reaches, err := p.reach("^" + target + "$/^" + f.Name() + "$")
		if err != nil {
			return nil, fmt.Errorf("%s fails: %w", from, err)
		}
		if err := os.Remove(to); err != nil {
			return nil, err
		}
		all = append(all, input{from, info.Size(), reaches})
	}
	return all, nil
}

// choose takes, greedily, what reaches most that is not reached yet, until nothing adds to it.
func choose(reached map[string]bool, from []input, most int) []input {
	from = slices.Clone(from)
	slices.SortFunc(from, func(a, b input) int { return cmp.Or(cmp.Compare(a.size, b.size), cmp.Compare(a.file, b.file)) })
	var chosen []input
	for len(chosen) < most {
		best, adds := -1, 0
		for i, c := range from {
			if n := fresh(reached, c.reaches); n > adds {
				best, adds = i, n
			}
		}
		if best < 0 {
			break
		}
		chosen = append(chosen, from[best])
		for _, b := range from[best].reaches {
			reached[b] = true
		}
	}
	return chosen
}

func fresh(reached map[string]bool, blocks []string) int {
	n := 0
	for _, b := range blocks {
		if !reached[b] {
			n++
		}
	}
	return n
}

func blocks(list []string) map[string]bool {
	set := make(map[string]bool, len(list))
	for _, b := range list {
		set[b] = true
	}
	return set
}

// reach runs what the expression names and returns the blocks of the package's code that it has executed.
func (p *probe) reach(expression string) ([]string, error) {
	profile := filepath.Join(p.tmp, "cover.out")
	if _, err := output(p.tmp, p.binary, "-test.run", expression, "-test.coverprofile", profile, "-test.timeout", "60s"); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(profile)
	if err != nil {
		return nil, err
	}
	var reached []string
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() { // file.go:12.3,14.5 2 1: place, statements, how often
		if words := strings.Fields(lines.Text()); len(words) == 3 && words[2] != "0" {
			reached = append(reached, words[0])
		}
	}
	return reached, lines.Err()
}

func copyFile(to, from string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o644)
}

// output runs a command and returns what it prints.
func output(dir, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s%s", filepath.Base(name), strings.Join(args, " "), err, out, &stderr)
	}
	return string(out), nil
}
