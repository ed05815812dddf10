package client

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/prakashpandey/vegadb/internal/attempt"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// sweeper times calls out without a timer for each. It counts ticks; a call notes
// the tick at which its time is up; at every tick the sweeper looks through the
// calls of each connection. While there are none it sleeps.
type sweeper struct {
	tick    time.Duration
	patient uint32        // the client's Timeout in ticks; 0: none
	now     atomic.Uint32 // ticks counted
	awake   atomic.Bool
	wake    chan struct{} // capacity 1
}

const (
	// ticksPerTimeout is how finely the client's Timeout is kept.
	ticksPerTimeout = 64
	minTick         = time.Millisecond
	maxTick         = 50 * time.Millisecond
	// quietTicks is how many ticks without any call send the sweeper to sleep.
	quietTicks = 20
	// probeAfter is how long a peer that owes replies may be silent before it
	// is asked for a sign of life; after as long again it is given up.
	probeAfter = 5 * time.Second
	// silentAfter is how long it may be silent before its calls go to other nodes
	// that have taken over from it.
	silentAfter = time.Second
)

func (s *sweeper) init(timeout time.Duration) {
	s.wake = make(chan struct{}, 1)
	s.tick = maxTick
	if timeout > 0 {
		s.tick = min(max(timeout/ticksPerTimeout, minTick), maxTick)
		// One more: the tick under way is partly over.
		s.patient = uint32(min((timeout+s.tick-1)/s.tick+1, 1<<30))
	}
}

// stamp notes when the call's time will be up, unless its context has a
// deadline of its own.
func (s *sweeper) stamp(cl *call, bounded bool) {
	cl.mayExpire = !bounded && s.patient > 0
	cl.expires = s.now.Load() + s.patient
}

// rouse wakes the sweeper. It is called after a call has been handed over, so
// that either the sweeper sees the call before it falls asleep, or the caller
// sees it asleep.
func (s *sweeper) rouse() {
	if !s.awake.Load() && s.awake.CompareAndSwap(false, true) {
		s.wake <- struct{}{}
	}
}

// spent is how much of its time the call has used up.
func (s *sweeper) spent(cl *call) time.Duration {
	return time.Duration(s.now.Load()-(cl.expires-s.patient)) * s.tick
}

// sweep is the sweeper's goroutine.
func (c *Client) sweep() {
	defer c.wg.Done()
	s := &c.sweeper
	ticker := time.NewTicker(s.tick)
	ticker.Stop()
	defer ticker.Stop()
	for {
		select {
		case <-s.wake:
		case <-c.closing:
			return
		}
		ticker.Reset(s.tick)
		for quiet := 0; quiet < quietTicks; {
			select {
			case <-ticker.C:
			case <-c.closing:
				return
			}
			now := s.now.Add(1)
			busy := false
			for _, n := range *c.all.Load() {
				for _, l := range n.links {
					if cn := l.conn.Load(); cn != nil && cn.expire(now, s.tick) {
						busy = true
					}
				}
				if n.retired.Load() && !c.dismiss(n) {
					busy = true
				}
			}
			quiet++
			if busy {
				quiet = 0
			}
		}
		ticker.Stop()
		// A caller that saw awake in its last moment roused nobody: look once
		// more.
		s.awake.Store(false)
		if c.busy() && s.awake.CompareAndSwap(false, true) {
			s.wake <- struct{}{}
		}
	}
}

// busy reports whether any connection has unanswered or waiting calls.
func (c *Client) busy() bool {
	for _, n := range *c.all.Load() {
		for _, l := range n.links {
			if cn := l.conn.Load(); cn != nil {
				cn.mu.Lock()
				busy := cn.unsettled > 0
				cn.mu.Unlock()
				if busy {
					return true
				}
			}
		}
	}
	return false
}

// expire settles the calls whose time is up and gives up a peer that is silent
// for too long. It reports whether there was anything to watch.
func (cn *conn) expire(now uint32, tick time.Duration) (busy bool) {
	var late []*call
	client, silent := cn.link.node.client, cn.silent.Load()
	cn.mu.Lock()
	busy = cn.unsettled > 0
	for cl := cn.waiting.first; cl != nil; {
		next := cl.next
		switch {
		case cl.late(now):
			cn.waiting.remove(cl)
			cl.try.Outcome = attempt.TimedOut
			late = append(late, cl)
		case silent && client.betterServed(cl, cn):
			cn.waiting.remove(cl)
			cl.try.Outcome, cl.cause = attempt.LostUnsent, errSilent
			late = append(late, cl)
		}
		cl = next
	}
	for i := range cn.slots {
		cl := cn.slots[i].call
		switch {
		case cl == nil:
		case cl.late(now):
			cn.leave(cl)
			cl.try.Outcome = attempt.TimedOutSent
			late = append(late, cl)
		case silent && cl.request().Repeatable() && client.betterServed(cl, cn):
			cn.leave(cl)
			cl.try.Outcome, cl.cause = attempt.Stalled, errSilent
			late = append(late, cl)
		}
	}
	for _, cl := range late {
		cl.state = callSettled
	}
	cn.mu.Unlock()
	for _, cl := range late {
		cl.done <- struct{}{}
	}
	if busy {
		cn.watch(tick)
	} else {
		cn.quietFor = 0
		cn.silent.Store(false)
	}
	return busy
}

func (cl *call) late(now uint32) bool {
	return cl.mayExpire && int32(now-cl.expires) >= 0
}

// watch looks for life in a peer that owes replies. A slow request is no sign of
// death, so the peer is asked with a PING before it is given up.
func (cn *conn) watch(tick time.Duration) {
	if seen := cn.reads.Load(); seen != cn.lastSeen {
		cn.lastSeen, cn.quietFor = seen, 0
		cn.silent.Store(false)
		return
	}
	before := cn.quietFor
	cn.quietFor += tick
	if cn.quietFor >= silentAfter && cn.silent.CompareAndSwap(false, true) && cn.link.node.client.routes.Load() != nil {
		cn.link.node.client.refreshSoon() // perhaps another node leads by now
	}
	switch {
	case before < probeAfter && cn.quietFor >= probeAfter:
		cn.sendProbe()
	case cn.quietFor >= 2*probeAfter:
		cn.fail(fmt.Errorf("no sign of life for %v", 2*probeAfter))
	}
}

// errSilent is why a call has been taken off a silent node.
var errSilent = errors.New("the node is silent, and another one leads the partition by now")

// betterServed reports whether another node serves the partition of a call that
// waits on a silent connection.
func (c *Client) betterServed(cl *call, cn *conn) bool {
	r := c.routes.Load()
	if r == nil || cl.partition < 0 || cl.partition >= len(r.parts) {
		return false
	}
	return r.parts[cl.partition].Elsewhere(cl.relaxed(), cn.link.node, (*node).health)
}

// sendProbe sends a PING whose reply nobody waits for.
func (cn *conn) sendProbe() {
	p := &cn.probe
	cn.mu.Lock()
	underWay := p.state == callSent || p.state == callWaiting
	cn.mu.Unlock()
	if underWay {
		return
	}
	select { // the last probe's reply, if there was one
	case <-p.done:
	default:
	}
	p.req.Op = wire.OpPing
	p.dst = p.scratch[:0]
	cn.submit(p)
}
