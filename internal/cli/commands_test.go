package cli

import (
	"bytes"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prakashpandey/vegadb"
	"github.com/prakashpandey/vegadb/vegadbtest"
)

// serve starts a node and returns a world whose commands go to it.
func serve(t testing.TB, options ...func(*vegadb.Config)) world {
	node := vegadbtest.Start(t, options...)
	return world{env: map[string]string{"VEGA_ADDR": node.Addr()}}
}

func TestCommandsToAPipe(t *testing.T) {
	w := serve(t)
	w.run(t, "put", "greeting", "hello, world").want(t, exitOK, "1\n", "")
	w.run(t, "get", "greeting").want(t, exitOK, "hello, world", "")
	w.run(t, "get", "greeting", "--meta").want(t, exitOK, "hello, world", "~version 1, 12 B, never expires")
	w.run(t, "get", "nope").want(t, exitNotFound, "", "vega-client: nope: not found\n")
	w.run(t, "put", "greeting", "x", "--if-absent").want(t, exitCondition, "", "~greeting: exists already")
	w.run(t, "put", "nope", "x", "--if-present").want(t, exitNotFound, "", "~nope: not found")
	w.run(t, "put", "greeting", "x", "--if-version", "9").want(t, exitCondition, "", "~the entry has version 1 by now")
	// A refused write has a place in the log too, so the next version is not 2.
	now := strings.TrimSpace(w.run(t, "cas", "greeting", "1", "y").out)
	w.run(t, "cas", "greeting", "1", "z").want(t, exitCondition, "", "~the entry has version "+now+" by now")
	w.run(t, "cas", "fresh", "7", "z").want(t, exitCondition, "", "~there is no entry")
	w.run(t, "incr", "n").want(t, exitOK, "1\n", "")
	w.run(t, "incr", "n", "-5").want(t, exitOK, "-4\n", "")
	w.run(t, "incr", "greeting").want(t, exitError, "", "~greeting: NOT_INTEGER")
	w.run(t, "ttl", "n").want(t, exitOK, "-1\n", "")
	w.run(t, "expire", "n", "3590s").want(t, exitOK, "OK\n", "")
	w.run(t, "expire", "n", "1m", "--if-later").want(t, exitCondition, "", "~the condition does not hold")
	w.run(t, "ttl", "n").want(t, exitOK, "~35", "") // 3,5xx,xxx ms
	w.run(t, "persist", "n").want(t, exitOK, "OK\n", "")
	w.run(t, "ttl", "n").want(t, exitOK, "-1\n", "")
	w.run(t, "persist", "nope").want(t, exitNotFound, "", "~nope: not found")
	w.run(t, "count").want(t, exitOK, "2\n", "")
	w.run(t, "count", "--prefix", "gr").want(t, exitOK, "1\n", "")
	w.run(t, "delete", "n", "nope").want(t, exitOK, "1\n", "")
	w.run(t, "delete", "nope").want(t, exitNotFound, "0\n", "")
	w.run(t, "ping").want(t, exitOK, "~PONG from 127.0.0.1:", "")
	w.run(t, "ping", "-n", "20").want(t, exitOK, "~20 sent, 0 failed; min ", "")
	w.run(t, "stats").want(t, exitOK, "~partitions", "")
	w.run(t, "version").want(t, exitOK, "~vega-client ", "")
}

