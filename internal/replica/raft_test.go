package replica

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/prakashpandey/vegadb/internal/wal"
)

// restored puts what was recorded together again, as a start does.
func restored(t *testing.T, base Base, recs []wal.Record) (handed []string, r *Recovery) {
	t.Helper()
	r = NewRecovery(testGroup, base)
	for i := range recs {
		if _, err := r.Add(&recs[i]); err != nil {
			t.Fatal(err)
		}
		for e := r.Next(); e != nil; e = r.Next() {
			handed = append(handed, string(e.Payload))
		}
	}
	if err := r.Finish(); err != nil {
		t.Fatal(err)
	}
	return handed, r
}

// The commit index that Raft has may be one of entries that overwrite those in the log and
// are not recorded yet.
func TestAHardStateRecordedAnewCommitsNothingThatIsOverwritten(t *testing.T) {
	b := newByHand(t, voters(3), nil)
	b.appends(2, 2, 1, 1, 1, 2, 2)
	b.work()
	b.appends(3, 3, 1, 1, 3, 3, 3) // in other words: 2 and 3 are others, and committed
	b.records = append(b.records, b.h.StateRecords()...)
	b.work()
	handed, r := restored(t, Base{Index: 1, Term: 1, Raft: true}, b.records)
	for _, payload := range handed {
		if !strings.Contains(payload, "@3") {
			t.Errorf("a start takes %q for committed", payload)
		}
	}
	if hard, _ := r.Raft(); hard.Term != 3 || r.Last() != 3 {
		t.Errorf("a start finds %+v, last %d", hard, r.Last())
	}
}

// A write whose entry another leader has overwritten here may be held by a third, be
// elected with it, and commit it.
func TestAnOverwrittenProposalIsUnknownUntilAnotherIsCommittedInItsPlace(t *testing.T) {
	for name, c := range map[string]struct {
		commits bool
		want    error
	}{
		"another entry is appended": {false, ErrUnknown},
		"one is committed":          {true, ErrNotLeader},
	} {
		t.Run(name, func(t *testing.T) {
			b := newByHand(t, voters(3), nil)
			term := b.lead()
			b.ack()
			var w told
			b.h.Propose(testGroup, putEntry("k", "mine"), &w, false)
			b.work()
			last := b.status().Last
			b.appends(3, term+1, last-1, term, 0, term+1) // another leader
			b.work()
			if w.done || w.err != nil {
				t.Fatalf("answered too early: %+v", w)
			}
			if c.commits {
				m := newMessage(raftpb.MsgHeartbeat, 3, term+1)
				m.Commit = proto.Uint64(last)
				b.hear(m)
				b.work()
			} else {
				b.lead()
				b.h.Propose(testGroup, putEntry("k", "later"), nil, false) // behind the entry with which it leads
				b.work()
				b.pass(2500)
				b.work()
			}
			if !errors.Is(w.err, c.want) {
				t.Errorf("answered %v, want %v", w.err, c.want)
			}
		})
	}
}

// A leader's first entry has no content; that it is committed ends the wait of a proposal
// that it has replaced all the same.
func TestAProposalReplacedByAnEntryWithoutContentIsAnswered(t *testing.T) {
	b := newByHand(t, voters(3), nil)
	term := b.lead()
	b.ack()
	var w told
	b.h.Propose(testGroup, putEntry("k", "mine"), &w, false)
	b.work()
	last := b.status().Last
	m := newMessage(raftpb.MsgApp, 3, term+1)
	m.Index, m.LogTerm, m.Commit = proto.Uint64(last-1), &term, &last
	next := term + 1
	m.Entries = []*raftpb.Entry{{Type: raftpb.EntryNormal.Enum(), Term: &next, Index: &last}}
	b.hear(m)
	b.work()
	if !errors.Is(w.err, ErrNotLeader) {
		t.Errorf("answered %v", w.err)
	}
}

// Who leads again has none of the waiting entries, if another has overwritten them, and
// may have nothing new to put in their place.
func TestAProposalLostWhileLeadershipWasAwayIsGivenUp(t *testing.T) {
	b := newByHand(t, voters(3), nil)
	term := b.lead()
	b.ack()
	ws := make([]told, 3)
	for i := range ws {
		b.h.Propose(testGroup, putEntry("k", "mine"), &ws[i], false)
	}
	b.work()
	b.appends(3, term+1, b.status().Last-3, term, 0, term+1)
	b.work()
	b.lead()
	for range 60 {
		b.ack()
		b.beat()
		b.pass(50)
	}
	for i := range ws {
		if ws[i].err == nil {
			t.Errorf("proposal %d is not answered", i)
		}
	}
}

