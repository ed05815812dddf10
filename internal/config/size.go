package config

import (
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"
)

// sizeUnit pairs a suffix with its factor.
type sizeUnit struct {
	suffix string
	factor uint64
}

// sizeUnits returns the suffixes ParseSize knows, longest first. Bare letters
// are powers of 1000 and "kb", "mb", "gb" powers of 1024, which is how a
// redis.conf is read; the IEC names say the same without doubt and are what
// FormatSize writes.
func sizeUnits() []sizeUnit {
	return []sizeUnit{
		{"kib", 1 << 10}, {"mib", 1 << 20}, {"gib", 1 << 30}, {"tib", 1 << 40},
		{"kb", 1 << 10}, {"mb", 1 << 20}, {"gb", 1 << 30}, {"tb", 1 << 40},
		{"k", 1e3}, {"m", 1e6}, {"g", 1e9}, {"t", 1e12},
		{"b", 1},
	}
}

// ParseSize reads a number of bytes: "1048576", "64MiB", "1.5GiB", "100mb",
// "1g". It refuses negative numbers and anything past the range of int64.
func ParseSize(text string) (int64, error) {
	s := strings.ToLower(strings.TrimSpace(text))
	factor := uint64(1)
	for _, u := range sizeUnits() {
		if rest, ok := strings.CutSuffix(s, u.suffix); ok {
			s, factor = strings.TrimSpace(rest), u.factor
			break
		}
	}
	if n, err := strconv.ParseUint(s, 10, 64); err == nil {
		hi, lo := bits.Mul64(n, factor)
		if hi != 0 || lo > math.MaxInt64 {
			return 0, fmt.Errorf("size %q is too large", excerpt(text))
		}
		return int64(lo), nil
	}
	if whole, frac, ok := strings.Cut(s, "."); ok && digits(whole) && digits(frac) && len(s) <= 24 {
		f, err := strconv.ParseFloat(s, 64)
		if b := f * float64(factor); err == nil && b < 1<<62 {
			return int64(b), nil
		}
	}
	return 0, fmt.Errorf("%q is not a size (write 64MiB, 2GiB, 500mb or a number of bytes)", excerpt(text))
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// FormatSize writes n exactly, with the largest unit that divides it.
func FormatSize(n int64) string {
	if n <= 0 {
		return strconv.FormatInt(n, 10)
	}
	names := [...]string{"", "KiB", "MiB", "GiB", "TiB"}
	unit := 0
	for n%1024 == 0 && unit < len(names)-1 {
		n /= 1024
		unit++
	}
	return strconv.FormatInt(n, 10) + names[unit]
}
