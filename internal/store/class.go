package store

import "math/bits"

// Size classes. A block's class follows from its size, so that nobody has to store it:
//
//	     1 …   256 B   steps of 8 B                         32 classes  ┐ carved from spans
//	   256 … 32 KiB    16 steps per doubling (waste ≤ 1/16) 112 classes ┘
//	32 KiB … 512 KiB   8 steps per doubling, whole pages     32 classes   a run of pages each
//	above              whole pages                          classBig     a mapping of its own
//
// The one exception is a block that Append made larger than its content needs: it carries its class (flagClass).
const (
	pageSize  = 4096
	maxFine   = 256       // largest size in steps of 8
	maxSpan   = 32 << 10  // largest block that shares a span with others
	maxRun    = 512 << 10 // largest block within a chunk
	fineCount = maxFine / 8
	firstRun  = fineCount + 7*16 // 256 << 7 = 32 KiB
	classes   = firstRun + 4*8   // 32 KiB << 4 = 512 KiB
	classBig  = 255
)

// classOf returns the smallest class that holds n ≥ 1 bytes.
func classOf(n uint64) uint8 {
	switch {
	case n <= maxFine:
		return uint8((n+7)/8 - 1)
	case n <= maxSpan:
		l := bits.Len64(n - 1) // 2^(l-1) < n ≤ 2^l
		return uint8(fineCount + (l-9)*16 + int((n-1)>>(l-5)) - 16)
	case n <= maxRun:
		l := bits.Len64(n - 1)
		return uint8(firstRun + (l-16)*8 + int((n-1)>>(l-4)) - 8)
	}
	return classBig
}

// classSize is the room in a block of the class, which is not classBig.
func classSize(c uint8) uint64 {
	switch i := int(c); {
	case i < fineCount:
		return uint64(i+1) * 8
	case i < firstRun:
		i -= fineCount
		return uint64(i%16+17) << (i/16 + 4)
	default:
		i -= firstRun
		return uint64(i%8+9) << (i/8 + 12)
	}
}

// spanShape says how the blocks of a class are carved: from a span of so many pages come so many blocks.
type spanShape struct {
	size   uint32
	blocks uint16
	pages  uint8
}

// spanShapes is computed once and never changes.
var spanShapes = func() (shapes [firstRun]spanShape) {
	for c := range shapes {
		shapes[c] = shapeOf(classSize(uint8(c)))
	}
	return shapes
}()

// shapeOf picks the smallest span with room for 8 blocks (and at least 4 pages) whose unused end is below 1/64 of
// it, or the one with the least unused end among those up to twice as long.
func shapeOf(size uint64) spanShape {
	least := max(4, int((size*8+pageSize-1)/pageSize))
	best, bestWaste := least, 1.0
	for pages := least; pages <= min(2*least, 255); pages++ {
		total := uint64(pages) * pageSize
		waste := float64(total%size) / float64(total)
		if waste < bestWaste {
			best, bestWaste = pages, waste
		}
		if waste < 1.0/64 {
			break
		}
	}
	return spanShape{size: uint32(size), blocks: uint16(uint64(best) * pageSize / size), pages: uint8(best)}
}
