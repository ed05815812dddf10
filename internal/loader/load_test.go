package loader

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// memory is a server that keeps what it is given.
type memory struct {
	mu      sync.Mutex
	values  map[string]string
	ttl     map[string]int64
	refuse  func(key string) error
	failing int // batches still to fail as a whole
}

var errDown = errors.New("server down")

func newMemory() *memory { return &memory{values: map[string]string{}, ttl: map[string]int64{}} }

func (m *memory) store(_ context.Context, batch []Record, fail func(int, error)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, r := range batch {
		if m.refuse != nil {
			if err := m.refuse(string(r.Key)); err != nil {
				fail(i, err)
				continue
			}
		}
		if m.failing > 0 && i == len(batch)/2 {
			m.failing--
			return errDown
		}
		m.values[string(r.Key)] = string(r.Value)
		m.ttl[string(r.Key)] = r.TTL
	}
	return nil
}

func loadText(t *testing.T, text string, f Format, m *memory, change func(*LoadOptions)) (*Progress, error) {
	t.Helper()
	in, err := NewInput(strings.NewReader(text), Options{Name: "f", Format: f})
	if err != nil {
		t.Fatal(err)
	}
	p := &Progress{}
	o := LoadOptions{Store: m.store, Name: "f", BatchSize: 10, Now: func() time.Time { return time.UnixMilli(1000) }}
	if change != nil {
		change(&o)
	}
	return p, Load(context.Background(), in, o, p)
}

func manyLines(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "key%d\n", i)
	}
	return b.String()
}

func TestLoadStoresEveryRecordOnce(t *testing.T) {
	m := newMemory()
	p, err := loadText(t, manyLines(1003), Lines, m, func(o *LoadOptions) { o.Prefix = "p:" })
	if err != nil {
		t.Fatal(err)
	}
	if len(m.values) != 1003 || p.Loaded.Load() != 1003 || m.values["p:key41"] != "42" {
		t.Fatalf("%d stored, %d counted, p:key41=%q", len(m.values), p.Loaded.Load(), m.values["p:key41"])
	}
}

func TestLoadStopsAtABadLineWithAllBeforeItStored(t *testing.T) {
	m := newMemory()
	_, err := loadText(t, "a\t1\nb\t2\nbad\nc\t3\n", TSV, m, nil)
	var bad *LineError
	if !errors.As(err, &bad) || bad.Line != 3 || bad.File != "f" {
		t.Fatalf("got %v", err)
	}
	if len(m.values) != 2 {
		t.Fatalf("stored %v", m.values)
	}
}

func TestLoadSkipsBadLinesAndRefusedRecordsAndNamesThem(t *testing.T) {
	m := newMemory()
	m.refuse = func(key string) error {
		if key == "b" {
			return errors.New("not today")
		}
		return nil
	}
	var named []string
	p, err := loadText(t, "a\t1\nb\t2\nbad\nc\t3\n", TSV, m, func(o *LoadOptions) {
		o.SkipBad = true
		o.Concurrency = 1
		o.OnBad = func(err error) { named = append(named, err.Error()) }
	})
	if err != nil || len(m.values) != 2 || p.Bad.Load() != 2 || p.Loaded.Load() != 2 {
		t.Fatalf("%v, %v, %d bad, %d loaded", err, m.values, p.Bad.Load(), p.Loaded.Load())
	}
	all := strings.Join(named, "\n")
	if !strings.Contains(all, "f:2: not today") || !strings.Contains(all, "f:3: has 1 columns") {
		t.Fatal(all)
	}
}

func TestLoadStopsAtARefusedRecordAndNamesItsLine(t *testing.T) {
	m := newMemory()
	m.refuse = func(key string) error {
		if key == "key500" {
			return errors.New("not today")
		}
		return nil
	}
	_, err := loadText(t, manyLines(1000), Lines, m, nil)
	var bad *LineError
	if !errors.As(err, &bad) || bad.Line != 501 {
		t.Fatalf("got %v", err)
	}
}

