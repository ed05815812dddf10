//go:build unix

package test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/prakashpandey/vegadb/internal/clustertest"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// drawn returns the source of a test's random choices, which it prints.
func drawn(t *testing.T) *rand.Rand {
	t.Helper()
	seed := *seedSet
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0xda3a))
}

// files are the contents of a directory and all below it, by path within it.
type files map[string]string

func readFiles(t *testing.T, dir string) files {
	t.Helper()
	all := files{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) { // a server that runs has renamed it meanwhile
			return nil
		}
		within, _ := filepath.Rel(dir, path)
		all[within] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// write makes a directory hold these files and no others.
func (f files) write(t *testing.T, dir string) {
	t.Helper()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	for within, text := range f {
		path := filepath.Join(dir, within)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// but returns the files with another one in a place.
func (f files) but(within, text string) files {
	other := files{within: text}
	for name, text := range f {
		if name != within {
			other[name] = text
		}
	}
	return other
}

// named returns the paths that match a pattern, sorted.
func (f files) named(pattern string) []string {
	var names []string
	for name := range f {
		if ok, _ := filepath.Match(pattern, name); ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// differences says where two directories differ; empty: nowhere.
func (f files) differences(other files) string {
	var wrong []string
	for name, text := range f {
		if now, ok := other[name]; !ok || now != text {
			wrong = append(wrong, name)
		}
	}
	for name := range other {
		if _, ok := f[name]; !ok {
			wrong = append(wrong, name+" is new")
		}
	}
	return strings.Join(wrong, ", ")
}

// flipped returns text with one bit changed.
func flipped(text string, at int, bit int) string {
	b := []byte(text)
	b[at] ^= 1 << bit
	return string(b)
}

// checked runs vega-server check.
func checked(t *testing.T, dir string) (ok bool, said string) {
	t.Helper()
	out, err := exec.Command(clustertest.Server(t), "check", dir).CombinedOutput()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		t.Fatal(err)
	}
	return err == nil, string(out)
}

// refused starts a stopped server and waits for its refusal, which must name all of these and change nothing. It does so
// twice: nothing wears off.
func refused(t *testing.T, n *clustertest.Node, names ...string) {
	t.Helper()
	before := readFiles(t, n.DataDir())
	for range 2 {
		if err := n.Launch(); err != nil {
			t.Fatal(err)
		}
		code, err := n.ExpectExit(within(t))
		if err != nil {
			t.Fatal(err)
		}
		said := n.Log(1)
		if code != 1 || !strings.HasPrefix(said, "vega-server: ") {
			t.Errorf("it ended with %d: %s", code, said)
		}
		for _, name := range names {
			if !strings.Contains(said, name) {
				t.Errorf("the refusal does not name %q: %s", name, said)
			}
		}
		if wrong := before.differences(readFiles(t, n.DataDir())); wrong != "" {
			t.Errorf("the refused start has changed %s", wrong)
		}
	}
}

// shows asks a node for keys, linearizably. An empty value stands for none.
func shows(t *testing.T, n *clustertest.Node, all map[string]string) {
	t.Helper()
	for key, value := range all {
		r, err := n.Get(within(t), key, wire.Linearizable)
		switch {
		case err != nil:
			t.Fatal(err)
		case value == "" && r.Status != wire.NotFound, value != "" && (r.Status != wire.OK || string(r.Body) != value):
			t.Errorf("%s is %s %.20q, want %.20q", key, r.Status, r.Body, value)
		}
	}
}

// lone starts one node.
func lone(t *testing.T, o clustertest.Options) *clustertest.Node {
	t.Helper()
	o.Nodes = 1
	return clustertest.Start(t, o).Node(1)
}

// puts writes at one node.
func puts(t *testing.T, n *clustertest.Node, key, value string) {
	t.Helper()
	if r, err := n.Put(within(t), key, value); err != nil || r.Status != wire.OK {
		t.Fatalf("put %s: %s %s, %v", key, r.Status, r.Body, err)
	}
}

const firstSegment = "log/0000000000000001.wal"

// differ returns the range in which a and b differ.
func differ(a, b string) (begin, end int) {
	for a[begin] == b[begin] {
		begin++
	}
	for end = len(a); a[end-1] == b[end-1]; end-- {
	}
	return begin, end
}

func TestABuiltServerCutsATornLastRecordAndNothingElse(t *testing.T) {
	t.Parallel()
	rng := drawn(t)
	n := lone(t, clustertest.Options{})
	puts(t, n, "before", "stays")
	without := readFiles(t, n.DataDir())
	puts(t, n, "last", "torn")
	n.Kill()
	with := readFiles(t, n.DataDir())
	from, to := without[firstSegment], with[firstSegment]
	begin, end := differ(from, to)
	cuts := []int{begin, begin + 1, begin + 2 + rng.IntN(end-begin-3), end - 1, end}
	if *lasting > 0 {
		cuts = nil
		for k := begin; k <= end; k++ {
			cuts = append(cuts, k)
		}
	}
	for _, k := range cuts {
		with.but(firstSegment, from[:begin]+to[begin:k]+from[k:]).write(t, n.DataDir())
		if ok, said := checked(t, n.DataDir()); !ok {
			t.Errorf("cut at %d of %d to %d: check: %s", k, begin, end, said)
		}
		if err := n.Start(within(t)); err != nil {
			t.Fatal(err)
		}
		want := map[string]string{"before": "stays", "last": ""}
		if k == end {
			want["last"] = "torn"
		}
		shows(t, n, want)
		puts(t, n, "after", "taken")
		if err := n.Restart(within(t)); err != nil {
			t.Fatal(err)
		}
		want["after"] = "taken"
		shows(t, n, want)
		n.Kill()
	}
}

// filled is a stopped node with some log, and the ranges of two of its batches that are of one length.
func filled(t *testing.T, n *clustertest.Node) (all files, one, two [2]int, values map[string]string) {
	t.Helper()
	var marks []string
	values = map[string]string{}
	for i := range 40 {
		key := fmt.Sprint("key-", 10+i)
		values[key] = strings.Repeat(fmt.Sprint(i%10), 100)
		puts(t, n, key, values[key])
		if i < 12 {
			marks = append(marks, readFiles(t, n.DataDir())[firstSegment])
		}
	}
	n.Kill()
	batch := func(i int) [2]int {
		begin, end := differ(marks[i], marks[i+1])
		return [2]int{begin, end}
	}
	return readFiles(t, n.DataDir()), batch(4), batch(8), values
}

func TestABuiltServerRefusesADamagedLogAndNamesThePlace(t *testing.T) {
	t.Parallel()
	rng := drawn(t)
	n := lone(t, clustertest.Options{})
	all, one, two, values := filled(t, n)
	log := all[firstSegment]
	end := len(bytes.TrimRight([]byte(log), "\x00"))
	length := min(one[1]-one[0], two[1]-two[0])
	damages := map[string]string{
		"a batch in another's place": log[:two[0]] + log[one[0]:one[0]+length] + log[two[0]+length:],
		"a sector of zeros":          log[:8<<10] + strings.Repeat("\x00", 512) + log[8<<10+512:],
		"a sector twice":             log[:8<<10] + log[5<<10:5<<10+512] + log[8<<10+512:],
		"a bit of the header":        flipped(log, rng.IntN(4096), rng.IntN(8)),
	}
	for range 3 {
		at := 4096 + rng.IntN(end-1000-4096)
		damages[fmt.Sprint("a bit at ", at)] = flipped(log, at, rng.IntN(8))
	}
	for name, damaged := range damages {
		t.Log(name)
		all.but(firstSegment, damaged).write(t, n.DataDir())
		path := filepath.Join(n.DataDir(), firstSegment)
		refused(t, n, path, "vega-server check")
		if ok, said := checked(t, n.DataDir()); ok || !strings.Contains(said, path) {
			t.Errorf("check: %v %s", ok, said)
		}
	}
	all.write(t, n.DataDir())
	if err := n.Start(within(t)); err != nil {
		t.Fatal(err)
	}
	shows(t, n, values)
}