func TestCommandsAsJSON(t *testing.T) {
	w := serve(t)
	w.run(t, "--json", "put", "k", "v").want(t, exitOK, `{"key":"k","version":1}`+"\n", "")
	w.run(t, "get", "k", "--json").want(t, exitOK, `{"key":"k","value":"v","version":1}`+"\n", "")
	w.run(t, "--json", "ttl", "k").want(t, exitOK, `{"key":"k","ttl_ms":null}`+"\n", "")
	w.run(t, "--json", "count").want(t, exitOK, `{"count":1}`+"\n", "")
	w.run(t, "--json", "scan").want(t, exitOK, `{"key":"k","value":"v","version":1}`+"\n", "")
	w.run(t, "--json", "scan", "--keys-only").want(t, exitOK, `{"key":"k"}`+"\n", "")
	w.run(t, "--json", "put", "\xff", "\xfe").want(t, exitOK, `~{"key_base64":"/w=="`, "")
	w.run(t, "--json", "get", "\xff").want(t, exitOK, `~{"key_base64":"/w==","value_base64":"/g=="`, "")
	w.run(t, "--json", "delete", "k").want(t, exitOK, `{"deleted":1}`+"\n", "")
	w.run(t, "--json", "incr", "n", "3").want(t, exitOK, `{"key":"n","value":3}`+"\n", "")
	w.run(t, "--json", "get", "k").want(t, exitNotFound, "", `{"error":{"exit":3,"status":"NOT_FOUND","message":"k: not found"}}`+"\n")
	w.run(t, "--json", "stats").want(t, exitOK, `~"partitions":`, "")
	w.run(t, "--json", "ping").want(t, exitOK, `~"p99_ms":`, "")
	w.run(t, "--json", "nonsense").want(t, exitUsage, "", `~"exit":2,"status":"USAGE"`)
}

func TestOnATerminalOutputIsReadable(t *testing.T) {
	w := serve(t)
	w.terminal = true
	w.run(t, "put", "k", "v").want(t, exitOK, "\x1b[32mOK\x1b[0m version 1\n", "")
	w.run(t, "get", "k").want(t, exitOK, "v\n", "")
	w.run(t, "put", "b", "\x00\x1b]0;title\a").want(t, exitOK, "~OK", "")
	w.run(t, "get", "b").want(t, exitOK, `"\x00\x1b]0;title\x07"`+"\n", "")
	w.run(t, "ttl", "k").want(t, exitOK, "never expires\n", "")
	w.run(t, "get", "nope").want(t, exitNotFound, "", "~\x1b[31mnope: not found\x1b[0m")
	w.run(t, "--no-color", "get", "nope").want(t, exitNotFound, "", "vega-client: nope: not found\n")
	w.env["NO_COLOR"] = "1"
	w.run(t, "put", "k", "v").want(t, exitOK, "OK version 2\n", "")
	w.run(t, "scan", "--prefix", "k").want(t, exitOK, "k  v\n", "")
}

