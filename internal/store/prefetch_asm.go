//go:build amd64 || arm64

package store

import "unsafe"

// prefetch asks for the cache line at p. It neither waits nor faults.
//
//go:noescape
func prefetch(p unsafe.Pointer)
