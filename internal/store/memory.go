package store

import "sync/atomic"

// Memory is the byte account that the tables of one process share. A table books its changes in lots of
// accountLot bytes per stripe, so that the counter is not a point of contention: the error is below
// accountLot × stripes × tables (1 MiB for 64 tables of 4 stripes). All methods may be called at any time.
type Memory struct {
	used  atomic.Int64
	_     [56]byte // used is written often, limit is read with every write: not on one cache line
	limit atomic.Int64
}

// accountLot is how far a stripe's own count may run ahead of the shared one.
const accountLot = 4 << 10

// NewMemory returns an account with a limit in bytes; 0 means no limit.
func NewMemory(limit int64) *Memory {
	m := &Memory{}
	m.limit.Store(limit)
	return m
}

// Used is the number of bytes in use: blocks that hold entries (rounded up to their size class), segments,
// directories, and what running images keep. Room that is free within the tables is not in it: see Stats.
func (m *Memory) Used() int64 { return m.used.Load() }

// Limit is the number of bytes above which Over is true; 0 means none.
func (m *Memory) Limit() int64 { return m.limit.Load() }

// SetLimit changes the limit; 0 means none.
func (m *Memory) SetLimit(limit int64) { m.limit.Store(limit) }

// Over tells whether more is used than the limit allows. The table itself never refuses a write, because
// applying a write that was logged cannot fail: whoever accepts writes asks Over first.
func (m *Memory) Over() bool {
	limit := m.limit.Load()
	return limit > 0 && m.used.Load() > limit
}

func (m *Memory) add(n int64) { m.used.Add(n) }
