//go:build unix

package clustertest

import (
	"os"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/internal/history"
)

func TestMain(m *testing.M) {
	echoIfAsked()
	os.Exit(Main(m))
}

func TestTormentFindsNothingInASoundNode(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{})
	n := Nemesis{Seed: 1, Count: 2, Faults: []Fault{Kill(AnyNode, 50*time.Millisecond), Pause(AnyNode, 50*time.Millisecond)}}
	if r := c.Torment(t, history.Workload{Seed: 1, Pause: time.Millisecond}, 30*time.Second, n); r.OK < 100 {
		t.Errorf("only %d operations succeeded: the load was no load", r.OK)
	}
}
