package endurance

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Sample is what one node uses at a moment.
type Sample struct {
	At         float64 `json:"at"` // s since the start
	Node       string  `json:"node"`
	RSS        float64 `json:"rss"`   // bytes
	Heap       float64 `json:"heap"`  // bytes of Go's heap in use
	Table      float64 `json:"table"` // bytes of the entries
	Disk       float64 `json:"disk"`  // bytes of files below the data directory
	FDs        float64 `json:"fds"`
	Goroutines float64 `json:"goroutines"`
	Keys       float64 `json:"keys"`
	Snapshots  float64 `json:"snapshots"` // since the node's start
	Segments   float64 `json:"segments"`  // of the log, given up since the node's start
}

// metrics says where the fields of a Sample come from.
func (s *Sample) metrics() map[string]*float64 {
	return map[string]*float64{
		"process_resident_memory_bytes":       &s.RSS,
		"go_memstats_heap_inuse_bytes":        &s.Heap,
		"vegadb_memory_used_bytes":            &s.Table,
		"process_open_fds":                    &s.FDs,
		"go_goroutines":                       &s.Goroutines,
		"vegadb_keys":                         &s.Keys,
		`vegadb_snapshots_total{result="ok"}`: &s.Snapshots,
		"vegadb_log_truncated_segments_total": &s.Segments,
	}
}

type samples struct {
	nodes *nodes
	every time.Duration
	began time.Time

	mu   sync.Mutex
	list []Sample // guarded by mu while run runs
}

func newSamples(n *nodes, every time.Duration, began time.Time) *samples {
	return &samples{nodes: n, every: every, began: began}
}

// run samples until ctx ends. A node that does not answer, because it is down or paused, has no sample.
func (s *samples) run(ctx context.Context) {
	for {
		for _, n := range s.nodes.list() {
			sample := Sample{At: time.Since(s.began).Seconds(), Node: n.name}
			if err := sample.fill(ctx, n.server.AdminAddr, n.server.Dir); err != nil {
				continue
			}
			s.mu.Lock()
			s.list = append(s.list, sample)
			s.mu.Unlock()
		}
		if !rest(ctx, s.every) {
			return
		}
	}
}

// largest is the resident memory of the largest node that was ever seen.
func (s *samples) largest() (most float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sample := range s.list {
		most = max(most, sample.RSS)
	}
	return most
}

func (s *Sample) fill(ctx context.Context, addr, dir string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/metrics", nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := s.parse(resp.Body); err != nil {
		return err
	}
	s.Disk = diskUse(dir)
	return nil
}

func (s *Sample) parse(text io.Reader) error {
	wanted := s.metrics()
	found := 0
	for lines := bufio.NewScanner(text); lines.Scan(); {
		name, value, ok := strings.Cut(lines.Text(), " ")
		field := wanted[name]
		if !ok || field == nil {
			continue
		}
		v, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return fmt.Errorf("metric %s: %w", name, err)
		}
		*field = v
		found++
	}
	if found != len(wanted) {
		return fmt.Errorf("%d of %d metrics are there", found, len(wanted))
	}
	return nil
}

// diskUse adds the sizes of the files below dir. Files come and go meanwhile.
func diskUse(dir string) (sum float64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // gone since it was listed
		}
		if info, err := d.Info(); err == nil && info.Mode().IsRegular() {
			sum += float64(info.Size())
		}
		return nil
	})
	return sum
}
