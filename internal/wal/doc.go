// Package wal is the append-only log of one node. The replicas of all partitions share it, and therefore its fsyncs.
//
// # Use
//
//	l, err := wal.Open(options, func(r wal.Record) error { ... })   // recovery: every record, in order
//	pos, err := l.Append(&record, ...)                              // into the queue; never waits for the disk
//	l.Kick()                                                        // policy always: the batch may go
//	l.Flush(pos)                                                    // the others: write(2) before the reply
//	... OnDurable(pos) ...                                          // policy always: now reply
//	l.SetFloor(group, index); l.Truncate()                          // after a snapshot has been published
//	l.TruncateBefore(pos)                                           // the same, keeping what was appended after pos
//	l.Close()                                                       // everything appended is durable
//
// # Invariants
//
//   - A position is reported durable only after an fsync that covers it has returned. Positions are reported in
//     ascending order.
//   - The records of one Append are on disk all together or not at all.
//   - What is replayed is a prefix of what was appended (after what truncation removed), and contains everything
//     that was durable.
//   - An admitted append has its disk blocks already. A full disk can refuse an append, not break one.
//   - After a failed write or fsync nothing is written, synced or acknowledged any more.
//   - What a restart has replayed is durable before Open returns.
//   - Nothing that was cut is ever replayed later.
//
// # Layout
//
// The log is a sequence of files, NNNNNNNNNNNNNNNN.wal, numbered from 1 without gaps. Integers are little-endian.
// A file is one header, then batches, then unused bytes (zeros, unless a write was cut short):
//
//	| header, 4096 bytes | batch | batch | ... | unused |
//
//	header   0  magic "VegaLog\0"
//	         8  u32 format version (1)
//	        12  u32 zero
//	        16  u64 segment number
//	        24  i64 creation time, unix ms
//	        32  u64 salt, random
//	        40  zeros
//	      4092  u32 CRC-32C of bytes 0 to 4092
//
// Magic, version, size and place of the checksum stay the same in every format version, so that an unknown version
// can be told from damage. The header is never rewritten: it has its disk sectors for itself.
//
// A batch is records, none or more, and the commit record that closes them:
//
//	record   0  u32 length of the payload
//	         4  u32 group
//	         8  u8  type, not 0
//	         9  u56 term
//	        16  u64 index
//	        24  payload, then zeros up to a multiple of 8
//
//	commit   0  u32 marker 0xC0441770, above any length
//	         4  u32 bytes of records that it closes
//	         8  u64 number of the batch: one more than the batch before, across segments
//	        16  u64 number of the newest batch known to be durable when this one was written
//	        24  u32 CRC-32C of bytes 0 to 24 of this commit record
//	        28  u32 CRC-32C of the records and of bytes 0 to 28 of this commit record
//
// Both checksums of a batch start from a value made of the salt, the segment number and the offset of their first
// byte. A block that was written elsewhere, or belongs to another file or to an earlier life of this one, does not
// verify.
//
// # How the end is found
//
// Batches are read as long as they verify and their numbers follow one another, into the next file when one ends.
// Call the first number that cannot be read E. Everything after that place is searched for commit records that
// verify, at every multiple of 8; their first checksum makes a candidate cheap to reject. If one of them says
// that batch E or a later one was durable, then E was durable and is damaged: [ErrCorrupt], naming file and
// offset, and nothing is changed. Otherwise E was never acknowledged as durable, and the log is cut before it: later
// files are removed from the newest back, the rest of the last one is overwritten with zeros, all of that
// before the first append.
//
// The durable number in the commit record is what makes this exact under every policy. With always, each batch
// says that the one before it is durable, so any damage but to the last batch is told from an unfinished write. With
// everysec and never, a power cut may keep a later write and lose an earlier one; that is no damage, because nothing
// had said that the earlier one was durable. Closing and opening a log each end in an empty batch, a mark,
// that says so for everything before it.
//
// A header that does not verify, or a number missing between two files, is always damage: a file gets its name
// after its header and size are durable, and files come and go one after the other.
//
// # Full disks
//
// A segment's blocks are allocated before it takes part, so an append that was admitted finds its room. On a full disk
// the last of that room is kept for [Log.AppendReserved], and no segment is made of the space that Options.SpareBytes
// says others need. [Log.Room] says what is left.
//
// # Assumptions about the disk
//
//  1. After fsync has returned without error, the data stays until overwritten.
//  2. A sector of 512 bytes that is not being written does not change, though it may decay: then it fails to read or
//     to verify. (A batch shares its first and last sector with its neighbours. Overwriting a sector is taken to
//     leave the old or the new contents of each byte; the neighbours' bytes are the same in both.)
//  3. A rename is atomic; a directory's entries are durable after its fsync.
//  4. Overwriting allocated blocks needs no space. Copy-on-write file systems break this: there a full disk may
//     fail a write, which ends the process instead of losing anything.
//
// Decay of the very last batch before a crash cannot be told from an unfinished write: it is cut.
//
// # Left out
//
// No compression (the payloads are small, and the snapshots compress), no reading back of single records (replicas
// keep what they need in memory), no archive of removed segments, no lock on the directory (the node locks its data
// directory as a whole).
package wal
