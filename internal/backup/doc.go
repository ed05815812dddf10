// Package backup keeps the partitions of a running cluster in a directory, and
// reads them back: the format of vega-client cluster backup.
//
// # The directory
//
//	BACKUP.json           the manifest; there when the backup is complete
//	BACKUP.partial.json   the same so far, while it is being taken
//	partition-00000.snap  one snapshot file for each partition, as the node that
//	…                     leads it wrote it: see package snapshot
//	partition-00007.snap.tmp  one that is being received
//
// The manifest is JSON:
//
//	format       "vegadb-backup"
//	version      1; a reader refuses a higher one
//	cluster_id   whose data it is, 32 hexadecimal digits
//	epoch        of the topology when it was begun
//	partitions   how many there are; all of them are in files
//	begun, completed   times, RFC 3339
//	program      that took it
//	entries, bytes     sums over the files
//	files        a list: partition, name, index (of the partition's log), entries,
//	             bytes, sha256, taken (a time)
//
// # Invariants
//
//  1. A directory with a BACKUP.json holds every partition, each of them verified
//     to its last byte after it was written, and all of it was durable before
//     BACKUP.json got its name. Whatever interrupts Take leaves a directory
//     without one.
//  2. Each partition is of one moment: every write of it that was acknowledged
//     before the backup was begun is there, and what is there was written at once or
//     before. Partitions are of different moments.
//  3. Nothing in the directory is overwritten: neither a complete backup, nor files
//     that are not of a backup.
//  4. Reading trusts nothing: a file must have the size and the SHA-256 of the
//     manifest, the cluster, the partition and the index in its header, and all of
//     the snapshot format's own checksums.
//
// # Shape of use
//
// [Take] writes a backup, or goes on with one that was interrupted. [Open] reads
// the manifest, [Backup.Verify] checks all files, and [Backup.All] walks the
// entries, wherever they are to go: into a cluster with any number of partitions.
//
// # What it leaves out
//
// Sessions of clients, the settings and users of the cluster, and increments: each
// backup is whole.
package backup