// What a snapshot covers may have been committed.
func TestAProposalHiddenInASnapshotIsUnknown(t *testing.T) {
	b := newByHand(t, voters(3), nil)
	term := b.lead()
	b.ack()
	var w told
	b.h.Propose(testGroup, putEntry("k", "mine"), &w, false)
	b.work()
	index := b.status().Last + 10
	if !b.h.SnapshotArrived(nodeID(3), testGroup, 1, 3, term+1, index, term+1, voters(3)) {
		t.Fatal("the snapshot is not taken")
	}
	b.work()
	if b.install == nil || b.install.Index != index {
		t.Fatalf("to be installed: %+v", b.install)
	}
	b.h.Installed(testGroup, index, term+1, 0)
	b.appends(3, term+1, index, term+1, index+1, term+1)
	b.work()
	if !errors.Is(w.err, ErrUnknown) {
		t.Errorf("answered %v", w.err)
	}
}

func TestASnapshotIsRecordedWithItsCommitIndex(t *testing.T) {
	b := newByHand(t, voters(3), nil)
	b.appends(2, 2, 1, 1, 1, 2)
	b.work()
	b.records = nil
	b.h.SnapshotArrived(nodeID(2), testGroup, 1, 2, 2, 50, 2, voters(3))
	b.work()
	if len(b.records) != 2 || b.records[0].Type != RecordReset || b.records[1].Type != RecordState {
		t.Fatalf("%+v", b.records)
	}
	if h, err := decodeHardState(&b.records[1]); err != nil || h.Commit != 50 {
		t.Errorf("%+v, %v", h, err)
	}
}

// Leaders of two terms may each send one.
func TestOfTwoSnapshotsThatArriveTogetherOneIsTaken(t *testing.T) {
	b := newByHand(t, voters(3), nil)
	b.appends(2, 2, 1, 1, 1, 2)
	b.work()
	first := &Configuration{Index: 40, Voters: []uint64{1, 2}, nodes: voters(2).nodes}
	if !b.h.SnapshotArrived(nodeID(2), testGroup, 1, 2, 2, 50, 2, first) {
		t.Error("the first is not taken")
	}
	if b.h.SnapshotArrived(nodeID(3), testGroup, 1, 3, 3, 45, 2, voters(3)) {
		t.Error("the second is taken, too")
	}
	b.work()
	b.h.Installed(testGroup, 50, 2, 0)
	if s := b.status(); s.Conf != first || s.Applied != 50 {
		t.Errorf("applied %d with %+v", s.Applied, s.Conf)
	}
}

func TestASnapshotOfAnEarlierLeaderIsRefused(t *testing.T) {
	b := newByHand(t, voters(3), nil)
	b.appends(2, 5, 1, 1, 1, 5)
	b.work()
	if b.h.SnapshotArrived(nodeID(3), testGroup, 1, 3, 4, 50, 4, voters(3)) {
		t.Error("taken")
	}
	b.work()
	if !b.h.SnapshotArrived(nodeID(2), testGroup, 1, 2, 5, 60, 5, voters(3)) {
		t.Error("one of the leader is not taken after it")
	}
}

// Fault 27: whoever is told to stand for election is voted for whatever lease there is,
// and may be told late.
func TestNoLeaseIsTakenInATermInWhichLeadershipWasToBeHandedOver(t *testing.T) {
	b := newByHand(t, voters(3), nil)
	b.lead()
	b.ack()
	read := func() {
		var w told
		b.h.Read(testGroup, &w)
		b.work()
		b.beat()
		if !w.done {
			t.Fatalf("the read is not confirmed: %+v", w)
		}
	}
	read()
	if b.lease <= b.now {
		t.Fatal("no lease")
	}
	b.h.Transfer(testGroup, 2)
	if b.lease != 0 {
		t.Error("the lease is kept while leadership is handed over")
	}
	for range 30 { // it is not taken up, and the leader goes on
		b.beat()
		b.pass(50)
	}
	if s := b.status(); !s.Leads || s.Transferring {
		t.Fatalf("%+v", s)
	}
	if read(); b.lease != 0 {
		t.Error("a lease is taken although the other may still be told to stand for election")
	}
}

