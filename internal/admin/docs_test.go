package admin

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What docs/operations.md tells people to watch has to exist.
func TestMetricsInTheDocumentationExist(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	metrics := get(t, newHandler(options(busyNode())), "/metrics", "", "").Body.String()
	named := regexp.MustCompile(`vegadb_[a-z_]+`).FindAllString(string(text), -1)
	if len(named) == 0 {
		t.Error("docs/operations.md names no metric")
	}
	for _, name := range named {
		if !strings.Contains(metrics, "# TYPE "+name+" ") {
			t.Errorf("docs/operations.md names %s, which does not exist", name)
		}
	}
}
