package endurance

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
)

// steady is a run of 90 s in which two nodes use the same all the time.
func steady() *Result {
	r := &Result{Seconds: 90, Seed: 1, Load: LoadReport{Calls: 10}, Checks: ChecksReport{Legal: 1}}
	for at := 0.0; at < 90; at += 5 {
		for _, node := range []string{"node 1", "node 2"} {
			r.Samples = append(r.Samples, Sample{At: at, Node: node, RSS: 500 << 20, Heap: 50 << 20, Table: 100 << 20, Disk: 800 << 20, FDs: 100, Goroutines: 200})
		}
	}
	return r
}

func TestWhatStaysTheSameIsBounded(t *testing.T) {
	r := steady()
	r.Bounds = bounds(r.Samples, r.Seconds)
	if len(r.Bounds) != len(quantities) || !r.Kept() {
		t.Errorf("%+v", r.Bounds)
	}
}

func TestWhatGrowsIsNoticed(t *testing.T) {
	for name, grow := range map[string]func(*Sample, float64){
		"resident memory":  func(s *Sample, by float64) { s.RSS *= by },
		"Go heap in use":   func(s *Sample, by float64) { s.Heap *= by },
		"entries' memory":  func(s *Sample, by float64) { s.Table *= by },
		"disk":             func(s *Sample, by float64) { s.Disk *= by },
		"file descriptors": func(s *Sample, by float64) { s.FDs *= by },
		"goroutines":       func(s *Sample, by float64) { s.Goroutines *= by },
	} {
		r := steady()
		for i := range r.Samples {
			if s := &r.Samples[i]; s.Node == "node 2" { // one node is enough
				grow(s, 1+s.At/r.Seconds*2)
			}
		}
		r.Bounds = bounds(r.Samples, r.Seconds)
		for _, b := range r.Bounds {
			if b.Kept != (b.What != name) {
				t.Errorf("%s grows: %+v", name, b)
			}
		}
		if r.Kept() || !strings.Contains(r.Markdown(), "**grew**") {
			t.Errorf("%s grows, and nobody says so", name)
		}
	}
}

func TestARunWithoutSamplesProvesNothing(t *testing.T) {
	for _, b := range bounds(nil, 90) {
		if b.Kept {
			t.Errorf("%+v", b)
		}
	}
}

func TestAFailedCallAndAnIllegalHistoryAreNotAsTheyHaveToBe(t *testing.T) {
	for _, spoil := range []func(*Result){
		func(r *Result) { r.Load.Failed = 1 },
		func(r *Result) { r.Checks.Illegal = 1 },
		func(r *Result) { r.Checks.Unknown = 1 },
		func(r *Result) { r.Checks.Legal = 0 },
	} {
		r := steady()
		r.Bounds = bounds(r.Samples, r.Seconds)
		if spoil(r); r.Kept() {
			t.Errorf("%+v %+v", r.Load, r.Checks)
		}
	}
}

func TestMetricsAreParsed(t *testing.T) {
	const text = "# HELP go_goroutines x\ngo_goroutines 31\nprocess_resident_memory_bytes 1.7e+07\ngo_memstats_heap_inuse_bytes 3\nvegadb_memory_used_bytes 4\n" +
		"process_open_fds 5\nvegadb_keys 6\nvegadb_snapshots_total{result=\"failed\"} 9\nvegadb_snapshots_total{result=\"ok\"} 7\nvegadb_log_truncated_segments_total 8\n"
	var s Sample
	if err := s.parse(strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	if want := (Sample{RSS: 1.7e7, Heap: 3, Table: 4, FDs: 5, Goroutines: 31, Keys: 6, Snapshots: 7, Segments: 8}); s != want {
		t.Errorf("%+v, want %+v", s, want)
	}
	if err := new(Sample).parse(strings.NewReader("go_goroutines 1\n")); err == nil {
		t.Error("metrics are missing, and nobody says so")
	}
}

func TestCountersBeginAnewWithAStart(t *testing.T) {
	r := &Result{Samples: []Sample{{Node: "a", Segments: 3}, {Node: "b", Segments: 1}, {Node: "a", Segments: 5}, {Node: "a", Segments: 2}}}
	if _, segments := r.work(); segments != 5+2+1 {
		t.Errorf("%v segments, want 8", segments)
	}
}

func TestThePlotIsWellFormed(t *testing.T) {
	r := steady()
	r.Troubles = []Trouble{{"kill -9 and start", 10, 20}, {"kill -9 and start", 30, 35}}
	var out bytes.Buffer
	if err := r.WritePlot(&out); err != nil {
		t.Fatal(err)
	}
	elements := 0
	for d := xml.NewDecoder(&out); ; elements++ {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if elements < 100 {
		t.Errorf("%d elements", elements)
	}
	if k := r.kinds(); len(k) != 1 || len(k[0].took) != 2 || k[0].took[0] != 5 {
		t.Errorf("%+v", k)
	}
}

func TestStepsAreRound(t *testing.T) {
	for v, want := range map[float64]float64{0.3: 1, 1: 1, 3: 5, 7: 10, 85: 100, 120: 200} {
		if got := step(v); math.Abs(got-want) > 1e-9 {
			t.Errorf("step(%v) = %v, want %v", v, got, want)
		}
	}
}
