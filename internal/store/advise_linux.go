package store

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// adviseSmallPages asks for pages of the base size: a huge page would make 2 MiB resident for a stripe that has
// written the first few KiB of them. A kernel that does not know the advice has no huge pages, so the error means
// nothing.
func adviseSmallPages(p unsafe.Pointer, n uintptr) {
	_ = unix.Madvise(unsafe.Slice((*byte)(p), n), unix.MADV_NOHUGEPAGE)
}

// adviseUnneeded gives pages back at once; on Linux they read as zero afterwards.
func adviseUnneeded(p unsafe.Pointer, n uintptr) bool {
	return unix.Madvise(unsafe.Slice((*byte)(p), n), unix.MADV_DONTNEED) == nil
}
