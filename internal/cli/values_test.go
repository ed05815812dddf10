package cli

import (
	"reflect"
	"testing"
	"time"
)

func TestTimesToLiveParse(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"90": 90 * time.Second, "90s": 90 * time.Second, "15m": 15 * time.Minute, "1h30m": 90 * time.Minute,
		"7d": 7 * 24 * time.Hour, "250ms": 250 * time.Millisecond,
	} {
		if got, err := parseTTL(text); err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, bad := range []string{"", "0", "-5", "-5s", "x", "d", "1.5d", "9223372036854775807", "200000d"} {
		if got, err := parseTTL(bad); err == nil {
			t.Errorf("%q: %v", bad, got)
		}
	}
}

func TestSpansReadWell(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0µs", 1500 * time.Nanosecond: "1µs", 12 * time.Millisecond: "12ms", 1234 * time.Millisecond: "1.2s",
		90 * time.Second: "1m 30s", time.Hour: "1h", 25*time.Hour + 59*time.Minute: "1d 1h", -time.Second: "-1s",
	} {
		if got := span(d); got != want {
			t.Errorf("%d: %s, want %s", d, got, want)
		}
	}
}

func TestByteSizesReadWell(t *testing.T) {
	for n, want := range map[float64]string{0: "0 B", 1023: "1023 B", 1536: "1.5 KiB", 250 << 20: "250 MiB"} {
		if got := byteSize(n); got != want {
			t.Errorf("%v: %s, want %s", n, got, want)
		}
	}
}

func TestNegativeNumbersAreNoFlags(t *testing.T) {
	for _, c := range []struct{ in, want []string }{
		{[]string{"incr", "k", "-5"}, []string{"incr", "k", "--", "-5"}},
		{[]string{"--json", "incr", "k", "-5", "--ttl", "60s"}, []string{"--json", "incr", "k", "--ttl", "60s", "--", "-5"}},
		{[]string{"incr", "--", "k", "-5"}, []string{"incr", "--", "k", "-5"}},
		{[]string{"get", "-5"}, []string{"get", "-5"}},
		{[]string{"incr", "k"}, []string{"incr", "k"}},
	} {
		if got := protectNegative(c.in); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q: %q, want %q", c.in, got, c.want)
		}
	}
}
