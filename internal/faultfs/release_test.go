//go:build unix

package faultfs

import (
	"os/exec"
	"strings"
	"testing"
)

// TestAReleaseContainsNothingOfIt lists what the programs are made of, as they are released and with the tag.
func TestAReleaseContainsNothingOfIt(t *testing.T) {
	const us = "github.com/prakashpandey/vegadb/internal/faultfs"
	for tags, want := range map[string]bool{"": false, "faultfs": true} {
		out, err := exec.Command("go", "list", "-deps", "-tags", tags, "github.com/prakashpandey/vegadb/cmd/...").CombinedOutput()
		if err != nil {
			t.Fatalf("go list: %v\n%s", err, out)
		}
		if has := strings.Contains(string(out)+"\n", us+"\n"); has != want {
			t.Errorf("with the tags %q it is part of the programs: %v, want %v", tags, has, want)
		}
	}
}