// A lease ends before any voter that has confirmed it gives its vote to another, even one
// that makes up for a pause just then, and whatever the speeds of the clocks.
func TestALeaseEndsBeforeAVoterForgetsTheLeader(t *testing.T) {
	for phase := int64(1); phase <= 50; phase++ {
		b := newByHand(t, voters(3), nil)
		b.pass(1000) // it has not just started
		began := b.now
		b.hear(newMessage(raftpb.MsgHeartbeat, 2, 2))
		for range MaxTicks {
			b.h.Tick()
		}
		b.work()
		for tick := began + phase; ; tick += 50 {
			b.out = nil
			b.now = tick
			b.h.Now(tick)
			b.h.Tick()
			b.work()
			ask := newMessage(raftpb.MsgPreVote, 3, 3)
			ask.Index, ask.LogTerm = proto.Uint64(9), proto.Uint64(9)
			b.hear(ask)
			b.work()
			if votes := b.sent(raftpb.MsgPreVoteResp); len(votes) > 0 && !votes[0].GetReject() {
				if slowest := b.h.leaseMs() * 10 / 9; tick-began < slowest {
					t.Errorf("a vote after %d ms, leases last up to %d", tick-began, slowest)
				}
				break
			}
			if tick > began+5000 {
				t.Fatal("no vote at all")
			}
		}
	}
}

func TestAReplicaThatHasJustStartedGivesNoVote(t *testing.T) {
	b := newByHand(t, voters(3), nil)
	ask := func() int {
		for _, kind := range []raftpb.MessageType{raftpb.MsgPreVote, raftpb.MsgVote} {
			m := newMessage(kind, 3, 3)
			m.Index, m.LogTerm = proto.Uint64(9), proto.Uint64(9)
			b.hear(m)
		}
		b.work()
		return len(b.sent(raftpb.MsgPreVoteResp)) + len(b.sent(raftpb.MsgVoteResp))
	}
	b.pass(550)
	if ask() > 0 {
		t.Error("a vote before an election time-out has passed")
	}
	b.pass(50)
	if ask() == 0 {
		t.Error("no vote after it")
	}
}

// A response of a higher term would have a follower forget its leader, and with that that
// the leader's lease may still run.
func TestAFollowerKeepsItsLeaderWhateverResponsesItGets(t *testing.T) {
	b := newByHand(t, voters(3), nil)
	b.hear(newMessage(raftpb.MsgHeartbeat, 2, 2))
	b.work()
	for _, kind := range []raftpb.MessageType{raftpb.MsgPreVoteResp, raftpb.MsgVoteResp, raftpb.MsgAppResp, raftpb.MsgHeartbeatResp} {
		m := newMessage(kind, 3, 9)
		m.Reject = proto.Bool(true)
		b.hear(m)
		b.work()
		if s := b.status(); s.Leader != 2 || s.Term != 2 {
			t.Errorf("after a %v: leader %d, term %d", kind, s.Leader, s.Term)
		}
	}
}

// Raft answers reads of a group with one voter at once: before it is known what was
// committed in an earlier life.
func TestTheOnlyVoterReadsNothingBeforeItHasCommittedInItsTerm(t *testing.T) {
	conf := &Configuration{Voters: []uint64{1}, Learners: []uint64{2}, nodes: voters(2).nodes}
	b := newByHand(t, conf, func(c *RaftConfig) {
		c.Entries = []Entry{{Type: RecordEntry, Term: 1, Index: 2, Payload: putEntry("k", "acknowledged")}}
	})
	b.slow = true
	for range 100 {
		b.pass(50)
		if b.status().Leads {
			break
		}
		b.h.Persisted(b.h.batch)
	}
	var w told
	b.h.Read(testGroup, &w)
	asks := &raftpb.Message{Type: raftpb.MsgReadIndex.Enum(), From: proto.Uint64(2), Entries: []*raftpb.Entry{{Data: []byte("12345678")}}}
	b.hear(asks)
	b.work()
	if w.done || len(b.sent(raftpb.MsgReadIndexResp)) > 0 {
		t.Fatalf("answered with %d entries applied", len(b.applied))
	}
	b.slow = false
	b.h.Persisted(b.h.batch)
	b.work()
	b.hear(asks)
	b.work()
	answers := b.sent(raftpb.MsgReadIndexResp)
	if !w.done || len(answers) != 1 || answers[0].GetIndex() < 2 || len(b.applied) != 1 {
		t.Errorf("%+v, %v, %d applied", w, answers, len(b.applied))
	}
}

// A change that cannot be made would end every replica that applies it.
func TestAChangeThatCannotBeMadeIsRefused(t *testing.T) {
	b := newByHand(t, voters(3), nil)
	b.lead()
	b.ack()
	last := b.status().Last
	if err := b.h.Reconfigure(testGroup, Change{Remove: []uint64{1, 2, 3}}); err == nil {
		t.Error("no error")
	}
	b.work()
	if b.status().Last != last {
		t.Error("it was proposed")
	}
}

