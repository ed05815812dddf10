package attempt

import "github.com/prakashpandey/vegadb/internal/wire"

// Outcome is how an attempt has ended.
type Outcome uint8

const (
	Untried      Outcome = iota
	Replied              // the server has answered, or would have
	LostUnsent           // the connection died, or there is none, and the request surely never left
	LostSent             // the connection died after (part of) it may have left
	Stalled              // taken off a silent connection, sent
	TimedOut             // too late, never sent
	TimedOutSent         // too late, sent
	Canceled             // the caller left first, never sent
	CanceledSent         // the caller left first, sent
)

// Unanswered reports whether the request may have been executed without an answer.
func (o Outcome) Unanswered() bool {
	switch o {
	case LostSent, Stalled, TimedOutSent, CanceledSent:
		return true
	}
	return false
}

// Lost reports whether the connection was what failed.
func (o Outcome) Lost() bool { return o == LostUnsent || o == LostSent || o == Stalled }

// Request is what matters of a request to the rules.
type Request struct {
	Writes   bool // it may change something
	Numbered bool // it is a write of a session: a repetition is recognised
	Own      bool // and the session is this client's: it may be replaced by another
	Stays    bool // no other node can do what is asked of this one
	Pinned   bool // nor can another connection
}

// Repeatable reports whether the request may be sent again although it may have been executed: it only
// reads, or a session keeps it from taking effect twice.
func (r Request) Repeatable() bool { return !r.Writes || r.Numbered }

// Decides reports whether a status tells what the execution of a write brought, as opposed to why it
// was not executed.
func Decides(s wire.Status) bool {
	return s < wire.InvalidArgument || s == wire.WrongType || s == wire.NotInteger || s == wire.Overflow
}

// Permanent reports whether connecting once more, unchanged, is likely to meet the same refusal. In a cluster a node
// of another one may only be a stranger at an old address.
func Permanent(s wire.Status, clustered bool) bool {
	switch s {
	case wire.Unauthenticated, wire.PermissionDenied, wire.UnsupportedVersion:
		return true
	case wire.ProtocolError, wire.InvalidArgument:
		return !clustered
	}
	return false
}
