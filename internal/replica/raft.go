package replica

import (
	"errors"
	"fmt"
	"math"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/invariants"
	"github.com/prakashpandey/vegadb/internal/mutant"
	"github.com/prakashpandey/vegadb/internal/ring"
	"github.com/prakashpandey/vegadb/internal/wal"
)

// Waiter is told of the outcome of a proposal.
type Waiter interface {
	command.Sink
	// Done is called once after the entry has been applied.
	Done()
	// Failed is called instead when the proposal did not make it; the error is what
	// the Machine made of ErrNotLeader or ErrUnknown.
	Failed(error)
}

// EarlyWaiter is a Waiter that may be satisfied before its entry is committed: once it
// is as durable here as the log's policy says.
type EarlyWaiter interface {
	Waiter
	// AckedByLeader is called before Result and Done when that is all there is to tell:
	// the entry is on the leader's disk and may yet be lost.
	AckedByLeader()
}

// ReadWaiter is told when a read may be executed, or that it may not.
type ReadWaiter interface {
	Done()
	Failed(error)
}

// Machine is what a group's committed entries change: a partition's table, or the
// meta state. Its methods are called in the order of the group's log.
type Machine interface {
	// Apply applies an entry of type RecordEntry. sink may be nil. An error means that
	// this version cannot understand the entry: the node must halt.
	Apply(index, term uint64, entry []byte, sink command.Sink) error
	// Fetch names entries, a few, that Apply is about to be called with, for the memory that they
	// need to be asked for together. It keeps none of them.
	Fetch(entries [][]byte)
	// Advance notes an entry that changes no data. conf is the group's configuration
	// if the entry changed it, nil otherwise.
	Advance(index, term uint64, conf *Configuration)
	// Lease says until when (on the host's clock, ms) reads need no round of their own;
	// 0: not at all. Fresh says as of when what is applied is known to be complete.
	Lease(until int64)
	Fresh(at int64)
	// Refusal turns ErrNotLeader, ErrUnknown or ErrTimeout into what a client is told.
	Refusal(err error) error
}

// Why a proposal or a read failed.
var (
	// ErrNotLeader: it was not executed and will not be.
	ErrNotLeader = errors.New("this replica does not lead its group")
	// ErrUnknown: leadership was lost before it was known to be committed.
	ErrUnknown = errors.New("leadership was lost before the proposal was known to be committed")
	// ErrTimeout: no leader was heard of for an election time-out. It was not executed.
	ErrTimeout = errors.New("the group has no leader")
)

// Raft is one replica of a group that has, or has had, several.
type Raft struct {
	host    *Host
	c       RaftConfig
	rn      *raft.RawNode
	log     *memLog
	conf    *Configuration // as applied
	written HardState      // the newest that was given out as a record
	// commit is what Raft has said last of how far the log is committed: written.Commit or more.
	commit uint64

	// What Raft last said of itself.
	role raft.StateType
	lead uint64 // 0: unknown
	term uint64

	applied, appliedTerm uint64
	// stamp is the highest log time of any entry appended here.
	stamp int64

	// queue holds proposals that Raft has not taken yet; waiting is since when it has
	// not, on the host's clock, 0 while it is empty or moving.
	queue      []proposal
	queueBytes int64
	blocked    int64
	stepped    []proposal // taken by Raft at the present term, their indexes not known yet
	pending    []pending  // appended here as leader, by ascending index
	// waitingBytes is what queue, stepped and pending hold together, in bytes of entries.
	waitingBytes int64
	giveUpAt     int64 // when those of a lost leadership are given up; 0: there is none

	reads readQueue

	// cut is where Raft's own log may end: what was heard since the last Work overwrites what
	// log holds.
	cut uint64
	// askedTerm and askedUpTo are up to which of its reads a leader has asked to be confirmed.
	askedTerm, askedUpTo uint64
	// sealAt is the end of the log when conf was applied here: see sealed. To have an entry
	// behind it, seal asks for one without content.
	sealAt uint64
	seal   bool

	// transferring is when a leader began to hand over; 0: it does not. transferTerm is
	// the term in which one did last: the message that tells the other to stand for election
	// may still be on its way, and voters answer to that whatever lease there is. So there
	// is none any more in that term.
	transferring int64
	transferTerm uint64
	// heard is when each of the others was last known to be active, on the host's clock.
	// Used while this replica leads.
	heard []heardAt
	// news is what each of them was told last in this leadership.
	news []commitNews
	// pins are log positions that a snapshot under way to a laggard needs to go on
	// from, by the laggard's id.
	pins       map[uint64]uint64
	installing bool // a received snapshot is being loaded
	// incoming is the configuration of the snapshot that has arrived, and afterInstall
	// what Raft is told when it is loaded.
	incoming     *Configuration
	afterInstall []*raftpb.Message
	outgoing     []*raftpb.Message // to others, for the next Work
	// strangers are replicas that have written and are not in the configuration known
	// here: where to answer them.
	strangers map[uint64]ring.NodeID
	dirty     bool
	// recorded says that a hard state was given out: it comes before all other records,
	// because it is what tells a Raft group's log from a lone node's.
	recorded bool
}

