package cli

import (
	"strings"
	"unicode/utf8"
)

// column is one column of a table.
type column struct {
	head string
	left bool // text; numbers stand at the right
	// flexible columns give way when the table is wider than it may be: their
	// cells are shortened, down to least characters.
	flexible bool
	least    int
}

// cell is a text with the way it is painted: colours must not count as width.
type cell struct {
	text  string
	paint func(style, string) string // nil: as it is
}

func plainCells(texts ...string) []cell {
	cells := make([]cell, len(texts))
	for i, text := range texts {
		cells[i].text = text
	}
	return cells
}

// tableGap is between columns and before the first.
const tableGap = 2

// drawTable writes head and rows, no line wider than width if the flexible
// columns allow it.
func drawTable(out *strings.Builder, s style, width int, columns []column, rows [][]cell) {
	widths := make([]int, len(columns))
	for i := range columns {
		widths[i] = utf8.RuneCountInString(columns[i].head)
		for _, row := range rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i].text))
		}
	}
	fit(columns, widths, width)
	heads := make([]cell, len(columns))
	for i := range columns {
		heads[i] = cell{columns[i].head, style.dim}
	}
	for _, row := range append([][]cell{heads}, rows...) {
		writeRow(out, s, columns, widths, row)
	}
}

func writeRow(out *strings.Builder, s style, columns []column, widths []int, row []cell) {
	blanks := 0 // owed: none are written at the end of a line
	for i, c := range row {
		text := shorten(c.text, widths[i])
		pad := widths[i] - utf8.RuneCountInString(text)
		blanks += tableGap
		if !columns[i].left {
			blanks += pad
		}
		if text != "" {
			out.WriteString(strings.Repeat(" ", blanks))
			blanks = 0
			if c.paint != nil {
				text = c.paint(s, text)
			}
			out.WriteString(text)
		}
		if columns[i].left {
			blanks += pad
		}
	}
	out.WriteByte('\n')
}

// fit takes from the widest flexible column until the table fits, or none can
// give more.
func fit(columns []column, widths []int, width int) {
	total := 0
	for _, w := range widths {
		total += w + tableGap
	}
	for ; total > width; total-- {
		widest := -1
		for i := range columns {
			if columns[i].flexible && widths[i] > max(columns[i].least, 1) && (widest < 0 || widths[i] > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			return
		}
		widths[widest]--
	}
}
