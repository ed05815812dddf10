package auth

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestNoLimitMeansNoLimit(t *testing.T) {
	l := NewLimiter(0, time.Now)
	for range 1000 {
		if err := l.Take(netip.MustParseAddr("192.0.2.1")); err != nil {
			t.Fatal(err)
		}
	}
	l.Refund(netip.Addr{})
}

func TestAddressesOfOneNetworkShareALimit(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		same bool
	}{
		{"192.0.2.1", "192.0.2.2", false},
		{"192.0.2.1", "::ffff:192.0.2.1", true},
		{"2001:db8::1", "2001:db8::ffff:1", true},
		{"2001:db8::1", "2001:db8:0:1::1", false},
		{"fe80::1%eth0", "fe80::2%eth1", true},
	} {
		l := NewLimiter(1, func() time.Time { return time.Unix(0, 0) })
		l.Take(netip.MustParseAddr(tc.a))
		if refused := l.Take(netip.MustParseAddr(tc.b)) != nil; refused != tc.same {
			t.Errorf("%s and %s share a limit: %v, want %v", tc.a, tc.b, refused, tc.same)
		}
	}
}

func TestMemoryOfTheLimiterIsBounded(t *testing.T) {
	now := time.Unix(0, 0)
	l := NewLimiter(10, func() time.Time { return now })
	guilty := netip.MustParseAddr("192.0.2.1")
	for range 10 {
		l.Take(guilty)
	}
	var ip [4]byte
	for i := range uint32(3 * maxTracked) {
		binary.BigEndian.PutUint32(ip[:], i|0x0a000000)
		l.Take(netip.AddrFrom4(ip))
	}
	if len(l.buckets) > maxTracked {
		t.Errorf("%d addresses are tracked", len(l.buckets))
	}
	if l.Take(guilty) == nil {
		t.Error("a flood of other addresses washed the guilty one out")
	}
}

// Over any stretch of time an address gets at most its bucket plus what
// refilled, however attempts, successes and clock jumps are mixed.
func TestAnAddressNeverGetsMoreThanItsShare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		perMinute := rapid.IntRange(1, 20).Draw(t, "perMinute")
		now := time.Unix(1_000_000, 0)
		l := NewLimiter(perMinute, func() time.Time { return now })
		addr := netip.MustParseAddr("192.0.2.1")
		failures, forward := 0, time.Duration(0)
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			step := time.Duration(rapid.IntRange(-5, 10).Draw(t, "seconds")) * time.Second
			now = now.Add(step)
			forward += max(0, step)
			if l.Take(addr) != nil {
				continue
			}
			if rapid.Bool().Draw(t, "right") {
				l.Refund(addr)
			} else {
				failures++
			}
		}
		if most := float64(perMinute) * (1 + forward.Minutes()); float64(failures) > most+1e-6 {
			t.Fatalf("%d failures were heard, at most %.1f may be", failures, most)
		}
	})
}