type heardAt struct {
	id uint64
	at int64
}

// RaftConfig is what a Raft is made of, anew or again after a crash.
type RaftConfig struct {
	Group   uint32
	Hard    HardState
	Conf    *Configuration // as of Applied
	Machine Machine
	// Applied is the entry up to which the machine holds every effect.
	Applied, AppliedTerm uint64
	Entries              []Entry // those after Applied
	Stamp                int64   // log time reached
	// StampAt is where in an entry its log time stands: 8 bytes, little-endian.
	StampAt int
	// Forward lets followers send proposals on to the leader. Their proposers learn
	// the outcome from the machine.
	Forward bool
	// Apart: what the log holds behind Applied is of another history, and left out of Entries.
	// That what is applied replaces it is recorded before anything else is.
	Apart bool
	// Campaign makes the replica stand for election at once: it is the only voter.
	Campaign bool
}

func newRaft(h *Host, c RaftConfig) (*Raft, error) {
	r := &Raft{
		host: h, c: c, conf: c.Conf, applied: c.Applied, appliedTerm: c.AppliedTerm, stamp: c.Stamp,
		cut:  math.MaxUint64,
		pins: make(map[uint64]uint64), strangers: make(map[uint64]ring.NodeID),
	}
	hard := c.Hard
	newest := c.AppliedTerm
	if n := len(c.Entries); n > 0 {
		newest = max(newest, c.Entries[n-1].Term)
	}
	// The snapshot or the last entry is from a later term: nobody was voted for in that, for
	// a vote is recorded before anything else of its term.
	if newest > hard.Term {
		hard.Term, hard.Vote = newest, 0
	}
	hard.Commit = max(hard.Commit, c.Applied)
	r.written, r.commit = hard, hard.Commit // its first record must not go back behind what StateRecords tells
	r.log = &memLog{conf: r.conf.confState(), offset: c.Applied, offsetTerm: c.AppliedTerm}
	r.log.applied = func() (uint64, uint64, *raftpb.ConfState) { return r.applied, r.appliedTerm, r.conf.confState() }
	r.log.hard = raftpb.HardState{Term: &hard.Term, Vote: &hard.Vote, Commit: &hard.Commit}
	entries := make([]*raftpb.Entry, len(c.Entries))
	for i := range c.Entries {
		entries[i] = c.Entries[i].pb()
		r.noteStamp(entries[i])
	}
	r.log.append(entries)
	if hard.Commit > r.log.last() {
		return nil, fmt.Errorf("group %d: committed up to index %d, but the log ends at %d", c.Group, hard.Commit, r.log.last())
	}
	rn, err := raft.NewRawNode(h.raftConfig(r))
	if err != nil {
		return nil, fmt.Errorf("group %d: %w", c.Group, err)
	}
	r.rn, r.term = rn, hard.Term
	if c.Campaign {
		if err := rn.Campaign(); err != nil {
			return nil, fmt.Errorf("group %d: %w", c.Group, err)
		}
	}
	r.mark()
	return r, nil
}

// pb is the entry as Raft has it.
func (e *Entry) pb() *raftpb.Entry {
	kind := raftpb.EntryNormal
	if e.Type == RecordConf {
		kind = raftpb.EntryConfChangeV2
	}
	return &raftpb.Entry{Type: kind.Enum(), Term: &e.Term, Index: &e.Index, Data: e.Payload}
}

