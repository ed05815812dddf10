//go:build unix

package test

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/prakashpandey/vegadb/internal/clustertest"
	"github.com/prakashpandey/vegadb/internal/faultfs"
)

// What makes disks and clocks fail is in no server that is released; one that was built for tests says so.
func TestAReleasedServerCannotBeMadeToFail(t *testing.T) {
	t.Parallel()
	for _, server := range []struct {
		path    string
		fails   bool
		version string
	}{
		{clustertest.Server(t), false, "-dev\n"},
		{clustertest.FaultyServer(t), true, "+faultfs\n"},
	} {
		program, err := os.ReadFile(server.path)
		if err != nil {
			t.Fatal(err)
		}
		if has := bytes.Contains(program, []byte(faultfs.Variable)); has != server.fails {
			t.Errorf("%s knows %s: %v, want %v", server.path, faultfs.Variable, has, server.fails)
		}
		out, err := exec.Command(server.path, "--version").Output()
		if err != nil || !strings.HasSuffix(string(out), server.version) {
			t.Errorf("%s --version: %q, %v", server.path, out, err)
		}
	}
}
