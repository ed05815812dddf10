package driver

import (
	"errors"
	"math"
	"slices"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/prakashpandey/vegadb/internal/replica"
	"github.com/prakashpandey/vegadb/internal/ring"
	"github.com/prakashpandey/vegadb/internal/wal"
)

// A full disk stops writes and nothing else. What keeps the rest going:
//
//   - The log keeps a reserve. A node that is down to it is full: writes of partitions that it leads are refused before
//     they are proposed, and it wants no leadership. What was proposed before, and what the groups themselves have to
//     write down (terms, votes, configurations, the meta group's commands), goes into the reserve.
//   - Nodes tell each other that they are full. The leader of a group most of whose voters are refuses its writes: they
//     could never be committed.
//   - When even the reserve is used up, records wait in memory, in order, and the turns go on: signs of life and the
//     rounds of reads need no room. Messages that could only be answered with a record count as lost on the way.
//   - The log never takes the space that the next snapshots need; that is its opener's business (wal.Options.SpareBytes).
//     A log that gets no room calls for a snapshot, which lets go of what is in it.

// backlogged is a batch of records that the log has no room for yet.
type backlogged struct {
	recs  []wal.Record
	batch uint64
	sync  bool
}

// LogReserve is how much of the log's last room is kept: enough to write down all groups' states several times, and for
// what is on its way when the disk is found to be full.
func LogReserve(segmentBytes int64, partitions int) int64 {
	const most, perGroup, usual = 4 << 20, 256, 64 << 20
	if segmentBytes <= 0 {
		segmentBytes = usual
	}
	return min(segmentBytes/4, max(min(segmentBytes/8, most), int64(partitions+1)*perGroup))
}

// lookAtSpace learns how much room the log has, and tells when the disk is full and when it is not any more. Once a turn.
func (d *Driver) lookAtSpace() {
	free, left, limited := d.log.Room()
	d.space, d.tight = math.MaxInt64, false
	full := len(d.backlog) > 0
	if limited {
		d.space, d.tight = free, left < d.reserve/2
		full = full || free < d.reserve/4 || d.full && free < d.reserve
	}
	if full != d.full {
		d.full = full
		d.shell.Full(full, free+left)
	}
}

// Disks are what a node knows of the full disks of its cluster.
type Disks struct {
	Self     ring.NodeID
	Full     bool  // its own is
	FullMs   int64 // for so long
	HandMs   int64 // in which another node may take over a group from one that is full
	PeerFull func(ring.NodeID) bool
}

// Refusal refuses a write of a group for lack of space on disks: with wal.ErrBusy while a node with space is about to take
// over, otherwise with wal.ErrNoSpace.
func (k *Disks) Refusal(conf *replica.Configuration) error {
	most := k.most(conf, conf.Voters) && (!conf.Joint() || k.most(conf, conf.Outgoing))
	switch {
	case most && !k.Full:
		return nil
	case most && k.FullMs < k.HandMs:
		return wal.ErrBusy
	}
	return wal.ErrNoSpace
}

// most reports whether most of the voters' nodes have space on their disks.
func (k *Disks) most(conf *replica.Configuration, voters []uint64) bool {
	have := 0
	for _, id := range voters {
		node, _ := conf.Node(id)
		if node == k.Self && !k.Full || node != k.Self && !k.PeerFull(node) {
			have++
		}
	}
	return have > len(voters)/2
}

// admit refuses a proposal that the log here has no room for.
func (d *Driver) admit(p *Proposal) error {
	size := int64(len(p.Entry)) + recordOverhead
	if lacks := d.space < size; lacks || d.full {
		if err := d.shell.NoSpace(p.Group, lacks); err != nil {
			return err
		}
	}
	if d.space != math.MaxInt64 {
		d.space -= size
	}
	return nil
}

// ProposeMeta proposes a command of the meta group: as long as there is any room for it, the reserve included. Within a
// turn.
func (d *Driver) ProposeMeta(entry []byte) {
	if st, ok := d.host.Status(0); ok && st.Leads && len(d.backlog) > 0 {
		return // who wants it tries again
	}
	d.host.Propose(0, entry, nil, false)
}

// deaf reports whether a message counts as lost on its way, because only a record could answer it, for which there is
// no room. Raft repeats what matters.
func (d *Driver) deaf(m *replica.Message) bool {
	kind := m.Raft.GetType()
	if len(d.backlog) > 0 {
		switch kind {
		case raftpb.MsgApp, raftpb.MsgSnap, raftpb.MsgVote, raftpb.MsgPreVote, raftpb.MsgTimeoutNow, raftpb.MsgProp:
			return true
		}
		return false
	}
	return d.tight && kind == raftpb.MsgApp && m.Group > 0 && slices.ContainsFunc(m.Raft.GetEntries(), func(e *raftpb.Entry) bool {
		return e.GetType() == raftpb.EntryNormal && len(e.Data) > 0
	})
}

// record appends a batch of records. What the log has no room for waits in the backlog. again says that the host has more
// to do at once.
func (d *Driver) record(recs []wal.Record, number uint64, sync bool) (again bool, err error) {
	if len(d.backlog) == 0 {
		done, pos, err := d.append(recs)
		if err == nil {
			return d.recorded(pos, number, sync)
		}
		if !errors.Is(err, wal.ErrNoSpace) {
			return false, err
		}
		recs = recs[done:]
	}
	d.backlog = append(d.backlog, backlogged{slices.Clone(recs), number, sync})
	return false, nil
}

// recorded takes note of a batch that is in the log up to pos.
func (d *Driver) recorded(pos, number uint64, sync bool) (again bool, err error) {
	if d.o.Policy == wal.Always {
		d.log.Kick()
		d.unsynced = append(d.unsynced, batch{pos, number, d.shell.NowMs()})
		return false, nil
	}
	if err := d.keep(pos, sync); err != nil {
		return false, err
	}
	d.host.Persisted(number)
	return true, nil
}

// workOff appends what there is room for by now of what had to wait.
func (d *Driver) workOff() error {
	for len(d.backlog) > 0 {
		b := &d.backlog[0]
		done, pos, err := d.append(b.recs)
		b.recs = b.recs[done:]
		if errors.Is(err, wal.ErrNoSpace) {
			return nil
		}
		if err == nil {
			_, err = d.recorded(pos, b.batch, b.sync)
		}
		if err != nil {
			return err
		}
		d.backlog = slices.Delete(d.backlog, 0, 1)
	}
	return nil
}

// Waits reports whether records wait for room in the log. Within a turn.
func (d *Driver) Waits() bool { return len(d.backlog) > 0 }

// Record appends records of the node's own: all of them, or wal.ErrNoSpace. Within a turn.
func (d *Driver) Record(recs ...wal.Record) error {
	if len(d.backlog) > 0 { // they must not overtake it
		return wal.ErrNoSpace
	}
	_, _, err := d.append(recs)
	return err
}
