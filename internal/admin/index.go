package admin

import (
	"bytes"
	"cmp"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// index is the page for a person who opened the address in a browser: how the
// node is, and where to look further. It loads nothing from elsewhere.
func (h *handler) index(w http.ResponseWriter, _ *http.Request) {
	page, err := template.New("index").Parse(indexPage + indexClusterPart)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	var body bytes.Buffer
	if err := page.Execute(&body, h.indexData()); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Write(body.Bytes())
}

func (h *handler) indexData() indexData {
	if p := h.opts.Program; p != nil {
		state := p.State()
		return indexData{Status: describe(state), Good: state.Ready && !state.Stopping, Rows: p.Rows(), Debug: h.opts.DebugEndpoints}
	}
	return indexOf(h.opts.Source.Facts(), time.Now(), h.opts.DebugEndpoints)
}

type indexData struct {
	Status  string
	Good    bool
	Rows    [][2]string
	Cluster *indexCluster // nil: no part of one
	Cmds    []indexCommand
	Debug   bool
}

type indexCommand struct {
	Name, Calls, Errors, P50, P99 string
}

const commandsShown = 20

func indexOf(f Facts, now time.Time, debug bool) indexData {
	d := indexData{Status: describe(f.State), Good: f.State.Ready && !f.State.Stopping, Debug: debug}
	row := func(name, text string) { d.Rows = append(d.Rows, [2]string{name, text}) }
	row("version", f.Node.Version)
	row("node", f.Node.NodeID)
	row("data port", f.Node.Addr)
	row("up for", now.Sub(f.Node.StartedAt).Round(time.Second).String())
	row("a write is acknowledged", promiseOf(&f))
	row("keys", fmt.Sprintf("%s (%s with an expiry)", thousands(uint64(f.Node.Keys)), thousands(uint64(f.Node.Expiring))))
	memory := humanBytes(f.Memory.UsedBytes)
	if f.Memory.LimitBytes > 0 {
		memory += " of " + humanBytes(f.Memory.LimitBytes)
	}
	row("memory of the data", memory)
	if f.Node.Durability != "in-memory" {
		row("log", fmt.Sprintf("%s in %s", humanBytes(f.Log.DiskBytes), countOf(uint64(f.Log.Segments), "file")))
		row("fsync, p50 and p99 at most", fmt.Sprintf("%s, %s", humanSeconds(f.Log.Fsync.Quantile(.5)), humanSeconds(f.Log.Fsync.Quantile(.99))))
		row("last snapshot", lastSnapshot(f.Snapshot, now))
		if f.Log.NoSpace {
			row("disk", "full: writes are refused until there is space")
		}
	}
	var open int64
	for _, n := range f.Server.Connections {
		open += n
	}
	row("connections", thousands(uint64(open)))

	if f.Cluster != nil && len(f.Cluster.Members) > 0 {
		d.Cluster = indexClusterOf(f.Cluster, f.Node.ClusterID, now)
	}
	commands := slices.SortedStableFunc(slices.Values(f.Commands), func(a, b Command) int {
		return cmp.Compare(b.Latency.Count(), a.Latency.Count())
	})
	for _, c := range commands[:min(len(commands), commandsShown)] {
		d.Cmds = append(d.Cmds, indexCommand{
			c.Name, thousands(c.Latency.Count()), thousands(c.Errors),
			humanSeconds(c.Latency.Quantile(.5)), humanSeconds(c.Latency.Quantile(.99)),
		})
	}
	return d
}

// promiseOf says when a write is acknowledged: in a cluster, as soon as a majority of
// copies is what the node alone would have.
func promiseOf(f *Facts) string {
	if f.Cluster == nil || len(f.Cluster.Members) < 2 {
		return promise(f.Node.Durability)
	}
	copies := min(f.Cluster.Replicas, len(f.Cluster.Members))
	on := "have it; on their disks when the systems write it"
	switch f.Node.Durability {
	case "always":
		on = "have it on disk"
	case "everysec":
		on = "have it; on their disks within a second"
	}
	return fmt.Sprintf("when %d of %s %s", copies/2+1, countOf(uint64(copies), "copy"), on)
}

// countOf writes a number with its noun.
func countOf(n uint64, noun string) string {
	switch stem, y := strings.CutSuffix(noun, "y"); {
	case n == 1:
	case y:
		noun = stem + "ies"
	default:
		noun += "s"
	}
	return thousands(n) + " " + noun
}

func promise(durability string) string {
	switch durability {
	case "always":
		return "when it is on disk"
	case "everysec":
		return "at once; on disk within a second"
	case "never":
		return "at once; on disk when the system writes it"
	default:
		return "at once; nothing is kept on disk"
	}
}

func lastSnapshot(s Snapshot, now time.Time) string {
	var text string
	switch {
	case s.Running:
		text = fmt.Sprintf("running, %.0f %%", 100*s.Progress)
	case s.LastOK.IsZero():
		text = "none since the start"
	default:
		text = fmt.Sprintf("%s ago, %s", now.Sub(s.LastOK).Round(time.Second), humanBytes(s.LastBytes))
	}
	if s.LastError != "" {
		text += "; the last attempt failed: " + s.LastError
	}
	return text
}

func humanBytes(n int64) string {
	if n < 1024 {
		return strconv.FormatInt(n, 10) + " B"
	}
	value, unit := float64(n)/1024, 0
	for units := "KMGTP"; value >= 1024 && unit < len(units)-1; unit++ {
		value /= 1024
	}
	return fmt.Sprintf("%.1f %ciB", value, "KMGTP"[unit])
}

func humanSeconds(s float64) string {
	if s == 0 {
		return "–"
	}
	return time.Duration(s * float64(time.Second)).String()
}

// thousands groups digits: 1 234 567, with no-break spaces.
func thousands(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "\u00a0" + s[i:]
	}
	return s
}

