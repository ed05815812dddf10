package server

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/prakashpandey/vegadb/internal/front"
)

// reapEvery is how often the time limits of connections are looked at.
const reapEvery = time.Second

// trimAfter is how long a connection is idle before its session gives back what
// it keeps for reuse.
const trimAfter = 3 * time.Second

// noteRefusal counts a connection that was turned away. It logs one line per
// second: whoever keeps knocking must not fill the disk.
func (s *Server) noteRefusal(remote netip.AddrPort, reason front.CloseReason) {
	count := s.stats.closed[reason].Add(1)
	if !s.door.WorthLogging(s.nowMs()) {
		return
	}
	s.logger.Warn("connections refused", "reason", reason.String(), "remote", remote, "refused_so_far", count)
}

// refusal is what a refused peer is told. It has not said which protocol it
// speaks, so it gets RESP's words, which a person can read.
func (s *Server) refusal(reason front.CloseReason) []byte {
	switch reason {
	case front.ClosedTooMany, front.ClosedTooManyFromAddress:
		return []byte(front.TooMany)
	case front.ClosedShutdown:
		return []byte("-ERR the server is shutting down\r\n")
	}
	return nil
}

// noteClose counts and logs a connection that the server ends.
func (s *Server) noteClose(ses *Session, reason front.CloseReason, err error) {
	s.stats.closed[reason].Add(1)
	if reason == front.ClosedByPeer {
		return // QUIT: nothing that an operator needs to see
	}
	s.logger.Info("connection closed", "remote", ses.remote, "client", ses.id, "reason", reason.String(), "err", err)
}

// noteEnd counts a connection that ends without noteClose having been told why.
func (s *Server) noteEnd(ses *Session) {
	switch {
	case ses.closing, ses.cut.Load():
	case s.door.Closed():
		s.stats.closed[front.ClosedShutdown].Add(1)
	default:
		s.stats.closed[front.ClosedByPeer].Add(1)
	}
}

// holdOutput keeps the total of output that peers have not taken: *held is what
// one connection counted before, now what it counts from here on.
func (s *Server) holdOutput(held *int, now int) {
	if *held != now {
		s.outBytes.Add(int64(now - *held))
		*held = now
	}
}

// checkOutput ends a connection whose peer leaves more unread than it may. held
// is what it has not taken; progress says that it has taken some since last time.
func (s *Session) checkOutput(held int, progress bool) {
	c := s.srv.live.Current()
	switch {
	case held == 0:
		s.meta.outSince.Store(0)
		return
	case progress || s.meta.outSince.Load() == 0:
		s.meta.outSince.Store(s.srv.nowMs())
	}
	switch {
	case c.OutputLimit > 0 && int64(held) > c.OutputLimit:
		s.abrupt = true
		s.fail(front.ClosedOutputLimit, fmt.Errorf("%d bytes of replies unread, output-limit is %d", held, c.OutputLimit))
	case c.OutputLimitTotal > 0 && s.srv.outBytes.Load() > c.OutputLimitTotal:
		s.abrupt = true
		s.fail(front.ClosedOutputTotal, fmt.Errorf("replies unread by all clients exceed output-limit-total of %d bytes; this one holds %d", c.OutputLimitTotal, held))
	}
}

// runReaper closes connections that exceed a time limit.
func (s *Server) runReaper() {
	defer s.background.Done()
	tick := time.NewTicker(reapEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-tick.C:
		}
		s.reapAll(s.nowMs())
	}
}

func (s *Server) reapAll(now int64) {
	for _, ses := range s.door.Open() {
		s.reap(ses, now)
	}
}

func (s *Server) reap(ses *Session, now int64) {
	c := s.live.Current()
	over := func(since int64, limit time.Duration) bool {
		return since > 0 && limit > 0 && now-since > limit.Milliseconds()
	}
	switch m := &ses.meta; {
	case !m.greeted.Load() && over(m.openedAt, c.HandshakeTimeout):
		s.cutOff(ses, front.ClosedHandshakeTimeout, "not authenticated in time (handshake-timeout)")
	case over(m.frameSince.Load(), c.FrameTimeout):
		s.cutOff(ses, front.ClosedFrameTimeout, "a command was not complete in time (frame-timeout)")
	case over(m.outSince.Load(), c.WriteTimeout):
		s.cutOff(ses, front.ClosedWriteTimeout, "replies were not read in time (write-timeout)")
	case over(m.lastActive.Load(), c.IdleTimeout):
		s.cutOff(ses, front.ClosedIdle, "idle (idle-timeout)")
	case over(m.lastActive.Load(), trimAfter) && m.trimmed.Load() <= m.lastActive.Load():
		m.trimmed.Store(now)
		ses.link.trim()
	}
}

// cutOff ends a connection from outside its driver's goroutine.
func (s *Server) cutOff(ses *Session, reason front.CloseReason, why string) {
	if ses.cut.Swap(true) {
		return // its driver is about to see to it
	}
	s.noteClose(ses, reason, errors.New(why))
	ses.link.close()
}
