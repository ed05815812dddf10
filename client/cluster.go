package client

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/prakashpandey/vegadb/internal/attempt"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// Count returns how many entries there are, of all nodes together. Expired entries
// that have not yet been reclaimed may be among them. It is no instant's count: each
// node counts when it is asked.
func (c *Client) Count(ctx context.Context, opts ...Option) (total int64, err error) {
	err = c.onLeaders(ctx, wire.OpCount, opts, readOptions, func(calls []*call) error {
		total = 0
		for _, cl := range calls {
			n, err := wire.DecodeInt(cl.dst)
			if err != nil {
				return c.malformed(cl, err)
			}
			total += n
		}
		return nil
	})
	return total, err
}

// Flush deletes every entry, on all nodes. It needs a user that may write all keys.
func (c *Client) Flush(ctx context.Context, opts ...Option) error {
	return c.onLeaders(ctx, wire.OpFlush, opts, writeOptions, func([]*call) error { return nil })
}

// Stats returns the figures of one node, as JSON; of which, WithNode says.
func (c *Client) Stats(ctx context.Context, opts ...Option) (json.RawMessage, error) {
	cl := c.begin(wire.OpStats, "")
	defer c.release(cl)
	if err := c.applyAt(cl, opts, optNode); err != nil {
		return nil, err
	}
	if err := c.do(ctx, cl); err != nil {
		return nil, err
	}
	return cl.dst, nil
}

// Ping asks a node for a sign of life. Option: WithNode.
func (c *Client) Ping(ctx context.Context, opts ...Option) error {
	cl := c.begin(wire.OpPing, "")
	defer c.release(cl)
	if err := c.applyAt(cl, opts, optNode); err != nil {
		return err
	}
	cl.dst = cl.scratch[:0]
	return c.do(ctx, cl)
}

// Snapshot asks every node, or that of WithNode, to write a snapshot; it returns when
// they have begun, with WithWait when they are complete. It needs the role admin.
func (c *Client) Snapshot(ctx context.Context, opts ...Option) error {
	first := c.begin(wire.OpSnapshot, "")
	if err := c.applyAt(first, opts, optWait|optNode); err != nil {
		c.release(first)
		return err
	}
	calls := []*call{first}
	if r := c.routes.Load(); r != nil && first.target == nil {
		for _, n := range distinct(r.nodes) {
			if first.target == nil {
				first.target = n
				continue
			}
			cl := c.begin(wire.OpSnapshot, "")
			cl.req.OpFlags, cl.target = first.req.OpFlags, n
			calls = append(calls, cl)
		}
	}
	for _, cl := range calls {
		cl.dst = cl.scratch[:0]
	}
	errs := c.together(ctx, calls)
	for _, cl := range calls {
		c.release(cl)
	}
	if failed := slices.DeleteFunc(errs, func(err error) bool { return err == nil }); len(failed) > 1 {
		return errors.Join(failed...)
	} else if len(failed) == 1 {
		return failed[0]
	}
	return nil
}

// applyAt is apply for calls that WithNode may send to a certain node.
func (c *Client) applyAt(cl *call, opts []Option, allowed optionKind) error {
	if err := cl.apply(opts, allowed); err != nil {
		return err
	}
	for i := range opts {
		if opts[i].kind != optNode {
			continue
		}
		if cl.target = c.nodeNamed(opts[i].text); cl.target == nil {
			return cl.refuse("the topology has no node " + opts[i].text)
		}
	}
	return nil
}

// nodeNamed finds a node by its id or its address; nil if there is none.
func (c *Client) nodeNamed(name string) *node {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.topology != nil {
		for i, t := range c.topology.Nodes {
			if name == "" || t.ID != name && t.Address != name {
				continue
			}
			if r := c.routes.Load(); r != nil {
				return r.nodes[i]
			}
			return c.seeds[c.preferred.Load()] // a lone server
		}
	}
	if n := c.byAddress[name]; n != nil {
		n.startLocked()
		return n
	}
	return nil
}

// distinct returns the nodes that there are, each once.
func distinct(nodes []*node) (all []*node) {
	for _, n := range nodes {
		if n != nil && !slices.Contains(all, n) {
			all = append(all, n)
		}
	}
	return all
}

