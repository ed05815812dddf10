package workload

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// fakeServer is a key-value store that can be slow, fail and forget.
type fakeServer struct {
	mu      sync.Mutex
	values  map[string][]byte
	version map[string]uint64
	next    uint64
	counts  [kinds]int64
	calls   int64
	batches int64
	delay   func(call int64) time.Duration
	err     func(call int64) error
	forget  bool // acknowledges updates without doing them
}

func newFakeServer() *fakeServer {
	return &fakeServer{values: map[string][]byte{}, version: map[string]uint64{}}
}

func (f *fakeServer) Conn(context.Context) (Conn, error) { return f, nil }
func (f *fakeServer) Close() error                       { return nil }

func (f *fakeServer) Do(_ context.Context, ops []Op, batch bool) {
	f.mu.Lock()
	f.calls++
	call := f.calls
	if batch {
		f.batches++
	}
	f.mu.Unlock()
	if f.delay != nil {
		time.Sleep(f.delay(call)) // in a synctest bubble: this is the served time
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range ops {
		op := &ops[i]
		if batch && op.Kind != ops[0].Kind {
			panic("a batch of several kinds")
		}
		if f.err != nil {
			if op.Err = f.err(call); op.Err != nil {
				continue
			}
		}
		f.one(op)
	}
}

func (f *fakeServer) one(op *Op) {
	f.counts[op.Kind]++
	key := string(op.Key)
	switch op.Kind {
	case Read:
		var value []byte
		value, op.Found = f.values[key]
		op.Got, op.Version = append(op.Got[:0], value...), f.version[key]
	case Scan:
		op.Scanned = min(op.Limit, len(f.values))
	case Update, Insert:
		f.next++
		op.Version = f.next
		if !f.forget || f.values[key] == nil {
			f.values[key] = bytes.Clone(op.Value)
			f.version[key] = f.next
		}
	}
}

func testConfig(t *testing.T, mix string) Config {
	t.Helper()
	m, err := ParseMix(mix)
	if err != nil {
		t.Fatal(err)
	}
	return Config{Mix: m, Records: 500, KeySize: 16, ValueSizes: Sizes{16, 64}, Callers: 4, Load: true, Count: 4000, Seed: 1}
}

func TestRunDoesWhatWasAskedFor(t *testing.T) {
	for _, mix := range []string{"a", "b", "c", "d", "e", "f"} {
		for _, group := range []struct{ batch, pipeline int }{{1, 1}, {10, 1}, {1, 10}} {
			if mix == "e" && group.batch > 1 {
				continue
			}
			server := newFakeServer()
			cfg := testConfig(t, mix)
			cfg.Batch, cfg.Pipeline, cfg.Verify = group.batch, group.pipeline, true
			report, err := Run(context.Background(), server, cfg)
			if err != nil {
				t.Fatal(err)
			}
			if report.Run.Ops != 4000 || report.Load.Ops != 500 || report.Verify.Ops < 500 {
				t.Errorf("%s %v: ran %d, loaded %d, read back %d", mix, group, report.Run.Ops, report.Load.Ops, report.Verify.Ops)
			}
			if report.Violations.Count != 0 || report.Run.ErrorCount() != 0 || report.Run.Misses != 0 {
				t.Errorf("%s %v: %+v, %v, %d misses", mix, group, report.Violations, report.Run.Errors, report.Run.Misses)
			}
			var ops int64
			for _, k := range report.Run.Kinds {
				ops += k.Ops
				share, want := float64(k.Ops)/4000, report.Settings.Shares[k.Kind]
				// A batch's kind is drawn once; six standard deviations.
				if math.Abs(share-want) > 6*math.Sqrt(want*(1-want)/(4000/float64(group.batch)))+1e-9 {
					t.Errorf("%s %v: %s has a share of %.3f, want %.3f", mix, group, k.Kind, share, want)
				}
			}
			if ops != 4000 {
				t.Errorf("%s %v: the kinds add up to %d", mix, group, ops)
			}
		}
	}
}

func TestTheSameSeedAsksForTheSame(t *testing.T) {
	run := func(seed uint64) [kinds]int64 {
		server := newFakeServer()
		cfg := testConfig(t, "a")
		cfg.Callers, cfg.Seed = 1, seed
		if _, err := Run(context.Background(), server, cfg); err != nil {
			t.Fatal(err)
		}
		return server.counts
	}
	first := run(5)
	if run(5) != first {
		t.Error("the same seed gave other requests")
	}
	if run(6) == first {
		t.Error("another seed gave the same requests")
	}
}

func TestVerificationFindsLostWrites(t *testing.T) {
	server := newFakeServer()
	server.forget = true
	cfg := testConfig(t, "a")
	cfg.Verify = true
	report, err := Run(context.Background(), server, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if report.Violations.Count == 0 || !strings.Contains(report.Violations.First[0], "although a write of it was acknowledged") {
		t.Fatalf("%+v", report.Violations)
	}
}

func TestVerificationFindsVanishedAndDamagedRecords(t *testing.T) {
	server := newFakeServer()
	cfg := testConfig(t, "c")
	cfg.Verify = true
	cfg.OnTick = func(tick Tick) {
		if tick.Phase == PhaseLoad && tick.Last {
			server.mu.Lock()
			defer server.mu.Unlock()
			delete(server.values, "user000000000007")
			server.values["user000000000008"][0] ^= 1
		}
	}
	report, err := Run(context.Background(), server, cfg)
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Join(report.Violations.First, "\n")
	if !strings.Contains(all, "user000000000007: not found") && report.Violations.Count < 2 {
		t.Fatalf("%+v", report.Violations)
	}
}

func TestOpenLoopCountsTheTimeRequestsHadToWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newFakeServer()
		// One caller, 100 requests per second, 1 ms each, but the 50th takes a second.
		server.delay = func(call int64) time.Duration {
			if call == 50 {
				return time.Second
			}
			return time.Millisecond
		}
		cfg := testConfig(t, "c")
		cfg.Load, cfg.Callers, cfg.Rate, cfg.Count = false, 1, 100, 300
		report, err := Run(context.Background(), server, cfg)
		if err != nil {
			t.Fatal(err)
		}
		all := report.Run.All
		if all.P50 > 1100 || all.Max < 990_000 {
			t.Errorf("p50 %v µs, max %v µs", all.P50, all.Max)
		}
		// The stall of one second touched about 100 of 300 requests, not one.
		if all.P90 < 500_000 {
			t.Errorf("p90 %v µs: the requests that were due during the stall are missing", all.P90)
		}
		if report.Run.Seconds < 2.9 || report.Run.Seconds > 3.2 {
			t.Errorf("300 requests at 100 per second took %v s", report.Run.Seconds)
		}
	})
}