// Raft would send on to a new leader what its old one asks of it.
func TestWhoHasJustHeardOfANewLeaderHandsNothingOver(t *testing.T) {
	b := newByHand(t, voters(3), nil)
	term := b.lead()
	b.ack()
	b.work()
	b.hear(newMessage(raftpb.MsgHeartbeat, 3, term+1))
	b.h.Transfer(testGroup, 2)
	if err := b.h.Reconfigure(testGroup, Change{Remove: []uint64{2}}); !errors.Is(err, ErrNotLeader) {
		t.Errorf("a change of the configuration: %v", err)
	}
	b.work()
	for _, m := range b.out {
		if kind := m.GetType(); kind == raftpb.MsgTransferLeader || kind == raftpb.MsgProp {
			t.Errorf("it sends a %v", kind)
		}
	}
}

// Fault 11: a disk that was put back as it was earlier.
func TestAReplicaThatHasLostWhatItAcknowledgedHalts(t *testing.T) {
	b := newByHand(t, voters(3), nil)
	m := newMessage(raftpb.MsgHeartbeat, 2, 2)
	m.Commit = proto.Uint64(7)
	b.hear(m)
	err := b.h.Work(&b.fx)
	if !errors.Is(err, ErrAmnesia) || !strings.Contains(err.Error(), "up to index 7, its log ends at 1") {
		t.Errorf("%v", err)
	}
}

// Terms and votes outlive a power cut whatever the log's policy is.
func TestTermsVotesAndResetsAreToBeSynced(t *testing.T) {
	b := newByHand(t, voters(3), nil)
	b.pass(700)
	ask := newMessage(raftpb.MsgVote, 3, 3)
	ask.Index, ask.LogTerm = proto.Uint64(9), proto.Uint64(9)
	for _, event := range []struct {
		name string
		do   func()
		sync bool
	}{
		{"a vote", func() { b.hear(ask) }, true},
		{"entries", func() { b.appends(3, 3, 1, 1, 1, 3) }, false},
		{"a snapshot", func() { b.h.SnapshotArrived(nodeID(3), testGroup, 1, 3, 3, 50, 3, voters(3)) }, true},
	} {
		event.do()
		if err := b.h.Work(&b.fx); err != nil {
			t.Fatal(err)
		}
		if len(b.fx.Records) == 0 || b.fx.Sync != event.sync {
			t.Errorf("%s: %d records, to be synced: %v", event.name, len(b.fx.Records), b.fx.Sync)
		}
		batch := b.fx.Batch
		b.fx.Reset()
		b.h.Persisted(batch)
		b.work()
	}
}

// Once in an election time-out Raft asks whether it has heard from a majority, and forgets
// from whom.
func TestFollowersStayActiveWhileTheLeaderChecksItsMajority(t *testing.T) {
	b := newByHand(t, voters(3), nil)
	b.lead()
	b.ack()
	for range 40 {
		b.beat()
		b.pass(50)
		active := false
		b.h.Progress(testGroup, func(p Progress) { active = active || p.ID == 2 && p.Active && p.CaughtUp })
		if !active {
			t.Fatal("replica 2 does not count as active")
		}
	}
	b.pass(1800)
	b.h.Progress(testGroup, func(p Progress) {
		if p.Active {
			t.Errorf("replica %d counts as active, and is silent", p.ID)
		}
	})
}

// Proposals that are sent on are repeated by who makes them: those for which there is no
// leader must not gather.
func TestForwardedProposalsDoNotGatherWithoutALeader(t *testing.T) {
	b := newByHand(t, voters(3), func(c *RaftConfig) { c.Forward = true })
	for range 100 {
		b.h.Propose(testGroup, putEntry("k", "v"), nil, false)
		b.pass(50)
	}
	if n := len(b.r.queue); n > 30 {
		t.Errorf("%d wait", n)
	}
}

// Before a replica may be dropped for not being in it any more, the configuration must
// outlive a crash of everybody.
func TestAConfigurationIsSealedByAnEntryBehindIt(t *testing.T) {
	b := newByHand(t, voters(3), nil)
	b.lead()
	b.ack()
	if err := b.h.Reconfigure(testGroup, Change{Remove: []uint64{3}}); err != nil {
		t.Fatal(err)
	}
	b.h.Propose(testGroup, putEntry("k", "appended before the change is applied"), nil, false)
	b.work()
	b.sent(raftpb.MsgApp)
	b.ack()
	s := b.status()
	if len(s.Conf.Voters) != 2 || s.Sealed {
		t.Fatalf("%+v, sealed %v", s.Conf, s.Sealed)
	}
	told := false
	for _, m := range b.sent(raftpb.MsgApp) {
		told = told || m.GetTo() == 2 && len(m.GetEntries()) > 0 && m.GetCommit() >= s.Conf.Index
	}
	if !told {
		t.Error("no entry behind it says that it is committed")
	}
	if b.ack(); !b.status().Sealed {
		t.Error("not sealed by then")
	}
}

