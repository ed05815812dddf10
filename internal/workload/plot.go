package workload

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// WritePlot draws the measured run of r to w: latency by percentile, one curve
// per kind of request, and below it how throughput went. The end of name, .svg
// or .png, decides on the format.
func WritePlot(w io.Writer, name string, r *Report) error {
	if r.Run == nil || r.Run.All.Count == 0 {
		return errors.New("there is no measured run to plot")
	}
	p := newPlot(r)
	switch {
	case strings.HasSuffix(strings.ToLower(name), ".svg"):
		c := newSVGCanvas(plotWidth, p.height)
		p.draw(c)
		return c.writeTo(w)
	case strings.HasSuffix(strings.ToLower(name), ".png"):
		c, err := newPNGCanvas(plotWidth, p.height)
		if err != nil {
			return err
		}
		p.draw(c)
		return c.writeTo(w)
	}
	return fmt.Errorf("cannot plot to %s: the name must end in .svg or .png", name)
}

// PlotFormatKnown tells whether WritePlot can write a file of that name.
func PlotFormatKnown(name string) bool {
	name = strings.ToLower(name)
	return strings.HasSuffix(name, ".svg") || strings.HasSuffix(name, ".png")
}

// The drawing's measures, in pixels.
const (
	plotWidth   = 960
	plotLeft    = 78
	plotRight   = 140 // room for the curves' names
	latencyTop  = 84
	latencySize = 360
	seriesGap   = 92
	seriesSize  = 110
	plotBottom  = 56
)

const (
	ink      = "#1f2933"
	faint    = "#616e7c"
	gridInk  = "#e4e7eb"
	paper    = "#ffffff"
	inkError = "#b42318"
)

// curveInk are colours that colour-blind readers tell apart (Okabe and Ito),
// by kind.
func curveInk(k Kind) string {
	return [kinds]string{Read: "#0072b2", Update: "#d55e00", Insert: "#009e73", Scan: "#cc79a7", ReadModifyWrite: "#e69f00"}[k]
}

type plot struct {
	report     *Report
	height     int
	nines      float64 // the right end: 3 is the percentile 99.9
	low, high  float64 // of the latency axis, in ns
	withSeries bool
}

func newPlot(r *Report) *plot {
	p := &plot{report: r, height: latencyTop + latencySize + plotBottom, withSeries: len(r.Run.Series) >= 4}
	if p.withSeries {
		p.height += seriesGap + seriesSize - plotBottom/2
	}
	// The last percentile that more than one sample stands behind.
	p.nines = min(max(math.Floor(math.Log10(float64(r.Run.All.Count))), 2), 6)
	p.low, p.high = math.Inf(1), 0
	for _, h := range r.Run.byKind {
		p.low = min(p.low, float64(h.ValueAtPercentile(1)))
		p.high = max(p.high, float64(h.ValueAtPercentile(p.percentile(p.nines))))
	}
	p.low, p.high = floor125(p.low), ceil125(p.high*1.02)
	if p.high <= p.low {
		p.high = p.low * 10
	}
	return p
}

// percentile is the one that many nines stand for: 0 → 0, 1 → 90, 2 → 99.
func (p *plot) percentile(nines float64) float64 { return 100 * (1 - math.Pow(10, -nines)) }

func (p *plot) x(nines float64) float64 {
	return plotLeft + nines/p.nines*(plotWidth-plotLeft-plotRight)
}

func (p *plot) y(ns float64) float64 {
	share := math.Log(ns/p.low) / math.Log(p.high/p.low)
	return latencyTop + latencySize*(1-min(max(share, 0), 1))
}

func (p *plot) draw(c canvas) {
	c.rect(0, 0, plotWidth, float64(p.height), paper)
	s := &p.report.Settings
	title := fmt.Sprintf("Workload %s: %s requests per second", strings.ToUpper(s.Workload), Thousands(int64(p.report.Run.PerSecond)))
	if strings.Contains(s.Workload, "=") {
		title = fmt.Sprintf("%s: %s requests per second", s.Workload, Thousands(int64(p.report.Run.PerSecond)))
	}
	c.text(plotLeft, 34, title, 20, anchorStart, ink, true)
	c.text(plotLeft, 58, p.subtitle(), 13, anchorStart, faint, false)
	p.grid(c)
	p.curves(c)
	if p.withSeries {
		p.series(c)
	}
}

