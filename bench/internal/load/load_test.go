package load

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestKeysAreSixteenBytesAsRedisBenchmarkMakesThem(t *testing.T) {
	for i, want := range map[uint64]string{0: "key:000000000000", 42: "key:000000000042", 999999999999: "key:999999999999"} {
		if got := Key(i); got != want || len(got) != KeyBytes {
			t.Errorf("Key(%d) = %q, want %q", i, got, want)
		}
	}
}

func TestThroughputIsReadFromRedisBenchmarksCSV(t *testing.T) {
	text := `"test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms","max_latency_ms"
"SET","112359.55","0.239","0.080","0.231","0.327","0.431","1.279"
"GET","120481.93","0.230","0.080","0.223","0.311","0.399","0.943"
`
	if got, err := parseCSV(text, "get"); err != nil || got != 120481.93 {
		t.Errorf("get: %v, %v", got, err)
	}
	for _, bad := range []string{"", "\"GET\",\"none\"\n", "\"GET\",\"0.00\"\n", "\"broken"} {
		if _, err := parseCSV(bad, "get"); err == nil {
			t.Errorf("parseCSV(%q) must fail", bad)
		}
	}
}

func TestRepliesAreSkippedAndJudged(t *testing.T) {
	cases := []struct {
		name  string
		skip  func(*bufio.Reader) error
		reply string
		ok    bool
	}{
		{"RESP ok", skipRESP, "+OK\r\n", true},
		{"RESP value", skipRESP, "$5\r\na\r\nbc\r\n", true},
		{"RESP empty value", skipRESP, "$0\r\n\r\n", true},
		{"RESP missing", skipRESP, "$-1\r\n", false},
		{"RESP error", skipRESP, "-ERR no\r\n", false},
		{"RESP nonsense", skipRESP, "$x\r\n", false},
		{"memcached stored", skipMemcache, "STORED\r\n", true},
		{"memcached value", skipMemcache, "VALUE key:000000000001 0 3\r\nabc\r\nEND\r\n", true},
		{"memcached missing", skipMemcache, "END\r\n", false},
		{"memcached error", skipMemcache, "SERVER_ERROR out of memory\r\n", false},
		{"cut off", skipRESP, "$5\r\nab", false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := bufio.NewReader(strings.NewReader(c.reply + "next"))
			err := c.skip(r)
			if (err == nil) != c.ok {
				t.Fatalf("err = %v", err)
			}
			if rest, _ := r.Peek(4); c.ok && string(rest) != "next" {
				t.Errorf("%d bytes too many or too few were read, %q is left", r.Buffered(), rest)
			}
		})
	}
}

func TestRequestsAreWellFormed(t *testing.T) {
	if got := string(RESP.Set(RESP.Get(nil, []byte("k")), []byte("k"), []byte("vv"))); got != "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2\r\nvv\r\n" {
		t.Errorf("RESP: %q", got)
	}
	if got := string(Memcache.Set(Memcache.Get(nil, []byte("k")), []byte("k"), []byte("vv"))); got != "get k\r\nset k 0 0 2\r\nvv\r\n" {
		t.Errorf("memcached: %q", got)
	}
}

func TestValuesAreRepeatableAndOfTheirLength(t *testing.T) {
	a, b := NewValues(64, 7), NewValues(64, 7)
	for i := range uint64(1000) {
		if v := a.At(i * 12345); len(v) != 64 || !bytes.Equal(v, b.At(i*12345)) {
			t.Fatalf("value %d differs or has %d bytes", i, len(v))
		}
	}
}

// respServer answers every SET with +OK and every GET with a value, and counts them.
func respServer(t *testing.T) (addr string, requests *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	requests = new(atomic.Int64)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go answer(conn, requests)
		}
	}()
	return l.Addr().String(), requests
}

func answer(conn net.Conn, requests *atomic.Int64) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	for {
		head, err := r.ReadString('\n')
		if err != nil {
			return
		}
		lines, reply := 4, "$2\r\nvv\r\n" // *2 GET key
		if head[1] == '3' {
			lines, reply = 6, "+OK\r\n"
		}
		for range lines {
			if _, err := r.ReadString('\n'); err != nil {
				return
			}
		}
		requests.Add(1)
		if _, err := conn.Write([]byte(reply)); err != nil {
			return
		}
	}
}

func TestFillSetsEveryKeyOnce(t *testing.T) {
	addr, requests := respServer(t)
	// Printable values: the little server above splits at line ends.
	values := Values{block: bytes.Repeat([]byte("v"), 100), length: 8}
	if err := Fill(t.Context(), addr, RESP, 10, 1010, values); err != nil {
		t.Fatal(err)
	}
	if got := requests.Load(); got != 1000 {
		t.Errorf("%d keys were set, want 1000", got)
	}
}

func TestPipesCountWhatWasAnswered(t *testing.T) {
	addr, requests := respServer(t)
	ops, took, err := Pipes{Addr: addr, Protocol: RESP, Connections: 3, Pipeline: 4, Keys: 100, Duration: 20 * time.Millisecond}.Run(t.Context())
	if err != nil || ops == 0 || ops != requests.Load() || took <= 0 {
		t.Errorf("ops = %d of %d in %v, err = %v", ops, requests.Load(), took, err)
	}
}

func TestPacedLoadStopsWhenToldAndSeparatesReadsFromWrites(t *testing.T) {
	addr, _ := respServer(t)
	stop := make(chan struct{})
	time.AfterFunc(50*time.Millisecond, func() { close(stop) })
	values := Values{block: bytes.Repeat([]byte("v"), 100), length: 8}
	seen, err := Paced{Addr: addr, Readers: 2, Writers: 1, Burst: 3, Rest: time.Millisecond, Keys: 100, NewKeys: true,
		Values: values, Interval: time.Second}.Run(t.Context(), stop)
	if err != nil || seen.Get.TotalCount() == 0 || seen.Set.TotalCount() == 0 {
		t.Errorf("gets %d, sets %d, err %v", seen.Get.TotalCount(), seen.Set.TotalCount(), err)
	}
}

// countingLibrary fails after a number of calls.
type countingLibrary struct{ calls, failAfter atomic.Int64 }

var errFull = errors.New("full")

func (l *countingLibrary) call() error {
	if l.calls.Add(1) > l.failAfter.Load() {
		return errFull
	}
	return nil
}
func (l *countingLibrary) Get(context.Context, string) error                { return l.call() }
func (l *countingLibrary) Set(context.Context, string, string) error        { return l.call() }
func (l *countingLibrary) GetBatch(context.Context, []string) error         { return l.call() }
func (l *countingLibrary) SetBatch(context.Context, []string, string) error { return l.call() }
func (l *countingLibrary) Close() error                                     { return nil }

func TestCallersStopTogetherWhenOneFails(t *testing.T) {
	lib := &countingLibrary{}
	lib.failAfter.Store(500)
	ops, _, err := Callers{Library: lib, Callers: 20, Batch: 10, Set: true, Keys: make([]string, 50), Duration: time.Hour}.Run(t.Context())
	if !errors.Is(err, errFull) || ops != 5000 {
		t.Errorf("ops = %d, err = %v; want 500 calls of 10 keys and the failure", ops, err)
	}
}
