package driver

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/prakashpandey/vegadb/internal/replica"
	"github.com/prakashpandey/vegadb/internal/ring"
	"github.com/prakashpandey/vegadb/internal/wal"
)

// Log is what a Driver needs of the node's log: *wal.Log.
type Log interface {
	AppendReserved(recs ...*wal.Record) (pos uint64, err error)
	AppendedPos() uint64
	DurablePos() uint64
	Kick()
	Flush(pos uint64) error
	Sync(ctx context.Context) error
	Room() (free, reserve int64, limited bool)
}

// Shell is the rest of the node. All of it is called within Turn.
type Shell interface {
	// NowMs is a clock that never goes back, in ms.
	NowMs() int64
	// Take hands over what has come since the last call. hold: proposals stay where they are. The Driver empties what it
	// was given before the turn ends.
	Take(hold bool) *Inbox
	// Welcome is asked before a message of a group without a replica here reaches the host.
	Welcome(m *replica.Message)
	// BadFrame hears of a frame that cannot be read.
	BadFrame(from ring.NodeID, err error)
	// Refusal is what is said of something that a group here could not do.
	Refusal(group uint32) error
	// NoSpace is asked about a proposal while the disk is full, or lacks the room for it: an error refuses it.
	NoSpace(group uint32, lacks bool) error
	// Full hears that the disk is full, or is not any more; roomBytes is what is left of the log's.
	Full(full bool, roomBytes int64)
	// Stalled hears that the disk does not answer, or does again.
	Stalled(stalled bool)
	// Mind looks after what belongs to no event.
	Mind()
	// Send sends a frame of messages. It reports false if that was not possible.
	Send(to ring.NodeID, messages []byte) bool
	// SendSnapshot and Install begin what they say, and Changed takes note of it.
	SendSnapshot(replica.SendSnapshot)
	Install(replica.Install)
	Changed(group uint32)
	// Pause returns when so much time has passed. After an error the turn ends with it.
	Pause(d time.Duration) error
}

// Options say what a Driver is to know beside that.
type Options struct {
	TickMs       int64
	SegmentBytes int64 // of the log; 0: its default
	Partitions   int
	Policy       wal.SyncPolicy
	Crowd        int // from how many proposals a sync on they wait for its end; 0: the default
}

// Inbox is what others want of the host.
type Inbox struct {
	Frames    []Frame
	Proposals []Proposal
	Reads     []Read
	Calls     []func()
}

// Frame is messages that a peer has sent.
type Frame struct {
	From ring.NodeID
	Data []byte
}

// Proposal is an entry for a group; see replica.Host.Propose.
type Proposal struct {
	Group  uint32
	Entry  []byte
	Waiter replica.Waiter // nil: nobody waits
	Early  bool
}

// Read asks for leave to read. At is the index that must be applied; 0: a round is to confirm who leads, and to begin a
// lease if Lease says so.
type Read struct {
	Group  uint32
	At     uint64
	Lease  bool
	Waiter replica.ReadWaiter
}

// Clear empties the inbox.
func (b *Inbox) Clear() {
	clear(b.Frames)
	clear(b.Proposals)
	clear(b.Reads)
	clear(b.Calls)
	b.Frames, b.Proposals, b.Reads, b.Calls = b.Frames[:0], b.Proposals[:0], b.Reads[:0], b.Calls[:0]
}

// Driver drives one host. It is not safe for concurrent use.
type Driver struct {
	host  *replica.Host
	log   Log
	shell Shell
	o     Options
	fx    replica.Effects

	unsynced []batch // not known to be durable, oldest first
	// What a full disk has to do with; see space.go. backlog is what the log has no room for, oldest first; space what it
	// has for proposals; tight: most of its reserve is used up.
	backlog []backlogged
	space   int64
	tight   bool
	full    bool
	reserve int64 // that the log keeps

	stalled bool
	crowd   crowd
	ticks   int64
	skipped uint64
	lost    []ring.NodeID // peers that a frame did not reach
	recs    []*wal.Record // scratch
	to      []ring.NodeID // scratch
}

