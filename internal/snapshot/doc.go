// Package snapshot writes and reads snapshot files: the point-in-time image of
// one replica, as of one index of its group's log. It holds the replica's entries
// and its group's state, which is what the group has replicated beside them: who
// its members are, what its sessions had applied. To this package the state is
// opaque bytes. The meta group, number 0, has state and no entries.
//
// # Invariants
//
//  1. A file under its final name is complete and was durable before it got
//     that name. It is written as *.tmp, synced, renamed, and the directory is
//     synced; only then does [Write] return without an error, and only then
//     may the log it covers go. One that comes from another node ([Receive]) is
//     also read back and verified as a whole before it gets its name.
//  2. Every byte of a file is covered by a checksum. A file that is cut short,
//     changed in any bit, put together from two others, or given another
//     file's name does not load: the error names the file and the offset.
//  3. A file that proves bad is set aside as *.bad and never deleted; the one
//     before it is tried next ([LoadAll]), with the index that it and the log must
//     still reach together (Loaded.MustReach). Nothing here turns damage into an empty replica.
//  4. Reading allocates by what has been received, never by what a length says:
//     a block is at most [MaxBlockBytes] long before and after decompression.
//  5. Writing, sending and receiving hold the group's state and a few hundred KiB
//     (a few MiB while a value larger than a block passes through), however large
//     the replica is.
//
// # The file
//
// One replica's snapshot is dir/pGGGGG-IIIIIIIIIIIIIIIIIIII.snap: the group's
// number and the log index, in decimal. All integers are little-endian.
//
//	┌────────────┬─────────┬─ ─ ─┬─────────┬─ ─ ─┬─────────┬────────────┐
//	│ header 128 │ block 0 │     │ block s │     │ block n │ footer 64  │
//	└────────────┴─────────┴─ ─ ─┴─────────┴─ ─ ─┴─────────┴────────────┘
//	               state           entries
//
// Header:
//
//	  0   8  magic "VEGASNAP"
//	  8   4  format version, 2
//	 12   4  group
//	 16   8  term of the entry at index
//	 24   8  index: the image holds the effect of every log record up to it
//	 32   8  stamp: the group's log time at index, unix ms
//	 40   4  partitions of the data directory
//	 44   4  flags: 1 the replica was one of a Raft group; other bits are zero
//	 48  16  cluster id
//	 64   8  created: wall clock, unix ms
//	 72   4  bytes of the state, at most [MaxStateBytes]
//	 76  48  zero
//	124   4  CRC-32C of bytes 0–123
//
// The first 16 bytes and the CRC at 124 keep their places in every future
// version, so that a file of a newer version can be told from a damaged one.
//
// Version 1 had no flags, no state, and no length of it at 72; it is still read. What is
// written is always version 2, which a program that knows version 1 alone refuses
// as newer.
//
// Block:
//
//	 0   4  CRC-32C of: the header's CRC (4 bytes) | the block's number (8) |
//	        bytes 4–19 | body
//	 4   1  kind: 1 entries, 2 first piece of a large entry, 3 further piece,
//	        4 piece of the state
//	 5   1  codec of the body: 0 stored, 1 S2 block format
//	 6   2  zero
//	 8   4  bytes of the body in the file
//	12   4  bytes of the body decoded
//	16   4  entries that begin in this block
//	20   …  body
//
// The header's CRC and the block's number are part of what each block's CRC
// covers: a block of another file, or one in the wrong place, does not verify.
//
// The state is cut into pieces, one a block, which come before all other blocks and
// add up to what the header says. So it is known before the first entry: the
// replica's table, and who may read it, depend on it.
//
// Decoded body of an entries block, entry after entry (varints are unsigned
// LEB128, as encoding/binary writes them):
//
//	flags 1 │ key length varint │ value length varint │ age varint
//	        │ [expiry 8] │ [kind 1] │ key │ value
//
// flags: 1 has an expiry (unix ms), 2 has a kind other than zero; other bits
// are zero. age is the snapshot's index minus the entry's version: a version
// never lies beyond the index, and the distance is short where the absolute
// number is long.
//
// An entry whose encoding is longer than MaxBlockBytes is cut into pieces, one
// a block (kinds 2, 3, 3, …), all but the last of them MaxBlockBytes long.
//
// Footer:
//
//	 0   8  magic "VEGASEND"
//	 8   8  blocks
//	16   8  entries
//	24   8  entries left out, expired as of the stamp
//	32   8  bytes of the whole file, footer included
//	40   8  bytes of all bodies, decoded
//	48   4  the header's CRC
//	52   4  CRC-32C of all blocks' CRCs, 4 bytes each, in order
//	56   4  zero
//	60   4  CRC-32C of bytes 0–59
//
// The footer is read before the blocks: it is how a short file is noticed
// before any entry is handed out, and where the exact number of entries comes
// from, so that a table can be given its size before the first of them. The
// CRC at 52 makes the blocks' own CRCs one checksum of the whole file without
// a second pass over the data.
//
// # Shape of use
//
// Running: [Write] an image, then floor and truncate the log, then [Prune]. To
// bring another node's replica up to date: [OpenForSend] here, or [WriteForSend] when there
// is no snapshot that would do, and [Receive] there. What travels is the file, byte for byte.
//
// Starting: [Clean], then [LoadAll] with one table per group, then feed every
// record of the log through a replica.Recovery of its group, which says what may be
// applied and whether anything is missing.
//
// # What it leaves out
//
// When to write a snapshot, and what the log may drop, is for package node.
// The format carries no index: one key cannot be looked up in a file.
package snapshot