// together carries calls out in parallel and returns their errors. None of them may
// be handed back to the pool before it returns.
func (c *Client) together(ctx context.Context, calls []*call) []error {
	errs := make([]error, len(calls))
	conns := make([]*conn, len(calls))
	deadlines := make([]time.Time, len(calls))
	bound := make([]bool, len(calls))
	for i, cl := range calls {
		if deadlines[i], bound[i] = c.bound(ctx, cl); bound[i] {
			conns[i] = c.launch(cl)
		} else {
			errs[i] = c.failure(cl, nil)
		}
	}
	var wg sync.WaitGroup
	for i, cl := range calls {
		if !bound[i] {
			continue
		}
		if conns[i] != nil {
			conns[i].await(ctx, cl)
			if c.succeeded(cl) {
				continue
			}
		}
		wg.Go(func() { errs[i] = c.goOn(ctx, cl, deadlines[i]) })
	}
	wg.Wait()
	for _, cl := range calls {
		if cl.session != nil {
			cl.conclude()
		}
	}
	return errs
}

// onLeaders has every node that leads a partition carry out op, and gives the calls
// to done when all have. When a leader changes meanwhile, a partition may have been
// left out or met twice: then all are asked again.
func (c *Client) onLeaders(ctx context.Context, op wire.Op, opts []Option, allowed optionKind, done func([]*call) error) error {
	if _, ok := ctx.Deadline(); !ok && c.opts.Timeout > 0 && c.routes.Load() != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.opts.Timeout)
		defer cancel()
	}
	var pause attempt.Pause
	partly := false
	for {
		again, err := c.onLeadersOnce(ctx, op, opts, allowed, &partly, done)
		if e, ok := errors.AsType[*Error](err); ok && partly && op.Writes() {
			e.Status = Status(wire.UnknownOutcome) // of some nodes it is known
		}
		if !again {
			return err
		}
		c.refreshSoon()
		if !sleep(ctx, pause.Take(attempt.ElectPauses(), rand.Uint64())) {
			return err
		}
	}
}

// onLeadersOnce is one round of it. again with an error: that is the error if there is
// no time left. partly is set when a node has done its part.
func (c *Client) onLeadersOnce(ctx context.Context, op wire.Op, opts []Option, allowed optionKind, partly *bool, done func([]*call) error) (again bool, err error) {
	r := c.routes.Load()
	leaders, complete := r.leaders()
	if !complete {
		return true, &Error{Op: op.Name(), Status: Status(wire.Unavailable), Message: "a partition has no leader that is known"}
	}
	var calls []*call
	defer func() {
		for _, cl := range calls {
			c.release(cl)
		}
	}()
	targets := distinct(leaders)
	if r == nil {
		targets = []*node{nil} // a lone server: as the routes say
	}
	receipts := make([]Receipt, len(targets))
	var receipt *Receipt
	for i, n := range targets {
		cl := c.begin(op, "")
		calls = append(calls, cl)
		if err := cl.apply(opts, allowed); err != nil {
			return false, err
		}
		if receipt = cl.receipt; receipt != nil {
			cl.receipt = &receipts[i]
		}
		if n != nil {
			cl.target, cl.fixed, cl.partition = n, true, slices.Index(leaders, n)
		}
		cl.dst = cl.scratch[:0]
	}
	errs := c.together(ctx, calls)
	*partly = *partly || slices.Contains(errs, nil)
	for i, err := range errs {
		if err == nil {
			continue
		}
		cl := calls[i]
		retry := cl.fixed && !cl.uncertain() && (cl.try.Outcome == attempt.Untried || c.worthRetrying(cl)) && ctx.Err() == nil
		return retry, err
	}
	if after, _ := c.routes.Load().leaders(); !slices.Equal(leaders, after) {
		return true, &Error{Op: op.Name(), Status: Status(wire.Unavailable), Message: "leaders changed meanwhile"}
	}
	if receipt != nil {
		*receipt = receipts[0]
	}
	return false, done(calls)
}

// leaders returns the leader of each partition; complete is false if one is not
// known. Without routes there are none, and that is complete.
func (r *routes) leaders() (all []*node, complete bool) {
	if r == nil {
		return nil, true
	}
	all = make([]*node, len(r.parts))
	for p := range r.parts {
		if all[p] = r.parts[p].Leader(); all[p] == nil {
			return nil, false
		}
	}
	return all, true
}
