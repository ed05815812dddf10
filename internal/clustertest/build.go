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

// built is the server's binary, made when the first test asks for it and kept until Main returns.
var built = sync.OnceValues(build)

// builtDir is where Main finds what is to be removed. Set by build, once.
var builtDir string

// Main is for TestMain: it runs the tests and removes what they share.
func Main(m *testing.M) int {
	defer func() {
		if builtDir != "" {
			os.RemoveAll(builtDir)
		}
	}()
	return m.Run()
}

// build compiles vega-server from the sources around the test.
func build() (string, error) {
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	if builtDir, err = os.MkdirTemp("", "vegadb-clustertest-"); err != nil {
		return "", err
	}
	path := filepath.Join(builtDir, "vega-server")
	args := []string{"build", "-o", path}
	if invariants.Enabled {
		args = append(args, "-tags", "invariants")
	}
	cmd := exec.Command("go", append(args, "./cmd/server")...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build ./cmd/server: %w\n%s", err, out)
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
