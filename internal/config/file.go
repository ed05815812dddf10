package config

import (
	"errors"
	"fmt"
	"sort"
	"strconv"
	"strings"

	toml "github.com/pelletier/go-toml/v2"
)

// maxFileBytes bounds a configuration file; no honest one comes near.
const maxFileBytes = 64 << 10

// ApplyFile sets what the TOML text in data says and returns the names of the
// settings it held, sorted. path is for errors only. On error c may have been
// changed in part.
//
// The parser was chosen for its cost, which is linear in the file: on 64 KiB of
// dotted keys it allocates 20 MB, where BurntSushi/toml v1.6.0 allocated 40 GB
// (TestHostileFilesCostLittle guards it).
//
// The file is flat: one key per setting, named as the flag. Numbers, booleans
// and strings are accepted where they read as the setting's type.
func (t *Table[T]) ApplyFile(c *T, path string, data []byte) ([]string, error) {
	if len(data) > maxFileBytes {
		return nil, fmt.Errorf("%s: %d bytes are too many for a configuration file (limit %d)", path, len(data), maxFileBytes)
	}
	raw := map[string]any{}
	if err := toml.Unmarshal(data, &raw); err != nil {
		var at *toml.DecodeError
		if errors.As(err, &at) {
			line, _ := at.Position()
			return nil, fmt.Errorf("%s: line %d: %s", path, line, excerpt(strings.TrimPrefix(at.Error(), "toml: ")))
		}
		return nil, fmt.Errorf("%s: %s", path, excerpt(err.Error()))
	}
	keys := make([]string, 0, len(raw))
	for k := range raw {
		keys = append(keys, k)
	}
	sort.Strings(keys)

	rows := map[string]*SettingOf[T]{}
	var names []string
	for _, s := range t.Rows {
		rows[s.Name] = s
		names = append(names, s.Name)
	}
	for _, k := range keys {
		s := rows[k]
		if s == nil {
			return nil, fmt.Errorf("%s: unknown setting %q%s", path, excerpt(k), Suggestion(k, names))
		}
		text, err := scalarText(raw[k])
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", path, k, err)
		}
		if err := s.Set(c, text); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	return keys, nil
}

// scalarText writes a TOML value as the text a flag would carry.
func scalarText(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case bool:
		return strconv.FormatBool(v), nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	default:
		return "", errors.New("wants one value, not a table, a list or a date")
	}
}

// excerpt keeps what a parser says to one line of reasonable length.
func excerpt(text string) string {
	const longest = 120
	if i := strings.IndexAny(text, "\r\n"); i >= 0 {
		text = text[:i]
	}
	if len(text) > longest {
		text = strings.ToValidUTF8(text[:longest], "") + "…"
	}
	return text
}
