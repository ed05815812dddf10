package rows

import (
	"math/rand/v2"

	"github.com/prakashpandey/vegadb/bench/internal/load"
)

// shuffledKeys are the first n keys in an order that is the same in every run.
func shuffledKeys(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = load.Key(uint64(i))
	}
	rng := rand.New(rand.NewPCG(4, 0))
	rng.Shuffle(n, func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	return keys
}

const slots = 16384

// keyOfEach finds a key of every partition.
func keyOfEach(partitions int) []string {
	keys := make([]string, partitions)
	for i, missing := uint64(0), partitions; missing > 0; i++ {
		key := load.Key(i)
		if p := int(crc16(key)) % slots * partitions / slots; keys[p] == "" {
			keys[p] = key
			missing--
		}
	}
	return keys
}

// crc16 is CRC-16/XMODEM, by which Redis Cluster and VegaDB make slots of keys.
func crc16(s string) (crc uint16) {
	for i := range len(s) {
		crc ^= uint16(s[i]) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return crc
}