// recordType is how the log tells an entry's kind.
func recordType(e *raftpb.Entry) uint8 {
	switch {
	case e.GetType() == raftpb.EntryConfChangeV2:
		return RecordConf
	case len(e.Data) == 0:
		return RecordEmpty
	}
	return RecordEntry
}

// mark has the host look at the group in its next Work.
func (r *Raft) mark() {
	if !r.dirty {
		r.dirty = true
		r.host.dirty = append(r.host.dirty, r)
	}
}

// work does everything there is to do.
func (r *Raft) work(fx *Effects) error {
	r.dirty, r.cut = false, math.MaxUint64
	if !r.recorded {
		fx.Records = r.firstRecords(fx.Records)
		fx.Sync, r.recorded = true, true
	}
	for {
		r.proposeSeal()
		r.proposeQueued()
		r.startReads()
		if !r.rn.HasReady() {
			if !r.installing {
				r.incoming = nil // what has arrived was of no use
			}
			return nil
		}
		rd := r.rn.Ready()
		var candidacy []*raftpb.Message
		for i, m := range rd.Messages {
			var err error
			switch to := m.GetTo(); {
			case to == raft.LocalAppendThread:
				r.append(m, fx)
			case to == raft.LocalApplyThread:
				err = r.apply(m, fx)
			case m.GetType() == raftpb.MsgVote:
				candidacy = append(candidacy, m)
			case !r.superfluous(m, rd.Messages[i+1:]):
				r.send(m, fx)
			}
			if err != nil {
				return err
			}
		}
		// Raft would ask for votes at once, and lead by those of others before its own is on
		// disk. After a crash it would not know that it had led in that term: it could be elected
		// in it once more, by the same voters, and give an index and a term to two entries.
		r.host.respond(r, candidacy, fx)
		if rd.SoftState != nil {
			r.soft(rd.SoftState, fx)
		}
		if rd.HardState != nil && rd.HardState.GetTerm() != r.term {
			r.lostTerm(rd.HardState.GetTerm())
		}
		for i := range rd.ReadStates {
			r.raftConfirmed(&rd.ReadStates[i])
		}
	}
}

// soft takes note of a new role or leader.
func (r *Raft) soft(s *raft.SoftState, fx *Effects) {
	was := r.role
	r.host.counters.role(was, s.RaftState)
	if s.Lead != 0 && s.Lead != r.lead {
		r.host.counters.LeaderChanges++
	}
	r.role, r.lead = s.RaftState, s.Lead
	fx.changed(r.c.Group)
	if was == raft.StateLeader && r.role != raft.StateLeader {
		r.lostTerm(r.term)
		r.giveUpAt = cmpZero(r.giveUpAt, r.host.now+2*r.host.electionMs())
	}
	if r.role == raft.StateLeader {
		r.term = r.rn.BasicStatus().GetTerm()
	}
	r.transferring = 0
}

// append hands what Raft wants to be durable to the shell, as log records.
func (r *Raft) append(m *raftpb.Message, fx *Effects) {
	group := r.c.Group
	if snap := m.GetSnapshot(); !raft.IsEmptySnap(snap) {
		// The file is published already. What it replaces is void from here on.
		meta := snap.GetMetadata()
		fx.Records = append(fx.Records, ResetRecord(group, meta.GetIndex(), meta.GetTerm()))
		fx.Sync = true
		r.log.reset(meta.GetIndex(), meta.GetTerm())
		r.installing = true
		fx.Installs = append(fx.Installs, Install{Group: group, Index: meta.GetIndex(), Term: meta.GetTerm()})
	}
	for _, e := range m.GetEntries() {
		fx.Records = append(fx.Records, wal.Record{Group: group, Type: recordType(e), Term: e.GetTerm(), Index: e.GetIndex(), Payload: e.Data})
		r.noteStamp(e)
		r.index(e)
	}
	r.log.append(m.GetEntries())
	worth := len(m.GetEntries()) > 0 || m.GetSnapshot() != nil
	switch {
	case m.Term != nil:
		r.commit = m.GetCommit()
		r.hardState(HardState{Replica: r.c.Hard.Replica, Term: m.GetTerm(), Vote: m.GetVote(), Commit: m.GetCommit()}, worth, fx)
	case worth && r.commit > r.written.Commit:
		h := r.written
		h.Commit = r.commit
		r.hardState(h, true, fx)
	}
	r.host.respond(r, m.GetResponses(), fx)
}

