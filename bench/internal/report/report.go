// Package report keeps the results of rows as JSON files and renders them as the table of docs/performance.md.
//
// A row's file is replaced each time the row runs, so the table can be put together from runs of single rows; each
// row says when and on which commit it ran.
package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/prakashpandey/vegadb/bench/internal/stats"
)

// Machine is where and with what a row ran.
type Machine struct {
	CPU       string `json:"cpu"`
	CPUs      int    `json:"cpus"`
	MemoryGiB int    `json:"memory_gib"`
	Kernel    string `json:"kernel"`
	Disk      string `json:"disk"` // file system under the data
	Go        string `json:"go"`
	VegaDB    string `json:"vegadb"` // commit
	Redis     string `json:"redis,omitempty"`
	Memcached string `json:"memcached,omitempty"`
	Rueidis   string `json:"rueidis,omitempty"`
	Etcd      string `json:"etcd,omitempty"` // server and client
}

// versions names those that took part.
func (m Machine) versions() string {
	text := "VegaDB " + m.VegaDB
	for _, v := range []struct{ name, version string }{
		{"Redis", m.Redis}, {"memcached", m.Memcached}, {"rueidis", m.Rueidis}, {"etcd", m.Etcd},
	} {
		if v.version != "" {
			text += ", " + v.name + " " + v.version
		}
	}
	return text
}

// Row is the outcome of one row.
type Row struct {
	Name    string         `json:"name"`
	Title   string         `json:"title"`
	Date    string         `json:"date"` // UTC, RFC 3339
	Rounds  int            `json:"rounds"`
	Quick   bool           `json:"quick,omitempty"`
	Command string         `json:"command"`
	Machine Machine        `json:"machine"`
	Results []stats.Result `json:"results"`
}

// Save writes a row's file below dir.
func Save(dir string, row Row) error {
	text, err := json.MarshalIndent(row, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, row.Name+".json"), append(text, '\n'), 0o644)
}

// Load reads the files of the named rows that exist, in the order given.
func Load(dir string, names []string) ([]Row, error) {
	var rows []Row
	for _, name := range names {
		path := filepath.Join(dir, name+".json")
		text, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		var row Row
		if err := json.Unmarshal(text, &row); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// Line is a result on a terminal.
func Line(r stats.Result) string {
	text := fmt.Sprintf("  %-9s %s, %s: %s %s", mark(r.Verdict()), r.Work, r.Metric, r.Ours, r.Unit)
	if len(r.Theirs) > 0 {
		text += fmt.Sprintf("; %s %s; ratio %s", r.Peer, r.Theirs, stats.Ratio(r.Ours, r.Theirs))
	}
	if r.Promise.Kind != stats.None {
		text += fmt.Sprintf("; promised %s", r.PromiseText())
	}
	return text
}

func mark(verdict string) string {
	if verdict == "info" {
		return ""
	}
	return strings.ToUpper(verdict)
}

// Markdown renders rows as one table with what a reader needs to judge it below.
func Markdown(rows []Row) string {
	var b strings.Builder
	b.WriteString("| work | metric | VegaDB | peer | ratio | promise | |\n| --- | --- | --- | --- | --- | --- | --- |\n")
	for _, row := range rows {
		for _, r := range row.Results {
			theirs, ratio := "–", "–"
			if len(r.Theirs) > 0 {
				theirs = fmt.Sprintf("%s %s", r.Peer, r.Theirs)
				ratio = stats.Ratio(r.Ours, r.Theirs).String()
			}
			fmt.Fprintf(&b, "| %s | %s (%s) | %s | %s | %s | %s | %s |\n",
				r.Work, r.Metric, r.Unit, r.Ours, theirs, ratio, r.PromiseText(), verdictText(r.Verdict()))
		}
	}
	b.WriteString("\n")
	b.WriteString(provenance(rows))
	return b.String()
}

func verdictText(verdict string) string {
	switch verdict {
	case "met":
		return "met"
	case "missed":
		return "**missed**"
	default:
		return "–"
	}
}

// provenance says once what is the same for neighbouring rows.
func provenance(rows []Row) string {
	var b strings.Builder
	var last string
	for _, row := range rows {
		m := row.Machine
		quick := ""
		if row.Quick {
			quick = ", **quick mode: a tenth of the data, not to be quoted**"
		}
		text := fmt.Sprintf("%s · %d × %s, %d GiB, Linux %s, data on %s · %s · %s · %d rounds%s",
			row.Date[:min(10, len(row.Date))], m.CPUs, m.CPU, m.MemoryGiB, m.Kernel, m.Disk, m.Go, m.versions(), row.Rounds, quick)
		if text == last {
			b.WriteString(", `" + row.Name + "`")
			continue
		}
		if last != "" {
			b.WriteString("\n")
		}
		b.WriteString("- " + text + ": `" + row.Name + "`")
		last = text
	}
	b.WriteString("\n")
	return b.String()
}

// Summary renders the promises alone, one line each: what the front page shows.
func Summary(rows []Row) string {
	var b strings.Builder
	b.WriteString("| work | measured | promised | |\n| --- | --- | --- | --- |\n")
	for _, row := range rows {
		for _, r := range row.Results {
			if r.Promise.Kind == stats.None {
				continue
			}
			measured := stats.Format(r.Measured().Median())
			if r.Promise.Kind == stats.AtMost {
				measured += " " + r.Unit
			} else {
				measured += " × " + r.Peer
			}
			fmt.Fprintf(&b, "| %s: %s | %s | %s | %s |\n", r.Work, r.Metric, measured, r.PromiseText(), verdictText(r.Verdict()))
		}
	}
	return b.String()
}

// A Place is where a generated text stands in a document: between two comments that name it.
type Place string

// The places in the docs: tables are in docs/performance.md, summaries in README.md, endurance in docs/reliability.md.
const (
	TablePlace          Place = "bench-table"
	SummaryPlace        Place = "bench-summary"
	ClusterTablePlace   Place = "cluster-table"
	ClusterSummaryPlace Place = "cluster-summary"
	EndurancePlace      Place = "endurance"
)

func (p Place) markers() (begin, end string) {
	target := "bench-peers"
	switch {
	case p == EndurancePlace:
		target = "endurance"
	case strings.HasPrefix(string(p), "cluster-"):
		target = "bench-cluster"
	}
	return fmt.Sprintf("<!-- %s:begin, written by make %s ARGS=--update-docs -->", p, target), fmt.Sprintf("<!-- %s:end -->", p)
}

// UpdateDocs replaces what stands at a place of a document.
func UpdateDocs(path string, place Place, text string) error {
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	out, err := splice(string(old), place, text)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return os.WriteFile(path, []byte(out), 0o644)
}

func splice(document string, place Place, text string) (string, error) {
	begin, end := place.markers()
	head, rest, ok := strings.Cut(document, begin)
	if !ok {
		return "", fmt.Errorf("the line %q is missing", begin)
	}
	_, foot, ok := strings.Cut(rest, end)
	if !ok {
		return "", fmt.Errorf("the line %q is missing", end)
	}
	return head + begin + "\n\n" + strings.TrimRight(text, "\n") + "\n\n" + end + foot, nil
}
