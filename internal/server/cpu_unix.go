//go:build unix

package server

import "golang.org/x/sys/unix"

// cpuSeconds returns the process's CPU time so far.
func cpuSeconds() (user, system float64) {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0, 0
	}
	seconds := func(tv unix.Timeval) float64 { return float64(tv.Sec) + float64(tv.Usec)/1e6 }
	return seconds(u.Utime), seconds(u.Stime)
}
