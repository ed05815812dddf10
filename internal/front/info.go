package front

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/config"
	"github.com/prakashpandey/vegadb/internal/resp"
)

// Info is the text of INFO and its like: lines of name:value.
type Info struct{ strings.Builder }

// Field adds a line.
func (b *Info) Field(name string, value any) { fmt.Fprintf(b, "%s:%v\r\n", name, value) }

// Flag adds a line that says 1 or 0.
func (b *Info) Flag(name string, value bool) { b.Field(name, BoolInt(value)) }

// CommandStats adds the line of one command. spent is the time of all calls.
func (b *Info) CommandStats(name string, calls, errors uint64, spent time.Duration) {
	usec := float64(spent) / float64(time.Microsecond)
	b.Field("cmdstat_"+name, fmt.Sprintf("calls=%d,usec=%.0f,usec_per_call=%.2f,rejected_calls=0,failed_calls=%d",
		calls, usec, usec/float64(max(calls, 1)), errors))
}

// BoolInt is 1 for true.
func BoolInt(v bool) int {
	if v {
		return 1
	}
	return 0
}

// Section is one section of the INFO of a T.
type Section[T any] struct {
	Name  string
	Write func(of T, b *Info) // without the heading
	Extra bool                // only when asked for by name, with "all" or "everything"
}

// WriteInfo answers INFO [section …].
func WriteInfo[T any](w *resp.Writer, args [][]byte, of T, sections []Section[T]) {
	wanted := map[string]bool{}
	for _, arg := range args[1:] {
		wanted[strings.ToLower(string(arg))] = true
	}
	all := wanted["all"] || wanted["everything"]
	usual := len(wanted) == 0 || wanted["default"]
	var b Info
	for _, section := range sections {
		if !all && !wanted[strings.ToLower(section.Name)] && (!usual || section.Extra) {
			continue
		}
		if b.Len() > 0 {
			b.WriteString("\r\n")
		}
		fmt.Fprintf(&b, "# %s\r\n", section.Name)
		section.Write(of, &b)
	}
	w.Verbatim("txt", b.String())
}

// WriteTime answers TIME.
func WriteTime(w *resp.Writer, now time.Time) {
	w.Array(2)
	w.BulkString(strconv.FormatInt(now.Unix(), 10))
	w.BulkString(strconv.Itoa(now.Nanosecond() / 1000))
}

// WriteConfig answers CONFIG GET. parameters returns those whose names match.
func WriteConfig(w *resp.Writer, args [][]byte, parameters func(match func(name string) bool) []config.Pair) {
	pairs := parameters(func(name string) bool {
		return slices.ContainsFunc(args[2:], func(pattern []byte) bool {
			return command.Match([]byte(strings.ToLower(string(pattern))), []byte(name))
		})
	})
	w.Map(len(pairs))
	for _, p := range pairs {
		w.BulkString(p.Name)
		w.BulkString(p.Value)
	}
}
