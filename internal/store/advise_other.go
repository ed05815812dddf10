//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package store

import "unsafe"

func adviseSmallPages(unsafe.Pointer, uintptr) {}

// adviseUnneeded does nothing: outside Linux the advice does not promise zero pages. Whole chunks are still
// unmapped.
func adviseUnneeded(unsafe.Pointer, uintptr) bool { return false }
