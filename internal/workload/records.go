package workload

import (
	"sync"
	"sync/atomic"
)

// records knows which records there are: 0 ≤ record < visible() have been
// inserted. It is shared by all callers.
type records struct {
	next  atomic.Int64 // the next record to insert
	known atomic.Int64 // all records below are settled

	mu      sync.Mutex
	settled map[int64]struct{} // guarded by mu: settled out of order, ≥ known
}

func newRecords(loaded int64) *records {
	r := &records{settled: make(map[int64]struct{})}
	r.next.Store(loaded)
	r.known.Store(loaded)
	return r
}

// visible returns how many records may be asked for.
func (r *records) visible() int64 { return r.known.Load() }

// claim returns the number of a record to insert. The caller must settle it,
// also when the insert fails.
func (r *records) claim() int64 { return r.next.Add(1) - 1 }

func (r *records) settle(record int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.settled[record] = struct{}{}
	known := r.known.Load()
	for {
		if _, ok := r.settled[known]; !ok {
			break
		}
		delete(r.settled, known)
		known++
	}
	r.known.Store(known)
}

// receipts keeps, per record, the highest version that a write was
// acknowledged with; 0: no write was. It grows without moving, so that callers
// need no lock. Beyond its capacity it forgets: those records are not checked.
type receipts struct {
	chunks [receiptChunks]atomic.Pointer[[receiptChunk]atomic.Uint64]
}

const (
	receiptChunk  = 1 << 16
	receiptChunks = 1 << 14 // for 2^30 records
)

func (r *receipts) at(record int64, create bool) *atomic.Uint64 {
	c := record / receiptChunk
	if c >= receiptChunks {
		return nil
	}
	chunk := r.chunks[c].Load()
	if chunk == nil {
		if !create {
			return nil
		}
		r.chunks[c].CompareAndSwap(nil, new([receiptChunk]atomic.Uint64))
		chunk = r.chunks[c].Load()
	}
	return &chunk[record%receiptChunk]
}

// acknowledged notes that a write of record was acknowledged with version.
func (r *receipts) acknowledged(record int64, version uint64) {
	slot := r.at(record, true)
	if slot == nil {
		return
	}
	for {
		old := slot.Load()
		if old >= version || slot.CompareAndSwap(old, version) {
			return
		}
	}
}

// least returns the version that a read which starts now must at least show.
func (r *receipts) least(record int64) uint64 {
	if slot := r.at(record, false); slot != nil {
		return slot.Load()
	}
	return 0
}