func TestLoadRetriesABatchWhereAllowed(t *testing.T) {
	m := newMemory()
	m.failing = 5
	retry := func(err error, attempt int) (time.Duration, bool) { return 0, errors.Is(err, errDown) && attempt < 10 }
	p, err := loadText(t, manyLines(200), Lines, m, func(o *LoadOptions) { o.Retry = retry })
	if err != nil || len(m.values) != 200 || p.Loaded.Load() != 200 {
		t.Fatalf("%v: %d stored, %d counted", err, len(m.values), p.Loaded.Load())
	}

	m = newMemory()
	m.failing = 1
	_, err = loadText(t, manyLines(200), Lines, m, func(o *LoadOptions) { o.Concurrency = 1 })
	if !errors.Is(err, errDown) || !strings.Contains(err.Error(), "lines 1 to 10 of f") {
		t.Fatalf("got %v", err)
	}
}

func TestLoadSettlesExpiry(t *testing.T) {
	m := newMemory()
	text := "key\tvalue\texpire_at_ms\tttl_ms\n" + "past\t1\t999\t\n" + "future\t1\t5000\t\n" + "own\t1\t\t70\n" + "none\t1\t\t\n"
	p, err := loadText(t, text, TSV, m, func(o *LoadOptions) { o.TTL = time.Second })
	if err != nil {
		t.Fatal(err)
	}
	if _, there := m.values["past"]; there || p.Expired.Load() != 1 {
		t.Fatalf("past is there: %v", m.values)
	}
	if m.ttl["future"] != 4000 || m.ttl["own"] != 70 || m.ttl["none"] != 1000 {
		t.Fatalf("ttl %v", m.ttl)
	}
}

func TestLoadEndsWhenItsContextDoes(t *testing.T) {
	ctx, cancel := context.WithCancelCause(context.Background())
	in, err := NewInput(endless{}, Options{Name: "f", Format: Lines})
	if err != nil {
		t.Fatal(err)
	}
	stored := 0
	why := errors.New("interrupted")
	err = Load(ctx, in, LoadOptions{Concurrency: 1, Store: func(context.Context, []Record, func(int, error)) error {
		if stored++; stored == 3 {
			cancel(why)
		}
		return nil
	}}, &Progress{})
	if !errors.Is(err, why) {
		t.Fatalf("got %v", err)
	}
}

// endless is input without end.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'k'
		if i%8 == 7 {
			p[i] = '\n'
		}
	}
	return len(p), nil
}

func TestLoadKeepsMemoryBounded(t *testing.T) {
	const size = 32 << 20
	in, err := NewInput(io.LimitReader(endless{}, size), Options{Name: "f", Format: Lines})
	if err != nil {
		t.Fatal(err)
	}
	var highest uint64
	store := func(_ context.Context, batch []Record, _ func(int, error)) error {
		if batch[0].Line%(1<<16) < 256 {
			var stats runtime.MemStats
			runtime.ReadMemStats(&stats)
			highest = max(highest, stats.HeapAlloc)
		}
		return nil
	}
	p := &Progress{}
	if err := Load(context.Background(), in, LoadOptions{Store: store, Concurrency: 1}, p); err != nil {
		t.Fatal(err)
	}
	if p.Loaded.Load() != size/8 || highest > 24<<20 {
		t.Fatalf("%d loaded, heap up to %d MiB", p.Loaded.Load(), highest>>20)
	}
}

func BenchmarkLoad(b *testing.B) {
	line := []byte(`{"key":"user:1234567","value":"some text that is about as long as usual"}` + "\n")
	for _, format := range []Format{JSONL, Lines} {
		b.Run(string(format), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(line)))
			in, err := NewInput(&repeat{text: line, times: b.N}, Options{Format: format})
			if err != nil {
				b.Fatal(err)
			}
			store := func(context.Context, []Record, func(int, error)) error { return nil }
			if err := Load(context.Background(), in, LoadOptions{Store: store}, &Progress{}); err != nil {
				b.Fatal(err)
			}
		})
	}
}

type repeat struct {
	text  []byte
	times int
}

func (r *repeat) Read(p []byte) (int, error) {
	if r.times == 0 {
		return 0, io.EOF
	}
	n := 0
	for r.times > 0 && n+len(r.text) <= len(p) {
		n += copy(p[n:], r.text)
		r.times--
	}
	return n, nil
}
