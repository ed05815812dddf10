package store

// Options say how a table is built. The zero value works.
type Options struct {
	Stripes  int     // locks per table: a power of two ≤ 64; 0 means 4
	Memory   *Memory // shared byte accounting; nil means one of its own, without a limit
	SizeHint int     // entries expected; sizes the directory so that a bulk load does not split
}

// Entry is one key with its value and what is known about it.
type Entry struct {
	Key, Value []byte
	Version    uint64
	ExpireAt   int64
	Kind       uint8
}

// Meta is what a write sets beside the value.
type Meta struct {
	Version  uint64
	ExpireAt int64
	Kind     uint8
}

// SweepResult says what one call of Sweep found.
type SweepResult struct {
	Removed int  // entries taken out: their time had come by the stamp
	Due     bool // an entry's time has come by the wall clock but not yet by the stamp
	Wrapped bool // this call came to the end of the table: the next starts anew
}

type Table struct{}

func New(Options) *Table                                             { panic("store: in the making") }
func (t *Table) Hash(key []byte) uint64                              { panic("store: in the making") }
func (t *Table) Stripe(h uint64) *Stripe                             { panic("store: in the making") }
func (t *Table) StripeIndex(h uint64) uint                           { panic("store: in the making") }
func (t *Table) LockMask(mask uint64)                                { panic("store: in the making") }
func (t *Table) UnlockMask(mask uint64)                              { panic("store: in the making") }
func (t *Table) AllStripes() uint64                                  { panic("store: in the making") }
func (t *Table) Len() int                                            { panic("store: in the making") }
func (t *Table) Expiring() int                                       { panic("store: in the making") }
func (t *Table) Bytes() int64                                        { panic("store: in the making") }
func (t *Table) Scan(cursor uint64, n int, fn func(e *Entry)) uint64 { panic("store: in the making") }
func (t *Table) Sweep(stamp, wall int64, budget int) (r SweepResult) { panic("store: in the making") }
func (t *Table) Clear()                                              { panic("store: in the making") }
func (t *Table) ClearLocked()                                        { panic("store: in the making") }
func (t *Table) Image() *Image                                       { panic("store: in the making") }
func (t *Table) Close()                                              { panic("store: in the making") }

type Stripe struct{}

func (s *Stripe) Lock()                                    { panic("store: in the making") }
func (s *Stripe) Unlock()                                  { panic("store: in the making") }
func (s *Stripe) Find(h uint64, key []byte, e *Entry) bool { panic("store: in the making") }
func (s *Stripe) Put(h uint64, key, value []byte, m Meta) (created bool) {
	panic("store: in the making")
}
func (s *Stripe) Append(h uint64, key, tail []byte, m Meta) (newLen int) {
	panic("store: in the making")
}
func (s *Stripe) SetMeta(h uint64, key []byte, m Meta) bool { panic("store: in the making") }
func (s *Stripe) Delete(h uint64, key []byte) bool          { panic("store: in the making") }

// Image is a point-in-time view of a table.
type Image struct{}

// Next returns the next entries, in dst's room; they are valid until the next call of Next or Close. None means the end.
func (i *Image) Next(dst []Entry) []Entry { panic("store: in the making") }
func (i *Image) Len() int                 { panic("store: in the making") }
func (i *Image) Close()                   { panic("store: in the making") }

// Memory is shared byte accounting.
type Memory struct{}

func NewMemory(limit int64) *Memory    { panic("store: in the making") }
func (m *Memory) Used() int64          { panic("store: in the making") }
func (m *Memory) Limit() int64         { panic("store: in the making") }
func (m *Memory) Over() bool           { panic("store: in the making") }
func (m *Memory) SetLimit(limit int64) { panic("store: in the making") }
