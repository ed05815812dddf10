//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package store

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mapSource takes anonymous private mappings from the kernel: pages cost nothing until they are written, and
// the garbage collector neither scans them nor counts them.
type mapSource struct{}

func defaultSource() source { return mapSource{} }

func (mapSource) alloc(n uintptr) unsafe.Pointer {
	p, err := unix.MmapPtr(-1, 0, nil, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		panic(fmt.Sprintf("store: out of memory: cannot map %d bytes: %v; set a memory limit below what the machine has", n, err))
	}
	adviseSmallPages(p, n)
	return p
}

// free unmaps. A mapping whose removal would split an area can be refused when the process has too many areas;
// then its pages are given back and only addresses are lost.
func (s mapSource) free(p unsafe.Pointer, n uintptr) {
	if err := unix.MunmapPtr(p, n); err != nil {
		s.discard(p, n)
	}
}

func (mapSource) discard(p unsafe.Pointer, n uintptr) bool { return adviseUnneeded(p, n) }
