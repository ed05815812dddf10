package sim

import (
	"fmt"
	oldrand "math/rand"
	"math/rand/v2"
	"path/filepath"
	"syscall"

	"github.com/prakashpandey/vegadb/internal/vfs"
)

// disk is one node's: a page cache over a platter (vfs.Mem), and what may go wrong with them.
type disk struct {
	s   *Sim
	n   *node
	mem *vfs.Mem

	cutIn  int // the power is cut before the cutIn-th further operation that changes something; 0: never
	fails  vfs.Kind
	failAt int   // the failAt-th further operation of kind fails gets EIO; 0: none
	full   bool  // nothing more can be allocated
	stall  int64 // until then no sync ends
	slow   int64 // µs that a sync takes at most, beside what it always takes
	hurt   bool  // the platter has been damaged
}

// powerCut is what a disk operation panics with when the power goes: the node's guard catches it.
type powerCut struct{}

// unlimited is more than a simulated disk ever holds.
const unlimited = 1 << 40

func newDisk(s *Sim, n *node) *disk { return &disk{s: s, n: n, mem: vfs.NewMem()} }

// fs is the disk as a process sees it.
func (d *disk) fs() vfs.FS { return vfs.Inject(d.mem, d.before) }

// before is called before each operation.
func (d *disk) before(op vfs.Op) error {
	if !op.Kind.Changes() {
		return nil
	}
	if d.cutIn > 0 {
		if d.cutIn--; d.cutIn == 0 {
			panic(powerCut{})
		}
	}
	if d.failAt > 0 && op.Kind == d.fails {
		if d.failAt--; d.failAt == 0 {
			d.s.strikes("disk error")
			d.s.tell(Event{Kind: "fault", Node: d.n.index, Text: fmt.Sprintf("EIO from %v of %s", op.Kind, filepath.Base(op.Name))})
			return &syscallError{op, syscall.EIO}
		}
	}
	return nil
}

type syscallError struct {
	op  vfs.Op
	err error
}

func (e *syscallError) Error() string {
	return e.op.Kind.String() + " " + e.op.Name + ": " + e.err.Error()
}
func (e *syscallError) Unwrap() error { return e.err }

// syncTime is how long the sync that begins now takes.
func (d *disk) syncTime() int64 {
	return 100 + int64(d.s.diskRand.IntN(900)) + int64(d.s.diskRand.IntN(int(d.slow)+1))
}

// setFull takes all free space away, or gives it back.
func (d *disk) setFull(full bool) {
	d.full = full
	limit := int64(unlimited)
	if full {
		limit = d.mem.Used()
	}
	d.mem.SetLimit(limit)
}

// lose is what a power cut does to the page cache.
func (d *disk) lose() {
	d.mem = d.mem.CrashClone(oldrand.New(&source{d.s.diskRand}))
	d.cutIn, d.failAt = 0, 0
	d.setFull(d.full)
}

// source lets math/rand's users draw from a stream.
type source struct{ rng *rand.Rand }

func (s *source) Int63() int64   { return int64(s.rng.Uint64() >> 1) }
func (s *source) Uint64() uint64 { return s.rng.Uint64() }
func (s *source) Seed(int64)     {}

// heal ends all trouble but damage.
func (d *disk) heal() {
	d.cutIn, d.failAt, d.stall, d.slow = 0, 0, 0, 0
	d.setFull(false)
}
