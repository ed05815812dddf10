package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"github.com/prakashpandey/vegadb/internal/mutant"
)

// tests are the packages' tests, built with mutants.
type tests struct{ dir string }

const (
	// testPatience bounds one test. A mutant that makes it hang is noticed by that.
	testPatience = 90 * time.Second
	// histories is the test that simulates single groups; it takes the flag -seeds.
	histories = "TestRandomHistoriesOfAGroup"
	mostSeeds = 100_000
)

func buildTests(chosen []entry) (*tests, error) {
	dir, err := os.MkdirTemp("", "vegadb-mutants-")
	if err != nil {
		return nil, err
	}
	t := &tests{dir}
	built := make(map[string]bool)
	for _, pkg := range append([]string{"replica"}, packagesOf(chosen)...) {
		if built[pkg] {
			continue
		}
		built[pkg] = true
		cmd := exec.Command("go", "test", "-tags", "mutants", "-c", "-o", t.program(pkg), "./internal/"+pkg)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.remove()
			return nil, fmt.Errorf("build the tests of internal/%s: %w\n%s", pkg, err, out)
		}
	}
	return t, nil
}

func packagesOf(chosen []entry) (all []string) {
	for _, e := range chosen {
		all = append(all, e.pkg)
	}
	return all
}

func (t *tests) program(pkg string) string { return filepath.Join(t.dir, pkg+".test") }

func (t *tests) remove() { os.RemoveAll(t.dir) }

// fails runs one test with a mutant and reports whether it fails. The error is for a test that could not be run.
func (t *tests) fails(pkg, test string, b mutant.Bug, patience time.Duration, args ...string) (failed bool, out []byte, err error) {
	cmd := exec.Command(t.program(pkg), append([]string{"-test.v", "-test.run=^" + test + "$", "-test.timeout=" + patience.String()}, args...)...)
	cmd.Dir = filepath.Join("internal", pkg)
	cmd.Env = append(os.Environ(), mutant.Variable+"="+b.String())
	out, err = cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case bytes.Contains(out, []byte("no tests to run")):
		return false, out, fmt.Errorf("internal/%s has no test %s", pkg, test)
	case err == nil:
		return false, out, nil
	case errors.As(err, &exit) && (bytes.Contains(out, []byte("--- FAIL")) || bytes.Contains(out, []byte("panic: "))):
		return true, out, nil
	}
	return false, out, fmt.Errorf("run %s of internal/%s: %w\n%s", test, pkg, err, out)
}

// seedLine is what the histories print before each seed.
var seedLine = regexp.MustCompile(`(?m)^seed (\d+)$`)

// timedOut is what a test prints that was given up.
var timedOut = []byte("panic: test timed out")

// groups runs random histories of a group, from seed 0 on.
func (t *tests) groups(b mutant.Bug, limit time.Duration) (s search, err error) {
	failed, out, err := t.fails("replica", histories, b, limit, fmt.Sprint("-seeds=", mostSeeds))
	if err != nil {
		return s, err
	}
	s.tried, err = lastSeed(out)
	s.caught = failed && !bytes.Contains(out, timedOut)
	return s, err
}

// lastSeed is how many seeds were begun.
func lastSeed(out []byte) (int, error) {
	lines := seedLine.FindAllSubmatch(out, -1)
	if len(lines) == 0 {
		return 0, errors.New("the histories of a group do not print their seeds")
	}
	n, err := strconv.Atoi(string(lines[len(lines)-1][1]))
	return n + 1, err
}
