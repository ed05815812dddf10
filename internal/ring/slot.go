package ring

import "bytes"

// Slots is the number of hash slots, fixed by the Redis Cluster specification.
const Slots = 16384

// Slot returns the slot of key, 0 ≤ slot < Slots. Only the hash tag counts when
// the key has one: the bytes between the first '{' and the first '}' after it,
// provided there is at least one byte between them.
func Slot(key []byte) uint16 {
	return crc16(hashTag(key)) & (Slots - 1)
}

func hashTag(key []byte) []byte {
	open := bytes.IndexByte(key, '{')
	if open < 0 {
		return key
	}
	length := bytes.IndexByte(key[open+1:], '}')
	if length <= 0 {
		return key
	}
	return key[open+1 : open+1+length]
}

// PartitionOf returns the partition of key among n partitions.
func PartitionOf(key []byte, n int) int { return PartitionOfSlot(Slot(key), n) }

// PartitionOfSlot returns the partition that holds slot when there are n
// partitions, 1 ≤ n ≤ Slots.
func PartitionOfSlot(slot uint16, n int) int { return int(slot) * n / Slots }

// SlotRange returns the first and the last slot (both inclusive) of partition p
// among n.
func SlotRange(p, n int) (first, last uint16) {
	return uint16(ceilDiv(p*Slots, n)), uint16(ceilDiv((p+1)*Slots, n) - 1)
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }
