package command

import "github.com/prakashpandey/vegadb/internal/store"

// FetchAtOnce is how many entries, and how many keys, Fetch takes. More would push one
// another out of the cache's queue of outstanding loads.
const FetchAtOnce = 16

// Fetch asks for the memory that applying entries to t will read, so that the waits for
// it overlap: with more data than the processor's cache holds, those are most of what
// applying costs. It changes nothing. Entries that it does not understand are Apply's to refuse.
func Fetch(t *store.Table, entries [][]byte) {
	var hashes [FetchAtOnce]uint64
	n := 0
	for _, entry := range entries {
		h, ops, err := decodeHeader(entry)
		if err != nil {
			continue
		}
		var o op
		for range h.count {
			if n == len(hashes) {
				break
			}
			if ops, err = o.decode(ops); err != nil || o.code >= opFlush {
				break
			}
			hashes[n] = t.Hash(o.key)
			t.PrefetchBucket(hashes[n])
			n++
		}
	}
	for _, h := range hashes[:n] {
		t.PrefetchEntry(h)
	}
}

// EachKey calls each with the key of every operation of an entry, in order; of operations without one, which concern all keys
// or none, with nil. Keys are views into the entry.
func EachKey(entry []byte, each func(key []byte)) error {
	h, ops, err := decodeHeader(entry)
	if err != nil {
		return err
	}
	var o op
	for range h.count {
		o.key = nil
		if ops, err = o.decode(ops); err != nil {
			return err
		}
		each(o.key)
	}
	return nil
}
