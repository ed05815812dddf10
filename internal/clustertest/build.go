//go:build unix

package clustertest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/prakashpandey/vegadb/internal/invariants"
)

// The programs, made when the first test asks for one and kept until Main returns.
var (
	builtServer = sync.OnceValues(func() (string, error) { return build("server", "") })
	builtFaulty = sync.OnceValues(func() (string, error) { return build("server", "faultfs") })
	builtClient = sync.OnceValues(func() (string, error) { return build("client", "") })
	builtDir    = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "vegadb-clustertest-") })
)

// Main is for TestMain: it runs the tests and removes what they share.
func Main(m *testing.M) int {
	defer func() {
		if dir, err := builtDir(); err == nil {
			os.RemoveAll(dir)
		}
	}()
	return m.Run()
}

// Server builds vega-server as it is released, and returns its path.
func Server(t testing.TB) string { return program(t, builtServer) }

// FaultyServer builds vega-server with package faultfs, and returns its path.
func FaultyServer(t testing.TB) string { return program(t, builtFaulty) }

// Client builds vega-client and returns its path.
func Client(t testing.TB) string { return program(t, builtClient) }

func program(t testing.TB, built func() (string, error)) string {
	t.Helper()
	path, err := built()
	if err != nil {
		t.Fatalf("clustertest: %v", err)
	}
	return path
}

// build compiles a program from the sources around the test.
func build(name, tags string) (string, error) {
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	dir, err := builtDir()
	if err != nil {
		return "", err
	}
	if invariants.Enabled {
		tags += ",invariants"
	}
	path := filepath.Join(dir, "vega-"+name+"-"+tags)
	cmd := exec.Command("go", "build", "-o", path, "-tags", tags, "./cmd/"+name)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build ./cmd/%s: %w\n%s", name, err, out)
	}
	return path, nil
}

// moduleRoot asks the go command where the module of the working directory begins.
func moduleRoot() (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOMOD: %w", err)
	}
	return filepath.Dir(strings.TrimSpace(string(out))), nil
}
