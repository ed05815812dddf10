package command

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// maxName is the longest name that two overlapping 8-byte words can hold.
const maxName = 16

// packedName is a name of letters as two words, in lower case. Together with the
// length they determine it.
type packedName struct{ head, tail uint64 }

const lowerCase = 0x2020202020202020

// pack reads 1 to maxName bytes. Setting bit 5 of each byte makes letters lower
// case; it also changes other bytes, but no other byte becomes a letter, and the
// names in the table are letters alone.
func pack(name []byte) packedName {
	switch n := len(name); {
	case n >= 8:
		return packedName{binary.LittleEndian.Uint64(name) | lowerCase, binary.LittleEndian.Uint64(name[n-8:]) | lowerCase}
	case n >= 4:
		return packedName{uint64(binary.LittleEndian.Uint32(name)) | lowerCase, uint64(binary.LittleEndian.Uint32(name[n-4:])) | lowerCase}
	default:
		// First, middle and last byte are all of them.
		return packedName{uint64(name[0])<<16 | uint64(name[n>>1])<<8 | uint64(name[n-1]) | lowerCase, 0}
	}
}

// nameIndex is a perfect hash of the commands' names: no two share a place.
type nameIndex struct {
	multiplier uint64
	shift      uint
	places     []namePlace
}

type namePlace struct {
	name packedName
	n    int
	spec *Spec
}

func (x *nameIndex) place(p packedName, n int) uint64 {
	return ((p.head ^ bits.RotateLeft64(p.tail, 23)) + uint64(n)) * x.multiplier >> x.shift
}

// newNameIndex tries multipliers until one separates all names. The sequence is
// fixed, so the same table gives the same index each time.
func newNameIndex(specs []*Spec) *nameIndex {
	size := 1
	for size < 8*len(specs) {
		size *= 2
	}
	x := &nameIndex{shift: uint(64 - bits.TrailingZeros(uint(size)))}
	for seed := uint64(1); ; seed++ {
		x.multiplier = (seed * 0x9e3779b97f4a7c15) | 1
		if x.fill(specs, size) {
			return x
		}
	}
}

func (x *nameIndex) fill(specs []*Spec, size int) bool {
	x.places = make([]namePlace, size)
	for _, s := range specs {
		p := pack([]byte(s.Name))
		place := &x.places[x.place(p, len(s.Name))]
		if place.spec != nil {
			if place.spec.Name == s.Name {
				panic(fmt.Sprintf("command: %s is in the table twice", s.Name))
			}
			return false
		}
		*place = namePlace{p, len(s.Name), s}
	}
	return true
}

func (x *nameIndex) find(name []byte) *Spec {
	n := len(name)
	if uint(n-1) >= maxName {
		return nil
	}
	p := pack(name)
	place := &x.places[x.place(p, n)]
	if place.n != n || place.name != p {
		return nil
	}
	return place.spec
}

// Lookup finds a command by its name in any case; nil when there is none.
func Lookup(name []byte) *Spec { return theTable.index.find(name) }

// All returns every command without subcommands, in the order of the table. The
// slice must not be changed.
func All() []*Spec { return theTable.commands }

// MaxID returns the greatest ID of a command or subcommand.
func MaxID() int { return len(theTable.byID) - 1 }

// ByID returns the command or subcommand with an ID that All has.
func ByID(id uint16) *Spec { return theTable.byID[id] }