const indexPage = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>VegaDB: {{.Status}}</title>
<style>
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0; }
h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
h3 { font-size: 1rem; margin: 1.2rem 0 .3rem; }
code { font-size: .9em; }
.wide { overflow-x: auto; }
.wide th, .wide td { overflow-wrap: normal; white-space: nowrap; }
.wide td.num, .wide th.num { padding-right: 1rem; }
.status { font-weight: 600; }
.good { color: #15803d; }
.bad { color: #c2410c; }
@media (prefers-color-scheme: dark) { .good { color: #4ade80; } .bad { color: #fb923c; } }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid #8884; vertical-align: top; overflow-wrap: anywhere; }
th { font-weight: 400; opacity: .75; }
.facts th { width: 14rem; }
.num { text-align: right; padding-right: 0; padding-left: .75rem; font-variant-numeric: tabular-nums; }
ul { padding-left: 1.2rem; }
</style>
</head>
<body>
<h1>VegaDB</h1>
<p class="status {{if .Good}}good{{else}}bad{{end}}">{{.Status}}</p>
<table class="facts">
{{range .Rows}}<tr><th scope="row">{{index . 0}}</th><td>{{index . 1}}</td></tr>
{{end}}</table>
{{with .Cluster}}{{template "cluster" .}}{{end}}
{{if .Cmds}}<h2>Commands since the start</h2>
<div class="wide"><table>
<tr><th scope="col">command</th><th scope="col" class="num">calls</th><th scope="col" class="num">errors</th><th scope="col" class="num">p50 ≤</th><th scope="col" class="num">p99 ≤</th></tr>
{{range .Cmds}}<tr><td>{{.Name}}</td><td class="num">{{.Calls}}</td><td class="num">{{.Errors}}</td><td class="num">{{.P50}}</td><td class="num">{{.P99}}</td></tr>
{{end}}</table></div>{{end}}
<h2>More</h2>
<ul>
<li><a href="/metrics">/metrics</a> for Prometheus</li>
<li><a href="/api/v1/stats">/api/v1/stats</a> the same as JSON</li>
<li><a href="/readyz">/readyz</a> and <a href="/healthz">/healthz</a> for load balancers and supervisors</li>
{{if .Debug}}<li><a href="/debug/pprof/">/debug/pprof/</a> profiles</li>{{end}}
</ul>
</body>
</html>
`
