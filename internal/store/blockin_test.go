package store

import "unsafe"

// blockIn makes a block of an array.
func blockIn(room *[64]byte) block { return block{unsafe.Pointer(room)} }
