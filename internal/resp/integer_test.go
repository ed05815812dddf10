package resp

import (
	"strconv"
	"testing"

	"pgregory.net/rapid"
)

func TestParseIntTakesOneSpellingOnly(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "1": 1, "-1": -1, "10": 10, "9223372036854775807": 1<<63 - 1, "-9223372036854775808": -1 << 63,
	} {
		if got, ok := ParseInt([]byte(text)); !ok || got != want {
			t.Errorf("%q: %d, %v", text, got, ok)
		}
	}
	for _, text := range []string{
		"", "-", "+1", "-0", "00", "01", "-01", " 1", "1 ", "1.0", "1e3", "0x1", "1_0", "\x00", "1\x00", "٣",
		"9223372036854775808", "-9223372036854775809", "18446744073709551615", "18446744073709551617",
		"99999999999999999999", "-99999999999999999999", "100000000000000000000000",
	} {
		if got, ok := ParseInt([]byte(text)); ok {
			t.Errorf("%q was read as %d", text, got)
		}
	}
}

// A text is an integer exactly when printing the integer gives the text back.
func TestParseIntAgreesWithItsDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(
			rapid.StringMatching(`-?[0-9]{0,20}`),
			rapid.Map(rapid.Int64(), func(v int64) string { return strconv.FormatInt(v, 10) }),
			rapid.String(),
		).Draw(t, "text")
		want, err := strconv.ParseInt(text, 10, 64)
		wantOK := err == nil && strconv.FormatInt(want, 10) == text
		got, ok := ParseInt([]byte(text))
		if ok != wantOK || ok && got != want {
			t.Fatalf("%q: %d, %v; want %d, %v", text, got, ok, want, wantOK)
		}
	})
}

func BenchmarkParseInt(b *testing.B) {
	text := []byte("1234567")
	for b.Loop() {
		ParseInt(text)
	}
}
