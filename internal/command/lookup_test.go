package command

import (
	"bytes"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestEveryCommandIsFoundInAnyCase(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SampledFrom(All()).Draw(t, "command")
		name := []byte(want.Name)
		for i := range name {
			if rapid.Bool().Draw(t, "upper") {
				name[i] = bytes.ToUpper(name[i : i+1])[0]
			}
		}
		if got := Lookup(name); got != want {
			t.Fatalf("%q: %v", name, got)
		}
	})
}

func TestOnlyCommandsAreFound(t *testing.T) {
	names := map[string]bool{}
	for _, s := range All() {
		names[s.Name] = true
	}
	rapid.Check(t, func(t *rapid.T) {
		name := []byte(rapid.SampledFrom(All()).Draw(t, "command").Name)
		switch rapid.IntRange(0, 3).Draw(t, "damage") {
		case 0:
			name[rapid.IntRange(0, len(name)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "byte")
		case 1:
			name = append(name, rapid.Byte().Draw(t, "byte"))
		case 2:
			name = name[:len(name)-1]
		case 3:
			name = rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "name")
		}
		got := Lookup(name)
		if want := names[strings.ToLower(string(name))] && isASCII(name); want != (got != nil) {
			t.Fatalf("%q: %v", name, got)
		}
	})
}

func isASCII(b []byte) bool { return bytes.IndexFunc(b, func(r rune) bool { return r >= 0x80 }) < 0 }

func TestIDsAreDense(t *testing.T) {
	seen := 0
	for id := range MaxID() + 1 {
		s := ByID(uint16(id))
		if int(s.ID) != id {
			t.Fatalf("%s has ID %d at %d", s.FullName(), s.ID, id)
		}
		if s.Parent == nil {
			seen++
		}
	}
	if seen != len(All()) {
		t.Fatalf("%d commands by ID, %d in all", seen, len(All()))
	}
}

func TestLookupDoesNotAllocate(t *testing.T) {
	names := [][]byte{[]byte("GET"), []byte("pExpireTime"), []byte("nosuch"), nil, []byte("averylongnamethatisnocommand")}
	if allocs := testing.AllocsPerRun(100, func() {
		for _, name := range names {
			Lookup(name)
		}
	}); allocs != 0 {
		t.Fatalf("%v allocations", allocs)
	}
}

func BenchmarkLookup(b *testing.B) {
	for _, name := range []string{"GET", "set", "MGet", "PEXPIRETIME", "nosuch"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			word := []byte(name)
			for b.Loop() {
				Lookup(word)
			}
		})
	}
}
