package store

import "math/bits"

// Hash space is divided by the 48 upper bits of a hash into *cells*; the lower bits serve as tag only. From the
// top, the bits choose: stripe | directory entry (down to the segment's depth) | home within the segment.
// Everything that walks a table (Scan, Sweep, Image) walks cells in ascending order.
const (
	cellBits = 48
	hashRest = 64 - cellBits
)

func cellOf(h uint64) uint64 { return h >> hashRest }

// place of a segment: where it starts, and how many upper bits all of its hashes share (stripe bits and depth).
type place struct {
	start uint64 // first cell
	shift uint   // upper bits shared
}

// startOf returns where the segment of a cell starts: shift is known.
func (p place) startOf(cell uint64) uint64 { return cell &^ (1<<(cellBits-p.shift) - 1) }

// end is the first cell after the segment.
func (p place) end() uint64 { return p.start + 1<<(cellBits-p.shift) }

// homeOf returns which of n homes a cell belongs to: the cell's distance into the segment as a fraction of 2^64,
// times n. With the fraction exact, the homes of a segment's halves lie each within one home of the whole.
func homeOf(cell uint64, shift uint, n int) int {
	home, _ := bits.Mul64(cell<<(hashRest+shift), uint64(n))
	return int(home)
}

// homeStart returns the first cell of a home; home n is the end.
func (p place) homeStart(home, n int) uint64 {
	if home >= n {
		return p.end()
	}
	q, r := bits.Div64(uint64(home), 0, uint64(n)) // ⌈2^64 × home / n⌉
	if r > 0 {
		q++
	}
	unit := uint64(1)<<(hashRest+p.shift) - 1
	return p.start + (q+unit)>>(hashRest+p.shift)
}
