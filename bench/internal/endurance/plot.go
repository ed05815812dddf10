package endurance

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// The drawing's measures, in pixels.
const (
	plotWidth  = 960
	plotLeft   = 90
	plotRight  = 110
	panelTop   = 96
	panelSize  = 110
	panelGap   = 44
	plotBottom = 64
)

// nodeInk are colours that colour-blind readers tell apart (Okabe and Ito). Nodes that joined later share the last.
var nodeInk = []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7"}

// panels are drawn below each other, one for each quantity.
var panels = []struct {
	title string
	of    func(Sample) float64
	scale float64
	unit  string
}{
	{"Resident memory", func(s Sample) float64 { return s.RSS }, 1 << 20, "MiB"},
	{"Disk", func(s Sample) float64 { return s.Disk }, 1 << 20, "MiB"},
	{"Goroutines", func(s Sample) float64 { return s.Goroutines }, 1, ""},
	{"File descriptors", func(s Sample) float64 { return s.FDs }, 1, ""},
}

// WritePlot draws the samples as an SVG: a panel for each quantity, a line for each node, a grey band for each trouble.
func (r *Result) WritePlot(w io.Writer) error {
	var b strings.Builder
	height := panelTop + len(panels)*(panelSize+panelGap) - panelGap + plotBottom
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="Helvetica, Arial, sans-serif">`+"\n", plotWidth, height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#ffffff"/>`+"\n", plotWidth, height)
	text(&b, plotLeft, 34, 20, "start", "#1f2933", fmt.Sprintf("What each node uses in %s", minutes(r.Seconds)))
	text(&b, plotLeft, 58, 13, "start", "#616e7c", fmt.Sprintf("%d calls, %d troubles (grey: from the trouble until the cluster is whole again), seed %d", r.Load.Calls, len(r.Troubles), r.Seed))
	for i := range panels {
		r.panel(&b, i, float64(panelTop+i*(panelSize+panelGap)))
	}
	bottom := float64(height - plotBottom)
	for m := 0.0; m <= r.Seconds/60; m += step(r.Seconds / 60 / 8) {
		text(&b, r.x(60*m), bottom+20, 12, "middle", "#616e7c", fmt.Sprintf("%.0f min", m))
	}
	b.WriteString("</svg>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Result) x(seconds float64) float64 {
	return plotLeft + seconds/r.Seconds*(plotWidth-plotLeft-plotRight)
}

func (r *Result) panel(b *strings.Builder, i int, top float64) {
	p := panels[i]
	highest := 1.0
	for _, s := range r.Samples {
		highest = max(highest, p.of(s)/p.scale)
	}
	ceiling := step(highest/2) * 2
	for ceiling < highest {
		ceiling += step(highest/2) / 2
	}
	y := func(v float64) float64 { return top + panelSize*(1-v/ceiling) }
	for _, t := range r.Troubles {
		fmt.Fprintf(b, `<rect x="%.1f" y="%.1f" width="%.1f" height="%d" fill="#f0f2f5"><title>%s</title></rect>`+"\n", r.x(t.From), top, max(r.x(t.To)-r.x(t.From), 1), panelSize, t.What)
	}
	text(b, plotLeft, top-10, 13, "start", "#1f2933", p.title)
	for _, share := range []float64{0, 0.5, 1} {
		v := ceiling * share
		fmt.Fprintf(b, `<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" stroke="#dde1e6"/>`+"\n", plotLeft, plotWidth-plotRight, y(v), y(v))
		text(b, plotLeft-8, y(v)+4, 12, "end", "#616e7c", strings.TrimSpace(fmt.Sprintf("%.4g %s", v, p.unit)))
	}
	r.lines(b, i == 0, top, func(s Sample) float64 { return y(p.of(s) / p.scale) })
}

// lines draws each node's line, broken where it has no samples, and its name where asked to.
func (r *Result) lines(b *strings.Builder, names bool, top float64, y func(Sample) float64) {
	var order []string
	for _, s := range r.Samples {
		if !slices.Contains(order, s.Node) {
			order = append(order, s.Node)
		}
	}
	gap := 3 * r.interval()
	for n, node := range order {
		ink := nodeInk[min(n, len(nodeInk)-1)]
		var path strings.Builder
		last := math.Inf(-1)
		for _, s := range r.Samples {
			if s.Node != node {
				continue
			}
			verb := "L"
			if s.At-last > gap {
				verb = "M"
			}
			fmt.Fprintf(&path, "%s%.1f %.1f", verb, r.x(s.At), y(s))
			last = s.At
		}
		fmt.Fprintf(b, `<path d="%s" fill="none" stroke="%s" stroke-width="1.6"/>`+"\n", path.String(), ink)
		if names && n < len(nodeInk) {
			if n == len(nodeInk)-1 && len(order) > len(nodeInk) {
				node = "joined later"
			}
			text(b, plotWidth-plotRight+10, top+14+18*float64(n), 13, "start", ink, node)
		}
	}
}

// interval is the usual time between two samples of one node.
func (r *Result) interval() float64 {
	if len(r.Samples) < 2 {
		return 1
	}
	first := r.Samples[0]
	for _, s := range r.Samples[1:] {
		if s.Node == first.Node {
			return max(s.At-first.At, 0.1)
		}
	}
	return 1
}

func text(b *strings.Builder, x, y float64, size int, anchor, ink, what string) {
	fmt.Fprintf(b, `<text x="%.1f" y="%.1f" font-size="%d" text-anchor="%s" fill="%s">%s</text>`+"\n", x, y, size, anchor, ink, what)
}

// step is the 1, 2 or 5 with zeros that is not below v.
func step(v float64) float64 {
	ten := math.Pow(10, math.Floor(math.Log10(max(v, 1))))
	for _, n := range []float64{1, 2, 5} {
		if n*ten >= v {
			return n * ten
		}
	}
	return 10 * ten
}

func minutes(seconds float64) string { return fmt.Sprintf("%.1f min", seconds/60) }
