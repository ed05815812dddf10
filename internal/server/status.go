package server

import (
	"context"
	"errors"

	"github.com/prakashpandey/vegadb/internal/auth"
	"github.com/prakashpandey/vegadb/internal/node"
	"github.com/prakashpandey/vegadb/internal/wal"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// statusOf maps any error of the layers below to the one list of statuses, with
// the text a client is shown.
func statusOf(err error) (wire.Status, string) {
	var limited *auth.LimitedError
	var coded *wire.Error
	var elsewhere *node.NotLeaderError
	switch {
	case errors.As(err, &coded):
		return coded.Status, coded.Text
	case errors.Is(err, wal.ErrBusy):
		return wire.Busy, "the log's queue is full; try again in a moment"
	case errors.Is(err, wal.ErrNoSpace):
		return wire.NoSpace, "no space left for the log; reads go on, writes resume when space is freed"
	case errors.Is(err, wal.ErrTooLarge):
		return wire.TooLarge, "the write is larger than one log record may be; split it"
	case errors.Is(err, wal.ErrClosed):
		return wire.ShuttingDown, "the server is shutting down"
	case errors.Is(err, node.ErrNoLeader), errors.Is(err, node.ErrNotHere):
		return wire.Unavailable, err.Error()
	case errors.Is(err, node.ErrUnknownOutcome):
		return wire.UnknownOutcome, err.Error()
	case errors.As(err, &elsewhere):
		return wire.NotLeader, err.Error()
	case errors.Is(err, node.ErrNotClustered):
		return wire.Unsupported, err.Error()
	case errors.Is(err, node.ErrNotPersistent):
		return wire.Unsupported, err.Error()
	case errors.Is(err, auth.ErrWrong):
		return wire.Unauthenticated, "wrong user name or password"
	case errors.As(err, &limited):
		return wire.Busy, "too many failed logins from this address; try again later"
	case errors.Is(err, context.Canceled):
		return wire.ShuttingDown, "the server is shutting down"
	}
	return wire.Internal, err.Error()
}
