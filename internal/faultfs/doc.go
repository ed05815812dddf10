// Package faultfs gives built servers a disk and a clock that fail on command. Tests with real processes use it; releases
// do not contain it.
//
// # How it gets into a server
//
//	go build -tags faultfs ./cmd/server
//
// Package vegadb imports this one in a file with that tag, and nowhere else (TestAReleaseContainsNothingOfIt). A server so
// built says +faultfs in its version, warns when it starts, and behaves as any other unless the environment variable
// [Variable] names a unix socket. Then a test listens there ([Listen]), and the server asks for its [Orders] before it
// touches its data directory, and obeys the ones that follow as they come. When the socket is gone, the last ones stay.
//
// # What it can do
//
//   - [Rule]: the Nth operation of a kind, on files that match a pattern, fails with an error of the operating system, waits
//     until other orders come, is delayed, or ends the process as SIGKILL does: before it, or after.
//   - The wall clock is moved by so much ([Orders]). The monotonic clock is not.
//   - A power cut. Beside the data directory, in [ShadowDir], the server keeps what has been synced, and that alone. When the
//     process has ended, [Cut] puts the directory back to what a power cut would have left.
//
// # What a power cut leaves
//
// The model is that of package vfs: what was synced stays; of the rest nothing, or a random part in sectors of 512
// bytes; a name stays once its directory was synced. It is told across processes: what one that was killed has not synced
// is lost by a later cut unless the next one syncs it.
//
//	DIR.shadow/live/I   a hard link to each file of DIR, by its inode's number I, which so is not used again
//	DIR.shadow/kept/I   its contents as a power cut would leave them
//	DIR.shadow/tree/    the names that a power cut would leave: hard links to files of kept
//
// A sync is copied into the shadow after it has succeeded and before the server learns of it. If the process is killed in
// between, it counts as not done, or partly, as that of a disk may be.
//
// # What is left out
//
// The data directory's own name is taken to be durable, and so is everything outside of it. A rename between directories is no
// single change. What a cut leaves is decided by what is there at the end: states in between two changes of one name are not
// tried.
package faultfs
