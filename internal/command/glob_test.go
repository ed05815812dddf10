package command

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestPatternsMatchAsInRedis(t *testing.T) {
	for _, c := range []struct {
		pattern, s string
		want       bool
	}{
		{"", "", true}, {"", "a", false}, {"*", "", true}, {"**", "", true}, {"?", "", false}, {"a", "", false},
		{"*", "anything", true}, {"h?llo", "hello", true}, {"h?llo", "hllo", false}, {"h*llo", "heeeello", true}, {"h*llo", "hell", false},
		{"h[ae]llo", "hallo", true}, {"h[ae]llo", "hillo", false}, {"h[^e]llo", "hallo", true}, {"h[^e]llo", "hello", false},
		{"h[a-c]llo", "hbllo", true}, {"h[c-a]llo", "hbllo", true}, {"h[a-c]llo", "hdllo", false}, {"h[^a-c]llo", "hdllo", true},
		{`\*`, "*", true}, {`\*`, "a", false}, {`a\`, `a\`, true}, {`\a`, "a", true}, {`\\`, `\`, true},
		{`[\]]`, "]", true}, {`[a\-c]`, "-", true}, {`[a\-c]`, "b", false},
		{"[abc", "a", true}, {"[abc", "d", false}, {"[", "a", false}, {"[^", "a", true}, {"a[", "a", false}, {"[]", "]", false}, {"[^]", "a", true},
		{"*a*b*c*", "xxaxxbxxcxx", true}, {"*a*b*c*", "xxaxxcxxbxx", false}, {"*ab", "aab", true}, {"*ab", "aaba", false},
		{"a*", "b", false}, {"*a", "ab", false}, {"*a", "ba", true}, {"*", "*", true}, {"**a", "ba", true},
		{"key:\x00*", "key:\x00\xff", true}, {"\xff?", "\xff\xfe", true}, {"ABC", "abc", false},
		{"[a-]", "-", false}, {"[a-]", "a", true}, {"[a-]", "^", true}, {"[-a]", "-", true},
	} {
		if got := Match([]byte(c.pattern), []byte(c.s)); got != c.want {
			t.Errorf("%q on %q: %v", c.pattern, c.s, got)
		}
	}
}

// recursive is matching by its definition: exponential, and obvious.
func recursive(pattern, s []byte) bool {
	if len(pattern) == 0 {
		return len(s) == 0
	}
	if pattern[0] == '*' {
		return recursive(pattern[1:], s) || len(s) > 0 && recursive(pattern, s[1:])
	}
	if len(s) == 0 {
		return false
	}
	n, ok := matchOne(pattern, s[0])
	return ok && recursive(pattern[n:], s[1:])
}

func TestWideningTheLastStarIsEnough(t *testing.T) {
	alphabet := rapid.SliceOfN(rapid.SampledFrom([]byte("ab")), 0, 10)
	patterns := rapid.SliceOfN(rapid.SampledFrom([]byte(`ab*?[]^-\`)), 0, 10)
	rapid.Check(t, func(t *rapid.T) {
		pattern, s := patterns.Draw(t, "pattern"), alphabet.Draw(t, "s")
		if got, want := Match(pattern, s), recursive(pattern, s); got != want {
			t.Fatalf("%q on %q: %v, want %v", pattern, s, got, want)
		}
	})
}

// A pattern made to backtrack takes time in proportion to the product of the
// lengths: a recursive matcher would not live to see the end.
func TestCraftedPatternIsCheap(t *testing.T) {
	pattern := []byte(strings.Repeat("*a", 1000) + "*b")
	s := []byte(strings.Repeat("a", 20_000))
	start := time.Now()
	if Match(pattern, s) {
		t.Fatal("there is no b")
	}
	if elapsed := time.Since(start); elapsed > 5*time.Second {
		t.Fatalf("took %v", elapsed)
	}
}

func FuzzMatch(f *testing.F) {
	f.Add([]byte("*a[b-"), []byte("xa"))
	f.Fuzz(func(t *testing.T, pattern, s []byte) { Match(pattern, s) })
}

func BenchmarkMatch(b *testing.B) {
	pattern, s := []byte("user:*:name"), []byte("user:000000000001:name")
	b.ReportAllocs()
	for b.Loop() {
		Match(pattern, s)
	}
}
