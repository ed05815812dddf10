package replica

import (
	"fmt"
	"slices"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/mutant"
	"github.com/prakashpandey/vegadb/internal/ring"
	"github.com/prakashpandey/vegadb/internal/wal"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// Options say how a Host keeps time and what it may use. All fields but Seed are
// required.
type Options struct {
	TickMs         int64 // real time between two calls of Tick
	ElectionTicks  int   // without a sign of the leader until a replica stands for election
	HeartbeatTicks int
	// KeepBytes is what each group keeps of its log in memory for laggards, and
	// TotalKeepBytes bounds that over all groups when laggards want more.
	KeepBytes, TotalKeepBytes int64
	// Seed makes the contexts of reads differ from those of an earlier life. They are counted
	// from there: it is to be far from the highest number.
	Seed   uint64
	Logger raft.Logger
}

// Host is the Raft groups of one worker as one state machine: events in, effects
// out. It is not safe for concurrent use, and has no clock: Now tells it the time.
//
//	h.Now(ms); h.Tick() / h.Receive(…) / h.Propose(…) / h.Read(…) / h.Persisted(…) …
//	err := h.Work(&fx)    // an error: halt
//	append fx.Records to the log, in order; once durable: h.Persisted(fx.Batch)
//	send fx.Out, by node; carry out fx.Snapshots and fx.Installs
type Host struct {
	o     Options
	now   int64 // ms, on a clock that never goes back
	quiet int64 // until then no vote is given: this process has just started
	rafts map[uint32]*Raft
	order []*Raft // by group
	dirty []*Raft

	rounds rounds

	batch    uint64 // number of the newest batch of records given out
	durable  uint64 // and of the newest that is durable
	unsynced []batchResponses
	early    []earlyWait // oldest first
	soon     [][]byte    // scratch of fetch

	counters Counters
	failed   error // what Work returns from now on
}

// earlyWait is a proposal that is answered once a batch of records is durable.
type earlyWait struct {
	batch uint64
	r     *Raft
	index uint64
	w     EarlyWaiter
}

// batchResponses are what may be said once a batch of records is durable.
type batchResponses struct {
	batch uint64
	r     *Raft
	msgs  []*raftpb.Message
}

// Effects are what a Work wants done. The caller empties them with Reset when that
// has been seen to.
type Effects struct {
	// Records are to be appended in order. Batch names them for Persisted; 0 when there
	// are none.
	// Sync: they are not to be lost in a power cut, whatever is otherwise promised: a term,
	// a vote, or that a snapshot has been installed.
	Records []wal.Record
	Batch   uint64
	Sync    bool
	// Out are the messages for each node, as DecodeMessages takes them.
	Out map[ring.NodeID][]byte
	// Snapshots are to be sent, Installs to be loaded.
	Snapshots []SendSnapshot
	Installs  []Install
	// Changed are the groups whose role, leader or configuration is not what it was.
	Changed []uint32
}

// SendSnapshot asks for the group's state to be sent to a replica that the log does
// not reach any more. The shell calls SnapshotSent when that is over.
type SendSnapshot struct {
	Group      uint32
	To         uint64
	Node       ring.NodeID
	Term, From uint64 // of the leader
	// First is the oldest index that the log can go on from, and as of which the replica
	// belongs to the group: an older snapshot is of no use.
	First uint64
}

// Install says that a received snapshot replaces a group's state. The shell calls
// Installed when it has been loaded.
type Install struct {
	Group       uint32
	Index, Term uint64
}

func (fx *Effects) changed(group uint32) {
	if !slices.Contains(fx.Changed, group) {
		fx.Changed = append(fx.Changed, group)
	}
}

// Reset empties the effects for the next Work.
func (fx *Effects) Reset() {
	clear(fx.Records)
	fx.Records, fx.Batch, fx.Sync = fx.Records[:0], 0, false
	for node, b := range fx.Out {
		if cap(b) > maxKeptOut {
			delete(fx.Out, node)
			continue
		}
		fx.Out[node] = b[:0]
	}
	fx.Snapshots, fx.Installs, fx.Changed = fx.Snapshots[:0], fx.Installs[:0], fx.Changed[:0]
}

const maxKeptOut = 4 << 20

// NewHost returns a host without groups, at time nowMs.
func NewHost(o Options, nowMs int64) *Host {
	h := &Host{o: o, now: nowMs, rafts: make(map[uint32]*Raft)}
	h.quiet = nowMs + h.electionMs()
	h.rounds.newest, h.rounds.answered = o.Seed, true
	return h
}

func (h *Host) electionMs() int64 { return int64(h.o.ElectionTicks) * h.o.TickMs }

// MaxTicks is how often Tick may be called at a time, to make up for a pause.
const MaxTicks = 3

// leaseMs is how long after a confirmed round nobody else can have been elected: a
// voter that has heard from the leader gives no vote for an election time-out. It is
// counted from before the round was sent, less the ticks with which a voter makes up for a
// pause just after it has heard of it, less one because its next tick may come at once,
// and less a tenth for clocks that run at different speeds.
func (h *Host) leaseMs() int64 {
	ms := int64(h.o.ElectionTicks-MaxTicks-1) * h.o.TickMs * 9 / 10
	if mutant.On(mutant.LongLease) {
		ms *= 10
	}
	return ms
}

func (h *Host) hardKeepBytes() int64 {
	return max(h.o.KeepBytes*2, h.o.TotalKeepBytes/int64(max(len(h.order), 1)))
}

// Limits of a group's traffic.
const (
	maxMessageBytes     = 1 << 20
	maxInflightMessages = 256
	maxInflightBytes    = 16 << 20
	maxUncommittedBytes = 64 << 20
	maxApplyingBytes    = 16 << 20
)

func (h *Host) raftConfig(r *Raft) *raft.Config {
	return &raft.Config{
		ID: r.c.Hard.Replica, ElectionTick: h.o.ElectionTicks, HeartbeatTick: h.o.HeartbeatTicks,
		Storage: r.log, Applied: r.c.Applied, AsyncStorageWrites: true,
		MaxSizePerMsg: maxMessageBytes, MaxCommittedSizePerReady: maxApplyingBytes, MaxUncommittedEntriesSize: maxUncommittedBytes,
		MaxInflightMsgs: maxInflightMessages, MaxInflightBytes: maxInflightBytes,
		CheckQuorum: true, PreVote: true, ReadOnlyOption: raft.ReadOnlySafe, StepDownOnRemoval: true,
		DisableProposalForwarding: !r.c.Forward, Logger: h.o.Logger,
	}
}

// Add creates a group's replica, or brings it back after a crash.
func (h *Host) Add(c RaftConfig) error {
	if h.rafts[c.Group] != nil {
		return fmt.Errorf("group %d has a replica here already", c.Group)
	}
	r, err := newRaft(h, c)
	if err != nil {
		return err
	}
	r.reads.next = h.o.Seed
	h.rafts[c.Group] = r
	h.order = append(h.order, r)
	slices.SortFunc(h.order, func(a, b *Raft) int { return int(a.c.Group) - int(b.c.Group) })
	return nil
}

// Remove drops a group's replica and fails what waits for it.
func (h *Host) Remove(group uint32) {
	r := h.rafts[group]
	if r == nil {
		return
	}
	r.close(ErrNotLeader)
	delete(h.rafts, group)
	h.order = slices.DeleteFunc(h.order, func(o *Raft) bool { return o == r })
	h.dirty = slices.DeleteFunc(h.dirty, func(o *Raft) bool { return o == r })
	h.unsynced = slices.DeleteFunc(h.unsynced, func(b batchResponses) bool { return b.r == r })
	h.early = slices.DeleteFunc(h.early, func(e earlyWait) bool {
		if e.r == r {
			r.fail(e.w, ErrUnknown)
		}
		return e.r == r
	})
}

// Now tells the time, in ms on a clock that never goes back.
func (h *Host) Now(ms int64) { h.now = max(h.now, ms) }

// Tick moves every group's time on by one tick. It is called at most MaxTicks times at a
// time.
func (h *Host) Tick() {
	for _, r := range h.order {
		r.tick()
	}
}

// Held returns the bytes of entries that are kept in memory, waiting ones included.
func (h *Host) Held() (bytes int64) {
	for _, r := range h.order {
		bytes += r.queueBytes + r.log.bytes
	}
	return bytes
}

// Waiting returns the bytes of entries that were proposed here and are neither applied nor lost.
func (h *Host) Waiting() (bytes int64) {
	for _, r := range h.order {
		bytes += r.waitingBytes
	}
	return bytes
}

// Has reports whether there is a replica of group, and its id.
func (h *Host) Has(group uint32) (replica uint64, ok bool) {
	if r := h.rafts[group]; r != nil {
		return r.c.Hard.Replica, true
	}
	return 0, false
}

// Receive takes a message from another node. What does not fit is dropped, as a
// network would: Raft repeats what matters.
//
// Raft answers what it finds impossible with a panic, and much of that it finds in what
// others have sent: a leader that has forgotten, a replica of an earlier life. See
// acceptable, and step for what remains.
func (h *Host) Receive(from ring.NodeID, m *Message) {
	if m.Round != nil {
		h.hearRound(from, m.Round)
		return
	}
	r := h.rafts[m.Group]
	if r == nil || m.Raft.GetTo() != r.c.Hard.Replica || !r.isPeer(m.Raft.GetFrom()) || !r.acceptable(m.Raft) {
		return
	}
	r.heardFrom(m.Raft.GetFrom(), from)
	r.mark()
	if m.Raft.GetType() == raftpb.MsgApp && r.overwrites(m.Raft) {
		r.cut = min(r.cut, m.Raft.GetIndex()+uint64(len(m.Raft.GetEntries())))
	}
	r.step(m.Raft)
}

// Propose asks for an entry to be appended to the group's log. The entry is the
// host's from now on; its log time is raised so that it does not go back. early says
// that w, an EarlyWaiter then, does not wait for the majority: for an entry whose result
// is known beforehand. It reports false when there is no replica of the group here, or
// another one is known to lead. While nobody is, the entry waits for that.
func (h *Host) Propose(group uint32, entry []byte, w Waiter, early bool) bool {
	r := h.rafts[group]
	if r == nil || r.elsewhere() {
		return false
	}
	r.queue = append(r.queue, proposal{entry, w, early})
	r.queueBytes += int64(len(entry))
	r.waitingBytes += int64(len(entry))
	r.mark()
	return true
}

// Redirect refuses what waits for a leader, if another replica is known to lead by now. Whoever
// is asked where to go instead (Machine.Refusal) should know it too.
func (h *Host) Redirect(group uint32) {
	if r := h.rafts[group]; r != nil && r.elsewhere() {
		r.failQueue(ErrNotLeader)
	}
}

// elsewhere reports whether proposals belong to another replica, which is known.
func (r *Raft) elsewhere() bool {
	return r.role != raft.StateLeader && r.lead != 0 && !r.c.Forward
}

// Read asks for leave to read: w is told when a majority has confirmed, after this
// call, that the leader leads, and everything committed by then is applied here. lease
// says that on a leader this is to begin a lease, which costs more.
func (h *Host) Read(group uint32, w ReadWaiter, lease bool) bool {
	r := h.rafts[group]
	if r == nil {
		return false
	}
	if mutant.On(mutant.LocalRead) && r.role == raft.StateLeader { // "it leads, so it knows"
		w.Done()
		return true
	}
	if len(r.reads.fresh) == 0 {
		r.reads.since = h.now
	}
	r.reads.fresh = append(r.reads.fresh, w)
	r.reads.lease = r.reads.lease || lease
	r.mark()
	return true
}

// ReadAt asks to be told when index is applied here.
func (h *Host) ReadAt(group uint32, index uint64, w ReadWaiter) bool {
	r := h.rafts[group]
	if r == nil {
		return false
	}
	if r.applied >= index {
		w.Done()
		return true
	}
	r.reads.waiting = append(r.reads.waiting, waitingRead{index: index, expires: h.now + h.electionMs(), w: w})
	return true
}

// Persisted says that all records up to those of batch are durable.
func (h *Host) Persisted(batch uint64) {
	h.durable = max(h.durable, batch)
	n := 0
	for n < len(h.unsynced) && h.unsynced[n].batch <= batch {
		h.deliver(h.unsynced[n].r, h.unsynced[n].msgs)
		n++
	}
	h.unsynced = slices.Delete(h.unsynced, 0, n)
	n = 0
	for n < len(h.early) && h.early[n].batch <= batch {
		e := &h.early[n]
		h.counters.Early++
		e.w.AckedByLeader()
		e.w.Result(0, &command.Result{Status: wire.OK, Version: e.index})
		e.w.Done()
		n++
	}
	h.early = slices.Delete(h.early, 0, n)
}

// stands reports whether the replica stands for election in a term.
func (r *Raft) stands(term uint64) bool {
	s := r.rn.BasicStatus()
	return s.RaftState == raft.StateCandidate && s.GetTerm() == term
}

// respond has msgs delivered once what has been given out so far, and what is being
// gathered now, is durable.
func (h *Host) respond(r *Raft, msgs []*raftpb.Message, fx *Effects) {
	if len(msgs) == 0 {
		return
	}
	batch := h.batch
	if len(fx.Records) > 0 {
		batch++ // the one that Work is about to give out
	}
	if batch <= h.durable || mutant.On(mutant.EarlyAck) { // as if handing records to the log were enough
		h.deliver(r, msgs)
		return
	}
	h.unsynced = append(h.unsynced, batchResponses{batch, r, msgs})
}

// deliver steps a replica's messages to itself, and keeps those to others for the
// next Work to send.
func (h *Host) deliver(r *Raft, msgs []*raftpb.Message) {
	for _, m := range msgs {
		switch {
		case m.GetTo() != r.c.Hard.Replica:
			if m.GetType() != raftpb.MsgVote || r.stands(m.GetTerm()) {
				r.outgoing = append(r.outgoing, m)
			}
		case r.installing:
			r.afterInstall = append(r.afterInstall, m)
		default:
			_ = r.rn.Step(m)
		}
	}
	r.mark()
}

// Work does what the events since the last call have made possible.
func (h *Host) Work(fx *Effects) error {
	if h.failed != nil {
		return h.failed
	}
	for len(h.dirty) > 0 {
		groups := h.dirty
		h.dirty = nil
		for _, r := range groups {
			if h.rafts[r.c.Group] != r {
				continue
			}
			for _, m := range r.outgoing {
				r.send(m, fx)
			}
			r.outgoing = nil
			if err := r.work(fx); err != nil {
				return err
			}
		}
	}
	h.sendAnswers(fx)
	h.beginRound(fx)
	if len(fx.Records) > 0 {
		h.batch++
		fx.Batch = h.batch
	}
	return nil
}

// send encodes a message to another replica, or asks for a snapshot to be sent.
func (r *Raft) send(m *raftpb.Message, fx *Effects) {
	if m.GetType() == raftpb.MsgHeartbeat {
		r.noteAsked(m)
	}
	node, ok := r.nodeOf(m.GetTo())
	if !ok {
		return
	}
	if m.GetType() == raftpb.MsgSnap {
		r.pins[m.GetTo()] = r.log.offset
		fx.Snapshots = append(fx.Snapshots, SendSnapshot{
			Group: r.c.Group, To: m.GetTo(), Node: node, Term: m.GetTerm(), From: m.GetFrom(), First: max(r.log.offset, r.conf.Index),
		})
		return
	}
	fx.put(node, AppendMessage(fx.out(node), r.c.Group, m))
}

// SnapshotSent says how sending a snapshot ended.
func (h *Host) SnapshotSent(group uint32, to uint64, ok bool) {
	r := h.rafts[group]
	if r == nil {
		return
	}
	delete(r.pins, to)
	status := raft.SnapshotFinish
	if !ok {
		status = raft.SnapshotFailure
	}
	r.rn.ReportSnapshot(to, status)
	r.mark()
}

// SnapshotArrived steps the message that goes with a received snapshot whose file is
// published. If the snapshot is to be installed, an Install follows from the next Work. It
// reports false if that cannot be now, or the leader who sent it is none any more.
func (h *Host) SnapshotArrived(from ring.NodeID, group uint32, to, sender, term uint64, index, snapTerm uint64, conf *Configuration) bool {
	r := h.rafts[group]
	if r == nil || r.c.Hard.Replica != to || r.installing || r.incoming != nil || !r.isPeer(sender) || term == 0 || term > maxTerm || conf.check() != nil {
		return false
	}
	r.heardFrom(sender, from)
	r.incoming = conf
	r.step(&raftpb.Message{
		Type: raftpb.MsgSnap.Enum(), To: &to, From: &sender, Term: &term,
		Snapshot: &raftpb.Snapshot{Metadata: &raftpb.SnapshotMetadata{Index: &index, Term: &snapTerm, ConfState: conf.confState()}},
	})
	r.mark()
	return r.rn.BasicStatus().GetCommit() >= index
}

// Installed says that the snapshot of an Install is loaded: the machine holds its
// state now, log time included.
func (h *Host) Installed(group uint32, index, term uint64, stamp int64) {
	r := h.rafts[group]
	if r == nil || !r.installing {
		return
	}
	r.installing = false
	r.skipPending(index)
	r.applied, r.appliedTerm = index, term
	r.stamp = max(r.stamp, stamp)
	r.conf, r.incoming = r.incoming, nil
	r.log.conf = r.conf.confState()
	msgs := r.afterInstall
	r.afterInstall = nil
	h.deliver(r, msgs)
	r.reads.applied(r)
}

// Unreachable says that messages to a node are lost at present.
func (h *Host) Unreachable(node ring.NodeID) {
	for _, r := range h.order {
		if r.role != raft.StateLeader {
			continue
		}
		for _, p := range r.conf.nodes {
			if p.node == node && p.id != r.c.Hard.Replica {
				r.rn.ReportUnreachable(p.id)
			}
		}
	}
}

// StateRecords returns the records that a log which is about to lose its beginning must
// hold again: every group's hard state.
func (h *Host) StateRecords() []wal.Record {
	recs := make([]wal.Record, 0, len(h.order))
	for _, r := range h.order {
		if !r.recorded {
			recs = r.firstRecords(recs) // its first Work gives them out all the same: there may be no room for these
			continue
		}
		// As it was given out last: what Raft has decided since follows with its own record,
		// and the commit index that goes with that may be one of entries that are not in the
		// log yet. What is applied is.
		hard := r.written
		hard.Commit = max(hard.Commit, r.applied)
		recs = append(recs, StateRecord(r.c.Group, hard))
	}
	return recs
}

// leads reports whether the replica leads, and nothing that it has heard since its last
// Work says otherwise. What only leaders may do, Raft would send on to the new leader.
func (r *Raft) leads() bool {
	return r.role == raft.StateLeader && r.rn.BasicStatus().RaftState == raft.StateLeader
}

// Change is a step of a group's configuration: replicas to add as learners, to make
// voters, to make learners, and to remove.
type Change struct {
	Add     []Replica // as learners
	Promote []uint64
	Demote  []uint64
	Remove  []uint64
	// Revision is that of the target that the step leads to.
	Revision uint64
}

// Reconfigure proposes a change. Several steps at once pass through a joint
// configuration, which ends by itself.
func (h *Host) Reconfigure(group uint32, c Change) error {
	r := h.rafts[group]
	if r == nil || !r.leads() {
		return ErrNotLeader
	}
	cc := &raftpb.ConfChangeV2{}
	add := func(t raftpb.ConfChangeType, id uint64) {
		cc.Changes = append(cc.Changes, &raftpb.ConfChangeSingle{Type: t.Enum(), NodeId: proto.Uint64(id)})
	}
	var places []place
	for _, a := range c.Add {
		add(raftpb.ConfChangeAddLearnerNode, a.ID)
		places = append(places, place{a.ID, a.Node})
	}
	for _, id := range c.Promote {
		add(raftpb.ConfChangeAddNode, id)
	}
	for _, id := range c.Demote {
		add(raftpb.ConfChangeAddLearnerNode, id)
	}
	for _, id := range c.Remove {
		add(raftpb.ConfChangeRemoveNode, id)
	}
	cc.Context = changeContext(c.Revision, places)
	// A change that cannot be made would end every replica that applies it.
	b, err := proto.Marshal(cc)
	if err != nil {
		return err
	}
	if _, err := r.conf.Replay(&Entry{Type: RecordConf, Index: r.conf.Index, Payload: b}); err != nil {
		return err
	}
	r.mark()
	return r.rn.ProposeConfChange(cc)
}

// Transfer hands leadership to another voter. The lease ends first.
func (h *Host) Transfer(group uint32, to uint64) {
	r := h.rafts[group]
	if r == nil || !r.leads() || r.transferring != 0 || to == r.c.Hard.Replica {
		return
	}
	r.transferring = h.now
	if !mutant.On(mutant.LeaseInHandover) { // the other stands for election whatever lease there is
		r.c.Machine.Lease(0)
		r.transferTerm = r.term
	}
	h.counters.Transfers++
	r.rn.TransferLeader(to)
	r.mark()
}
