// Package ring maps keys to slots and slots to partitions.
//
// A slot is crc16(hash tag of key) mod 16384, exactly as Redis Cluster defines
// it, so that every Redis Cluster client agrees with us on where a key lives.
// A partition is a fixed, contiguous range of slots; how many there are is
// chosen when the data directory (or the cluster) is created and never changes.
//
// Invariants:
//
//   - Slot depends on the key's bytes alone.
//   - Every slot belongs to exactly one partition, partitions cover the slots in
//     ascending order, and their sizes differ by at most one.
//
// The package holds no state. Placement of partitions on nodes by consistent
// hashing belongs here too, and comes with the cluster.
package ring