// hardState notes a hard state, and records it if it is another term or vote, or worth
// it. That only the commit index has moved is not: a start learns it from the leader as
// well. But it goes with the next entries: whoever has an entry on disk that was appended
// when a configuration was known to be committed must come up with that, and not with the
// one before it. By that one a majority could be another, down to this replica alone.
func (r *Raft) hardState(h HardState, worth bool, fx *Effects) {
	if h.Term != r.written.Term || h.Vote != r.written.Vote {
		r.written = h
		r.record(fx)
		return
	}
	if worth {
		r.written = h
		fx.Records = append(fx.Records, StateRecord(r.c.Group, h))
	}
}

// firstRecords are those that come before all others of this replica, or of this start.
func (r *Raft) firstRecords(recs []wal.Record) []wal.Record {
	recs = append(recs, StateRecord(r.c.Group, r.written))
	if r.c.Apart {
		recs = append(recs, ResetRecord(r.c.Group, r.applied, r.appliedTerm))
	}
	return recs
}

// record records a term and a vote that are news: not to be lost under any policy.
func (r *Raft) record(fx *Effects) {
	fx.Records = append(fx.Records, StateRecord(r.c.Group, r.written))
	fx.Sync = true
}

// noteStamp keeps the log time from going back should this replica lead later.
func (r *Raft) noteStamp(e *raftpb.Entry) {
	if recordType(e) == RecordEntry && len(e.Data) >= r.c.StampAt+8 {
		r.stamp = max(r.stamp, stampAt(e.Data, r.c.StampAt))
	}
}

// index learns the index of the oldest proposal that Raft has taken and not named yet.
func (r *Raft) index(e *raftpb.Entry) {
	if len(r.stepped) == 0 || e.GetTerm() != r.term || recordType(e) != RecordEntry {
		return
	}
	p := r.stepped[0]
	r.stepped[0] = proposal{}
	r.stepped = r.stepped[1:]
	invariants.Check(string(p.entry) == string(e.Data), "proposals are appended in the order in which they were made")
	for n := len(r.pending); n > 0 && r.pending[n-1].index >= e.GetIndex(); n-- {
		// Overwritten here, by a leader in between. Another replica may still hold it, be
		// elected, and have it committed.
		r.waitingBytes -= r.pending[n-1].size
		r.fail(r.pending[n-1].w, ErrUnknown)
		r.pending = r.pending[:n-1]
	}
	if early, _ := p.w.(EarlyWaiter); p.early && early != nil {
		r.host.early = append(r.host.early, earlyWait{r.host.batch + 1, r, e.GetIndex(), early})
		p.w = nil
	}
	r.pending = append(r.pending, pending{e.GetIndex(), e.GetTerm(), p.w, int64(len(p.entry))})
}

// apply applies committed entries.
func (r *Raft) apply(m *raftpb.Message, fx *Effects) error {
	for i, e := range m.GetEntries() {
		if i%command.FetchAtOnce == 0 {
			r.fetch(m.GetEntries()[i:])
		}
		if err := r.applyEntry(e, fx); err != nil {
			return fmt.Errorf("group %d, index %d: %w", r.c.Group, e.GetIndex(), err)
		}
		r.applied, r.appliedTerm = e.GetIndex(), e.GetTerm()
	}
	for _, resp := range m.GetResponses() {
		if err := r.rn.Step(resp); err != nil {
			return fmt.Errorf("group %d: %w", r.c.Group, err)
		}
	}
	r.reads.applied(r)
	return nil
}

// fetch tells the machine of the first of these entries, those that are applied next.
func (r *Raft) fetch(entries []*raftpb.Entry) {
	soon := r.host.soon[:0]
	for _, e := range entries[:min(len(entries), command.FetchAtOnce)] {
		if recordType(e) == RecordEntry {
			soon = append(soon, e.Data)
		}
	}
	if len(soon) > 1 { // one alone would wait all the same
		r.c.Machine.Fetch(soon)
	}
	clear(soon)
	r.host.soon = soon
}

