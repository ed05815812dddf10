package node

import (
	"time"

	"github.com/prakashpandey/vegadb/internal/driver"
	"github.com/prakashpandey/vegadb/internal/replica"
	"github.com/prakashpandey/vegadb/internal/ring"
	"github.com/prakashpandey/vegadb/internal/wal"
)

// shell is the worker as its driver sees it: driver.Shell. All of it runs on the worker.
type shell worker

// begin makes the driver: recovery has opened the log.
func (w *worker) begin() {
	n := w.n
	w.driver = driver.New(w.host, n.log, (*shell)(w), driver.Options{
		TickMs: tickMs, SegmentBytes: n.opts.LogSegmentBytes, Partitions: len(n.partitions), Policy: n.opts.Durability,
	})
}

func (s *shell) NowMs() int64 { return (*worker)(s).nowMs() }

func (s *shell) Take(hold bool) *driver.Inbox {
	(*worker)(s).take(hold)
	return &s.taken.Inbox
}

func (s *shell) Welcome(m *replica.Message) { s.n.welcome(m) }

func (s *shell) BadFrame(from ring.NodeID, err error) {
	s.n.logger.Error("a frame from a peer cannot be read", "peer", from, "err", err)
}

func (s *shell) Refusal(group uint32) error { return s.n.refusal(group) }

func (s *shell) Mind() { (*worker)(s).mind() }

func (s *shell) Send(to ring.NodeID, messages []byte) bool {
	return s.n.cluster.transport.SendParts(to, frameMessages, messages)
}

func (s *shell) SendSnapshot(what replica.SendSnapshot) { s.n.startSending(what) }
func (s *shell) Install(what replica.Install)           { s.n.startInstalling(what) }
func (s *shell) Changed(group uint32)                   { s.n.groupChanged(group) }

func (s *shell) Pause(d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-s.n.stop:
		return wal.ErrClosed
	}
}

// NoSpace refuses a proposal that was left in the inbox before it was known that there is no room for it.
func (s *shell) NoSpace(group uint32, lacks bool) error {
	p := s.n.partitions[group-1]
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := s.n.spaceFor(p); err != nil {
		return err
	}
	if lacks {
		s.n.cluster.noSpace.Add(1)
		return wal.ErrNoSpace
	}
	return nil
}

// Full is about the node's own disk.
func (s *shell) Full(full bool, roomBytes int64) {
	n, c := s.n, s.n.cluster
	if full {
		n.logger.Error("the disk is full: writes are refused here, and other nodes are to lead; reads go on",
			"roomBytes", roomBytes, "do", "free some space: nothing else is needed")
		c.fullSince.Store((*worker)(s).nowMs())
	} else {
		n.logger.Info("there is space on the disk again: writes are taken")
	}
	c.full.Store(full)
	c.noteFull()
	s.mindNow.Store(true)
	n.tellLeaders()
}

// Stalled is about the node's own disk.
func (s *shell) Stalled(stalled bool) {
	n := s.n
	if stalled {
		n.logger.Error("the disk does not answer: other nodes are to lead", "after", driver.StallPatience)
	} else {
		n.logger.Info("the disk answers again")
	}
	n.cluster.stalled.Store(stalled)
	s.mindNow.Store(true)
	n.tellLeaders()
}
