package store

import (
	"testing"

	"pgregory.net/rapid"
)

func TestEverySizeGetsTheSmallestClassThatHoldsIt(t *testing.T) {
	for n := uint64(1); n <= maxRun; n++ {
		c := classOf(n)
		if c >= classes || classSize(c) < n {
			t.Fatalf("%d bytes: class %d of %d bytes", n, c, classSize(c))
		}
		if c > 0 && classSize(c-1) >= n {
			t.Fatalf("%d bytes: class %d, but class %d holds it", n, c, c-1)
		}
	}
	if classOf(maxRun+1) != classBig {
		t.Fatal("a block above maxRun has a class")
	}
}

func TestClassesWasteAtMostAnEighthAboveTheFirst(t *testing.T) {
	for c := uint8(1); c < classes; c++ {
		size, below := classSize(c), classSize(c-1)
		if size <= below || size%8 != 0 {
			t.Fatalf("class %d: %d bytes after %d", c, size, below)
		}
		limit := uint64(8)
		if c < firstRun && size > maxFine {
			limit = 16
		}
		if size > maxFine && (size-below)*limit > below {
			t.Fatalf("class %d: %d bytes after %d", c, size, below)
		}
		if c >= firstRun && size%pageSize != 0 {
			t.Fatalf("class %d: %d bytes are not whole pages", c, size)
		}
	}
}

func TestSpansHoldEnoughBlocksAndWasteLittle(t *testing.T) {
	for c := range spanShapes {
		s := spanShapes[c]
		bytes := uint64(s.pages) * pageSize
		waste := float64(bytes-uint64(s.size)*uint64(s.blocks)) / float64(bytes)
		if s.pages < 4 || s.pages > chunkPages/2 || s.blocks < 8 || s.blocks > maxBlocks || waste > 1.0/32 {
			t.Errorf("class %d: %+v wastes %.3f", c, s, waste)
		}
	}
}

func TestHeaderSurvivesEncodingForAllWidths(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := Meta{
			Version:  rapid.SampledFrom([]uint64{0, 1, 1<<32 - 1, 1 << 32, 1<<48 - 1, 1 << 48, 1<<64 - 1}).Draw(t, "version"),
			ExpireAt: rapid.SampledFrom([]int64{0, 1, -1, 1<<63 - 1, -1 << 63}).Draw(t, "expires"),
			Kind:     rapid.Byte().Draw(t, "kind"),
		}
		edges := []int{0, 1, 255, 256, 65535, 65536, 1 << 20, MaxLen}
		h := header{Meta: m, keyLen: rapid.SampledFrom(edges).Draw(t, "key"), valueLen: rapid.SampledFrom(edges).Draw(t, "value")}
		h.flags = flagsFor(h.keyLen, h.valueLen, m)
		if rapid.Bool().Draw(t, "class") {
			h.flags |= flagClass
			h.class = rapid.Byte().Draw(t, "its class")
		}
		var room [64]byte
		b := blockIn(&room)
		b.putHeader(&h)
		if got := b.header(); got != h {
			t.Fatalf("%+v became %+v", h, got)
		}
		if b.expireAt() != m.ExpireAt {
			t.Fatalf("expiry %d became %d", m.ExpireAt, b.expireAt())
		}
		for i := h.keyAt(); i < len(room); i++ {
			if room[i] != 0 {
				t.Fatalf("byte %d written, the header is %d long", i, h.keyAt())
			}
		}
	})
}

func TestSmallEntryPaysEightBytes(t *testing.T) {
	h := header{keyLen: 16, valueLen: 64}
	if h.flags = flagsFor(16, 64, Meta{Version: 1<<32 - 1}); h.keyAt() != 8 {
		t.Fatalf("header of %d bytes", h.keyAt())
	}
}

func TestHomesOfHalvesLieWithinHomesOfTheWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.SampledFrom([]int{1, 2, 3, 7, 59}).Draw(t, "homes")
		shift := uint(rapid.IntRange(0, maxShift-1).Draw(t, "shift"))
		cell := rapid.Uint64().Draw(t, "hash") >> hashRest
		whole := place{shift: shift}
		whole.start = whole.startOf(cell)
		half := place{shift: shift + 1}
		half.start = half.startOf(cell)
		home := homeOf(cell, shift, n)
		if from, to := whole.homeStart(home, n), whole.homeStart(home+1, n); cell < from || cell >= to {
			t.Fatalf("cell %#x is not in its home %d: %#x to %#x", cell, home, from, to)
		}
		inHalf := homeOf(cell, shift+1, n)
		first, last := half.homeStart(inHalf, n), half.homeStart(inHalf+1, n)-1
		if homeOf(first, shift, n) != home || homeOf(last, shift, n) != home {
			t.Fatalf("home %d of the half reaches out of home %d", inHalf, home)
		}
	})
}

func TestBitmapRuns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b bitmap
		var want [chunkPages]bool
		for range rapid.IntRange(0, 30).Draw(t, "runs") {
			from := rapid.IntRange(0, chunkPages-1).Draw(t, "from")
			n := rapid.IntRange(1, chunkPages-from).Draw(t, "n")
			set := rapid.Bool().Draw(t, "set")
			if set {
				b.set(from, n)
			} else {
				b.unset(from, n)
			}
			for i := from; i < from+n; i++ {
				want[i] = set
			}
		}
		var got [chunkPages]bool
		for start, n := b.run(0); n > 0; start, n = b.run(start + n) {
			for i := start; i < start+n; i++ {
				got[i] = true
			}
			if start+n < chunkPages && want[start+n] || start > 0 && want[start-1] {
				t.Fatalf("run %d+%d is longer than that", start, n)
			}
		}
		if got != want {
			t.Fatal("runs differ from what was set")
		}
	})
}
