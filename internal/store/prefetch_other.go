//go:build !amd64 && !arm64

package store

import "unsafe"

// prefetch does nothing: the instruction is a hint.
func prefetch(unsafe.Pointer) {}
