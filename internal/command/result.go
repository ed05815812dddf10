package command

import "github.com/prakashpandey/vegadb/internal/wire"

// ResultKind says which value a Result carries.
type ResultKind uint8

const (
	ResultNone  ResultKind = iota // nothing but the status
	ResultNil                     // a value was asked for and there was none
	ResultInt                     // Int
	ResultBytes                   // Bytes
)

// Result is the outcome of one op.
type Result struct {
	// Status is OK when the op did what it says. Otherwise it changed nothing:
	// NotFound, AlreadyExists, ConditionFailed, VersionMismatch, WrongType,
	// NotInteger, Overflow or TooLarge.
	Status wire.Status
	Kind   ResultKind
	// Int: the new value of an increment, the new length of an append; of a
	// delete, expire or persist without ReturnOld the number of entries it
	// changed, 0 or 1.
	Int int64
	// Bytes is what ReturnOld or a get asked for. Borrowed: it is valid only
	// inside the Sink call.
	Bytes []byte
	// Version is the entry's version after the op: the entry's index when the op
	// took effect (for a delete too), else the present version, 0 when absent.
	Version uint64
	// ExpireAt is the entry's expiry after the op, unix ms; 0 for none.
	ExpireAt int64
}

// Sink takes the results of an entry's ops, in order.
type Sink interface {
	// Result is called for the i-th op with its stripe locked, before the change
	// is visible to anyone: it must not block, and must not touch the table.
	Result(i int, r *Result)
}

// SinkFunc makes a Sink of a function.
type SinkFunc func(i int, r *Result)

// Result calls f.
func (f SinkFunc) Result(i int, r *Result) { f(i, r) }
