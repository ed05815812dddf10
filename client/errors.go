package client

import (
	"strconv"
	"strings"
	"time"

	"github.com/prakashpandey/vegadb/internal/wire"
)

// sentinel is what the Err… values are: errors.Is matches an *Error to the one
// that has its status.
type sentinel struct {
	status Status
	text   string
}

func (s *sentinel) Error() string { return "vegadb: " + s.text }

// The errors to test for with errors.Is.
var (
	// ErrNotFound: no entry has the key.
	ErrNotFound error = &sentinel{Status(wire.NotFound), "not found"}
	// ErrAlreadyExists: IfAbsent was asked and the key has an entry.
	ErrAlreadyExists error = &sentinel{Status(wire.AlreadyExists), "already exists"}
	// ErrConditionFailed: another condition of the call does not hold.
	ErrConditionFailed error = &sentinel{Status(wire.ConditionFailed), "condition does not hold"}
	// ErrVersionMismatch: IfVersion was asked and the entry has another version;
	// Error.Version tells which.
	ErrVersionMismatch error = &sentinel{Status(wire.VersionMismatch), "version mismatch"}
	// ErrInvalidArgument: the call contradicts itself.
	ErrInvalidArgument error = &sentinel{Status(wire.InvalidArgument), "invalid argument"}
	// ErrWrongType: the entry holds another kind of value.
	ErrWrongType error = &sentinel{Status(wire.WrongType), "wrong type of value"}
	// ErrNotInteger: Increment met a value that is no integer.
	ErrNotInteger error = &sentinel{Status(wire.NotInteger), "value is not an integer"}
	// ErrOverflow: Increment would leave the range of int64.
	ErrOverflow error = &sentinel{Status(wire.Overflow), "integer overflow"}
	// ErrTooLarge: a key, value or batch is above the server's limit.
	ErrTooLarge error = &sentinel{Status(wire.TooLarge), "too large"}
	// ErrUnsupported: the server does not offer this.
	ErrUnsupported error = &sentinel{Status(wire.Unsupported), "not supported by the server"}
	// ErrUnauthenticated: wrong or missing user name and password.
	ErrUnauthenticated error = &sentinel{Status(wire.Unauthenticated), "unauthenticated"}
	// ErrPermission: the user may not do this.
	ErrPermission error = &sentinel{Status(wire.PermissionDenied), "permission denied"}
	// ErrBusy: the server's queues stayed full until the deadline. Nothing was done.
	ErrBusy error = &sentinel{Status(wire.Busy), "server is busy"}
	// ErrMemoryLimit: the server is out of memory for data. Nothing was done.
	ErrMemoryLimit error = &sentinel{Status(wire.MemoryLimit), "memory limit reached"}
	// ErrNoSpace: the server's disk is full. Nothing was done.
	ErrNoSpace error = &sentinel{Status(wire.NoSpace), "no space on the server's disk"}
	// ErrTimeout: the deadline passed before a write was sent or executed (so it
	// was not), or before a read's answer came.
	ErrTimeout error = &sentinel{Status(wire.Timeout), "timed out"}
	// ErrUnknownOutcome: a write was sent and its answer never came, because
	// the deadline passed or the context was cancelled (or the connection broke, if the
	// server keeps no sessions). It may have taken effect, or may still.
	ErrUnknownOutcome error = &sentinel{Status(wire.UnknownOutcome), "unknown outcome"}
	// ErrUnavailable: no server could be reached, or none serves the key at present: it
	// is loading, stopping, or its partition has no leader. Nothing was done.
	ErrUnavailable error = &sentinel{Status(wire.Unavailable), "unavailable"}
	// ErrCorrupt: the server met data that fails its checksum.
	ErrCorrupt error = &sentinel{Status(wire.Corrupt), "stored data is corrupt"}
	// ErrInternal: a fault inside the server.
	ErrInternal error = &sentinel{Status(wire.Internal), "internal server error"}
	// ErrProtocol: the peer does not speak the protocol, or no common version.
	ErrProtocol error = &sentinel{Status(wire.ProtocolError), "protocol error"}
	// ErrCanceled: the call's context was cancelled before a write was sent, or
	// before a read's answer came. errors.Is(err, context.Canceled) holds too.
	ErrCanceled error = &sentinel{statusCanceled, "canceled"}
	// ErrClosed: the client was closed.
	ErrClosed error = &sentinel{statusClosed, "client is closed"}
)

// Error is the error of every failed call.
type Error struct {
	Op         string        // the operation: "GET"
	Key        string        // the key, if the operation has one
	Node       string        // address of the node that answered or should have
	Status     Status        // what happened
	Version    uint64        // with ErrVersionMismatch: the entry's version, 0 if there is no entry
	Message    string        // what the server said, or the client has to say
	RetryAfter time.Duration // the server's hint when to try again; 0 if it gave none
	Cause      error         // what led to it: a context's error, a network error, ErrClosed
}

// maxKeyInError bounds how much of a key an error's text shows.
const maxKeyInError = 64

// Error describes the failure on one line.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("vegadb: ")
	b.WriteString(e.Op)
	if e.Key != "" {
		b.WriteByte(' ')
		if len(e.Key) > maxKeyInError {
			b.WriteString(strconv.Quote(e.Key[:maxKeyInError]))
			b.WriteString("…")
		} else {
			b.WriteString(strconv.Quote(e.Key))
		}
	}
	if e.Node != "" {
		b.WriteString(" on ")
		b.WriteString(e.Node)
	}
	b.WriteString(": ")
	b.WriteString(e.Status.String())
	if e.Message != "" {
		b.WriteString(": ")
		b.WriteString(e.Message)
	}
	if e.Cause != nil {
		b.WriteString(": ")
		b.WriteString(e.Cause.Error())
	}
	if e.RetryAfter > 0 {
		b.WriteString(" (retry after ")
		b.WriteString(e.RetryAfter.String())
		b.WriteByte(')')
	}
	return b.String()
}

// Is reports whether target is the Err… value of this error's status.
func (e *Error) Is(target error) bool {
	s, ok := target.(*sentinel)
	if !ok {
		return false
	}
	return s.status == e.Status.class()
}

// class folds statuses that callers need not tell apart into one.
func (s Status) class() Status {
	switch wire.Status(s) {
	case wire.UnsupportedVersion:
		return Status(wire.ProtocolError)
	case wire.ShuttingDown, wire.Loading, wire.NotLeader, wire.WrongEpoch:
		return Status(wire.Unavailable)
	case wire.SessionExpired:
		return Status(wire.UnknownOutcome)
	}
	return s
}

// Unwrap returns the cause, so that errors.Is(err, context.DeadlineExceeded)
// and the like hold.
func (e *Error) Unwrap() error { return e.Cause }
