package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// value is a typed view of one field of a Server. It satisfies pflag.Value, so
// a flag, an environment variable, a line of the file and CONFIG SET all parse
// and check through the same code.
type value interface {
	Set(text string) error // parses, checks, stores; on error nothing is stored
	String() string        // canonical text; Set(String()) gives the same value
	Type() string          // the word shown in help
	check() error          // the stored value is within its limits
	redis() string         // as CONFIG GET shows it under a Redis name
}

// maxTextBytes bounds a text: a path or an address.
const maxTextBytes = 4096

// stringValue takes any text of reasonable length without control characters:
// they would garble the one-line errors and logs that quote it.
type stringValue struct {
	p    *string
	kind string
}

func (v stringValue) Set(text string) error {
	if len(text) > maxTextBytes {
		return fmt.Errorf("%d bytes are too long (limit %d)", len(text), maxTextBytes)
	}
	if !utf8.ValidString(text) {
		return fmt.Errorf("%q is not valid UTF-8", excerpt(text))
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r < 0x20 || r == 0x7f }) {
		return fmt.Errorf("%q holds control characters", excerpt(text))
	}
	*v.p = text
	return nil
}
func (v stringValue) String() string { return *v.p }
func (v stringValue) Type() string   { return v.kind }
func (v stringValue) check() error   { return nil }
func (v stringValue) redis() string  { return *v.p }

type boolValue struct{ p *bool }

func (v boolValue) Set(text string) error {
	switch strings.ToLower(text) {
	case "true", "yes", "on", "1":
		*v.p = true
	case "false", "no", "off", "0":
		*v.p = false
	default:
		return fmt.Errorf("%q is neither true nor false", excerpt(text))
	}
	return nil
}
func (v boolValue) String() string { return strconv.FormatBool(*v.p) }
func (v boolValue) Type() string   { return "bool" }
func (v boolValue) check() error   { return nil }
func (v boolValue) redis() string {
	if *v.p {
		return "yes"
	}
	return "no"
}

type intValue struct {
	p        *int
	min, max int
}

func (v intValue) Set(text string) error {
	n, err := strconv.Atoi(text)
	if err != nil {
		return fmt.Errorf("%q is not a whole number", excerpt(text))
	}
	if err := (intValue{&n, v.min, v.max}).check(); err != nil {
		return err
	}
	*v.p = n
	return nil
}
func (v intValue) String() string { return strconv.Itoa(*v.p) }
func (v intValue) Type() string   { return "number" }
func (v intValue) redis() string  { return v.String() }
func (v intValue) check() error {
	if *v.p < v.min || *v.p > v.max {
		return fmt.Errorf("%d is outside %d to %d", *v.p, v.min, v.max)
	}
	return nil
}

// sizeValue is a number of bytes. With zeroOK, 0 stands for "none" and is
// accepted below min.
type sizeValue struct {
	p        *int64
	min, max int64
	zeroOK   bool
}

func (v sizeValue) Set(text string) error {
	n, err := ParseSize(text)
	if err != nil {
		return err
	}
	w := v
	w.p = &n
	if err := w.check(); err != nil {
		return err
	}
	*v.p = n
	return nil
}
func (v sizeValue) String() string { return FormatSize(*v.p) }
func (v sizeValue) Type() string   { return "size" }
func (v sizeValue) redis() string  { return strconv.FormatInt(*v.p, 10) }
func (v sizeValue) check() error {
	if *v.p == 0 && v.zeroOK {
		return nil
	}
	if *v.p < v.min || *v.p > v.max {
		zero := ""
		if v.zeroOK {
			zero = " (or 0 for none)"
		}
		return fmt.Errorf("%s is outside %s to %s%s", FormatSize(*v.p), FormatSize(v.min), FormatSize(v.max), zero)
	}
	return nil
}

// durationValue is a Go duration ("30s", "2m"); a bare number means seconds,
// as Redis's time-outs do. With zeroOK, 0 stands for "never".
type durationValue struct {
	p        *time.Duration
	min, max time.Duration
	zeroOK   bool
}

func (v durationValue) Set(text string) error {
	d, err := parseDuration(text)
	if err != nil {
		return err
	}
	w := v
	w.p = &d
	if err := w.check(); err != nil {
		return err
	}
	*v.p = d
	return nil
}
func (v durationValue) String() string { return formatDuration(*v.p) }
func (v durationValue) Type() string   { return "duration" }
func (v durationValue) redis() string  { return strconv.FormatInt(int64(*v.p/time.Second), 10) }
func (v durationValue) check() error {
	if *v.p == 0 && v.zeroOK {
		return nil
	}
	if *v.p < v.min || *v.p > v.max {
		zero := ""
		if v.zeroOK {
			zero = " (or 0 for never)"
		}
		return fmt.Errorf("%s is outside %s to %s%s", formatDuration(*v.p), formatDuration(v.min), formatDuration(v.max), zero)
	}
	return nil
}

func parseDuration(text string) (time.Duration, error) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		if n < 0 || n > math.MaxInt64/int64(time.Second) {
			return 0, fmt.Errorf("%q seconds is out of range", excerpt(text))
		}
		return time.Duration(n) * time.Second, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("%q is not a duration (write 500ms, 30s, 5m or 1h)", excerpt(text))
	}
	return d, nil
}

// formatDuration drops the zero units that time.Duration prints: 5m, not 5m0s.
func formatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// enumValue is one of a few words. synonyms are Redis's words for the same
// things; they are accepted, and shown under the setting's Redis name.
type enumValue struct {
	p        *string
	words    []string
	synonyms map[string]string // Redis's word → ours
}

func (v enumValue) Set(text string) error {
	w := strings.ToLower(text)
	if ours, ok := v.synonyms[w]; ok {
		w = ours
	}
	if err := (enumValue{p: &w, words: v.words}).check(); err != nil {
		return fmt.Errorf("%q is not one of %s", excerpt(text), strings.Join(v.words, ", "))
	}
	*v.p = w
	return nil
}
func (v enumValue) String() string { return *v.p }
func (v enumValue) Type() string   { return strings.Join(v.words, "|") }
func (v enumValue) check() error {
	for _, w := range v.words {
		if *v.p == w {
			return nil
		}
	}
	return fmt.Errorf("%q is not one of %s", *v.p, strings.Join(v.words, ", "))
}
func (v enumValue) redis() string {
	for theirs, ours := range v.synonyms {
		if ours == *v.p {
			return theirs
		}
	}
	return *v.p
}
