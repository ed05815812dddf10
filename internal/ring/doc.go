// Package ring maps keys to slots, slots to partitions and partitions to nodes.
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
// # Placement
//
// Place says which nodes hold each partition. Its rules, the earlier before the later:
//
//  1. R = min(replicas, nodes) replicas per partition, on distinct nodes.
//  2. Distinct zones first: a partition's replicas are dealt out one per zone, round after round, so that no zone has
//     two more of them than another that has nodes left.
//  3. Bounded load: no node holds more than ceil(1.15 × its fair share) of the replicas, nor is it the first (the
//     preferred leader) of more than ceil(1.15 × its fair share) of the partitions. A share is in proportion to the
//     node's capacity, as far as rules 1 and 2 allow: a node alone in one of three zones has a replica of everything,
//     whatever its capacity.
//  4. What is there stays: a change of members moves what the other rules demand. A node that joins N equal ones
//     is given its share, 1/(N+1) of all replicas, and nothing moves between the others; what a node that leaves had is
//     all that moves.
//  5. What must go somewhere goes where consistent hashing says: to the next node clockwise, from the partition's
//     place on a circle on which nodes have virtual nodes in proportion to their capacities, that has room.
//
// Rules 1 and 2 are kept always. For the replicas of rule 3 more is kept than is promised: every node holds its share, rounded
// up or down. The firsts are as near to theirs as the replicas' places allow.
//
// # Why the present placement is an argument
//
// Pure consistent hashing with bounded loads needs no memory: the circle alone decides. But it balances no better
// than its bound, and at the bound it passes replicas on to the next node with room, so that a change of members also moves
// replicas between nodes that were there before and after: with 20 nodes up to 1.5 times what a new node's share demands,
// with 50 more than twice as much, while nodes hold half to 1.15 times of their share (docs/decisions has the figures). And
// where a controller carries out a placement step by step, it must be able to compare the wish with what is, and get
// the same wish after each step. With the present as an argument the movement is the least there is. The price is that a
// placement depends on its history, not on the circle alone; the history is part of the replicated state anyway.
//
// The balance is found as a flow (see balance.go): a placement lacks balance exactly as long as a path leads
// from a node that has too much to one that has too little.
//
// Nothing here uses floating point, maps' order, time or randomness: all nodes, on all machines, compute the same.
// The package holds no state.
package ring
