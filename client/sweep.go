package client

import (
	"fmt"
	"sync/atomic"
	"time"

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
			for _, n := range c.nodes {
				for _, l := range n.links {
					if cn := l.conn.Load(); cn != nil && cn.expire(now, s.tick) {
						busy = true
					}
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
	for _, n := range c.nodes {
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
	cn.mu.Lock()
	busy = cn.unsettled > 0
	for cl := cn.waiting.first; cl != nil; {
		next := cl.next
		if cl.late(now) {
			cn.waiting.remove(cl)
			cl.outcome = timedOut
			late = append(late, cl)
		}
		cl = next
	}
	for i := range cn.slots {
		if cl := cn.slots[i].call; cl != nil && cl.late(now) {
			cn.slots[i].call = nil
			cl.outcome = timedOutSent
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
		cn.silent = 0
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
		cn.lastSeen, cn.silent = seen, 0
		return
	}
	before := cn.silent
	cn.silent += tick
	switch {
	case before < probeAfter && cn.silent >= probeAfter:
		cn.sendProbe()
	case cn.silent >= 2*probeAfter:
		cn.fail(fmt.Errorf("no sign of life for %v", 2*probeAfter))
	}
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
