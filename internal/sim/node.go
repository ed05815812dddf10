package sim

import (
	"fmt"
	"runtime/debug"

	"github.com/prakashpandey/vegadb/internal/datadir"
	"github.com/prakashpandey/vegadb/internal/driver"
	"github.com/prakashpandey/vegadb/internal/lender"
	"github.com/prakashpandey/vegadb/internal/logclock"
	"github.com/prakashpandey/vegadb/internal/replica"
	"github.com/prakashpandey/vegadb/internal/retention"
	"github.com/prakashpandey/vegadb/internal/ring"
	"github.com/prakashpandey/vegadb/internal/wal"
)

// node is one machine: what outlives its processes, and the process that runs at present.
type node struct {
	s     *Sim
	index int
	id    ring.NodeID
	disk  *disk

	rate   float64 // of its monotonic clock
	jumped int64   // ms that its wall clock is off
	pause  int64   // until then it stands still
	lives  int     // processes so far; also tells events of an earlier one
	lost   bool    // its platter is damaged, or it was wrecked: it stays away
	unborn bool    // it has not been switched on yet
	gone   bool    // it was removed from the cluster and switched off for good
	home   int     // the machine's address, and how often
	moves  int     // that has become another one
	dark   bool    // it has no power: nobody there even refuses a connection
	*proc          // nil: it does not run
}

// proc is all that ends with the process.
type proc struct {
	dir   *datadir.Dir
	log   *wal.Log
	host  *replica.Host
	parts []*partition
	began int64 // true time
	tasks []*task

	driver      *driver.Driver
	worker      *task // takes its turns
	inbox, took driver.Inbox
	turning     bool // a turn is due
	waits       bool // the worker waits for room in the log, in the middle of a turn

	full, stalled bool  // its disk is, as far as has been noticed
	fullSince     int64 // ms

	writing   bool // a round of the log's writer is under way
	preparing bool // and one of its preparer

	arrived map[uint32]arrival
	desk    lender.Desk // images that backups read

	keeper      *retention.Keeper
	snapshotter *task
	cramped     bool // the log gets no room on the disk: snapshots may let it become shorter
	shortening  bool // replicas that are gone keep their snapshots and floors meanwhile
	leaders     map[uint32]int
	clock       logclock.Clock

	// With membership; nil without. meta is the replica of group 0.
	meta *partition
	m    *membership
}

// processEnd is what the process panics with when it ends itself: the node's guard catches it.
type processEnd struct{ err error }

const (
	tickMs         = 50
	electionTicks  = 12
	heartbeatTicks = 2
	keepBytes      = 4 << 10
	keepBytesTotal = 32 << 10
)

func nodeID(i int) ring.NodeID { return ring.NodeID{byte(i)} }

func nodeIndex(id ring.NodeID) int { return int(id[0]) }

func newNode(s *Sim, index int) *node {
	n := &node{s: s, index: index, home: index, id: nodeID(index), rate: 1}
	n.disk = newDisk(s, n)
	return n
}

// nowMs is the process's monotonic clock, in ms since it began.
func (n *node) nowMs() int64 { return int64(float64(n.s.now-n.began) * n.rate / float64(milli)) }

// wallMs is what its wall clock says, in unix ms.
func (n *node) wallMs() int64 { return epochMs + n.s.now/milli + n.jumped }

// clockMs is the process's time: the wall clock, unless that was set back or lies before a stamp in the log.
func (n *node) clockMs() int64 {
	now := n.clock.Now()
	n.s.witness.clock = max(n.s.witness.clock, now)
	return now
}

// epochMs is when worlds begin.
const epochMs = 1_750_000_000_000

// later has do called after some time if the process still runs then, and not while it stands still.
func (n *node) later(us int64, do func()) {
	life := n.lives
	var run func()
	run = func() {
		switch {
		case n.lives != life || n.proc == nil:
		case n.pause > n.s.now:
			n.s.at(n.pause, run)
		default:
			n.guard(do)
		}
	}
	n.s.after(us, run)
}

// guard runs a part of the process. The power may be cut in the middle of it, or the process may end itself.
func (n *node) guard(do func()) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case powerCut:
			n.s.strikes("power cut at a disk operation")
			n.cut("power cut at a disk operation")
		case processEnd:
			n.ended(r.err)
		case broken:
			n.s.fail("node %d: panic: %v\n%s", n.index, r.what, r.stack)
			n.drop()
		default:
			n.s.fail("node %d: panic: %v\n%s", n.index, r, debug.Stack())
			n.drop()
		}
	}()
	do()
}