func (p *plot) subtitle() string {
	s := &p.report.Settings
	parts := []string{}
	if s.Protocol != "" {
		parts = append(parts, s.Protocol+" protocol")
	}
	parts = append(parts, plural(int64(s.Callers), "caller"))
	if s.Batch > 1 {
		parts = append(parts, fmt.Sprintf("batches of %d", s.Batch))
	}
	if s.Pipeline > 1 {
		parts = append(parts, fmt.Sprintf("pipelines of %d", s.Pipeline))
	}
	if s.Rate > 0 {
		parts = append(parts, fmt.Sprintf("timetable of %s/s", Thousands(int64(s.Rate))))
	}
	parts = append(parts, plural(s.Records, "record"), s.ValueSize+"-byte values", string(s.Distribution),
		fmt.Sprintf("%.0f s", p.report.Run.Seconds))
	return strings.Join(parts, " · ")
}

func plural(n int64, what string) string {
	if n != 1 {
		what += "s"
	}
	return Thousands(n) + " " + what
}

func (p *plot) grid(c canvas) {
	bottom := float64(latencyTop + latencySize)
	for n := 0.0; n <= p.nines; n++ {
		c.path([][2]float64{{p.x(n), latencyTop}, {p.x(n), bottom}}, gridInk, 1, false)
		label := fmt.Sprintf("%.*f %%", max(int(n)-2, 0), p.percentile(n))
		if n == 0 {
			label = "0 %"
		}
		c.text(p.x(n), bottom+18, label, 12, anchorMiddle, faint, false)
	}
	median := p.x(math.Log10(2))
	c.path([][2]float64{{median, latencyTop}, {median, bottom}}, gridInk, 1, true)
	c.text(median, bottom+18, "50 %", 12, anchorMiddle, faint, false)
	c.text((plotLeft+plotWidth-plotRight)/2, bottom+40, "requests answered at least as fast", 12, anchorMiddle, faint, false)
	// 1-2-5 steps up to two decades, otherwise whole decades.
	fine := p.high/p.low <= 150
	for v := p.low; v <= p.high*1.0001; {
		if fine || decade(v) {
			c.path([][2]float64{{plotLeft, p.y(v)}, {plotWidth - plotRight, p.y(v)}}, gridInk, 1, false)
			c.text(plotLeft-8, p.y(v)+4, shortDuration(time.Duration(v)), 12, anchorEnd, faint, false)
		}
		v = next125(v)
	}
}

func (p *plot) curves(c canvas) {
	const steps = 600
	labels := []curveLabel{}
	for k := range kinds {
		h := p.report.Run.byKind[k]
		if h == nil {
			continue
		}
		end := min(p.nines, math.Log10(float64(h.TotalCount())))
		percentiles := make([]float64, 0, steps+1)
		for i := range steps + 1 {
			percentiles = append(percentiles, p.percentile(end*float64(i)/steps))
		}
		values := h.ValueAtPercentilesSlice(percentiles)
		points := make([][2]float64, 0, steps+1)
		for i, v := range values {
			points = append(points, [2]float64{p.x(end * float64(i) / steps), p.y(float64(v))})
		}
		c.path(points, curveInk(k), 2.2, false)
		last := points[len(points)-1]
		labels = append(labels, curveLabel{k, last[0], last[1], p.tail(h)})
	}
	spread(labels)
	for _, l := range labels {
		c.text(l.x+8, l.y, l.kind.String(), 13, anchorStart, curveInk(l.kind), true)
		c.text(l.x+8, l.y+14, l.tail, 11, anchorStart, faint, false)
	}
}

// tail says what the curve's shape cannot: its numbers.
func (p *plot) tail(h *hdrhistogram.Histogram) string {
	return "p99 " + shortDuration(time.Duration(h.ValueAtPercentile(99)))
}

type curveLabel struct {
	kind Kind
	x, y float64
	tail string
}

