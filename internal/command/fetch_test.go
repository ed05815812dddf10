package command

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/prakashpandey/vegadb/internal/store"
)

// Whatever the entries are, more than it takes and such as nobody understands included,
// fetching changes nothing and needs no memory.
func TestFetchIsHarmless(t *testing.T) {
	x := newExecutor(t, 2)
	mustApply(t, x.table, 1, 50, AppendPut(nil, []byte("here"), []byte("v"), PutOp{}))
	var many [][]byte
	for i := range 3 * FetchAtOnce {
		many = append(many, AppendPut(nil, fmt.Appendf(nil, "k%d", i), []byte("v"), PutOp{}))
	}
	entry := func(ops ...[]byte) []byte {
		e := Begin(nil)
		for _, op := range ops {
			e = append(e, op...)
		}
		SetCount(e, len(ops))
		return e
	}
	entries := [][]byte{
		nil, {1}, entry(AppendPut(nil, []byte("here"), []byte("w"), PutOp{})), entry(AppendDelete(nil, []byte("absent"), DeleteOp{})),
		entry([]byte{0xff, 0, 0}), AppendFlush(Begin(nil)), entry(many...), entry(many...)[:headerBytes+3],
	}
	Fetch(x.table, entries)
	if e, ok := find(x.table, "here"); !ok || string(e.Value) != "v" || x.table.Stats().Entries != 1 {
		t.Errorf("the table holds %+v, %d entries", e, x.table.Stats().Entries)
	}
	if n := testing.AllocsPerRun(10, func() { Fetch(x.table, entries[2:4]) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkFetch overwrites keys of several tables in turn, eight of a table at a time, as a
// group's committed entries come, with and without fetching.
func BenchmarkFetch(b *testing.B) {
	const tables, batch, value = 64, 8, 100
	for _, keys := range []int{100_000, 2_000_000} {
		all := make([]*store.Table, tables)
		for i := range all {
			all[i] = store.New(store.Options{})
			defer all[i].Close()
		}
		var a Applier
		var entries [batch][]byte
		key := make([]byte, 16)
		fill := func(i int, dst []byte) []byte {
			binary.BigEndian.PutUint64(key[8:], uint64(i))
			return AppendPut(Begin(dst[:0]), key, make([]byte, value), PutOp{})
		}
		index := make([]uint64, tables)
		for i := range keys {
			entries[0] = fill(i, entries[0])
			index[i%tables]++
			if err := a.Apply(all[i%tables], index[i%tables], entries[0], nil); err != nil {
				b.Fatal(err)
			}
		}
		for _, fetch := range []bool{false, true} {
			b.Run(fmt.Sprintf("keys=%d/fetch=%v", keys, fetch), func(b *testing.B) {
				for i := 0; i < b.N; i += batch {
					t := (i / batch) % tables
					for j := range batch {
						k := int(uint32(i+j)*2654435761) % (keys / tables)
						entries[j] = fill(k*tables+t, entries[j])
					}
					if fetch {
						Fetch(all[t], entries[:])
					}
					for j := range batch {
						index[t]++
						if err := a.Apply(all[t], index[t], entries[j], nil); err != nil {
							b.Fatal(err)
						}
					}
				}
			})
		}
	}
}

func TestEachKeyNamesTheKeysOfAnEntryInOrder(t *testing.T) {
	e := AppendPut(BeginSession(nil, Session{Seq: 1}), []byte("a"), []byte("1"), PutOp{ExpireAt: 5})
	e = AppendDelete(e, []byte("b"), DeleteOp{})
	e = AppendClock(e)
	SetCount(e, 3)
	var keys []string
	if err := EachKey(e, func(key []byte) { keys = append(keys, fmt.Sprintf("%s/%v", key, key == nil)) }); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(keys); got != "[a/false b/false /true]" {
		t.Error(got)
	}
	if err := EachKey(e[:len(e)-5], func([]byte) {}); err == nil {
		t.Error("an entry that is cut off is taken")
	}
}
