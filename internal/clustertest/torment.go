//go:build unix

package clustertest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/internal/checker"
	"github.com/prakashpandey/vegadb/internal/history"
)

// artifactsEnv names a directory for illegal histories.
const artifactsEnv = "VEGADB_TEST_ARTIFACTS"

// Tormented is what came of a Torment.
type Tormented struct {
	history.Report
	History history.History
	Faults  int // that have struck
}

// Torment lets clients work for a while and faults strike meanwhile, heals everything, reads every key once more, and
// fails the test unless the history is legal. It returns what was found, for further demands. Several nemeses work side
// by side; if all have a Count, the work is over when they are.
func (c *Cluster) Torment(t testing.TB, w history.Workload, during time.Duration, nemeses ...Nemesis) Tormented {
	t.Helper()
	rec := history.NewRecorder(history.Monotonic())
	ctx, cancel := context.WithTimeout(t.Context(), during)
	defer cancel()
	stores := c.stores(t, w.Clients)
	var work sync.WaitGroup
	work.Go(func() { w.Run(ctx, rec, func(i int) history.Store { return stores[i%len(stores)] }) })
	struck := c.strike(ctx, t, nemeses)
	if !slices.ContainsFunc(nemeses, func(n Nemesis) bool { return n.Count == 0 }) {
		cancel()
	}
	work.Wait()
	c.Event("the work is over")
	c.ReadAll(t, rec)
	r := Tormented{c.Check(t, rec), rec.History(), struck}
	t.Logf("%d faults; %s", struck, r.Report)
	return r
}

// strike runs the nemeses and counts their faults.
func (c *Cluster) strike(ctx context.Context, t testing.TB, nemeses []Nemesis) int {
	var all sync.WaitGroup
	var struck atomic.Int64
	for _, n := range nemeses {
		all.Go(func() {
			count, err := n.Run(ctx, c)
			struck.Add(int64(count))
			if err != nil {
				t.Errorf("clustertest: %v", err)
			}
		})
	}
	all.Wait()
	return int(struck.Load())
}

// stores returns a store for each client of a workload, each with connections of its own.
func (c *Cluster) stores(t testing.TB, clients int) []history.Store {
	t.Helper()
	if clients == 0 {
		clients = 8
	}
	var stores []history.Store
	for i := range clients {
		ctx, cancel := context.WithTimeout(t.Context(), readyWithin)
		cl, err := c.open(ctx, uint64(i))
		cancel()
		if err != nil {
			t.Fatalf("clustertest: %v", err)
		}
		t.Cleanup(func() { cl.Close() })
		stores = append(stores, checker.Store(cl))
	}
	return stores
}

// ReadAll reads every key of the history once more: what is there at the end belongs to it.
func (c *Cluster) ReadAll(t testing.TB, rec *history.Recorder) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), healWithin)
	defer cancel()
	if unread := history.ReadAll(ctx, rec, checker.Store(c.Client(t))); unread > 0 {
		t.Errorf("clustertest: %d keys could not be read at the end", unread)
	}
}

// Check judges a history and fails the test unless it is legal.
func (c *Cluster) Check(t testing.TB, rec *history.Recorder) history.Report {
	t.Helper()
	h := rec.History()
	r := history.Check(h, history.Options{Slack: 50 * time.Millisecond})
	if r.Verdict != history.Legal {
		t.Errorf("clustertest: the history is not legal but %s", r)
		c.keep(t, r)
	}
	return r
}

// keep writes the problems down where the caller wants them.
func (c *Cluster) keep(t testing.TB, r history.Report) {
	dir := os.Getenv(artifactsEnv)
	if dir == "" {
		t.Logf("set %s to a directory to get these histories as JSON and HTML", artifactsEnv)
		return
	}
	base := filepath.Join(dir, fmt.Sprintf("%s-%d", filepath.Base(t.Name()), time.Now().Unix()))
	data, err := r.JSON()
	if err == nil {
		err = os.WriteFile(base+".json", data, 0o600)
	}
	for i, p := range r.Problems {
		if err == nil {
			err = writeHTML(fmt.Sprintf("%s-%d.html", base, i+1), p)
		}
	}
	if err != nil {
		t.Errorf("clustertest: %v", err)
	}
	t.Logf("see %s.json", base)
}

func writeHTML(path string, p history.Problem) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := p.WriteHTML(f); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
