package store

import "unsafe"

// A source hands out memory outside the Go heap. Its memory is aligned to pageSize and zero.
type source interface {
	// alloc maps n bytes, a multiple of pageSize. It panics when there is none: a write that is in the log
	// must be applied, so there is nobody to tell.
	alloc(n uintptr) unsafe.Pointer
	// free gives back exactly what one alloc returned.
	free(p unsafe.Pointer, n uintptr)
	// discard tells that the content of some pages is not needed any more. True: they read as zero from now on
	// and take no memory until they are written. False: nothing has happened.
	discard(p unsafe.Pointer, n uintptr) bool
}

// heapSource takes memory from the Go heap: for systems without anonymous mappings, and for tests, because
// the race detector watches the Go heap only.
type heapSource struct{}

func (heapSource) alloc(n uintptr) unsafe.Pointer {
	b := make([]byte, n+pageSize)
	p := unsafe.Pointer(unsafe.SliceData(b))
	return unsafe.Add(p, -uintptr(p)&(pageSize-1))
}

// free leaves it to the garbage collector: the chunk table held the only pointer.
func (heapSource) free(unsafe.Pointer, uintptr) {}

func (heapSource) discard(p unsafe.Pointer, n uintptr) bool {
	clear(unsafe.Slice((*byte)(p), n))
	return true
}
