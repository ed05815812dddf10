// Package vfs is the one way to the disk. Every file that VegaDB reads or writes goes through an [FS], so
// that the same code can run on a real disk, in memory, and on a disk that fails.
//
//	OS()             the operating system's files
//	NewMem()         files in memory that remember what has been synced; [Mem.CrashClone] gives the
//	                 disk as it may be found after a power cut at this instant
//	Inject(fs, hook) any of them, with a hook before each operation that may count it, delay it or make
//	                 it fail
//
// # What a power cut leaves (the model that Mem implements)
//
//   - Bytes covered by a successful [File.Sync] stay. So does the size.
//   - Of what was written since, each 512-byte sector is there or not, independently of the others and of the
//     order of writing. A size grown since then may be there without its data, which then reads as zeros.
//   - A directory entry (a file created, renamed or removed) stays once [FS.SyncDir] of its directory
//     has returned. Before, each such change has happened or not, independently of the others; a rename has
//     happened as a whole or not at all.
//   - Syncing a file does not make its name durable, and syncing a directory does not make its files' contents
//     durable.
//
// This is harsher than today's journaling file systems, on purpose: what survives it survives them.
//
// # What is left out
//
// No permissions, links, memory maps or direct I/O: nothing in VegaDB needs them from here.
package vfs
