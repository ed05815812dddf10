//go:build !linux

package wal

import "runtime"

// yield lets the other goroutines of this process work.
func yield() { runtime.Gosched() }
