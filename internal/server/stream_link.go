package server

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/prakashpandey/vegadb/internal/front"
)

// streamLink is one connection of a streamDriver. The reader feeds the session; the
// writer brings finished waits to it and sends its output. The reader ends first:
// when the peer sends no more, the session is over, or the connection is broken. The
// writer follows when what was asked for has been answered, and closes.
type streamLink struct {
	driver *streamDriver
	conn   net.Conn // what the session's bytes go through
	raw    net.Conn // the socket

	mu       sync.Mutex // guards what the session is and what follows
	ses      *Session
	stopping bool       // no further input is taken
	broken   bool       // nothing can be sent any more
	room     *sync.Cond // on mu: the session may have room for input again, or is over

	mail      sync.Mutex // taken after mu. Guards what follows
	delivered []*wait
	ended     bool // the writer has: delivered waits are taken back at once

	wake chan struct{} // capacity 1: the writer has something to do
	gone chan struct{} // closed when the reader has ended
}

func (l *streamLink) deliver(w *wait) {
	l.mail.Lock()
	l.delivered = append(l.delivered, w)
	ended := l.ended
	l.mail.Unlock()
	if ended {
		l.mu.Lock()
		l.takeBack()
		l.mu.Unlock()
		return
	}
	l.signal()
}

// takeBack brings delivered waits to the session. l.mu is held.
func (l *streamLink) takeBack() {
	l.mail.Lock()
	delivered := l.delivered
	l.delivered = nil
	l.mail.Unlock()
	for _, w := range delivered {
		l.ses.Complete(w)
	}
}

func (l *streamLink) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// close ends the connection soon.
func (l *streamLink) close() {
	l.mu.Lock()
	l.broken = true
	l.room.Broadcast()
	l.mu.Unlock()
	l.raw.Close()
	l.signal()
}

func (l *streamLink) trim() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ses.trim()
}

// drain has the reader end, and the writer when it has answered.
func (l *streamLink) drain() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopping = true
	l.raw.SetReadDeadline(time.Unix(1, 0))
	l.room.Broadcast()
}

// hurry closes the connection unless something that was asked is still being done.
func (l *streamLink) hurry() {
	l.mu.Lock()
	done := l.ses.waits == 0
	l.mu.Unlock()
	if done {
		l.close()
	}
}

// read feeds the session until the connection ends.
func (l *streamLink) read() {
	defer l.driver.wg.Done()
	defer close(l.gone)
	if !l.handshake() {
		return
	}
	buf := make([]byte, streamReadBytes)
	for {
		n, err := l.conn.Read(buf)
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, os.ErrDeadlineExceeded) {
				l.breakOff()
			}
			return
		}
		l.driver.srv.stats.bytesIn.Add(uint64(n))
		if !l.feed(buf[:n]) {
			return
		}
	}
}

// feed gives the session input and waits until there is room for more. It reports
// whether there is to be more.
func (l *streamLink) feed(data []byte) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ses.Input(data)
	l.settle()
	l.signal()
	for !l.ses.closing && !l.stopping && !l.broken && (l.ses.full() || len(l.ses.Output()) >= pauseStream) {
		l.room.Wait()
	}
	return !l.ses.closing && !l.stopping && !l.broken
}

// pauseStream is the output at which no more is read from a peer until it has
// taken some.
const pauseStream = 1 << 20

// breakOff notes that the connection cannot be used any more.
func (l *streamLink) breakOff() {
	l.mu.Lock()
	l.broken = true
	l.mu.Unlock()
}

// handshake is that of TLS.
func (l *streamLink) handshake() bool {
	secure, ok := l.conn.(*tls.Conn)
	if !ok {
		return true
	}
	l.raw.SetDeadline(time.Now().Add(l.driver.srv.live.Current().HandshakeTimeout))
	err := secure.Handshake()
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err != nil && !l.stopping:
		l.ses.fail(front.ClosedHandshakeTimeout, err)
		l.broken = true
	case l.stopping:
		l.broken = true
	default:
		l.raw.SetDeadline(time.Time{})
	}
	return !l.broken
}

// write sends what the session has ready, and closes the connection in the end.
func (l *streamLink) write() {
	defer l.driver.wg.Done()
	defer l.end()
	var spare []byte
	gone := l.gone
	for {
		select {
		case <-l.wake:
		case <-gone:
			gone = nil // from here on what is waited for decides
		}
		out, last := l.take(spare, gone == nil)
		if len(out) > 0 && !l.send(out) {
			l.fail()
			return
		}
		if last {
			return
		}
		if spare = out; cap(spare) > keepBufferBytes {
			spare = nil
		}
	}
}

// take brings delivered waits to the session, lets it go on, and takes its output,
// in whose place it puts spare. last says that nothing will follow.
func (l *streamLink) take(spare []byte, readerGone bool) (out []byte, last bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.takeBack()
	l.ses.Resume()
	l.settle()
	out = l.ses.Output()
	l.ses.w.Buf = spare[:0]
	if l.ses.canResume() {
		l.signal() // its output was all that held it back
	}
	l.room.Broadcast()
	return out, l.broken || l.ses.over() || readerGone && l.ses.idle()
}

// settle makes what the session has written safe before its replies go out.
// l.mu is held.
func (l *streamLink) settle() {
	if pos, wrote := l.ses.takeWritten(); wrote {
		if err := l.driver.srv.settle(pos); err != nil {
			l.broken = true
			l.ses.w.Buf = nil
		}
	}
}

// send writes out to the peer. It reports whether the connection is sound.
func (l *streamLink) send(out []byte) bool {
	srv := l.driver.srv
	c := srv.live.Current()
	held := 0
	srv.holdOutput(&held, len(out))
	defer srv.holdOutput(&held, 0)
	if len(out) > pauseStream && c.OutputLimitTotal > 0 && srv.outBytes.Load() > c.OutputLimitTotal {
		l.mu.Lock()
		l.ses.checkOutput(held, true)
		l.mu.Unlock()
		return false
	}
	if c.WriteTimeout > 0 {
		l.raw.SetWriteDeadline(time.Now().Add(c.WriteTimeout))
	}
	srv.stats.bytesOut.Add(uint64(len(out)))
	_, err := l.conn.Write(out)
	return err == nil
}

// fail wakes a reader that waits for room: there will be none.
func (l *streamLink) fail() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ses.fail(front.ClosedWriteTimeout, errors.New("the peer did not take its replies in time, or went away"))
	l.broken = true
	l.room.Broadcast()
}

// end closes the connection and counts it out once the reader is done with it.
func (l *streamLink) end() {
	l.conn.Close()
	l.mu.Lock()
	l.broken = true
	l.room.Broadcast()
	l.mu.Unlock()
	<-l.gone
	d := l.driver
	l.mu.Lock()
	d.srv.noteEnd(l.ses)
	l.mu.Unlock()
	d.mu.Lock()
	delete(d.conns, l)
	d.mu.Unlock()
	d.srv.forget(l.ses)
	l.mail.Lock()
	l.ended = true
	l.mail.Unlock()
	l.mu.Lock()
	l.takeBack()
	l.ses.drain()
	l.mu.Unlock()
}
