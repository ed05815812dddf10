package config

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite the golden files and docs/configuration.md")

func TestDocumentationIsWhatTheTableSays(t *testing.T) {
	golden(t, filepath.Join("..", "..", "docs", "configuration.md"), Markdown())
}

func TestHelpIsWhatTheTableSays(t *testing.T) {
	help := ServerTable().Help()
	golden(t, filepath.Join("testdata", "help.golden"), help)
	for _, line := range strings.Split(help, "\n") {
		if len(line) > 150 {
			t.Errorf("help line of %d columns: %s", len(line), line)
		}
	}
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got {
		t.Errorf("%s is out of date: run go test ./internal/config -update", path)
	}
}

func TestPrintedSettingsReadBackToTheSame(t *testing.T) {
	c := Default()
	c.DataDir, c.MemoryLimit, c.InMemory, c.IdleTimeout = `C:\data "x" ü`+"\u0085", 3<<30, true, 90*time.Second
	text := ServerTable().FileText(&c, Origins{"data-dir": FromFlag})
	got, err := Load([]string{"--config=f"}, nil, files(map[string]string{"f": text}))
	if err != nil || got != c {
		t.Errorf("%v\n got %+v\nwant %+v\n%s", err, got, c, text)
	}
	if !strings.Contains(text, "# flag") {
		t.Error("origins are missing")
	}
}
