package sim

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/prakashpandey/vegadb/internal/driver"
	"github.com/prakashpandey/vegadb/internal/mover"
	"github.com/prakashpandey/vegadb/internal/replica"
	"github.com/prakashpandey/vegadb/internal/ring"
	"github.com/prakashpandey/vegadb/internal/wal"
)

// The worker: turns of the product's driver, which waits, when the log has no room, in the middle of one.

// work takes one turn after the other.
func (n *node) work(t *task) {
	for {
		if err := n.driver.Turn(); err != nil {
			panic(processEnd{err})
		}
		t.park()
	}
}

// turn has the worker take a turn, unless it is in the middle of one.
func (n *node) turn() {
	n.turning = false
	if !n.waits {
		n.worker.resume()
	}
}

// rest lets time pass in the middle of a turn.
func (n *node) rest(us int64) {
	n.waits = true
	n.worker.sleep(us)
	n.waits = false
}

// poke has the process take a turn soon.
func (n *node) poke() {
	if n.turning {
		return
	}
	n.turning = true
	n.later(5+int64(n.s.lifeRand.IntN(40)), n.turn)
}

// tick pokes it for as long as it lives, by its own clock.
func (n *node) tick() {
	n.poke()
	n.later(int64(tickMs*float64(milli)/n.rate), n.tick)
}

// do has f called in the process's next turn.
func (n *node) do(f func()) {
	n.inbox.Calls = append(n.inbox.Calls, f)
	if n.host != nil { // it is not starting
		n.poke()
	}
}

// propose leaves a proposal in the inbox, and read a read.
func (n *node) propose(p driver.Proposal) {
	n.inbox.Proposals = append(n.inbox.Proposals, p)
	n.poke()
}

func (n *node) read(r driver.Read) {
	n.inbox.Reads = append(n.inbox.Reads, r)
	n.poke()
}

// shell is a process as its driver sees it.
type shell struct{ n *node }

func (s shell) NowMs() int64 { return s.n.nowMs() }

func (s shell) Take(hold bool) *driver.Inbox {
	n := s.n
	n.inbox, n.took = n.took, n.inbox
	if hold {
		n.inbox.Proposals, n.took.Proposals = n.took.Proposals, n.inbox.Proposals
	}
	return &n.took
}

func (s shell) Welcome(m *replica.Message) { s.n.welcome(m) }

func (s shell) BadFrame(_ ring.NodeID, err error) {
	s.n.s.fail("node %d: a frame cannot be read: %v", s.n.index, err)
}

func (s shell) Refusal(uint32) error { return replica.ErrNotLeader }

func (s shell) Mind() {
	s.n.mind()
	s.n.drive()
}

func (s shell) Send(to ring.NodeID, messages []byte) bool {
	peer := s.n.s.nodes[nodeIndex(to)-1]
	if peer.proc == nil && !peer.dark {
		return false // the connection is gone, and the machine refuses another
	}
	s.n.sendFrame(peer.index, slices.Clone(messages))
	return true
}

func (s shell) SendSnapshot(what replica.SendSnapshot) { s.n.sendSnapshot(what) }
func (s shell) Install(what replica.Install)           { s.n.install(what) }
func (s shell) Changed(group uint32)                   { s.n.groupChanged(group) }

func (s shell) Pause(d time.Duration) error {
	s.n.rest(d.Microseconds() + int64(s.n.s.lifeRand.IntN(int(milli))))
	return nil
}

func (s shell) NoSpace(group uint32, lacks bool) error {
	if err := s.n.spaceFor(s.n.part(group)); err != nil {
		return err
	}
	if lacks {
		return wal.ErrNoSpace
	}
	return nil
}

func (s shell) Full(full bool, _ int64) {
	n := s.n
	n.s.fault(n, "it is noticed that the disk is full: %v", full)
	n.full, n.fullSince = full, n.nowMs()
	n.restsChanged()
}

func (s shell) Stalled(stalled bool) {
	n := s.n
	n.s.fault(n, "it is noticed that the disk does not answer: %v", stalled)
	n.stalled = stalled
	n.restsChanged()
}

// restsChanged tells that the node wants no leadership, or does again.
func (n *node) restsChanged() {
	if n.m != nil {
		n.m.mindNow = true
		n.tellLeaders()
	}
}

// rests reports whether the node wants no leadership.
func (n *node) rests() bool { return n.stalled || n.full }

// spaceFor refuses a write for lack of space on disks.
func (n *node) spaceFor(p *partition) error {
	if !n.full && (n.m == nil || len(n.m.full) == 0) {
		return nil
	}
	disks := driver.Disks{
		Self: n.id, Full: n.full, FullMs: n.nowMs() - n.fullSince, HandMs: 2 * mover.HandPatience.Milliseconds(),
		PeerFull: func(id ring.NodeID) bool { return n.m != nil && n.m.full[id] },
	}
	return disks.Refusal(p.group.Configuration())
}

// workersLog is the log as the driver sees it.
type workersLog struct {
	*wal.Log
	n *node
}

func (l workersLog) AppendReserved(recs ...*wal.Record) (uint64, error) {
	pos, err := l.Log.AppendReserved(recs...)
	if err == nil {
		l.n.s.tell(Event{Kind: "append", Node: l.n.index, A: pos, B: uint64(len(recs))})
	} else if errors.Is(err, wal.ErrBusy) || errors.Is(err, wal.ErrNoSpace) {
		l.n.prepareLog()
	}
	return pos, err
}

// Kick starts a round of the log's writer.
func (l workersLog) Kick() { l.n.writeLog() }

// Flush waits for the disk, as under policy always it does, while the world goes on; under the others for the page cache.
func (l workersLog) Flush(pos uint64) error {
	if l.n.s.cfg.Features.policy() != wal.Always {
		return l.Log.Flush(pos)
	}
	return l.await(pos)
}

// await lets the world go on until the log is durable up to pos.
func (l workersLog) await(pos uint64) error {
	for l.n.log.DurablePos() < pos {
		l.n.writeLog()
		l.n.rest(100 + int64(l.n.s.diskRand.IntN(900)))
	}
	return nil
}

func (l workersLog) Sync(context.Context) error { return l.await(l.n.log.AppendedPos()) }
