package transport

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prakashpandey/vegadb/internal/ring"
)

// peer is what this node knows of another: the queue of frames for it with the goroutine (run) that takes them there,
// and the connection on which the other's frames come in.
type peer struct {
	t     *Transport
	node  ring.NodeID
	queue queue
	kick  chan struct{} // capacity 1: the other side is alive, dial now

	stop  context.CancelFunc // guarded by t.mu: ends run
	ended chan struct{}      // guarded by t.mu: closed when the newest run has ended

	sentFrames, sentBytes, receivedFrames, receivedBytes, dropped atomic.Uint64

	mu        sync.Mutex
	connected bool      // guarded by mu
	addr      string    // guarded by mu: dialled last
	since     time.Time // guarded by mu: of connected being as it is
	lastErr   string    // guarded by mu
	lastErrAt time.Time // guarded by mu
	logged    string    // guarded by mu: the error that is in the log already
	in        *incoming // guarded by mu
	boot      uint64    // guarded by mu: of the newest process that has connected and proved to be alive; zero: none
	stale     []uint64  // guarded by mu: boots of processes that a newer one has replaced, the newest maxStale
}

// maxStale bounds peer.stale.
const maxStale = 8

func newPeer(t *Transport, node ring.NodeID) *peer {
	p := &peer{t: t, node: node, kick: make(chan struct{}, 1), since: t.now()}
	p.queue.wake = make(chan struct{}, 1)
	return p
}

// run dials, and dials again, until ctx ends or no address is known any more.
func (p *peer) run(ctx context.Context) {
	t := p.t
	defer p.discard()
	defer p.queue.stop()
	pause := t.limits.PauseMin
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		addr, ok := t.options.Resolve(p.node)
		if !ok {
			p.failed(addr, ErrUnknownNode)
			return
		}
		began := time.Now()
		c, _, err := t.open(ctx, addr, p.node, purposeFrames)
		if err == nil {
			p.up(addr)
			err = p.stream(ctx, c)
			c.release()
			if time.Since(began) > t.limits.PauseMax {
				pause = t.limits.PauseMin
			}
		}
		if ctx.Err() != nil {
			p.failed(addr, ErrClosed)
			return
		}
		was := p.failed(addr, err)
		if lost := p.discard(); (lost || was) && t.options.Lost != nil {
			t.options.Lost(p.node)
		}
		timer.Reset(time.Duration((0.5 + 0.5*t.random()) * float64(pause)))
		pause = min(2*pause, t.limits.PauseMax)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-p.kick:
			pause = t.limits.PauseMin
		}
	}
}

// discard drops what is queued, and reports whether that was anything: raft sends anew what still matters, and old
// frames would only be in its way.
func (p *peer) discard() bool {
	p.queue.take()
	frames, _ := p.queue.done()
	p.dropped.Add(uint64(frames))
	return frames > 0
}

// up notes that there is a connection.
func (p *peer) up(addr string) {
	p.queue.setLimit(p.t.limits.QueueBytes)
	p.mu.Lock()
	p.connected, p.addr, p.since, p.lastErr, p.logged = true, addr, p.t.now(), "", ""
	p.mu.Unlock()
	p.t.log.Info("connected to a peer", "peer", p.node, "addr", addr)
}

// failed notes why there is no connection (any more), and logs it unless it was the reason last time.
func (p *peer) failed(addr string, err error) (was bool) {
	p.queue.setLimit(p.t.limits.OfflineBytes)
	text := err.Error()
	p.mu.Lock()
	was = p.connected
	if was {
		p.connected, p.since = false, p.t.now()
	}
	known := !was && (text == p.logged || !p.t.quiet.allow("dial "+p.node.String()))
	if !known {
		p.logged = text
	}
	p.addr, p.lastErr, p.lastErrAt = addr, text, p.t.now()
	p.mu.Unlock()
	switch {
	case known || err == ErrClosed:
	case was:
		p.t.log.Warn("lost the connection to a peer", "peer", p.node, "addr", addr, "error", text)
	default:
		p.t.log.Warn("cannot connect to a peer; will keep trying", "peer", p.node, "addr", addr, "error", text)
	}
	return was
}

// stream writes the queue to the connection until either is over.
func (p *peer) stream(ctx context.Context, c *conn) error {
	defer context.AfterFunc(ctx, c.abort)()
	heard := make(chan error, 1)
	p.t.tasks.Go(func() {
		heard <- listen(c.frames(0, p.t.limits.Idle))
		c.abort() // what is being written has nowhere to go
	})
	err := p.write(c, heard)
	c.abort()
	if cause := <-heard; err == nil {
		err = cause
	}
	return err
}

// listen reads keepalives until the connection ends.
func listen(frames *frameReader) error {
	for {
		if _, err := frames.next(); err != nil {
			return err
		}
	}
}

// write sends keepalives and what is queued. It returns nil when heard has something to say.
func (p *peer) write(c *conn, heard chan error) error {
	if err := c.send(keepalive[:]); err != nil { // the first says that this process is alive
		return err
	}
	ticker := time.NewTicker(p.t.limits.Keepalive)
	defer ticker.Stop()
	busy := false
	for {
		select {
		case err := <-heard:
			heard <- err
			return nil
		case <-ticker.C:
			p.queue.trim()
			if !busy {
				if err := c.send(keepalive[:]); err != nil {
					return err
				}
			}
			busy = false
			continue
		case <-p.queue.wake:
		}
		for {
			chunks := p.queue.take()
			if len(chunks) == 0 {
				p.queue.done()
				break
			}
			busy = true
			for _, chunk := range chunks {
				if err := c.send(chunk); err != nil {
					frames, _ := p.queue.done()
					p.dropped.Add(uint64(frames))
					return err
				}
			}
			frames, bytes := p.queue.done()
			p.sentFrames.Add(uint64(frames))
			p.sentBytes.Add(uint64(bytes))
		}
	}
}

// incoming is the connection on which a peer's frames come in.
type incoming struct {
	c     *conn
	boot  uint64
	since time.Time
	done  chan struct{} // closed when the Handler will hear no more of it
}

// stalePeer reports whether a process of this node has been replaced by a newer one.
func (p *peer) stalePeer(boot uint64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Contains(p.stale, boot)
}

// enter makes in the connection that counts and returns the one that did.
func (p *peer) enter(in *incoming) *incoming {
	p.mu.Lock()
	defer p.mu.Unlock()
	old := p.in
	p.in = in
	return old
}

// leave is the end of what enter began.
func (p *peer) leave(in *incoming) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.in == in {
		p.in = nil
	}
}

// proved notes that the process of a boot is alive: it has answered to the welcome. Only this makes the one before
// it stale. A hello alone does not, because it may have waited in the kernel since before its sender's end.
func (p *peer) proved(boot uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.boot != 0 && p.boot != boot && !slices.Contains(p.stale, p.boot) {
		if len(p.stale) == maxStale {
			p.stale = slices.Delete(p.stale, 0, 1)
		}
		p.stale = append(p.stale, p.boot)
	}
	p.boot = boot
}
