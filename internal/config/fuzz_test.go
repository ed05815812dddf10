package config

import (
	"runtime"
	"strings"
	"testing"
)

// FuzzFile promises that no file makes the parser panic, take more than a
// fixed amount of memory, answer in more than one line, or leave behind
// settings that Validate would have refused.
func FuzzFile(f *testing.F) {
	var all strings.Builder
	c := Default()
	for _, s := range Settings() {
		all.WriteString(s.Name + " = \"" + s.Get(&c) + "\"\n")
	}
	f.Add([]byte(all.String()))
	f.Add([]byte("memory-limit = 1_000_000\nin-memory = true # yes\n"))
	f.Add([]byte("addr = [[[[[[[[1]]]]]]]]\n"))
	f.Add([]byte("a.b.c.d = {x = 1979-05-27T07:32:00Z}\n[[t]]\n[t.u]"))
	f.Add([]byte("addr = \"\"\"\n\\u0000\"\"\"\nfsync = 'never'"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		got, err := Load([]string{"--config=f"}, nil, files(map[string]string{"f": string(data)}))
		runtime.ReadMemStats(&after)
		if spent := after.TotalAlloc - before.TotalAlloc; spent > allocationCeiling {
			t.Errorf("%d bytes of file cost %d bytes of memory", len(data), spent)
		}
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r") {
				t.Errorf("error of several lines: %q", err)
			}
			return
		}
		if err := got.Validate(); err != nil {
			t.Errorf("accepted what Validate refuses: %v", err)
		}
		for _, s := range Settings() {
			again := got
			if err := s.Set(&again, s.Get(&got)); err != nil || again != got {
				t.Errorf("%s = %q does not read back: %v", s.Name, s.Get(&got), err)
			}
		}
	})
}

// allocationCeiling is far above what a file of maxFileBytes costs.
const allocationCeiling = 64 << 20

// Files made to be expensive, at the limit of size: deep nesting, deep keys,
// many keys.
func TestHostileFilesCostLittle(t *testing.T) {
	fill := func(unit string) string { return strings.Repeat(unit, (maxFileBytes-64)/len(unit)) }
	for name, text := range map[string]string{
		"nested arrays": "addr = " + fill("["),
		"closed arrays": "addr = " + strings.Repeat("[", 30000) + strings.Repeat("]", 30000),
		"inline tables": "addr = " + fill("{a="),
		"dotted key":    fill("a.") + "a = 1",
		"table headers": fill("[[a]]\n"),
		"long string":   "addr = \"" + fill("x") + "\"",
		"comment":       fill("#"),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Load([]string{"--config=f"}, nil, files(map[string]string{"f": text}))
		runtime.ReadMemStats(&after)
		if spent := after.TotalAlloc - before.TotalAlloc; spent > allocationCeiling {
			t.Errorf("%s: %d bytes of file cost %d MiB", name, len(text), spent>>20)
		}
		if err != nil && len(err.Error()) > 500 {
			t.Errorf("%s: the error has %d bytes", name, len(err.Error()))
		}
	}
}
