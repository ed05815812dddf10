package sim

import (
	"maps"
	"slices"
	"sort"
	"strings"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/replica"
	"github.com/prakashpandey/vegadb/internal/store"
)

// model is what the committed log of a group says: every key at every index, and the log's time. It applies each entry
// once, when somebody does for the first time, to a table that nothing is ever swept from, that no snapshot replaces and no
// crash touches. All that is shown to anybody, in a read, a scan or a backup, is compared with it.
type model struct {
	group  *replica.Group
	table  *store.Table
	stamps []int64             // by index: the log's time
	keys   map[string][]change // in the order of their indexes
}

// change is what a key is from an index on.
type change struct {
	index    uint64
	there    bool
	value    string
	version  uint64
	expireAt int64
}

func newModel(group uint32) *model {
	return &model{group: replica.NewGroup(group, replica.State{}), table: newTable(), keys: make(map[string][]change)}
}

// last is the newest index.
func (m *model) last() uint64 { return uint64(max(len(m.stamps), 1) - 1) }

// advance notes that the entry at an index changes no data. Those before it that nobody has applied do not either: a
// cluster begins with some.
func (m *model) advance(index, term uint64) {
	stamp := m.group.State().Stamp
	for uint64(len(m.stamps)) <= index {
		m.stamps = append(m.stamps, stamp)
	}
	m.group.Advance(index, term, nil)
}

// silent is a sink for whoever needs no results.
type silent struct{}

func (silent) Result(int, *command.Result) {}

// apply adds an entry.
func (m *model) apply(index, term uint64, entry []byte) error {
	m.advance(index-1, term)
	if err := m.group.Apply(m.table, index, term, entry, silent{}); err != nil {
		return err
	}
	m.advance(index, term)
	return command.EachKey(entry, func(key []byte) {
		h := m.table.Hash(key)
		s := m.table.Stripe(h)
		s.Lock()
		defer s.Unlock()
		now := change{index: index}
		var e store.Entry
		if s.Find(h, key, &e) {
			now = change{index, true, string(e.Value), e.Version, e.ExpireAt}
		}
		list := m.keys[string(key)]
		if n := len(list); n > 0 && list[n-1].index == index {
			list[n-1] = now
			return
		}
		m.keys[string(key)] = append(list, now)
	})
}

// at returns what a key is at an index.
func (m *model) at(key string, index uint64) change {
	list := m.keys[key]
	i := sort.Search(len(list), func(i int) bool { return list[i].index > index })
	if i == 0 {
		return change{}
	}
	return list[i-1]
}

// within returns what a key is from one index to another: what it is at the first, and every change up to the second.
func (m *model) within(key string, from, to uint64) []change {
	list := m.keys[key]
	i := sort.Search(len(list), func(i int) bool { return list[i].index > from })
	j := sort.Search(len(list), func(i int) bool { return list[i].index > to })
	return append([]change{m.at(key, from)}, list[i:j]...)
}

// sorted returns all keys that there ever were.
func (m *model) sorted() []string { return slices.SortedFunc(maps.Keys(m.keys), strings.Compare) }

// stamp is the log's time at an index.
func (m *model) stamp(index uint64) int64 {
	if index >= uint64(len(m.stamps)) {
		return 0
	}
	return m.stamps[index]
}

func (m *model) close() { m.table.Close() }
