package wire

import "errors"

// Error is a refusal with the status that the peer should be told. The package
// returns only the values below, so that refusing costs no allocation.
type Error struct {
	Status Status
	Text   string
}

func (e *Error) Error() string { return "wire: " + e.Text }

// Errors of frames: the stream cannot be followed any further, so the
// connection is closed after a reply with request id 0.
var (
	ErrFrameTooLarge = &Error{TooLarge, "frame is longer than the connection's limit"}
	ErrFrameTooShort = &Error{ProtocolError, "frame is shorter than its header"}
	ErrMagic         = &Error{ProtocolError, "connection does not start with the magic bytes"}
	ErrHelloTooLarge = &Error{ProtocolError, "handshake is longer than allowed"}
	ErrHello         = &Error{ProtocolError, "handshake is malformed"}
)

// Errors of one request or reply: frame boundaries hold, so that the connection
// goes on after an error reply to that request.
var (
	ErrUnknownOp      = &Error{Unsupported, "unknown operation"}
	ErrUnknownFlag    = &Error{Unsupported, "unknown header flag"}
	ErrUnknownOpFlag  = &Error{Unsupported, "unknown flag for this operation"}
	ErrTruncated      = &Error{InvalidArgument, "body ends early"}
	ErrTrailing       = &Error{InvalidArgument, "body has bytes left over"}
	ErrKeyTooLarge    = &Error{TooLarge, "key is longer than the limit"}
	ErrValueTooLarge  = &Error{TooLarge, "value is longer than the limit"}
	ErrBatchTooLarge  = &Error{TooLarge, "batch has more items than the limit"}
	ErrConflict       = &Error{InvalidArgument, "options contradict each other"}
	ErrNeedsExpiry    = &Error{InvalidArgument, "exactly one of TTL and expire-at is needed"}
	ErrNotAWrite      = &Error{InvalidArgument, "operation cannot be part of a write batch"}
	ErrUnknownLevel   = &Error{InvalidArgument, "unknown consistency, acks or durability level"}
	ErrBadExpiry      = &Error{InvalidArgument, "expiry is zero or too far away"}
	ErrBadTopology    = &Error{InvalidArgument, "topology names a node that it does not list"}
	ErrNoCommand      = &Error{InvalidArgument, "command has no arguments, or too many"}
	ErrBackup         = &Error{InvalidArgument, "partition, token and offset of a backup do not fit together"}
	ErrRESPVersion    = &Error{InvalidArgument, "RESP version is neither 2 nor 3"}
	ErrTopologyLimits = &Error{TooLarge, "topology is larger than it can be"}
)

// StatusOf returns the status that err carries, Internal if it carries none,
// and OK for nil.
func StatusOf(err error) Status {
	if err == nil {
		return OK
	}
	if e, ok := err.(*Error); ok { // errors.As would allocate
		return e.Status
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Status
	}
	return Internal
}
