package server

import (
	"fmt"
	"testing"

	"github.com/prakashpandey/vegadb/internal/store"
)

// twinTables are two tables with the same keys, as two replicas have them.
func twinTables(t *testing.T, n int) (a, b *store.Table) {
	t.Helper()
	tables := [2]*store.Table{store.New(store.Options{}), store.New(store.Options{})}
	for _, table := range tables {
		t.Cleanup(table.Close)
		for i := range n {
			key := fmt.Appendf(nil, "key-%d", i)
			h := table.Hash(key)
			stripe := table.Stripe(h)
			stripe.Lock()
			stripe.Put(h, key, nil, store.Meta{})
			stripe.Unlock()
		}
	}
	return tables[0], tables[1]
}

func TestAScanThatChangesTheNodeLeavesNothingOut(t *testing.T) {
	const n = 2000
	a, b := twinTables(t, n)
	if tagOf(a) == tagOf(b) {
		t.Skip("by chance, once in 32,768 runs, the tables have the same tag")
	}
	for _, limit := range []int{1, 7, 64} {
		for _, changeAt := range []int{0, 3, 20} {
			seen := map[string]int{}
			visit := func(e *store.Entry) { seen[string(e.Key)]++ }
			table, cursor := a, uint64(0)
			for pages := 0; ; pages++ {
				if pages > 2*n {
					t.Fatalf("limit %d: the scan does not end", limit)
				}
				if pages == changeAt {
					table = b
				}
				next := walk(table, cursor, limit, visit)
				if next != 0 && (next>>cursorBits != 0 || next == cursor) {
					t.Fatalf("limit %d: from %#x to %#x", limit, cursor, next)
				}
				if cursor = next; cursor == 0 {
					break
				}
			}
			twice := 0
			for i := range n {
				if times := seen[fmt.Sprintf("key-%d", i)]; times == 0 {
					t.Fatalf("limit %d, change at %d: key %d is left out", limit, changeAt, i)
				} else if times > 1 {
					twice++
				}
			}
			if most := (changeAt + 1) * (limit + 64); twice > most { // what a had shown before
				t.Errorf("limit %d, change at %d: %d keys came again, want at most %d", limit, changeAt, twice, most)
			}
		}
	}
}