// spread moves labels apart that would stand on each other.
func spread(labels []curveLabel) {
	const apart = 32
	for range len(labels) * len(labels) {
		for i := range labels {
			for j := range labels {
				a, b := &labels[i], &labels[j]
				if i != j && math.Abs(a.x-b.x) < 110 && a.y <= b.y && b.y-a.y < apart {
					b.y = a.y + apart
				}
			}
		}
	}
	// Labels pushed below the axis go up again, and take their neighbours along.
	for i := range labels {
		over := labels[i].y - (latencyTop + latencySize - 14)
		if over <= 0 {
			continue
		}
		for j := range labels {
			labels[j].y -= over
		}
	}
}

// series draws throughput by second, and where errors were.
func (p *plot) series(c canvas) {
	points := p.report.Run.Series
	top, bottom := float64(latencyTop+latencySize+seriesGap), float64(latencyTop+latencySize+seriesGap+seriesSize)
	highest, end := 1.0, points[len(points)-1].Seconds
	for _, pt := range points {
		highest = max(highest, pt.PerSecond)
	}
	highest = ceil125(highest)
	x := func(s float64) float64 { return plotLeft + s/end*(plotWidth-plotLeft-plotRight) }
	y := func(v float64) float64 { return bottom - v/highest*(bottom-top) }
	c.text(plotLeft, top-14, "Requests per second, as the run went", 13, anchorStart, ink, true)
	for _, share := range []float64{0, 0.5, 1} {
		c.path([][2]float64{{plotLeft, y(highest * share)}, {plotWidth - plotRight, y(highest * share)}}, gridInk, 1, false)
		c.text(plotLeft-8, y(highest*share)+4, shortCount(highest*share), 12, anchorEnd, faint, false)
	}
	step := ceil125(end / 8)
	for s := 0.0; s <= end; s += step {
		c.text(x(s), bottom+18, fmt.Sprintf("%g s", s), 12, anchorMiddle, faint, false)
	}
	line := make([][2]float64, 0, 2*len(points))
	from := 0.0
	for _, pt := range points { // a step per interval: the figure is its mean
		line = append(line, [2]float64{x(from), y(pt.PerSecond)}, [2]float64{x(pt.Seconds), y(pt.PerSecond)})
		from = pt.Seconds
	}
	c.path(line, "#3e4c59", 1.8, false)
	for _, pt := range points {
		if pt.Errors > 0 {
			c.rect(x(pt.Seconds)-2, bottom-4, 4, 4, inkError)
		}
	}
	if p.report.Run.ErrorCount() > 0 {
		c.text(plotWidth-plotRight+8, bottom, "errors", 12, anchorStart, inkError, false)
	}
}

// shortDuration formats with at most three digits.
func shortDuration(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return threeDigits(float64(d)/1e3) + " µs"
	case d < time.Second:
		return threeDigits(float64(d)/1e6) + " ms"
	}
	return threeDigits(float64(d)/1e9) + " s"
}

func shortCount(v float64) string {
	switch {
	case v >= 1e6:
		return threeDigits(v/1e6) + " M"
	case v >= 1e3:
		return threeDigits(v/1e3) + " k"
	}
	return threeDigits(v)
}

func threeDigits(v float64) string {
	decimals := 0
	switch {
	case v < 10:
		decimals = 2
	case v < 100:
		decimals = 1
	}
	s := fmt.Sprintf("%.*f", decimals, v)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

// Thousands writes n with commas between groups of three digits.
func Thousands(n int64) string {
	s := fmt.Sprint(n)
	sign := ""
	if n < 0 {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// floor125 is the largest of …, 1, 2, 5, 10, 20, 50, … that is ≤ v.
func floor125(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{5, 2} {
		if m*power <= v {
			return m * power
		}
	}
	return power
}

// ceil125 is the smallest of them that is ≥ v.
func ceil125(v float64) float64 {
	if f := floor125(v); f >= v*(1-1e-9) {
		return f
	}
	return next125(floor125(v))
}

func next125(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)+1e-9))
	switch m := v / power; {
	case m < 1.5:
		return 2 * power
	case m < 3:
		return 5 * power
	default:
		return 10 * power
	}
}

func decade(v float64) bool {
	l := math.Log10(v)
	return math.Abs(l-math.Round(l)) < 1e-6
}
