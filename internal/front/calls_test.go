package front

import (
	"slices"
	"testing"
	"time"
)

func TestBucketsHoldWhatTheirBoundsSay(t *testing.T) {
	bounds := LatencyBounds()
	if len(bounds) != LatencyBuckets-1 {
		t.Fatalf("%d bounds for %d buckets", len(bounds), LatencyBuckets)
	}
	for i, bound := range bounds {
		d := time.Duration(bound*1e9 + .5)
		if got := LatencyBucket(d); got != i {
			t.Errorf("%v is in bucket %d, want %d", d, got, i)
		}
		if got := LatencyBucket(d + 1); got != i+1 {
			t.Errorf("%v is in bucket %d, want %d", d+1, got, i+1)
		}
	}
	if got := LatencyBucket(-1); got != 0 {
		t.Errorf("a clock that went back: bucket %d", got)
	}
}

func TestCallsAreCounted(t *testing.T) {
	var c Calls
	if _, called := c.Figures(); called {
		t.Error("calls before the first")
	}
	c.Observe(3*time.Microsecond, true)
	c.Observe(-time.Second, false) // a clock that went back
	c.Add(5, time.Second, LatencyBucket(time.Second))
	f, called := c.Figures()
	buckets := make([]uint64, LatencyBuckets)
	buckets[0], buckets[1], buckets[LatencyBucket(time.Second)] = 1, 1, 5
	if !called || f.Calls != 7 || f.Errors != 1 || f.Spent != 5*time.Second+3*time.Microsecond || !slices.Equal(f.Buckets, buckets) {
		t.Errorf("got %+v (%v)", f, called)
	}
	if c.Count() != 7 {
		t.Errorf("count %d", c.Count())
	}
	c.Reset()
	if f, called := c.Figures(); called {
		t.Errorf("after a reset: %+v", f)
	}
	c.Fail(1) // refused before it became a call
	if f, called := c.Figures(); !called || f.Calls != 0 || f.Errors != 1 {
		t.Errorf("an error without a call: %+v (%v)", f, called)
	}
	if n := testing.AllocsPerRun(100, func() { c.Observe(1, true); c.Add(2, 3, 0) }); n != 0 {
		t.Errorf("counting allocates %v times", n)
	}
}

func TestEveryReasonAndProtocolHasAName(t *testing.T) {
	seen := map[string]bool{}
	for r := ClosedByPeer; r < CloseReasons; r++ {
		if r.String() == "" || seen[r.String()] {
			t.Errorf("reason %d is called %q", uint8(r), r.String())
		}
		seen[r.String()] = true
	}
	for first, want := range map[byte]string{'*': "resp", 0x7f: "resp", 0x80: "native", 0xff: "native"} {
		if got := ProtocolOf(first).String(); got != want {
			t.Errorf("first byte %#x: %s, want %s", first, got, want)
		}
	}
}
