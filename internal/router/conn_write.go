package router

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/prakashpandey/vegadb/internal/front"
)

// send appends bytes to what is ready for the peer. buf is not to be used
// afterwards. c.mu is held.
func (c *conn) send(buf []byte) {
	if c.broken || len(buf) == 0 {
		return
	}
	if last := len(c.out) - 1; last >= 0 && len(buf) <= joinedReply && len(c.out[last])+len(buf) <= cap(c.out[last]) {
		c.out[last] = append(c.out[last], buf...)
	} else if len(buf) <= joinedReply {
		c.out = append(c.out, append(c.chunk(len(buf)), buf...))
	} else {
		c.out = append(c.out, buf)
	}
}

// chunk returns an empty buffer for replies, the first of which has n bytes. c.mu is held.
func (c *conn) chunk(n int) []byte {
	if cap(c.spare) >= n {
		buf := c.spare
		c.spare = nil
		return buf
	}
	size := firstBuffer
	if len(c.out) > 0 {
		size = 2 * joinedReply
	}
	return make([]byte, 0, max(size, n))
}

// hold counts n more bytes of replies in memory, and ends the connection when they
// are too many. c.mu is held.
func (c *conn) hold(n int) {
	c.held += n
	total := c.r.held.Add(int64(n))
	f := c.r.front
	switch {
	case n <= 0 || c.broken:
	case int64(c.held) > f.OutputLimit:
		c.failLocked(front.ClosedOutputLimit, fmt.Errorf("%d bytes of replies wait for it, output-limit is %d", c.held, f.OutputLimit))
		c.breakLocked()
	case total > f.OutputLimitTotal:
		c.failLocked(front.ClosedOutputTotal, fmt.Errorf("replies that wait exceed output-limit-total of %d bytes; this connection holds %d", f.OutputLimitTotal, c.held))
		c.breakLocked()
	}
}

// write is the writer's goroutine.
func (c *conn) write() {
	defer c.r.conns.Done()
	defer c.end()
	for {
		out, last := c.ready()
		for _, chunk := range out {
			if !c.writeChunk(chunk) {
				return
			}
		}
		if last {
			return
		}
	}
}

// ready waits for something to send. last says that nothing follows.
func (c *conn) ready() (out [][]byte, last bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.out) == 0 && !c.broken && !(c.readDone && c.inFlight == 0) {
		c.work.Wait()
	}
	if c.inFlight > 0 && !c.broken {
		// Replies come from the cluster in bulk: let those that came with this one join it.
		c.mu.Unlock()
		runtime.Gosched()
		c.mu.Lock()
	}
	out, c.out = c.out, nil
	return out, c.broken || c.readDone && c.inFlight == 0
}

// writeChunk sends one chunk; false: the connection is broken.
func (c *conn) writeChunk(chunk []byte) bool {
	for rest := chunk; len(rest) > 0; {
		part := rest[:min(len(rest), writeAtOnce)]
		rest = rest[len(part):]
		if c.r.front.WriteTimeout > 0 {
			c.raw.SetWriteDeadline(time.Now().Add(c.r.front.WriteTimeout))
		}
		if _, err := c.nc.Write(part); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				c.fail(front.ClosedWriteTimeout, errors.New("replies were not read in time (write-timeout)"))
			}
			c.breakOff()
			return false
		}
		c.r.stats.bytesOut.Add(uint64(len(part)))
	}
	c.mu.Lock()
	c.hold(-len(chunk))
	if cap(chunk) == firstBuffer { // what an idle connection may keep
		c.spare = chunk[:0]
	}
	c.mu.Unlock()
	c.room.Signal()
	return true
}
