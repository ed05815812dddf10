package checker

import (
	"context"
	"errors"

	"github.com/prakashpandey/vegadb/client"
	"github.com/prakashpandey/vegadb/internal/history"
)

// Store lets histories be recorded of what a client does.
func Store(cl *client.Client) history.Store { return store{cl} }

type store struct{ c *client.Client }

// Do carries out op and translates the outcome.
func (s store) Do(ctx context.Context, op history.Op) history.Reply {
	switch op.Kind {
	case history.Get:
		return s.get(ctx, op)
	case history.Put:
		var r client.Receipt
		_, err := s.c.Put(ctx, op.Key, []byte(op.Value), client.WithReceipt(&r))
		return written(r, err)
	case history.Delete:
		var r client.Receipt
		found, err := s.c.Delete(ctx, op.Key, client.WithReceipt(&r))
		reply := written(r, err)
		if reply.Found = found && err == nil; !found {
			reply.Version = 0
		}
		return reply
	case history.Increment:
		var r client.Receipt
		sum, err := s.c.Increment(ctx, op.Key, op.Delta, client.WithReceipt(&r))
		reply := written(r, err)
		reply.Sum = sum
		return reply
	case history.CompareAndPut:
		var r client.Receipt
		_, err := s.c.CompareAndPut(ctx, op.Key, op.Expect, []byte(op.Value), client.WithReceipt(&r))
		if e, ok := errors.AsType[*client.Error](err); ok && errors.Is(err, client.ErrVersionMismatch) {
			return history.Reply{Outcome: history.OK, Version: e.Version, Node: e.Node}
		}
		reply := written(r, err)
		reply.Found = err == nil
		return reply
	}
	return history.Reply{Outcome: history.Failed, Error: "unknown kind " + string(op.Kind)}
}

func (s store) get(ctx context.Context, op history.Op) history.Reply {
	var r client.Receipt
	e, err := s.c.GetEntry(ctx, op.Key, append(levelOptions(op), client.WithReceipt(&r))...)
	switch {
	case errors.Is(err, client.ErrNotFound):
		return history.Reply{Outcome: history.OK}
	case err != nil:
		return failed(err)
	}
	return history.Reply{Outcome: history.OK, Found: true, Got: string(e.Value), Version: e.Version, Node: r.Node}
}

func levelOptions(op history.Op) []client.Option {
	switch op.Level {
	case history.Lease:
		return []client.Option{client.WithConsistency(client.Lease)}
	case history.Session:
		return []client.Option{client.WithConsistency(client.SessionReads)}
	case history.Bounded:
		return []client.Option{client.WithConsistency(client.BoundedReads), client.WithMaxStaleness(op.MaxAge)}
	case history.Local:
		return []client.Option{client.WithConsistency(client.LocalReads)}
	}
	return []client.Option{client.WithConsistency(client.Linearizable)}
}

func written(r client.Receipt, err error) history.Reply {
	if err != nil {
		return failed(err)
	}
	return history.Reply{Outcome: history.OK, Version: r.Version, Node: r.Node}
}

// failed trusts what the client promises of its errors: all but one mean that nothing was and will be done.
func failed(err error) history.Reply {
	r := history.Reply{Outcome: history.Failed, Error: err.Error()}
	if errors.Is(err, client.ErrUnknownOutcome) {
		r.Outcome = history.Unknown
	}
	return r
}
