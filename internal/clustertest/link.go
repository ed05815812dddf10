//go:build unix

package clustertest

import (
	"io"
	"net"
	"sync"
	"time"
)

// link is one direction between two nodes: what it does to the connections that the one has made to the other.
type link struct {
	mu    sync.Mutex
	open  chan struct{} // closed while bytes may pass; guarded by mu
	delay time.Duration // guarded by mu
	rate  int           // bytes per second, 0: no limit; guarded by mu

	shuffling bool // frames are doubled and reordered; guarded by mu
	frames    int  // that were; guarded by mu
}

func newLink() *link {
	l := &link{open: make(chan struct{})}
	close(l.open)
	return l
}

func (l *link) hold() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if isClosed(l.open) {
		l.open = make(chan struct{})
	}
}

func (l *link) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !isClosed(l.open) {
		close(l.open)
	}
}

func (l *link) slow(delay time.Duration, rate int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.delay, l.rate = delay, rate
}

func (l *link) state() (open <-chan struct{}, delay time.Duration, rate int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open, l.delay, l.rate
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// relay carries one connection over a link.
type relay struct {
	link   *link
	ends   [2]net.Conn
	once   sync.Once
	broken chan struct{}
}

// cut breaks the connection.
func (r *relay) cut() {
	r.once.Do(func() {
		close(r.broken)
		r.ends[0].Close()
		r.ends[1].Close()
	})
}

// run carries both ways until both sides have ended, or one has failed. first has been read from the caller already.
func (r *relay) run(first []byte) {
	defer r.cut()
	var wg sync.WaitGroup
	wg.Go(func() { r.carry(r.ends[0], r.ends[1], first, newShuffler(r.link, first)) })
	wg.Go(func() { r.carry(r.ends[1], r.ends[0], nil, nil) })
	wg.Wait()
}

// piece is some bytes on their way.
type piece struct {
	bytes []byte
	due   time.Time // not to arrive before
}

const (
	pieceBytes = 32 << 10
	maxPieces  = 32 // on their way; then the sender has to wait
)

// carry reads from one side and writes to the other, in time. A shuffler may change what comes behind first.
func (r *relay) carry(from, to net.Conn, first []byte, s *shuffler) {
	way := make(chan piece, maxPieces)
	var wg sync.WaitGroup
	wg.Go(func() { r.deliver(to, way) })
	if len(first) > 0 {
		way <- piece{first, r.due()}
	}
	for {
		buf := make([]byte, pieceBytes)
		n, err := from.Read(buf)
		buf = buf[:n]
		if n > 0 && s != nil {
			buf = s.pass(buf)
		}
		if len(buf) > 0 {
			way <- piece{buf, r.due()}
		}
		if err != nil {
			if err != io.EOF {
				r.cut()
			}
			break
		}
	}
	close(way)
	wg.Wait()
}

func (r *relay) due() time.Time {
	_, delay, _ := r.link.state()
	return time.Now().Add(delay)
}

// deliver writes the pieces that arrive, and then passes on that there are no more.
func (r *relay) deliver(to net.Conn, way <-chan piece) {
	for p := range way {
		if !r.ripe(p) {
			continue // broken: what is left goes nowhere
		}
		if _, err := to.Write(p.bytes); err != nil {
			r.cut()
		}
	}
	if !isClosed(r.broken) {
		to.(*net.TCPConn).CloseWrite() // an error means that it is broken anyhow
	}
}

// ripe waits until a piece may arrive; false if the connection breaks first.
func (r *relay) ripe(p piece) bool {
	if isClosed(r.broken) {
		return false
	}
	_, _, rate := r.link.state()
	pause := time.Until(p.due)
	if rate > 0 {
		pause = max(pause, 0) + time.Duration(len(p.bytes))*time.Second/time.Duration(rate)
	}
	if pause > 0 && !r.sleep(pause) {
		return false
	}
	for {
		open, _, _ := r.link.state()
		select {
		case <-open:
			return true
		case <-r.broken:
			return false
		}
	}
}

func (r *relay) sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.broken:
		return false
	}
}
