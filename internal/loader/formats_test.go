package loader

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// show renders records as "key=value" and bad lines as "!line", in reading order by kind.
func show(records []Record, bad []*LineError) string {
	var parts []string
	for _, r := range records {
		parts = append(parts, fmt.Sprintf("%d:%s=%s", r.Line, r.Key, r.Value))
	}
	for _, b := range bad {
		parts = append(parts, fmt.Sprintf("!%d", b.Line))
	}
	return strings.Join(parts, " ")
}

func TestFormatsAreReadAsDescribed(t *testing.T) {
	for _, c := range []struct {
		name, text, want string
		o                Options
	}{
		{"lines number their keys", "apple\nbanana\n", "1:apple=1 2:banana=2", Options{Format: Lines}},
		{"lines with empty values", "apple\nbanana", "1:apple= 2:banana=", Options{Format: Lines, EmptyValues: true}},
		{"CR LF, a BOM and empty lines", "\xEF\xBB\xBFapple\r\n\r\nbanana\r\n", "1:apple=1 3:banana=3", Options{Format: Lines}},
		{"auto by extension", "a,b\n", "1:a=b", Options{Name: "x.csv"}},
		{"auto by content: jsonl", `{"key":"a","value":"b"}`, "1:a=b", Options{Name: "-"}},
		{"auto by content: lines", "a b", "1:a b=1", Options{Name: "-"}},

		{"jsonl numbers and objects keep their text", `{"key":"a","value":1.50}` + "\n" + `{"key":"b","value":{"x": 1}}`, `1:a=1.50 2:b={"x": 1}`, Options{Format: JSONL}},
		{"jsonl escapes", `{"key":"\u0061\n\ud83d\ude00","value":""}`, "1:a\n😀=", Options{Format: JSONL}},
		{"jsonl bad lines", "{}\nnonsense\n" + `{"key":"a"}` + "\n" + `{"key":"a","value":null}` + "\n" + `{"key":"a","value":"ok"}`, "5:a=ok !1 !2 !3 !4", Options{Format: JSONL}},
		{"jsonl refuses what is not text", "{\"key\":\"\xFF\",\"value\":\"\"}\n" + `{"key":"\ud83d","value":""}` + "\n" + `{"key":"\ude00\ud83d","value":""}` + "\n" + `{"key":"\\ud83d","value":""}`, `4:\ud83d= !1 !2 !3`, Options{Format: JSONL}},
		{"jsonl fields chosen by name", `{"id":7,"name":"x"}`, "1:7=x", Options{Format: JSONL, KeyColumn: "id", ValueColumn: "name"}},
		{"jsonl whole line as the value", ` {"id":7,"name":"x"} `, `1:7={"id":7,"name":"x"}`, Options{Format: JSONL, KeyColumn: "id", ValueColumn: "."}},
		{"jsonl chosen field missing", `{"id":7}`, `!1`, Options{Format: JSONL, KeyColumn: "id", ValueColumn: "name"}},

		{"tsv without a header", "a\tb\nc\td\te", "1:a=b 2:c=d", Options{Format: TSV}},
		{"tsv with a header in another order", "n\tvalue\tkey\n1\tb\ta", "2:a=b", Options{Format: TSV}},
		{"tsv escapes", `a\tb` + "\t" + `c\x00\\d`, "1:a\tb=c\x00\\d", Options{Format: TSV}},
		{"tsv raw", `C:\new` + "\t" + `x\`, `1:C:\new=x\`, Options{Format: TSV, Raw: true}},
		{"tsv bad escapes and columns", "a\\q\tb\nalone\na\tb\\\na\t\\x1\nok\tyes", "5:ok=yes !1 !2 !3 !4", Options{Format: TSV}},
		{"tsv columns by number", "a\tb\tc", "1:c=a", Options{Format: TSV, KeyColumn: "3", ValueColumn: "1"}},

		{"csv quoting", "\"a,b\",\"c\"\"d\"\r\n\"x\ny\",\"z\r\nw\"\r\n", "1:a,b=c\"d 2:x\ny=z\r\nw", Options{Format: CSV}},
		{"csv columns by name", "id,name\n7,x", "2:7=x", Options{Format: CSV, KeyColumn: "id", ValueColumn: "name"}},
		{"csv header forced", "id,name\n7,x", "2:7=x", Options{Format: CSV, Header: HeaderYes}},
		{"csv header forbidden", "key,value\n7,x", "1:key=value 2:7=x", Options{Format: CSV, Header: HeaderNo}},
		{"csv empty fields", "a,\n,b\n", "1:a= 2:=b", Options{Format: CSV}},
		{"csv bad quotes", "a,b\"c\n\"a\"b,c\nok,yes\n", "3:ok=yes !1 !2", Options{Format: CSV}},
		{"csv quote never closed names its line and the rest is read", "a,b\n\"open,x\nc,d\ne,f", "1:a=b 3:c=d 4:e=f !2", Options{Format: CSV}},
		{"csv two quotes never closed", "\"p,x\nc,d\n\"q,y\n\"r\ne,f", "2:c=d 5:e=f !1 !3 !4", Options{Format: CSV}},
		{"csv base64", "key,value,encoding\n/w==,AA==,base64\n/w,x,base64\na,b,\na,b,rot13", "2:\xFF=\x00 4:a=b !3 !5", Options{Format: CSV}},
		{"csv bad numbers", "key,value,ttl_ms,version\na,b,x,\na,b,-1,\na,b,,x\na,b,5,6", "5:a=b !2 !3 !4", Options{Format: CSV}},
	} {
		t.Run(c.name, func(t *testing.T) {
			records, bad := readAll(t, []byte(c.text), c.o)
			if got := show(records, bad); got != c.want {
				t.Fatalf("\n got %s\nwant %s\n bad %v", got, c.want, bad)
			}
		})
	}
}

func TestUnknownColumnIsRefusedWithTheOnesThereAre(t *testing.T) {
	in, err := NewInput(strings.NewReader("id,name\n1,2\n"), Options{Name: "f.csv", KeyColumn: "ident"})
	if err != nil {
		t.Fatal(err)
	}
	var r Record
	err = in.Read(&r)
	if err == nil || err.Error() != `f.csv: no column "ident"; there are: id, name` {
		t.Fatalf("got %v", err)
	}
}

func TestLineAboveTheLimitIsNamedAndTheNextOneRead(t *testing.T) {
	const limit = 100_000 // above the reader's own buffer
	for _, c := range []struct {
		format Format
		long   string
		at     string // a record of exactly the limit
		next   string
	}{
		{Lines, strings.Repeat("x", limit+1), strings.Repeat("y", limit), "key"},
		{TSV, "k\t" + strings.Repeat("x", limit), "k\t" + strings.Repeat("y", limit-2), "a\tb"},
		{CSV, "k," + strings.Repeat("x", limit), "k," + strings.Repeat("y", limit-2), "a,b"},
		{CSV, "k,\"" + strings.Repeat("x", limit), "k," + strings.Repeat("y", limit-2), "a,b"},
		{JSONL, `{"key":"` + strings.Repeat("x", limit), `{"key":"k","value":"` + strings.Repeat("y", limit-22) + `"}`, `{"key":"a","value":"b"}`},
	} {
		for _, lineBreak := range []string{"\n", "\r\n"} {
			text := strings.Join([]string{c.long, c.at, c.next}, lineBreak)
			records, bad := readAll(t, []byte(text), Options{Name: "f", Format: c.format, MaxRecordBytes: limit})
			if len(bad) != 1 || bad[0].Line != 1 || !errors.Is(bad[0], ErrTooLong) {
				t.Fatalf("%s: bad = %v", c.format, bad)
			}
			if len(records) != 2 || records[0].Line != 2 || records[1].Line != 3 {
				t.Fatalf("%s: %d records", c.format, len(records))
			}
		}
	}
}

func TestCSVNewlinesInQuotesDoNotShiftLineNumbers(t *testing.T) {
	records, bad := readAll(t, []byte("\"a\n\n\nb\",1\nc,2\nd\n"), Options{Format: CSV})
	if got := show(records, bad); got != "1:a\n\n\nb=1 5:c=2 !6" {
		t.Fatal(got)
	}
}

func TestDamagedCompressionIsAnError(t *testing.T) {
	if _, err := NewInput(strings.NewReader("\x1F\x8Bnot really"), Options{Name: "f.gz"}); err == nil {
		t.Fatal("opened")
	}
}

func TestDetectFormat(t *testing.T) {
	for name, want := range map[string]Format{
		"a.jsonl": JSONL, "a.NDJSON.gz": JSONL, "a.csv.zst": CSV, "dir.csv/a.tsv": TSV,
		"words.txt": Lines, "words": Auto, "/usr/share/dict/american-english": Auto, "-": Auto,
	} {
		if got := DetectFormat(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}
