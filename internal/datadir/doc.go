// Package datadir is a node's data directory: its identity, its layout, its
// lock, and the check and repair of all that is in it.
//
//	VEGA          the manifest: who this directory belongs to
//	LOCK          held while a server runs
//	FLOORS        by group, the index up to which the log has been given up
//	log/          the log's segments (package wal)
//	snapshots/    snapshot files (package snapshot)
//	damaged/      what repair moved aside
//
// # Invariants
//
//  1. The manifest is written last when a directory is created, and in one
//     rename: a directory with a manifest is complete, one without holds no data.
//  2. A node id is 128 random bits, made with the directory and never again. A
//     directory that lost its manifest does not get a new identity by itself.
//  3. A directory that is not ours, or of a newer format, is left untouched.
//  4. The log of a group is truncated only after FLOORS says so durably.
//     Therefore a start that finds neither log nor snapshot up to a group's
//     floor knows that writes are missing, whatever became of the files.
//  5. [Check], and [Repair] without Apply, change nothing. [Repair] with Apply
//     moves files aside and never deletes one.
//
// # Text files
//
// VEGA and FLOORS are lines of "key value", ended by a line with the CRC-32C of
// everything before it, so that people can read them and no flipped bit goes
// unnoticed:
//
//	vega-data 1
//	node 6f1c0a5e0d9b4c7795d2a3c4e5f60718
//	cluster 0b7d3f1e9a8c4d6fb1a2c3d4e5f60718
//	partitions 64
//	created 2026-01-02T03:04:05Z
//	crc32c 1a2b3c4d
//
//	vega-floors 1
//	group 1 48211
//	group 2 47950
//	crc32c 5e6f7a8b
//
// The number in the first line is the format version. It is judged after the
// checksum: a flipped bit in it is damage, not a newer version.
//
// # Shape of use
//
// [Open] creates or opens and locks; [Dir.SetFloors] before the log is
// truncated; [Dir.Floors] for snapshot.NewReplay; [Dir.Close] at the end.
package datadir
