package client

import "github.com/prakashpandey/vegadb/internal/wire"

// Status is the outcome of a call as the protocol numbers it (docs/protocol.md
// lists them all). Programs compare errors with errors.Is and the Err… values;
// a Status is for logs and for tools.
type Status uint16

// Statuses that never travel: they arise inside the client.
const (
	statusClosed   Status = 0xFF00
	statusCanceled Status = 0xFF01
)

// String returns the documented name, such as "NOT_FOUND".
func (s Status) String() string {
	switch s {
	case statusClosed:
		return "CLOSED"
	case statusCanceled:
		return "CANCELED"
	}
	return wire.Status(s).Name()
}

// OK reports success.
func (s Status) OK() bool { return wire.Status(s) == wire.OK }
