package cli

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/prakashpandey/vegadb/internal/workload"
)

// style colours text for one stream, or leaves it alone.
type style struct{ on bool }

func (a *app) outStyle() style { return style{a.env.OutTerminal && !a.noColor} }
func (a *app) errStyle() style { return style{a.env.ErrTerminal && !a.noColor} }

func (s style) paint(code, text string) string {
	if !s.on {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (s style) red(text string) string    { return s.paint("31", text) }
func (s style) green(text string) string  { return s.paint("32", text) }
func (s style) yellow(text string) string { return s.paint("33", text) }
func (s style) cyan(text string) string   { return s.paint("36", text) }
func (s style) dim(text string) string    { return s.paint("2", text) }
func (s style) bold(text string) string   { return s.paint("1", text) }

// readable shows bytes to a person: as they are if that cannot be
// misunderstood, otherwise quoted so that the shell reads them back.
func readable(b []byte) string {
	if plain(b) {
		return string(b)
	}
	return quote(b)
}

// plain tells that b is printable text that cannot be taken for a quoted one.
// Line breaks and tabs within text are fine: values are often documents.
func plain(b []byte) bool {
	if len(b) == 0 || b[0] == '"' || b[0] == ' ' || b[len(b)-1] == ' ' || b[len(b)-1] == '\n' || !utf8.Valid(b) {
		return false
	}
	return strings.IndexFunc(string(b), func(r rune) bool {
		return !unicode.IsPrint(r) && r != '\n' && r != '\t'
	}) < 0
}

// oneLine is readable for lists: line breaks and tabs are quoted as well.
func oneLine(b []byte) string {
	if plain(b) && !strings.ContainsAny(string(b), "\n\t") {
		return string(b)
	}
	return quote(b)
}

// quote writes b in double quotes with the escapes that splitWords reads.
// Characters that print stay as they are.
func quote(b []byte) string {
	var out strings.Builder
	out.WriteByte('"')
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		switch {
		case r == '"' || r == '\\':
			out.WriteByte('\\')
			out.WriteRune(r)
		case r == '\n':
			out.WriteString(`\n`)
		case r == '\r':
			out.WriteString(`\r`)
		case r == '\t':
			out.WriteString(`\t`)
		case (r == utf8.RuneError && size == 1) || !unicode.IsPrint(r):
			for _, c := range b[:size] {
				out.WriteString(`\x`)
				out.WriteByte("0123456789abcdef"[c>>4])
				out.WriteByte("0123456789abcdef"[c&15])
			}
		default:
			out.WriteRune(r)
		}
		b = b[size:]
	}
	out.WriteByte('"')
	return out.String()
}

// thousands writes n with commas.
func thousands(n int64) string { return workload.Thousands(n) }
