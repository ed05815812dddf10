package attempt

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestPausesDoubleUpToTheLongestAndLastBetweenHalfAndAllOfIt(t *testing.T) {
	b := DialPauses()
	var p Pause
	for want := b.First; ; want *= 2 {
		want = min(want, b.Last)
		low, high := p, p
		if d := low.Take(b, 0); d != want/2 {
			t.Fatalf("%v, want %v", d, want/2)
		}
		if d := high.Take(b, 1<<64-1); d != want {
			t.Fatalf("%v, want %v", d, want)
		}
		if p = low; want == b.Last {
			break
		}
	}
	if p.Reset(); p.Take(b, 1<<64-1) != b.First {
		t.Error("does not begin again")
	}
}

func TestAPauseGoesOnFromWhereItIsWithOtherBounds(t *testing.T) {
	var p Pause
	for range 20 {
		p.Take(RetryPauses(), 0)
	}
	if d, want := p.Take(ElectPauses(), 1<<64-1), RetryPauses().Last; d != want {
		t.Errorf("%v, want %v", d, want)
	}
}

func TestJitterIsSpreadOverTheUpperHalf(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "d"))
		random := rapid.Uint64().Draw(t, "random")
		if got := Jitter(d, random); got < d/2 || got > d {
			t.Errorf("%v of %v", got, d)
		}
	})
	if Jitter(2*time.Second, 1<<63) != 1500*time.Millisecond {
		t.Error("the middle is not in the middle")
	}
}
