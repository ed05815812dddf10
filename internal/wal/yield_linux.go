package wal

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// yield lets others work: the goroutines of this process, then, since whoever is waited for may well be a client on the
// same machine, other processes.
func yield() {
	runtime.Gosched()
	_, _, _ = unix.Syscall(unix.SYS_SCHED_YIELD, 0, 0, 0)
}