// batch is records that the log has up to pos.
type batch struct {
	pos, number uint64
	since       int64 // ms
}

const (
	// appendBytes is about how many bytes of records go into one append to the log, at most.
	appendBytes = 1 << 20
	// SendBytes is about how long a frame of messages is at most.
	SendBytes = 4 << 20
	// recordOverhead is about what a record takes in the log beside its payload.
	recordOverhead = 32
	// pauseFirst and pauseLast are how long a turn waits for the log between two attempts.
	pauseFirst, pauseLast = time.Millisecond, 250 * time.Millisecond
	// stallPatienceMs is how long records may wait for the disk until the node gives up its leaderships. A leader whose
	// disk hangs would go on giving signs of life, and its groups would stand still.
	stallPatienceMs = 2000
)

// StallPatience is how long a disk may take to answer until the shell is told that it does not.
const StallPatience = stallPatienceMs * time.Millisecond

// New returns a driver of host, whose log was opened with LogReserve kept.
func New(host *replica.Host, log Log, shell Shell, o Options) *Driver {
	if o.Crowd == 0 {
		o.Crowd = crowdFrom
	}
	return &Driver{host: host, log: log, shell: shell, o: o, crowd: crowd{from: o.Crowd}, reserve: LogReserve(o.SegmentBytes, o.Partitions)}
}

// SkippedTicks counts ticks of time that were left out, after pauses: the process or the disk stood still.
func (d *Driver) SkippedTicks() uint64 { return d.skipped }

// Turn does all there is to do. After an error the process must end; wal.ErrClosed says that it is about to.
func (d *Driver) Turn() error {
	d.host.Now(d.shell.NowMs())
	if err := d.workOff(); err != nil {
		return err
	}
	d.lookAtSpace()
	synced := d.durable()
	in := d.shell.Take(!synced && d.crowd.hold(len(d.unsynced) > 0, d.shell.NowMs()/d.o.TickMs > d.ticks))
	d.crowd.proposed(len(in.Proposals))
	if synced {
		d.crowd.synced()
	}
	d.receive(in)
	d.tick()
	d.watchDisk()
	for _, f := range in.Calls {
		f()
	}
	d.shell.Mind()
	in.Clear()
	for {
		if err := d.host.Work(&d.fx); err != nil {
			return err
		}
		again, err := d.carryOut()
		if err != nil || !again {
			return err
		}
	}
}

// durable tells the host which records are durable by now. It reports whether there are any that were not when it was
// called last.
func (d *Driver) durable() bool {
	upTo := d.log.DurablePos()
	n := 0
	for n < len(d.unsynced) && d.unsynced[n].pos <= upTo {
		n++
	}
	if n > 0 {
		d.host.Persisted(d.unsynced[n-1].number)
		d.unsynced = append(d.unsynced[:0], d.unsynced[n:]...)
	}
	return n > 0
}

// receive hands the host what has come in.
func (d *Driver) receive(in *Inbox) {
	for _, f := range in.Frames {
		err := replica.DecodeMessages(f.Data, func(m *replica.Message) {
			if d.deaf(m) {
				return
			}
			if _, here := d.host.Has(m.Group); !here && m.Round == nil {
				d.shell.Welcome(m)
			}
			d.host.Receive(f.From, m)
		})
		if err != nil {
			d.shell.BadFrame(f.From, err)
		}
	}
	for i := range in.Proposals {
		p := &in.Proposals[i]
		if err := d.admit(p); err != nil {
			if p.Waiter != nil {
				p.Waiter.Failed(err)
			}
			continue
		}
		if !d.host.Propose(p.Group, p.Entry, p.Waiter, p.Early) && p.Waiter != nil {
			p.Waiter.Failed(d.shell.Refusal(p.Group))
		}
	}
	for i := range in.Reads {
		r := &in.Reads[i]
		ok := false
		if r.At == 0 {
			ok = d.host.Read(r.Group, r.Waiter, r.Lease)
		} else {
			ok = d.host.ReadAt(r.Group, r.At, r.Waiter)
		}
		if !ok {
			r.Waiter.Failed(d.shell.Refusal(r.Group))
		}
	}
	for _, node := range d.lost {
		d.host.Unreachable(node)
	}
	d.lost = d.lost[:0]
}

