//go:build unix

package clustertest

import (
	"os"
	"testing"
)

// requireEnv makes a failure of what would be skipped.
const requireEnv = "VEGADB_TEST_REQUIRE"

// need skips the test if the machine lacks something, or fails it where the caller has promised that it does not.
func need(t testing.TB, what string, missing error) {
	t.Helper()
	if missing == nil {
		return
	}
	if os.Getenv(requireEnv) != "" {
		t.Fatalf("%s: %v, and %s is set", what, missing, requireEnv)
	}
	t.Skipf("%s: %v", what, missing)
}