func TestClosedLoopHoldsItsDurationAndWarmsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newFakeServer()
		server.delay = func(int64) time.Duration { return time.Millisecond }
		cfg := testConfig(t, "a")
		cfg.Count, cfg.Duration, cfg.Warmup, cfg.Load = 0, 5*time.Second, 2*time.Second, false
		var ticks []Tick
		cfg.OnTick = func(tick Tick) { ticks = append(ticks, tick) }
		report, err := Run(context.Background(), server, cfg)
		if err != nil {
			t.Fatal(err)
		}
		if report.Run.Ops < 19_900 || report.Run.Ops > 20_010 || report.Run.Seconds < 4.99 || report.Run.Seconds > 5.01 {
			t.Errorf("%d requests in %v s", report.Run.Ops, report.Run.Seconds)
		}
		if len(report.Run.Series) < 5 || len(ticks) < 8 {
			t.Errorf("%d points, %d ticks", len(report.Run.Series), len(ticks))
		}
		if warm := ticks[0]; warm.Phase != PhaseWarmup || warm.P50 < 900*time.Microsecond || warm.P50 > 1100*time.Microsecond {
			t.Errorf("first tick %+v", warm)
		}
	})
}

func TestErrorsAreCountedAndTheLoadGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newFakeServer()
		server.err = func(call int64) error {
			if call > 100 && call <= 200 {
				return errors.New("down for a while")
			}
			return nil
		}
		server.delay = func(int64) time.Duration { return time.Millisecond }
		cfg := testConfig(t, "a")
		cfg.Verify = true
		report, err := Run(context.Background(), server, cfg)
		if err != nil {
			t.Fatal(err)
		}
		if n := report.Run.Errors["down for a while"]; n == 0 || n > 100 {
			t.Errorf("errors %v", report.Run.Errors)
		}
		if report.Violations.Count != 0 {
			t.Errorf("%+v", report.Violations)
		}
	})
}

