package ring

import (
	"testing"

	"pgregory.net/rapid"
)

// The values are Redis's own: CLUSTER KEYSLOT of each key, and the CRC's check
// value from the Redis Cluster specification.
func TestSlotAgreesWithRedisCluster(t *testing.T) {
	for key, want := range map[string]uint16{
		"":                     0,
		"123456789":            12739,
		"foo":                  12182,
		"bar":                  5061,
		"hello":                866,
		"{user1000}.following": 3443,
		"{user1000}.followers": 3443,
		"foo{}{bar}":           8363,
		"foo{{bar}}zap":        4015,
		"foo{bar}{zap}":        5061,
		"somekey":              11058,
		"{":                    4092,
	} {
		if got := Slot([]byte(key)); got != want {
			t.Errorf("Slot(%q) = %d, want %d", key, got, want)
		}
	}
	if got := crc16([]byte("123456789")); got != 0x31c3 {
		t.Errorf("crc16 check value = %#x, want 0x31c3", got)
	}
}

// crc16Bitwise is the definition, against which the table-driven code is checked.
func crc16Bitwise(p []byte) (crc uint16) {
	for _, b := range p {
		crc ^= uint16(b) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return crc
}

func TestCRCEqualsItsDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")
		if got, want := crc16(p), crc16Bitwise(p); got != want {
			t.Fatalf("crc16(%x) = %#x, want %#x", p, got, want)
		}
	})
}

func TestPartitionsCoverTheSlotsEvenly(t *testing.T) {
	for _, n := range []int{1, 2, 3, 7, 64, 100, 1000, 4096, Slots} {
		next, smallest, largest := 0, Slots, 0
		for p := range n {
			first, last := SlotRange(p, n)
			if int(first) != next {
				t.Fatalf("n=%d p=%d: starts at %d, want %d", n, p, first, next)
			}
			for s := int(first); s <= int(last); s++ {
				if got := PartitionOfSlot(uint16(s), n); got != p {
					t.Fatalf("n=%d: slot %d is in partition %d, its range says %d", n, s, got, p)
				}
			}
			size := int(last) - int(first) + 1
			smallest, largest = min(smallest, size), max(largest, size)
			next = int(last) + 1
		}
		if next != Slots || largest-smallest > 1 {
			t.Fatalf("n=%d: covered %d slots, sizes %d to %d", n, next, smallest, largest)
		}
	}
}

func BenchmarkSlot16(b *testing.B) {
	key := []byte("key:000000123456")
	b.ReportAllocs()
	for b.Loop() {
		_ = Slot(key)
	}
}
