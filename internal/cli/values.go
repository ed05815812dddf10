package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ttlFlag is a time to live: 90s, 15m, 24h, 7d, or a number of seconds.
type ttlFlag struct{ d time.Duration }

func (f *ttlFlag) Type() string { return "TTL" }

func (f *ttlFlag) String() string {
	if f.d == 0 {
		return ""
	}
	return f.d.String()
}

func (f *ttlFlag) Set(s string) error {
	d, err := parseTTL(s)
	f.d = d
	return err
}

func parseTTL(s string) (time.Duration, error) {
	const day = 24 * time.Hour
	unit := time.Second
	number := s
	if n, found := strings.CutSuffix(s, "d"); found {
		number, unit = n, day
	}
	if n, err := strconv.ParseInt(number, 10, 64); err == nil {
		if n <= 0 || n > int64(1<<63-1)/int64(unit) {
			return 0, fmt.Errorf("%q is not a time to live above zero and below 292 years", s)
		}
		return time.Duration(n) * unit, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("%q is not a time to live such as 90s, 15m, 24h, 7d or a number of seconds", s)
	}
	return d, nil
}

// timeFlag is a moment: RFC 3339 or unix seconds.
type timeFlag struct{ t time.Time }

func (f *timeFlag) Type() string { return "TIME" }

func (f *timeFlag) String() string {
	if f.t.IsZero() {
		return ""
	}
	return f.t.Format(time.RFC3339)
}

func (f *timeFlag) Set(s string) error {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		f.t = time.Unix(n, 0)
		return nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return fmt.Errorf("%q is not a time such as 2030-01-31T12:00:00Z or unix seconds", s)
	}
	f.t = t
	return nil
}

// span shows a duration to a person, in two units at most.
func span(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < 0:
		return "-" + span(-d)
	case d < time.Millisecond:
		return strconv.FormatInt(d.Microseconds(), 10) + "µs"
	case d < time.Second:
		return strconv.FormatInt(d.Milliseconds(), 10) + "ms"
	case d < time.Minute:
		return strconv.FormatFloat(d.Truncate(100*time.Millisecond).Seconds(), 'f', -1, 64) + "s"
	case d < time.Hour:
		return twoUnits(d, time.Minute, "m", time.Second, "s")
	case d < day:
		return twoUnits(d, time.Hour, "h", time.Minute, "m")
	}
	return twoUnits(d, day, "d", time.Hour, "h")
}

func twoUnits(d, large time.Duration, largeName string, small time.Duration, smallName string) string {
	s := strconv.FormatInt(int64(d/large), 10) + largeName
	if rest := d % large / small; rest > 0 {
		s += " " + strconv.FormatInt(int64(rest), 10) + smallName
	}
	return s
}

// byteSize shows a number of bytes to a person.
func byteSize(n float64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}
	i := 0
	for n >= 1024 && i < len(units)-1 {
		n /= 1024
		i++
	}
	decimals := 1
	if i == 0 || n >= 100 {
		decimals = 0
	}
	return strconv.FormatFloat(n, 'f', decimals, 64) + " " + units[i]
}