func TestRunIsGivenUpWhenNothingSucceedsAnyMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := errors.New("server down")
		server := newFakeServer()
		server.err = func(call int64) error {
			if call > 50 {
				return down
			}
			return nil
		}
		start := time.Now()
		cfg := testConfig(t, "a")
		cfg.Count = 1e6
		report, err := Run(context.Background(), server, cfg)
		if !errors.Is(err, down) || !strings.Contains(err.Error(), "nothing has succeeded for 30s") {
			t.Fatalf("got %v", err)
		}
		if report == nil || report.Run == nil {
			t.Fatal("no report of what was done before")
		}
		if took := time.Since(start); took > 35*time.Second {
			t.Fatalf("took %v", took)
		}
	})
}

func TestLoadPhaseInsistsUntilEveryRecordIsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newFakeServer()
		server.err = func(call int64) error {
			if call%2 == 1 {
				return errors.New("busy")
			}
			return nil
		}
		cfg := testConfig(t, "c")
		cfg.Records, cfg.Count = 5000, 0
		report, err := Run(context.Background(), server, cfg)
		if err != nil || len(server.values) != 5000 || report.Load.Ops != 5000 {
			t.Fatalf("%v: %d records there, %d reported", err, len(server.values), report.Load.Ops)
		}
	})
}

func TestInterruptedRunReportsWhatItDid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newFakeServer()
		server.delay = func(int64) time.Duration { return time.Millisecond }
		ctx, cancel := context.WithCancel(context.Background())
		cfg := testConfig(t, "a")
		cfg.Load, cfg.Count, cfg.Duration = false, 0, time.Hour
		cfg.OnTick = func(tick Tick) {
			if tick.Elapsed >= 3*time.Second {
				cancel()
			}
		}
		report, err := Run(ctx, server, cfg)
		if err != nil || !report.Interrupted || report.Run.Ops < 11_000 || report.Run.ErrorCount() != 0 {
			t.Fatalf("%v, %+v", err, report.Run)
		}
	})
}

func TestContradictionsAreRefused(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"no records": func(c *Config) { c.Records = 0 }, "no callers": func(c *Config) { c.Callers = 0 },
		"batch and pipeline": func(c *Config) { c.Batch, c.Pipeline = 2, 2 },
		"tiny verified":      func(c *Config) { c.Verify, c.ValueSizes = true, Sizes{4, 4} },
		"negative rate":      func(c *Config) { c.Rate = -1 },
		"batched scans":      func(c *Config) { c.Mix, _ = ParseMix("e"); c.Batch = 2 },
	} {
		cfg := testConfig(t, "a")
		change(&cfg)
		if _, err := Run(context.Background(), newFakeServer(), cfg); err == nil {
			t.Errorf("%s: ran", name)
		}
	}
}

func TestReportIsJSONAndPlots(t *testing.T) {
	cfg := testConfig(t, "f")
	report, err := Run(context.Background(), newFakeServer(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(report)
	if err != nil || !bytes.Contains(text, []byte(`"read-modify-write"`)) || !bytes.Contains(text, []byte(`"seed":1`)) {
		t.Fatalf("%v %s", err, text)
	}
	for name, magic := range map[string]string{"a.svg": "<svg ", "b.PNG": "\x89PNG"} {
		var out bytes.Buffer
		if err := WritePlot(&out, name, report); err != nil || !strings.HasPrefix(out.String(), magic) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := WritePlot(&bytes.Buffer{}, "c.gif", report); err == nil {
		t.Error("plotted to a GIF")
	}
	if err := WritePlot(&bytes.Buffer{}, "c.svg", &Report{}); err == nil {
		t.Error("plotted nothing")
	}
}

func BenchmarkCallerOverhead(b *testing.B) {
	m, _ := ParseMix("a")
	cfg := Config{Mix: m, Records: 1e6, KeySize: 16, ValueSizes: Sizes{64, 64}, Callers: 1, Seed: 1}
	if err := cfg.complete(); err != nil {
		b.Fatal(err)
	}
	r := &run{cfg: cfg, recorder: newRecorder(1), records: newRecords(cfg.Records), pool: newPool(1, cfg.ValueSizes)}
	if err := r.openCallers(context.Background(), nothing{}); err != nil {
		b.Fatal(err)
	}
	c := r.callers[0]
	c.begin(time.Now(), make(chan struct{}), true)
	b.ReportAllocs()
	for b.Loop() {
		c.step(context.Background())
	}
}

// nothing is a server that answers at once.
type nothing struct{}

func (nothing) Conn(context.Context) (Conn, error)     { return nothing{}, nil }
func (nothing) Close() error                           { return nil }
func (nothing) Do(_ context.Context, ops []Op, _ bool) { ops[0].Found = true }
