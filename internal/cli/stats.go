package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// printStats shows any JSON object as sections of names and figures, in the
// server's order. It knows nothing of what the figures are, only the units
// that their names end in, so a newer server's figures are shown as well.
func printStats(w io.Writer, text []byte, s style) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	v, err := orderedValue(dec)
	if err != nil {
		return fmt.Errorf("the server's figures are not JSON: %w", err)
	}
	fields, ok := v.([]field)
	if !ok {
		return fmt.Errorf("the server's figures are not a JSON object: %.60s", text)
	}
	var out strings.Builder
	writeSection(&out, "server", fields, s)
	_, err = io.WriteString(w, strings.TrimLeft(out.String(), "\n"))
	return err
}

type field struct {
	name  string
	value any // []field, []any, json.Number, string, bool or nil
}

// orderedValue decodes one value, objects as []field in their order.
func orderedValue(dec *json.Decoder) (any, error) {
	token, err := dec.Token()
	if err != nil {
		return nil, err
	}
	delim, ok := token.(json.Delim)
	if !ok {
		return token, nil
	}
	if delim == '[' {
		list := []any{}
		for dec.More() {
			v, err := orderedValue(dec)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err = dec.Token()
		return list, err
	}
	fields := []field{}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, err
		}
		v, err := orderedValue(dec)
		if err != nil {
			return nil, err
		}
		fields = append(fields, field{fmt.Sprint(name), v})
	}
	_, err = dec.Token()
	return fields, err
}

// writeSection writes the plain figures first, then the sections within.
func writeSection(out *strings.Builder, title string, fields []field, s style) {
	fields = summarizeHistogram(fields)
	width := 0
	for _, f := range fields {
		if isScalar(f.value) {
			width = max(width, len(f.name))
		}
	}
	if width > 0 {
		fmt.Fprintf(out, "\n%s\n", s.bold(words(title)))
	}
	for _, f := range fields {
		if isScalar(f.value) {
			fmt.Fprintf(out, "  %-*s  %s\n", width, words(f.name), scalar(f.name, f.value))
		}
	}
	for _, f := range fields {
		switch v := f.value.(type) {
		case []field:
			writeSection(out, f.name, v, s)
		case []any:
			if len(v) > 0 && !isScalar(v[0]) {
				fmt.Fprintf(out, "\n%s\n", s.bold(words(f.name)))
				writeTable(out, v, s)
			}
		}
	}
}

// isScalar tells what fits behind a name: no section, and no list of them.
func isScalar(v any) bool {
	switch v := v.(type) {
	case []field:
		return false
	case []any:
		return len(v) == 0 || isScalar(v[0])
	}
	return true
}

// writeTable writes a list of objects, the first one's names as columns.
func writeTable(out *strings.Builder, list []any, s style) {
	first, ok := list[0].([]field)
	if !ok {
		return
	}
	var names []string
	for _, f := range first {
		if isScalar(f.value) {
			names = append(names, f.name)
		}
	}
	rows := [][]string{}
	for _, item := range list {
		fields, _ := item.([]field)
		row := make([]string, len(names))
		for i, name := range names {
			for _, f := range fields {
				if f.name == name {
					row[i] = scalar(name, f.value)
				}
			}
		}
		rows = append(rows, row)
	}
	heads := make([]string, len(names))
	for i, name := range names {
		heads[i] = words(name)
	}
	writeRows(out, heads, rows, s)
}

// writeRows writes a table whose first column is text and whose others are figures.
func writeRows(out *strings.Builder, heads []string, rows [][]string, s style) {
	widths := make([]int, len(heads))
	for _, row := range append([][]string{heads}, rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	line := func(row []string) string {
		var b strings.Builder
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			b.WriteString("  ")
			if i == 0 {
				b.WriteString(cell + pad)
			} else {
				b.WriteString(pad + cell)
			}
		}
		return strings.TrimRight(b.String(), " ")
	}
	out.WriteString(s.dim(line(heads)) + "\n")
	for _, row := range rows {
		out.WriteString(line(row) + "\n")
	}
}

func words(name string) string { return strings.ReplaceAll(name, "_", " ") }

// scalar shows a figure by the unit its name ends in.
func scalar(name string, v any) string {
	switch v := v.(type) {
	case nil:
		return "–"
	case bool:
		if v {
			return "yes"
		}
		return "no"
	case json.Number:
		return number(name, v)
	case []any:
		parts := make([]string, len(v))
		for i := range v {
			parts[i] = scalar(name, v[i])
		}
		return strings.Join(parts, ", ")
	case string:
		switch v {
		case "":
			return "–"
		case "0001-01-01T00:00:00Z": // Go's zero time
			return "never"
		}
		return v
	}
	return fmt.Sprint(v)
}

func number(name string, n json.Number) string {
	f, err := n.Float64()
	if err != nil {
		return n.String()
	}
	unit := name[strings.LastIndexByte(name, '_')+1:]
	switch unit {
	case "bytes":
		return byteSize(f)
	case "seconds":
		return span(time.Duration(f * float64(time.Second)))
	case "ms":
		return span(time.Duration(f * float64(time.Millisecond)))
	case "us":
		return span(time.Duration(f * float64(time.Microsecond)))
	case "ns":
		return span(time.Duration(f))
	}
	if i, err := strconv.ParseInt(n.String(), 10, 64); err == nil {
		return thousands(i)
	}
	return n.String()
}

// summarizeHistogram puts count, mean and percentiles in the place of a
// histogram: the fields bounds_seconds, counts (one more, above the last bound)
// and sum_seconds. Fields that are none come back as they are.
func summarizeHistogram(fields []field) []field {
	var bounds, counts []float64
	var sum float64
	var rest []field
	for _, f := range fields {
		switch f.name {
		case "bounds_seconds":
			bounds = floats(f.value)
		case "counts":
			counts = floats(f.value)
		case "sum_seconds":
			sum = floats([]any{f.value})[0]
		default:
			rest = append(rest, f)
		}
	}
	if len(bounds) == 0 || len(counts) != len(bounds)+1 {
		return fields
	}
	total := 0.0
	for _, c := range counts {
		total += c
	}
	out := append(rest, field{"count", json.Number(strconv.FormatInt(int64(total), 10))})
	if total == 0 {
		return out
	}
	out = append(out, field{"mean", span(time.Duration(sum / total * float64(time.Second)))})
	for _, p := range []float64{50, 99, 99.9} {
		out = append(out, field{fmt.Sprintf("p%g", p), within(bounds, counts, total*p/100)})
	}
	return out
}

// within names the bucket that the rank falls into.
func within(bounds, counts []float64, rank float64) string {
	for i, b := range bounds {
		if rank -= counts[i]; rank <= 0 {
			return "≤ " + span(time.Duration(b*float64(time.Second)))
		}
	}
	return "> " + span(time.Duration(bounds[len(bounds)-1]*float64(time.Second)))
}

// floats gives the numbers of a list, 0 for what is none.
func floats(v any) []float64 {
	list, _ := v.([]any)
	out := make([]float64, len(list))
	for i, item := range list {
		if n, ok := item.(json.Number); ok {
			out[i], _ = n.Float64() // 0 for what is out of range
		}
	}
	return out
}