// A leader without a majority steps down; what it may hold until then is bounded, and so is
// what one keeps for laggards.
func TestTheLogInMemoryIsBounded(t *testing.T) {
	b := newByHand(t, voters(3), nil)
	b.lead()
	b.ack()
	for range 200 {
		b.h.Propose(testGroup, putEntry("k", strings.Repeat("x", 1000)), nil, false)
		b.work()
		b.ack()
		b.beat()
		b.pass(50)
	}
	if most := b.h.hardKeepBytes() + 10_000; b.h.Held() > most {
		t.Errorf("%d bytes are held, at most %d should be", b.h.Held(), most)
	}
}

// raft.Storage's contract at the edges, which Raft relies on.
func TestTheLogInMemoryAtItsEdges(t *testing.T) {
	var l memLog
	entries := func(term uint64, indexes ...uint64) (all []*raftpb.Entry) {
		for _, i := range indexes {
			all = append(all, (&Entry{Type: RecordEntry, Term: term, Index: i, Payload: []byte("12345")}).pb())
		}
		return all
	}
	l.reset(10, 2)
	check := func(step string, first, last uint64, terms ...uint64) {
		t.Helper()
		f, _ := l.FirstIndex()
		e, _ := l.LastIndex()
		if f != first || e != last {
			t.Errorf("%s: %d to %d, want %d to %d", step, f, e, first, last)
		}
		for i, want := range terms {
			if got, err := l.Term(first - 1 + uint64(i)); err != nil || got != want {
				t.Errorf("%s: term of %d is %d (%v), want %d", step, first-1+uint64(i), got, err, want)
			}
		}
		if _, err := l.Term(first - 2); !errors.Is(err, raft.ErrCompacted) {
			t.Errorf("%s: before the first: %v", step, err)
		}
		if _, err := l.Term(last + 1); !errors.Is(err, raft.ErrUnavailable) {
			t.Errorf("%s: behind the last: %v", step, err)
		}
		if _, err := l.Entries(first-1, last+1, 1<<20); !errors.Is(err, raft.ErrCompacted) {
			t.Errorf("%s: entries from before the first: %v", step, err)
		}
		if _, err := l.Entries(first, last+2, 1<<20); !errors.Is(err, raft.ErrUnavailable) {
			t.Errorf("%s: entries to behind the last: %v", step, err)
		}
		want := int64(0)
		for _, e := range l.entries {
			want += entryBytes(e)
		}
		if l.bytes != want {
			t.Errorf("%s: %d bytes are counted, %d are there", step, l.bytes, want)
		}
	}
	check("after a snapshot", 11, 10, 2)
	l.append(entries(3, 11, 12, 13))
	check("entries", 11, 13, 2, 3, 3, 3)
	held, _ := l.Entries(11, 14, 1<<20)
	l.append(entries(4, 12))
	check("overwritten", 11, 12, 2, 3, 4)
	if held[1].GetTerm() != 3 {
		t.Error("what Raft holds has changed")
	}
	l.append(entries(4, 13, 14, 15))
	if got, _ := l.Entries(11, 16, uint64(2*entryBytes(held[0]))); len(got) != 2 {
		t.Errorf("%d entries of two entries' size", len(got))
	}
	if got, _ := l.Entries(11, 16, 1); len(got) != 1 {
		t.Errorf("%d entries of too little size", len(got))
	}
	l.compact(13)
	check("compacted", 14, 15, 4, 4, 4)
	l.compact(12)
	check("compacted to before that", 14, 15, 4, 4, 4)
	l.append(entries(4, 13, 14, 15, 16)) // the first is given up already
	check("reaching before the first", 14, 16, 4, 4, 4, 4)
	l.append(entries(4, 12, 13))
	check("before the first alone", 14, 16, 4, 4, 4, 4)
	l.compact(16)
	check("all of it", 17, 16, 4)
	if !slices.Equal(l.entries, nil) {
		t.Errorf("%d entries are left", len(l.entries))
	}
	l.reset(40, 6)
	check("another snapshot", 41, 40, 6)
}
