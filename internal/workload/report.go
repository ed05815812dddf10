package workload

import (
	"maps"
	"math"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Report is the outcome of a Run. Its JSON is what `vega-client bench --json`
// prints; latencies are in microseconds.
type Report struct {
	Settings    Settings     `json:"settings"`
	Load        *PhaseReport `json:"load,omitempty"`
	Run         *PhaseReport `json:"run,omitempty"`
	Verify      *PhaseReport `json:"verify,omitempty"`
	Violations  Violations   `json:"violations"`
	Interrupted bool         `json:"interrupted,omitempty"`
}

// Settings repeat what was asked for, so that a report can be read, and its
// run repeated, without knowing the command line.
type Settings struct {
	Workload     string             `json:"workload"`
	Shares       map[string]float64 `json:"shares"`
	Distribution Distribution       `json:"distribution"`
	Records      int64              `json:"records"`
	KeySize      int                `json:"key_size"`
	ValueSize    string             `json:"value_size"`
	Callers      int                `json:"callers"`
	Batch        int                `json:"batch"`
	Pipeline     int                `json:"pipeline"`
	Rate         float64            `json:"rate_per_second,omitempty"`
	WarmupS      float64            `json:"warmup_s"`
	DurationS    float64            `json:"duration_s,omitempty"`
	Count        int64              `json:"count,omitempty"`
	Verify       bool               `json:"verify"`
	Seed         uint64             `json:"seed"`
	// What the caller of Run knows and Run does not.
	Protocol    string `json:"protocol,omitempty"`
	Address     string `json:"address,omitempty"`
	Connections int    `json:"connections,omitempty"`
}

// PhaseReport is what one phase did.
type PhaseReport struct {
	Seconds   float64          `json:"seconds"`
	Ops       int64            `json:"ops"` // records read, written or scanned from
	PerSecond float64          `json:"ops_per_s"`
	Misses    int64            `json:"misses"` // reads that found nothing
	Errors    map[string]int64 `json:"errors,omitempty"`
	All       Latency          `json:"all"`
	Kinds     []Latency        `json:"kinds"`
	Series    []Point          `json:"series,omitempty"`

	histogram *hdrhistogram.Histogram
	byKind    map[Kind]*hdrhistogram.Histogram
}

// Latency is the latency of one kind of request, in microseconds.
type Latency struct {
	Kind  string  `json:"kind"`
	Ops   int64   `json:"ops"`
	Count int64   `json:"samples"` // a batch is one sample
	Mean  float64 `json:"mean_us"`
	Min   float64 `json:"min_us"`
	P50   float64 `json:"p50_us"`
	P90   float64 `json:"p90_us"`
	P95   float64 `json:"p95_us"`
	P99   float64 `json:"p99_us"`
	P999  float64 `json:"p999_us"`
	P9999 float64 `json:"p9999_us"`
	Max   float64 `json:"max_us"`
	// HDR is the whole histogram, in nanoseconds: HdrHistogram's compressed V2
	// format in base64, as other tools read it.
	HDR string `json:"hdr,omitempty"`
}

// Point is one second of a phase.
type Point struct {
	Seconds   float64 `json:"t_s"`
	PerSecond float64 `json:"ops_per_s"`
	P50       float64 `json:"p50_us"`
	P99       float64 `json:"p99_us"`
	Errors    int64   `json:"errors"`
}

// Violations are what a verification found: values or versions that cannot be.
type Violations struct {
	Count int64    `json:"count"`
	First []string `json:"first,omitempty"`
}

func newReport(c *Config) *Report {
	shares := make(map[string]float64)
	for k := range kinds {
		if c.Mix.has(k) {
			shares[k.String()] = c.Mix.Shares[k]
		}
	}
	return &Report{Settings: Settings{
		Workload: c.Mix.Name, Shares: shares, Distribution: c.Distribution, Records: c.Records,
		KeySize: max(c.KeySize, keySizeNeeded(c.Records)), ValueSize: c.ValueSizes.String(),
		Callers: c.Callers, Batch: c.Batch, Pipeline: c.Pipeline, Rate: c.Rate,
		WarmupS: c.Warmup.Seconds(), DurationS: c.Duration.Seconds(), Count: c.Count,
		Verify: c.Verify, Seed: c.Seed,
	}}
}

func newPhaseReport(o *outcome) *PhaseReport {
	p := &PhaseReport{
		Seconds: seconds(o.elapsed), Ops: o.total.totalOps(), Misses: o.total.misses,
		Errors: maps.Clone(o.total.errors), Series: o.series, histogram: o.total.all(),
		byKind: make(map[Kind]*hdrhistogram.Histogram),
	}
	if o.elapsed > 0 {
		p.PerSecond = round(float64(p.Ops) / o.elapsed.Seconds())
	}
	for k := range kinds {
		if h := o.total.latency[k]; h != nil && h.TotalCount() > 0 {
			p.byKind[k] = h
			p.Kinds = append(p.Kinds, newLatency(k.String(), o.total.ops[k], h))
		}
	}
	p.All = newLatency("all", p.Ops, p.histogram)
	return p
}

func newLatency(kind string, ops int64, h *hdrhistogram.Histogram) Latency {
	l := Latency{Kind: kind, Ops: ops, Count: h.TotalCount()}
	if l.Count == 0 {
		return l
	}
	at := func(percentile float64) float64 { return micros(time.Duration(h.ValueAtPercentile(percentile))) }
	l.Mean, l.Min, l.Max = micros(time.Duration(h.Mean())), micros(time.Duration(h.Min())), micros(time.Duration(h.Max()))
	l.P50, l.P90, l.P95, l.P99, l.P999, l.P9999 = at(50), at(90), at(95), at(99), at(99.9), at(99.99)
	if text, err := h.EncodeV2(); err == nil {
		l.HDR = string(text)
	}
	return l
}

// ErrorCount returns how many requests failed.
func (p *PhaseReport) ErrorCount() (n int64) {
	for _, count := range p.Errors {
		n += count
	}
	return n
}

// ErrorClasses returns the classes of errors, in order of their names.
func (p *PhaseReport) ErrorClasses() []string { return slices.Sorted(maps.Keys(p.Errors)) }

func micros(d time.Duration) float64 { return math.Round(float64(d)/100) / 10 }

func seconds(d time.Duration) float64 { return math.Round(d.Seconds()*1000) / 1000 }

func round(x float64) float64 { return math.Round(x*10) / 10 }