func TestValuesComeFromStandardInputAndFiles(t *testing.T) {
	w := serve(t)
	w.stdin = "from\x00stdin\n"
	w.run(t, "put", "a", "-").want(t, exitOK, "1\n", "")
	w.run(t, "get", "a").want(t, exitOK, "from\x00stdin\n", "")
	name := filepath.Join(t.TempDir(), "value")
	if err := os.WriteFile(name, []byte("from a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.run(t, "put", "b", "--file", name).want(t, exitOK, "~\n", "")
	w.run(t, "get", "b").want(t, exitOK, "from a file", "")
	w.run(t, "put", "b", "--file", name+".nope").want(t, exitError, "", "~no such file")
}

func TestUsageErrorsSendNothingAndPointToHelp(t *testing.T) {
	w := world{env: map[string]string{"VEGA_ADDR": "127.0.0.1:1"}} // nothing must be sent there
	for _, c := range []struct {
		message string
		args    []string
	}{
		{`unknown command "gte"; did you mean get`, []string{"gte", "k"}},
		{"KEY is missing", []string{"get"}},
		{`"b" is one argument too many`, []string{"get", "a", "b"}},
		{"unknown flag: --nope", []string{"get", "k", "--nope"}},
		{"VALUE is missing", []string{"put", "k"}},
		{"given twice", []string{"put", "k", "v", "--file", "x"}},
		{"VERSION \"x\" is not a number", []string{"cas", "k", "x", "v"}},
		{"DELTA \"x\" is not an integer", []string{"incr", "k", "x"}},
		{"is not a time to live", []string{"expire", "k", "soon"}},
		{"say when", []string{"expire", "k"}},
		{"--keys-only and --values-only exclude each other", []string{"scan", "--keys-only", "--values-only"}},
		{"--ttl and --keep-ttl exclude each other", []string{"put", "k", "v", "--ttl", "1s", "--keep-ttl"}},
		{"unknown workload", []string{"bench", "--workload", "z"}},
		{"native client pipelines by itself", []string{"bench", "--pipeline", "4"}},
		{"must end in .svg or .png", []string{"bench", "--plot", "x.gif"}},
		{"at least one record", []string{"bench", "--records", "0"}},
		{"unknown format", []string{"load", "x", "--format", "xml"}},
		{"use stop or skip", []string{"load", "x", "--on-error", "explode"}},
		{"FILE is missing", []string{"load"}},
		{"plain lines cannot hold values", []string{"dump", "x.txt"}},
		{"has no port", []string{"get", "k", "--addr", "localhost"}},
		{"needs a password", []string{"get", "k", "--user", "me"}},
		{"belong together", []string{"get", "k", "--tls-cert", "x"}},
	} {
		r := w.run(t, c.args...)
		r.want(t, exitUsage, "", "~"+c.message)
		if !strings.Contains(r.err, "see: vega-client") || !strings.Contains(r.err, "--help") {
			t.Errorf("%q: no pointer to the help: %s", c.args, r.err)
		}
	}
}

func TestUnreachableServerIsNamedWithWhatToTry(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	r := world{}.run(t, "--addr", address, "get", "k")
	r.want(t, exitUnreachable, "", "~cannot reach "+address+": connection refused")
	r.want(t, exitUnreachable, "", "~vega-server")
	world{}.run(t, "--addr", "no-such-host.invalid:8342", "get", "k").want(t, exitUnreachable, "", "~cannot reach no-such-host.invalid:8342")
	world{}.run(t, "--addr", address, "bench", "--protocol", "resp").want(t, exitUnreachable, "", "~connection refused")
}

func TestScanToAPipeKeepsOneEntryPerLine(t *testing.T) {
	w := serve(t)
	w.run(t, "put", "a\tb", "line 1\nline 2").want(t, exitOK, "~\n", "")
	w.run(t, "scan").want(t, exitOK, `a\tb`+"\t"+`line 1\nline 2`+"\n", "")
	w.run(t, "scan", "--keys-only").want(t, exitOK, `a\tb`+"\n", "")
	w.run(t, "scan", "--values-only").want(t, exitOK, `line 1\nline 2`+"\n", "")
	for i := range 30 {
		w.run(t, "put", "many:"+strings.Repeat("x", i), "v")
	}
	if r := w.run(t, "scan", "--prefix", "many:", "--limit", "7", "--keys-only"); strings.Count(r.out, "\n") != 7 {
		t.Errorf("%q", r.out)
	}
	if r := w.run(t, "scan", "--prefix", "many:", "--page-size", "4"); strings.Count(r.out, "\n") != 30 {
		t.Errorf("%q", r.out)
	}
}

func TestDumpAndLoadCarryEverythingOver(t *testing.T) {
	from, dir := serve(t), t.TempDir()
	from.run(t, "put", "text", "größe ☃")
	from.run(t, "put", "bytes\x00\xff", "\xfe\r\n\",\t")
	from.run(t, "put", "short", "lived", "--ttl", "3590s")
	for _, name := range []string{"a.jsonl", "a.jsonl.gz", "a.tsv", "a.csv.zst"} {
		file := filepath.Join(dir, name)
		from.run(t, "dump", file).want(t, exitOK, "", "~dumped 3 entries to ")
		to := serve(t)
		to.run(t, "load", file).want(t, exitOK, "", "~loaded 3 records")
		to.run(t, "get", "text").want(t, exitOK, "größe ☃", "")
		to.run(t, "get", "bytes\x00\xff").want(t, exitOK, "\xfe\r\n\",\t", "")
		to.run(t, "ttl", "short").want(t, exitOK, "~35", "")
	}
	from.run(t, "dump", "-", "--prefix", "te").want(t, exitOK, `{"key":"text","value":"größe ☃","version":1}`+"\n", "~dumped 1 entries")
	from.run(t, "--json", "dump", filepath.Join(dir, "b.csv")).want(t, exitOK, `~"dumped":3`, "")
	from.run(t, "dump", filepath.Join(dir, "no", "such.csv")).want(t, exitError, "", "~no such file")
}

func TestLoadNamesBadLines(t *testing.T) {
	w := serve(t)
	w.stdin = "a\t1\nbad\nc\t3\n"
	w.run(t, "load", "-", "--format", "tsv").want(t, exitError, "", "~-:2: has 1 columns")
	w.run(t, "load", "-", "--format", "tsv", "--on-error", "skip").want(t, exitOK, "", "~skipped -:2: has 1 columns")
	w.run(t, "get", "c").want(t, exitOK, "3", "")
	w.run(t, "--json", "load", "-", "--format", "tsv", "--on-error", "skip").want(t, exitOK, `~"loaded":2`, "~skipped")
	w.stdin = strings.Repeat("bad\n", 50)
	if r := w.run(t, "load", "-", "--format", "tsv", "--on-error", "skip"); strings.Count(r.err, "\n") != 22 || !strings.Contains(r.err, "only counted") {
		t.Errorf("%s", r.err)
	}
	w.stdin = "big\t" + strings.Repeat("x", 2<<20) + "\nsmall\t1\n" // the node's limit is 1 MiB
	r := w.run(t, "load", "-", "--format", "tsv", "--on-error", "skip")
	r.want(t, exitOK, "", "~loaded 1 records")
	r.want(t, exitOK, "", "~skipped -:1: TOO_LARGE")
	w.run(t, "load", "/no/such/file").want(t, exitError, "", "~no such file")
}

func TestLoadWithPrefixTTLAndIfAbsent(t *testing.T) {
	w := serve(t)
	w.run(t, "put", "w:apple", "kept")
	w.stdin = "apple\nbanana\n"
	w.run(t, "load", "-", "--prefix", "w:", "--ttl", "3590s", "--if-absent").want(t, exitOK, "", "~loaded 2 records")
	w.run(t, "get", "w:apple").want(t, exitOK, "kept", "")
	w.run(t, "get", "w:banana").want(t, exitOK, "2", "")
	w.run(t, "ttl", "w:banana").want(t, exitOK, "~35", "")
}

func TestBenchReportsAndVerifies(t *testing.T) {
	w := serve(t)
	plot := filepath.Join(t.TempDir(), "latency.svg")
	for _, args := range [][]string{
		{"--workload", "a", "--plot", plot}, {"--workload", "d", "--protocol", "resp", "--pipeline", "4"},
		{"--workload", "e", "--warmup", "50ms"}, {"--workload", "f", "--batch", "10"}, {"--workload", "e", "--protocol", "resp"},
	} {
		args = append([]string{"bench", "--records", "300", "--count", "2000", "--callers", "4", "--verify", "--seed", "7"}, args...)
		r := w.run(t, args...)
		r.want(t, exitOK, "~verified: every acknowledged write is there", "~seed 7")
		r.want(t, exitOK, "~run     2,000 requests in ", "~")
		if strings.Contains(r.out, "errors:") {
			t.Errorf("%q: %s", args, r.out)
		}
	}
	if text, err := os.ReadFile(plot); err != nil || !bytes.HasPrefix(text, []byte("<svg")) {
		t.Errorf("%v %.40q", err, text)
	}
	r := w.run(t, "--json", "bench", "--records", "300", "--count", "500", "--no-load")
	var report struct {
		Settings struct {
			Seed     uint64 `json:"seed"`
			Protocol string `json:"protocol"`
		} `json:"settings"`
		Run struct {
			Ops int64 `json:"ops"`
		} `json:"run"`
	}
	if err := json.Unmarshal([]byte(r.out), &report); err != nil || report.Run.Ops != 500 || report.Settings.Seed != 42 || report.Settings.Protocol != "native" {
		t.Errorf("%v %+v %.200s", err, report, r.out)
	}
}

func TestSnapshotNeedsADurableNode(t *testing.T) {
	dir := t.TempDir()
	w := serve(t, func(c *vegadb.Config) { c.InMemory, c.DataDir = false, dir })
	w.run(t, "put", "k", "v")
	w.run(t, "snapshot", "--wait").want(t, exitOK, "the snapshot is complete\n", "")
	w.run(t, "--json", "snapshot").want(t, exitOK, `{"complete":false}`+"\n", "")
}
