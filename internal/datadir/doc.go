// Package datadir is a node's data directory: its identity, its layout, its
// lock, and the check and repair of all that is in it.
//
//	VEGA          the manifest: who this directory belongs to
//	LOCK          held while a server runs
//	FLOORS        by group, the index up to which the log has been given up, or that
//	              the group is otherwise known to have reached; that it is there says
//	              that the log has been in use
//	log/          the log's segments (package wal)
//	snapshots/    snapshot files (package snapshot)
//	damaged/      what repair moved aside, and a server whose replicas peers have replaced
//	              ([Dir.KeepDamaged]); nobody but a person deletes it
//
// # Invariants
//
//  1. The manifest is written last when a directory is created, and in one
//     rename: a directory with a manifest is complete, one without holds no data.
//  2. A node id is 128 random bits, made with the directory and never again. A
//     directory that lost its manifest does not get a new identity by itself. It
//     belongs to one cluster for good.
//  3. A directory that is not ours, or of a newer format, is left untouched.
//  4. The log of a group is truncated only after FLOORS says so durably.
//     Therefore a start that finds neither log nor snapshot up to a group's
//     floor knows that writes are missing, whatever became of the files. A floor is
//     never lowered; it goes when the node's replica of the group goes.
//  5. A directory whose log has been in use and is gone does not open
//     ([ErrLogLost]): what the node has acknowledged, and for whom it has voted, is
//     gone with it. FLOORS is made before the first write is acknowledged
//     ([Dir.MarkInUse]) and after the log has its first segment, and a log always
//     has one; so FLOORS without a segment is a lost log, and no crash looks like
//     one. Should FLOORS be gone as well, a snapshot says the same: none is published
//     without a log. The node of a cluster must start anew, with a new directory and a new
//     identity; of a lone one [Repair] can save what its snapshots hold.
//  6. Where a replica of a Raft group may have lost a vote or what it acknowledged,
//     nothing is repaired: only a new identity is safe. A lone node's group, which
//     nobody else relies on, is.
//  7. [Check], and [Repair] without Apply, change nothing. [Repair] with Apply
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
//	vega-data 2
//	…
//	created 2026-01-02T03:04:05Z
//	joined 2026-01-02T03:04:05Z
//	crc32c 2b3c4d5e
//
//	vega-floors 1
//	group 1 48211
//	group 2 47950
//	crc32c 5e6f7a8b
//
// The number in the first line is the format version. It is judged after the
// checksum: a flipped bit in it is damage, not a newer version. A manifest is of
// version 2 if it says when the node joined a cluster, and only then: programs that
// know no clusters open what was created alone, and nothing else. FLOORS is of version
// 2, and has a line "clustered yes", once a node that was created alone has had company
// ([Dir.MarkClustered]).
//
// # Shape of use
//
// [Open] creates or opens and locks; [Dir.MarkInUse] when the log has been opened;
// [Dir.MarkClustered] before another node relies on this one; [Dir.SetFloors] before
// the log is truncated; [Dir.Floors] for replica.Base; [Dir.Close] at the end.
package datadir
