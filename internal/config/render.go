package config

import (
	"fmt"
	"strconv"
	"strings"
)

// Help lists the settings for --help: in groups, with type and default.
func (t *Table[T]) Help() string {
	c := t.defaults()
	var b strings.Builder
	for i, group := range t.Groups {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "%s:\n", group)
		for _, s := range t.Rows {
			if s.Group != group {
				continue
			}
			name := "--" + s.Name
			if t := s.Type(); t != "bool" {
				name += " " + t
			}
			if len(name) > 34 {
				fmt.Fprintf(&b, "  %s\n  %-34s", name, "")
			} else {
				fmt.Fprintf(&b, "  %-34s", name)
			}
			fmt.Fprintf(&b, "  %s%s\n", s.Help, shownDefault(s, &c))
		}
	}
	return b.String()
}

// shownDefault is " (default …)" where a default says something: "false", ""
// and "0", which the help line explains, do not.
func shownDefault[T any](s *SettingOf[T], c *T) string {
	switch text := s.Get(c); text {
	case "", "false", "0", "0s":
		return ""
	default:
		return " (default " + text + ")"
	}
}

// Markdown is docs/configuration.md.
func Markdown() string {
	var b strings.Builder
	b.WriteString(`# Configuration

<!-- Generated from the table in internal/config/settings.go: change it there, then run
     go test ./internal/config -run TestDocumentation -update -->

Every setting can be given in four ways; each overrides those before it:

1. its default,
2. a line of the file named by ` + "`--config FILE` or `VEGA_CONFIG`" + `: ` + "`memory-limit = \"2GiB\"`" + ` (TOML, flat),
3. an environment variable: ` + "`VEGA_MEMORY_LIMIT=2GiB`" + `,
4. a flag: ` + "`--memory-limit 2GiB`" + `.

` + "`vega-server config`" + ` prints what came out of it and where each value came from, in the form of a file. A name
that is not in this list is refused, wherever it is written. Ignored are ` + "`VEGA_USER`" + ` and ` + "`VEGA_PASSWORD`" + `,
which belong to vega-client, and what Kubernetes makes for services (` + "`VEGA_SERVICE_HOST`, `VEGA_PORT_…`" + `).

**Sizes** are a number of bytes or carry a unit: ` + "`KiB`, `MiB`, `GiB`" + ` and ` + "`kb`, `mb`, `gb`" + ` are powers of 1024,
` + "`k`, `m`, `g`" + ` powers of 1000, as in a redis.conf. **Durations** are ` + "`500ms`, `30s`, `5m`, `1h`" + `; a bare number is seconds.
**Booleans** are ` + "`true`/`false`" + ` or ` + "`yes`/`no`" + `; as a flag the name alone is enough.

Settings marked *live* can be changed with ` + "`CONFIG SET`" + ` while the server runs; the change lasts until it ends.
` + "`CONFIG GET`" + ` knows each setting by its own name and, where there is one, by the name Redis gives it.
`)
	b.WriteString(ServerTable().markdown("##"))
	return b.String()
}

// markdown is the settings in a table per group, under headings of a level.
func (t *Table[T]) markdown(level string) string {
	var b strings.Builder
	c := t.defaults()
	for _, group := range t.Groups {
		fmt.Fprintf(&b, "\n%s %s\n\n| setting | type | default | meaning |\n| --- | --- | --- | --- |\n", level, group)
		for _, s := range t.Rows {
			if s.Group == group {
				fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", s.Name, strings.ReplaceAll(s.Type(), "|", ", "), code(s.Get(&c)), meaning(s, &c))
			}
		}
	}
	return b.String()
}

func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + text + "`"
}

// meaning is the last column: sentences from Help, the limits, Detail, and
// what CONFIG knows the setting as.
func meaning[T any](s *SettingOf[T], c *T) string {
	parts := []string{strings.ToUpper(s.Help[:1]) + s.Help[1:] + "."}
	if l := limits(s.bind(c)); l != "" {
		parts = append(parts, l+".")
	}
	if s.Detail != "" {
		parts = append(parts, s.Detail)
	}
	parts = append(parts, fmt.Sprintf("Example: `%s`.", s.Example))
	if s.Redis != "" && s.Redis != s.Name {
		parts = append(parts, fmt.Sprintf("Redis name: `%s`.", s.Redis))
	}
	if s.Runtime {
		parts = append(parts, "*Live.*")
	}
	return strings.Join(parts, " ")
}

func limits(v value) string {
	between := func(lo, hi string, open bool) string {
		if open {
			return "At least " + lo
		}
		return lo + " to " + hi
	}
	switch v := v.(type) {
	case intValue:
		return fmt.Sprintf("%d to %d", v.min, v.max)
	case sizeValue:
		return between(FormatSize(v.min), FormatSize(v.max), v.max == maxSize)
	case durationValue:
		return between(formatDuration(v.min), formatDuration(v.max), v.max == maxDuration)
	default:
		return ""
	}
}

// FileText writes c as a configuration file that Load reads back to the same
// settings. Each line says where its value came from; from may be nil.
func (t *Table[T]) FileText(c *T, from Origins) string {
	var b strings.Builder
	for i, group := range t.Groups {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "# %s\n", group)
		for _, s := range t.Rows {
			if s.Group != group {
				continue
			}
			line := s.Name + " = " + tomlValue(s.bind(c))
			if from != nil {
				line = fmt.Sprintf("%-44s # %s", line, from[s.Name])
			}
			b.WriteString(line + "\n")
		}
	}
	return b.String()
}

// tomlValue writes numbers and booleans bare and everything else as a string,
// with the escapes that TOML and Go share.
func tomlValue(v value) string {
	switch v.(type) {
	case boolValue, intValue:
		return v.String()
	default:
		return strconv.Quote(strings.ToValidUTF8(v.String(), "\uFFFD"))
	}
}