// cut takes the node's power away.
func (n *node) cut(why string) {
	n.s.tell(Event{Kind: "down", Node: n.index, Text: why})
	n.drop()
	n.disk.lose()
	n.dark = true
}

// kill ends the process. What it has written to files stays, synced or not.
func (n *node) kill(why string) {
	if n.proc == nil {
		return
	}
	n.s.tell(Event{Kind: "down", Node: n.index, Text: why})
	if n.dir != nil {
		n.dir.Close()
	}
	n.drop()
	n.hangUp()
}

// ended deals with a process that ended itself. That is what it must do when its disk fails, and at no other time.
func (n *node) ended(err error) {
	n.s.tell(Event{Kind: "down", Node: n.index, Text: err.Error()})
	n.drop()
	n.hangUp()
	n.disk.lose() // of what could not be synced nothing is known
	if !n.s.faults.diskFails && !n.lost {
		n.s.fail("node %d ended itself: %v", n.index, err)
	}
	n.s.after(500*milli, n.start)
}

// drop forgets the process.
func (n *node) drop() {
	if n.proc == nil {
		return
	}
	for _, t := range n.tasks {
		t.stop()
	}
	for _, p := range n.all() {
		p.table.Close()
	}
	n.proc = nil
}

// sweep removes what has expired, for as long as it lives, as package node's sweeper does.
func (n *node) sweep() {
	n.later(sweepEvery, n.sweep)
	n.expireImages()
	for _, p := range n.parts {
		if !p.replacing {
			p.table.Sweep(p.group.State().Stamp, n.clockMs(), sweepBatch)
		}
	}
}

const (
	sweepEvery = 100 * milli
	sweepBatch = 256
)

// sendFrame sends a peer its messages.
func (n *node) sendFrame(to int, data []byte) {
	peer, from, boot := n.s.nodes[to-1], n.id, uint64(n.lives)
	n.s.net.send("send", n.index, to, len(data), func() {
		if peer.proc != nil && peer.hear(from, boot) {
			peer.inbox.Frames = append(peer.inbox.Frames, driver.Frame{From: from, Data: data})
			peer.poke()
		}
	})
}

// groupChanged takes note of a new role, leader or configuration.
func (n *node) groupChanged(group uint32) {
	st, ok := n.host.Status(group)
	if !ok {
		return
	}
	n.part(group).view.Changed(&st)
	role := "follower"
	if st.Leads {
		role = "leader"
		n.s.witness.leads(n, group, st.Term)
	}
	n.noteLeader(&st)
	n.s.tell(Event{Kind: "lead", Node: n.index, Group: group, A: st.Term, Text: role})
}

// syncEvery is the ticker of policies other than always: of everysec the second in which all is synced, of never the look at segments
// that are full.
func (n *node) syncEvery() {
	policy := n.s.cfg.Features.policy()
	if policy == wal.Always {
		return
	}
	n.later(1000*milli, n.syncEvery)
	n.writeRound(policy == wal.EverySec)
}

// writeLog has the log's writer take a round that makes everything durable, if none is under way.
func (n *node) writeLog() { n.writeRound(n.s.cfg.Features.policy() != wal.Always) }

// writeRound is one round; ticked: everything is to be durable, whatever the policy.
func (n *node) writeRound(ticked bool) {
	if n.writing {
		return
	}
	n.writing = true
	n.later(10+int64(n.s.diskRand.IntN(30)), func() {
		unsynced, err := n.log.StepWrite(ticked)
		n.mustLog(err)
		n.prepareLog()
		if !unsynced {
			n.writing = false
			return
		}
		n.later(n.disk.syncTime(), n.syncLog)
	})
}

// syncLog ends the round.
func (n *node) syncLog() {
	if n.disk.stall > n.s.now {
		n.later(n.disk.stall-n.s.now, n.syncLog)
		return
	}
	n.mustLog(n.log.StepSync())
	n.writing = false
	n.s.tell(Event{Kind: "sync", Node: n.index, A: n.log.DurablePos()})
	n.poke()
	if n.s.cfg.Features.policy() == wal.Always && n.log.AppendedPos() > n.log.DurablePos() {
		n.writeLog()
	}
}

// prepareLog has the log's preparer do what there is to do.
func (n *node) prepareLog() {
	if n.preparing {
		return
	}
	n.preparing = true
	var step func()
	step = func() {
		more, err := n.log.StepPrepare()
		n.mustLog(err)
		if more {
			n.later(n.disk.syncTime(), step)
			return
		}
		n.preparing = false
	}
	n.later(n.disk.syncTime(), step)
}

func (n *node) mustLog(err error) {
	if err != nil {
		panic(processEnd{fmt.Errorf("the log: %w", err)})
	}
}
