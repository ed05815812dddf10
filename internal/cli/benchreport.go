package cli

import (
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/prakashpandey/vegadb/internal/workload"
)

// writeReport shows the outcome of a bench to a person.
func writeReport(w io.Writer, r *workload.Report, s style) error {
	var out strings.Builder
	out.WriteString(describeSettings(&r.Settings))
	if r.Load != nil {
		fmt.Fprintf(&out, "load    %s records in %s: %s per second%s\n", thousands(r.Load.Ops), inSeconds(r.Load.Seconds), perSecond(r.Load), errorsOf(r.Load, s))
	}
	if r.Run != nil {
		fmt.Fprintf(&out, "run     %s requests in %s: %s per second%s\n", thousands(r.Run.Ops), inSeconds(r.Run.Seconds), s.bold(perSecond(r.Run)), errorsOf(r.Run, s))
		if r.Run.Misses > 0 {
			fmt.Fprintf(&out, "        %s reads found nothing: were all %s records loaded?\n", thousands(r.Run.Misses), thousands(r.Settings.Records))
		}
	}
	if r.Verify != nil {
		fmt.Fprintf(&out, "verify  %s records read back in %s\n", thousands(r.Verify.Ops), inSeconds(r.Verify.Seconds))
	}
	if r.Run != nil && r.Run.All.Count > 0 {
		out.WriteString("\n")
		latencyTable(&out, r.Run, s)
	}
	if r.Interrupted {
		out.WriteString(s.yellow("\ninterrupted: the figures cover what was done until then\n"))
	}
	switch {
	case r.Violations.Count > 0:
		fmt.Fprintf(&out, "\n%s\n", s.red(fmt.Sprintf("%s reads failed the verification", thousands(r.Violations.Count))))
		for _, v := range r.Violations.First {
			fmt.Fprintf(&out, "  %s\n", v)
		}
	case r.Verify != nil && !r.Interrupted:
		fmt.Fprintf(&out, "\n%s every acknowledged write is there\n", s.green("verified:"))
	}
	_, err := io.WriteString(w, out.String())
	return err
}

func describeSettings(c *workload.Settings) string {
	var shares []string
	for _, kind := range []string{"read", "update", "insert", "scan", "read-modify-write"} {
		if share, ok := c.Shares[kind]; ok {
			shares = append(shares, fmt.Sprintf("%g %% %s", math.Round(share*1000)/10, kind))
		}
	}
	parts := []string{
		fmt.Sprintf("%s over %s records", c.Distribution, thousands(c.Records)),
		fmt.Sprintf("keys of %d B, values of %s B", c.KeySize, c.ValueSize),
		fmt.Sprintf("%d callers", c.Callers),
	}
	if c.Batch > 1 {
		parts = append(parts, fmt.Sprintf("batches of %d", c.Batch))
	}
	if c.Pipeline > 1 {
		parts = append(parts, fmt.Sprintf("pipelines of %d", c.Pipeline))
	}
	if c.Rate > 0 {
		parts = append(parts, fmt.Sprintf("timetable of %s per second", thousands(int64(c.Rate))))
	}
	return fmt.Sprintf("%s · %s · seed %d\n", strings.Join(shares, ", "), strings.Join(parts, " · "), c.Seed)
}

func perSecond(p *workload.PhaseReport) string { return thousands(int64(p.PerSecond)) }

func inSeconds(s float64) string { return fmt.Sprintf("%.2f s", s) }

func errorsOf(p *workload.PhaseReport, s style) string {
	var parts []string
	for _, class := range p.ErrorClasses() {
		parts = append(parts, fmt.Sprintf("%s %s", thousands(p.Errors[class]), class))
	}
	if len(parts) == 0 {
		return ""
	}
	return s.red("; errors: " + strings.Join(parts, ", "))
}

func latencyTable(out *strings.Builder, p *workload.PhaseReport, s style) {
	heads := []string{"latency", "requests", "mean", "p50", "p90", "p99", "p99.9", "p99.99", "max"}
	list := p.Kinds
	if len(list) > 1 {
		list = append(list[:len(list):len(list)], p.All)
	}
	var rows [][]string
	for _, l := range list {
		row := []string{l.Kind, thousands(l.Ops)}
		for _, us := range []float64{l.Mean, l.P50, l.P90, l.P99, l.P999, l.P9999, l.Max} {
			row = append(row, milliseconds(us))
		}
		rows = append(rows, row)
	}
	writeRows(out, heads, rows, s)
}

// milliseconds shows microseconds with three digits that count.
func milliseconds(us float64) string {
	ms := us / 1000
	decimals := 3
	switch {
	case ms >= 100:
		decimals = 0
	case ms >= 10:
		decimals = 1
	case ms >= 1:
		decimals = 2
	}
	return fmt.Sprintf("%.*f ms", decimals, ms)
}
