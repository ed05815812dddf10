package rows

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"

	"github.com/prakashpandey/vegadb/bench/internal/peer"
)

// profile takes CPU profiles of our servers, when asked to, until the function it returns is called: row-round-node.pprof.
func (e *Env) profile(ctx context.Context, s *side, row string, round int) (stop func() error) {
	if e.Profiles == "" || !s.ours {
		return func() error { return nil }
	}
	var wg sync.WaitGroup
	errs := make([]error, len(s.cluster.Nodes))
	for i, n := range s.cluster.Nodes {
		wg.Go(func() {
			path := filepath.Join(e.Profiles, fmt.Sprintf("%s-%d-%d.pprof", row, round+1, i+1))
			errs[i] = saveProfile(ctx, n, max(1, int(e.measureFor().Seconds())), path)
		})
	}
	return func() error {
		wg.Wait()
		return errors.Join(errs...)
	}
}

func saveProfile(ctx context.Context, n *peer.Server, seconds int, path string) error {
	url := fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", n.AdminAddr, seconds)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, resp.Status)
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, resp.Body)
	return errors.Join(err, f.Close())
}
