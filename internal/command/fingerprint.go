package command

import (
	"encoding/binary"
	"hash/fnv"

	"github.com/prakashpandey/vegadb/internal/store"
)

// Fingerprint sums up a table's live contents as of now: keys, values, versions,
// expiries and kinds, whatever their order in memory. Replicas that have applied the
// same entries have the same fingerprint; others almost certainly not. It is for
// checks, not against an adversary. Writes must stand still meanwhile.
func Fingerprint(t *store.Table, now int64) (sum uint64) {
	img := t.Image()
	defer img.Close()
	h := fnv.New64a()
	var room []store.Entry
	var fixed [25]byte
	for room = img.Next(room[:0]); len(room) > 0; room = img.Next(room[:0]) {
		for i := range room {
			e := &room[i]
			if Expired(e.ExpireAt, now) {
				continue
			}
			binary.LittleEndian.PutUint64(fixed[0:], uint64(len(e.Key)))
			binary.LittleEndian.PutUint64(fixed[8:], e.Version)
			binary.LittleEndian.PutUint64(fixed[16:], uint64(e.ExpireAt))
			fixed[24] = e.Kind
			h.Reset()
			h.Write(fixed[:])
			h.Write(e.Key)
			h.Write(e.Value)
			sum += scramble(h.Sum64()) // a sum does not depend on the order
		}
	}
	return sum
}

// scramble is the finalizer of SplitMix64: sums of its results do not cancel the
// way sums of raw hashes of similar entries could.
func scramble(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
