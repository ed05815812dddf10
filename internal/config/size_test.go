package config

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "1": 1, "1b": 1, "1024": 1024, "1k": 1000, "1kb": 1024, "1KiB": 1024, "64MiB": 64 << 20, "100mb": 100 << 20,
		"1g": 1e9, "2GB": 2 << 30, "1.5GiB": 3 << 29, " 5 MiB ": 5 << 20, "1TiB": 1 << 40, "9223372036854775807": math.MaxInt64,
	} {
		if got, err := ParseSize(text); err != nil || got != want {
			t.Errorf("ParseSize(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", "-1", "+1", "x", "MiB", "1 2", "1e9", "1.2.3", ".5", "5.", "0x10", "NaN", "Inf", "9223372036854775808", "18446744073709551616",
		"8388608TiB", "99999999999TiB", "9999999999999.9TiB", "1PiB", "1_000",
	} {
		if got, err := ParseSize(text); err == nil {
			t.Errorf("ParseSize(%q) = %d, want an error", text, got)
		}
	}
}

func TestFormattedSizesReadBackExactly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(0, math.MaxInt64).Draw(t, "n")
		n &^= 1<<rapid.IntRange(0, 62).Draw(t, "zeros") - 1
		if got, err := ParseSize(FormatSize(n)); err != nil || got != n {
			t.Fatalf("%d is written %s and read as %d, %v", n, FormatSize(n), got, err)
		}
	})
}

func TestFormattedDurationsReadBackExactly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		unit := rapid.SampledFrom([]time.Duration{1, time.Microsecond, time.Millisecond, time.Second, time.Minute, time.Hour}).Draw(t, "unit")
		d := time.Duration(rapid.Int64Range(0, 5000).Draw(t, "n")) * unit
		if got, err := parseDuration(formatDuration(d)); err != nil || got != d {
			t.Fatalf("%d is written %s and read as %d, %v", d, formatDuration(d), got, err)
		}
	})
	for d, want := range map[time.Duration]string{
		0: "0s", time.Hour: "1h", 5 * time.Minute: "5m", 90 * time.Minute: "1h30m", 90 * time.Second: "1m30s", 10 * time.Second: "10s",
	} {
		if got := formatDuration(d); got != want {
			t.Errorf("formatDuration(%d) = %s, want %s", d, got, want)
		}
	}
}
