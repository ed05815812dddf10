package cli

import (
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

func TestLinesAreSplitAsAShellWould(t *testing.T) {
	for line, want := range map[string][]string{
		``:                           nil,
		`   `:                        nil,
		`get key`:                    {"get", "key"},
		"  get\tkey  ":               {"get", "key"},
		`put k "a b"`:                {"put", "k", "a b"},
		`put k 'a "b" \n'`:           {"put", "k", `a "b" \n`},
		`put k a\ b`:                 {"put", "k", "a b"},
		`put k ""`:                   {"put", "k", ""},
		`put k ''`:                   {"put", "k", ""},
		`put "k"'e'y v`:              {"put", "key", "v"},
		`put k "\"\\\n\r\t\0\x41"`:   {"put", "k", "\"\\\n\r\t\x00A"},
		`put k "\xff\x00"`:           {"put", "k", "\xff\x00"},
		`put k # not a value`:        {"put", "k"},
		`put k a#b`:                  {"put", "k", "a#b"},
		`# a comment`:                nil,
		`put "schlüssel" 'größe ☃'`:  {"put", "schlüssel", "größe ☃"},
		`scan --prefix "user 1:" -0`: {"scan", "--prefix", "user 1:", "-0"},
	} {
		got, err := splitWords(line)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %q, %v; want %q", line, got, err, want)
		}
	}
	for _, bad := range []string{`put "k`, `put 'k`, `put k\`, `put "\q"`, `put "\x4"`, `put "\xzz"`, `put "\`, `"\x1`} {
		if got, err := splitWords(bad); err == nil {
			t.Errorf("%s: split into %q", bad, got)
		}
	}
}

func TestWhatIsShownQuotedCanBeTypedBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.OneOf(rapid.SliceOf(rapid.Byte()), rapid.Map(rapid.String(), func(s string) []byte { return []byte(s) })).Draw(t, "bytes")
		for _, shown := range []string{quote(b), oneLine(b)} {
			if shown != string(b) { // plain text may need quotes of its own for blanks
				got, err := splitWords("get " + shown)
				if err != nil || len(got) != 2 || got[1] != string(b) {
					t.Fatalf("%q was shown as %s and read as %q, %v", b, shown, got, err)
				}
			}
		}
	})
}

func FuzzSplitWords(f *testing.F) {
	f.Add(`put k "\x41" 'b' \c # d`)
	f.Fuzz(func(t *testing.T, line string) {
		words, err := splitWords(line)
		if err != nil {
			return
		}
		size := 0
		for _, w := range words {
			size += len(w)
		}
		if size > len(line) {
			t.Fatalf("%q became longer: %q", line, words)
		}
	})
}

func TestBytesAreShownSoThatTheyCannotBeMistaken(t *testing.T) {
	for in, want := range map[string]string{
		"hello":        "hello",
		"größe ☃":      "größe ☃",
		"{\n \"a\": 1": "{\n \"a\": 1",
		"":             `""`,
		"\x00\xff":     `"\x00\xff"`,
		`"quoted"`:     `"\"quoted\""`,
		" leading":     `" leading"`,
		"end\n":        `"end\n"`,
		"\x1b[31mred":  `"\x1b[31mred"`, // no escape sequence reaches the terminal
		"a\u202eb":     `"a\xe2\x80\xaeb"`,
	} {
		if got := readable([]byte(in)); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}