// tick moves the host's time on. After a pause it does not make up for more than a few ticks: what has arrived meanwhile
// is to be heard first.
func (d *Driver) tick() {
	due := d.shell.NowMs()/d.o.TickMs - d.ticks
	for range min(due, replica.MaxTicks) {
		d.host.Tick()
	}
	d.skipped += uint64(max(due-replica.MaxTicks, 0))
	d.ticks += due
}

// watchDisk notices that the disk hangs, and that it does not any more.
func (d *Driver) watchDisk() {
	stalled := len(d.unsynced) > 0 && d.shell.NowMs()-d.unsynced[0].since > stallPatienceMs
	if stalled != d.stalled {
		d.stalled = stalled
		d.shell.Stalled(stalled)
	}
}

// carryOut does what the host wants. again says that it has more to do at once.
func (d *Driver) carryOut() (again bool, err error) {
	fx := &d.fx
	if len(fx.Records) > 0 {
		if again, err = d.record(fx.Records, fx.Batch, fx.Sync); err != nil {
			return false, err
		}
	}
	d.send()
	for _, s := range fx.Snapshots {
		d.shell.SendSnapshot(s)
	}
	for _, in := range fx.Installs {
		d.shell.Install(in)
	}
	for _, group := range fx.Changed {
		d.shell.Changed(group)
	}
	fx.Reset()
	return again, nil
}

// send sends each node its messages, cut into frames between two messages.
func (d *Driver) send() {
	d.to = d.to[:0]
	for node, messages := range d.fx.Out {
		if len(messages) > 0 {
			d.to = append(d.to, node)
		}
	}
	slices.SortFunc(d.to, func(a, b ring.NodeID) int { return bytes.Compare(a[:], b[:]) })
	for _, node := range d.to {
		for messages := d.fx.Out[node]; len(messages) > 0; {
			n := replica.CutMessages(messages, SendBytes)
			if !d.shell.Send(node, messages[:n]) {
				d.lost = append(d.lost, node)
				break
			}
			messages = messages[n:]
		}
	}
}

// keep makes records as durable as the policy, which is not always, says; what is a term or a vote is synced all the
// same.
func (d *Driver) keep(pos uint64, sync bool) error {
	if sync {
		return d.log.Sync(context.Background()) // ends with the log at the latest
	}
	return d.log.Flush(pos)
}

// append appends records in order, however long the log is busy, and says how many it has: not all of them if the log
// has no space for more.
func (d *Driver) append(recs []wal.Record) (done int, pos uint64, err error) {
	most := appendBytes
	if segment := d.o.SegmentBytes; segment > 0 { // it must fit into one, and be worth less than that
		most = int(min(int64(most), segment/4))
	}
	for done < len(recs) {
		d.recs = d.recs[:0]
		size := 0
		for i := range recs[done:] {
			if size += len(recs[done+i].Payload) + recordOverhead; i > 0 && size > most {
				break
			}
			d.recs = append(d.recs, &recs[done+i])
		}
		if pos, err = d.appendSome(); err != nil {
			return done, 0, err
		}
		done += len(d.recs)
	}
	return done, pos, nil
}

func (d *Driver) appendSome() (uint64, error) {
	pause := pauseFirst
	for {
		pos, err := d.log.AppendReserved(d.recs...)
		if !errors.Is(err, wal.ErrBusy) {
			return pos, err
		}
		if err := d.log.Flush(d.log.AppendedPos()); err != nil {
			return 0, err
		}
		if err := d.shell.Pause(pause); err != nil {
			return 0, err
		}
		pause = min(2*pause, pauseLast)
	}
}
