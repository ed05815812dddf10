//go:build unix

package test

import (
	"errors"
	"strings"
	"testing"

	"github.com/prakashpandey/vegadb/client"
	"github.com/prakashpandey/vegadb/internal/clustertest"
)

func TestABuiltServerRefusesWhatItCannotKeepWithoutATrace(t *testing.T) {
	t.Parallel()
	const limit = 1 << 20 // of a value, in clusters of this package
	c := clustertest.Start(t, clustertest.Options{})
	n, cl := c.Node(1), c.Client(t)
	first, err := cl.Put(within(t), "key", []byte("value"))
	if err != nil {
		t.Fatal(err)
	}
	const mark = "never to be kept"
	_, tooLong := cl.Put(within(t), "key", []byte(mark+strings.Repeat("x", limit)))
	_, longKey := cl.Put(within(t), mark+strings.Repeat("k", 1<<20), []byte("value"))
	for what, err := range map[string]error{"a value beyond the limit": tooLong, "a key beyond the limit": longKey} {
		if !errors.Is(err, client.ErrTooLarge) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for name, text := range readFiles(t, n.DataDir()) {
		if strings.Contains(text, mark) {
			t.Errorf("what was refused is in %s", name)
		}
	}
	largest := strings.Repeat("x", limit)
	second, err := cl.Put(within(t), "key", []byte(largest))
	if err != nil || second != first+1 { // versions are indexes of the log
		t.Errorf("the largest value: version %d after %d, %v", second, first, err)
	}
	if err := n.Restart(within(t)); err != nil {
		t.Fatal(err)
	}
	shows(t, n, map[string]string{"key": largest})
}