func (r *Raft) applyEntry(e *raftpb.Entry, fx *Effects) error {
	w := r.takePending(e.GetIndex(), e.GetTerm())
	switch recordType(e) {
	case RecordEmpty:
		r.c.Machine.Advance(e.GetIndex(), e.GetTerm(), nil)
	case RecordConf:
		var cc raftpb.ConfChangeV2
		if err := proto.Unmarshal(e.Data, &cc); err != nil {
			return fmt.Errorf("a configuration change that cannot be read: %w", err)
		}
		next, err := r.conf.changed(e.GetIndex(), r.change(&cc), cc.GetContext())
		if err != nil {
			return err
		}
		r.conf, r.sealAt, r.seal = next, r.log.last(), true
		r.log.conf = next.confState()
		r.c.Machine.Advance(e.GetIndex(), e.GetTerm(), next)
		fx.changed(r.c.Group)
	default:
		var sink command.Sink
		if w != nil {
			sink = w
		}
		if err := r.c.Machine.Apply(e.GetIndex(), e.GetTerm(), e.Data, sink); err != nil {
			return err
		}
		if w != nil {
			r.host.counters.Applied++
			w.Done()
		}
	}
	return nil
}

// change has Raft change the configuration.
func (r *Raft) change(cc *raftpb.ConfChangeV2) (next *raftpb.ConfState) {
	if mutant.On(mutant.NaiveSwap) && len(cc.Changes) > 0 { // one by one, so that none needs a joint configuration
		for _, one := range cc.Changes {
			next = r.rn.ApplyConfChange(&raftpb.ConfChangeV2{Changes: []*raftpb.ConfChangeSingle{one}})
		}
		return next
	}
	return r.rn.ApplyConfChange(cc)
}

// sealed reports, on the leader, whether its configuration outlives a crash of everybody:
// an entry that was appended after the configuration had been applied here has been
// committed. Whoever appended that had been told that the configuration is committed, and
// has both on disk. Until then all of the group could come up with the configuration before
// it, and need a majority of that: the replicas that are no longer in the group too.
func (r *Raft) sealed() bool { return r.applied > r.sealAt && r.appliedTerm == r.term }

// tick moves the group's time on.
func (r *Raft) tick() {
	r.rn.Tick()
	r.mark()
	election := r.host.electionMs()
	if r.transferring != 0 && r.host.now-r.transferring > election {
		r.transferring = 0 // Raft has given it up as well
	}
	if r.giveUpAt != 0 && r.host.now > r.giveUpAt {
		r.giveUp()
	}
	if len(r.queue) > 0 && r.role != raft.StateLeader {
		switch {
		case r.elsewhere():
			r.failQueue(ErrNotLeader)
		case r.blocked != 0 && r.host.now-r.blocked > election:
			r.failQueue(ErrTimeout)
		}
	}
	r.noteHeard()
	r.reads.expire(r)
	r.reads.repeat(r)
	r.compact()
}

// compact lets go of entries that are applied and that nobody is likely to need.
func (r *Raft) compact() {
	if r.log.bytes <= r.host.o.KeepBytes || r.installing {
		return
	}
	upTo := r.applied
	if r.log.bytes <= r.host.hardKeepBytes() {
		for _, pin := range r.pins {
			upTo = min(upTo, pin)
		}
		if r.role == raft.StateLeader {
			upTo = min(upTo, r.slowest())
		}
	}
	// The newest stay, as much as is kept in any case.
	keep := int64(0)
	for at := r.log.last(); at > upTo && keep < r.host.o.KeepBytes; at-- {
		keep += entryBytes(r.log.entries[at-r.log.offset-1])
	}
	for upTo > r.log.offset && keep < r.host.o.KeepBytes/2 {
		keep += entryBytes(r.log.entries[upTo-r.log.offset-1])
		upTo--
	}
	r.log.compact(upTo)
}

// close fails everything that waits.
func (r *Raft) close(err error) {
	r.failQueue(err)
	r.failStepped()
	for i := range r.pending {
		r.fail(r.pending[i].w, ErrUnknown)
	}
	r.stepped, r.pending, r.waitingBytes = nil, nil, 0
	r.reads.fail(r, err)
	r.c.Machine.Lease(0)
}
