package loader

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"
)

// readAll reads the records and the bad lines of text.
func readAll(t rapid.TB, text []byte, o Options) (records []Record, bad []*LineError) {
	t.Helper()
	in, err := NewInput(bytes.NewReader(text), o)
	if err != nil {
		t.Fatalf("NewInput: %v", err)
	}
	for {
		var r Record
		err := in.Read(&r)
		var lineErr *LineError
		switch {
		case err == io.EOF:
			if err := in.Close(); err != nil {
				t.Fatalf("Close: %v", err)
			}
			return records, bad
		case errors.As(err, &lineErr):
			bad = append(bad, lineErr)
		case err != nil:
			t.Fatalf("Read: %v", err)
		default:
			r.Key, r.Value = bytes.Clone(r.Key), bytes.Clone(r.Value)
			records = append(records, r)
		}
	}
}

// anyBytes draws what hurts: line breaks, quotes, separators, NUL, bytes that are not UTF-8.
func anyBytes() *rapid.Generator[[]byte] {
	return rapid.OneOf(
		rapid.SliceOfN(rapid.Byte(), 0, 40),
		rapid.SliceOfN(rapid.SampledFrom([]byte("\r\n\t\",\\xn0 \x00\xFF\xEF\xBB\xBF{}a")), 0, 40),
		rapid.Map(rapid.String(), func(s string) []byte { return []byte(s) }),
	)
}

func TestWhatIsDumpedIsLoadedByteByByte(t *testing.T) {
	for _, f := range []Format{JSONL, TSV, CSV} {
		for _, extension := range []string{"", ".gz", ".zst"} {
			t.Run(string(f)+extension, rapid.MakeCheck(func(t *rapid.T) {
				want := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Record {
					return Record{
						Key:      anyBytes().Draw(t, "key"),
						Value:    anyBytes().Draw(t, "value"),
						ExpireAt: rapid.SampledFrom([]int64{0, 1, 1 << 45, 1<<63 - 1}).Draw(t, "expiry"),
						Version:  rapid.Uint64().Draw(t, "version"),
					}
				}), 0, 20).Draw(t, "records")
				var file bytes.Buffer
				out, err := NewOutput(&file, "dump"+extension, f)
				if err != nil {
					t.Fatal(err)
				}
				for i := range want {
					if err := out.Write(&want[i]); err != nil {
						t.Fatal(err)
					}
				}
				if err := out.Commit(); err != nil {
					t.Fatal(err)
				}
				got, bad := readAll(t, file.Bytes(), Options{Name: "dump", Format: f})
				if len(bad) > 0 {
					t.Fatalf("bad line: %v\n%q", bad[0], file.Bytes())
				}
				if len(got) != len(want) {
					t.Fatalf("read %d records, wrote %d\n%q", len(got), len(want), file.Bytes())
				}
				for i := range want {
					if !bytes.Equal(got[i].Key, want[i].Key) || !bytes.Equal(got[i].Value, want[i].Value) ||
						got[i].ExpireAt != want[i].ExpireAt || got[i].Version != want[i].Version {
						t.Fatalf("record %d: read %+v, wrote %+v", i, got[i], want[i])
					}
				}
			}))
		}
	}
}

func TestDumpGetsItsNameOnlyWhenItIsWhole(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "dump.jsonl")
	record := Record{Key: []byte("k"), Value: []byte("v")}

	broken, err := Create(name, JSONL)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(broken.Write(&record), broken.Abort()); err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Fatalf("an aborted dump left %v", left)
	}

	whole, err := Create(name, JSONL)
	if err != nil {
		t.Fatal(err)
	}
	if err := whole.Write(&record); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(name); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("the name is there before the dump is whole: %v", err)
	}
	if err := whole.Commit(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(name)
	if err != nil || string(text) != `{"key":"k","value":"v"}`+"\n" {
		t.Fatalf("%q, %v", text, err)
	}
}

func FuzzReadersNeverPanicAndKeepTheirBounds(f *testing.F) {
	for _, seed := range []string{"key,value\r\n\"a\"\"b\",c\n", "a\tb\\x00\n", `{"key":"\ud83d\ude00","value":1}`, "\xEF\xBB\xBFword\n", "\"open\n1,2\n"} {
		for kind := range 4 {
			f.Add([]byte(seed), uint8(kind))
		}
	}
	formats := []Format{JSONL, TSV, CSV, Lines}
	f.Fuzz(func(t *testing.T, text []byte, kind uint8) {
		const limit = 64
		in, err := NewInput(bytes.NewReader(text), Options{Name: "f", Format: formats[int(kind)%len(formats)], MaxRecordBytes: limit})
		if err != nil {
			return // not really compressed
		}
		for range len(text) + 1<<16 { // compressed input may hold more records than bytes
			var r Record
			err := in.Read(&r)
			var bad *LineError
			if err != nil && !errors.As(err, &bad) {
				return
			}
			if len(r.Key) > limit+2 || len(r.Value) > limit+2 || r.Line < 0 {
				t.Fatalf("a record above the limit: %d + %d bytes", len(r.Key), len(r.Value))
			}
		}
	})
}
