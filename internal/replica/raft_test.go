package replica

import (
	"errors"
	"slices"
	"strings"
	"testing"

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
			first := b.status().Last + 1
			var w told
			b.h.Propose(testGroup, putEntry("k", "another"), nil, false)
			b.h.Propose(testGroup, putEntry("k", "another"), nil, false)
			b.h.Propose(testGroup, putEntry("k", "mine"), &w, false)
			b.work()
			b.appends(3, term+1, first-1, term, 0, term+1) // another leader
			b.work()
			if w.done || w.err != nil {
				t.Fatalf("answered too early: %+v", w)
			}
			if c.commits {
				b.appends(3, term+1, first, term+1, first+2, term+1, term+1)
				b.work()
			} else {
				b.lead() // by an entry without content
				b.h.Propose(testGroup, putEntry("k", "in its place"), nil, false)
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

func TestAVoteIsRecordedBeforeItIsGiven(t *testing.T) {
	b := newByHand(t, voters(3), nil)
	b.pass(700)
	ask := newMessage(raftpb.MsgVote, 3, 3)
	b.hear(ask) // lacks what this one has
	b.work()
	b.sent(raftpb.MsgVoteResp)
	b.slow = true
	ask = newMessage(raftpb.MsgVote, 2, 3)
	ask.Index, ask.LogTerm = proto.Uint64(9), proto.Uint64(2)
	b.hear(ask)
	b.work()
	if len(b.sent(raftpb.MsgVoteResp)) > 0 {
		t.Error("it is given before it is durable")
	}
	h, err := decodeHardState(&b.records[len(b.records)-1])
	if err != nil || h.Term != 3 || h.Vote != 2 {
		t.Errorf("recorded last: %+v, %v", h, err)
	}
	b.h.Persisted(b.h.batch)
	b.work()
	if len(b.sent(raftpb.MsgVoteResp)) != 1 {
		t.Error("it is not given when it is durable")
	}
}

// Log time does not go back with a new leader, whatever its clock says.
func TestALeadersStampsAreNotBehindThoseOfOthers(t *testing.T) {
	const ahead = 1 << 40
	for name, learn := range map[string]func(b *byHand){
		"from an entry": func(b *byHand) {
			m := newMessage(raftpb.MsgApp, 2, 2)
			m.Index, m.LogTerm, m.Commit = proto.Uint64(1), proto.Uint64(1), proto.Uint64(2)
			e := (&Entry{Type: RecordEntry, Term: 2, Index: 2, Payload: putEntry("k", "v")}).pb()
			setStampAt(e.Data, 8, ahead)
			m.Entries = []*raftpb.Entry{e}
			b.hear(m)
			b.work()
		},
		"from a snapshot": func(b *byHand) {
			b.h.SnapshotArrived(nodeID(2), testGroup, 1, 2, 2, 50, 2, voters(3))
			b.work()
			b.h.Installed(testGroup, 50, 2, ahead)
			b.work()
		},
	} {
		b := newByHand(t, voters(3), nil)
		learn(b)
		b.lead()
		b.ack()
		e := putEntry("k", "v")
		setStampAt(e, 8, 5)
		b.h.Propose(testGroup, e, nil, false)
		b.work()
		entries := slices.DeleteFunc(b.records, func(r wal.Record) bool { return r.Type != RecordEntry })
		if got := stampAt(entries[len(entries)-1].Payload, 8); got < ahead {
			t.Errorf("%s: stamped %d", name, got)
		}
	}
}

// While voters are replaced, those who do not know of it yet may elect a leader by a majority of the old ones. What the
// new ones alone have committed would be lost.
func TestWhileVotersAreReplacedAnEntryNeedsBothMajorities(t *testing.T) {
	conf := voters(4)
	conf.Voters, conf.Learners = conf.Voters[:3:3], conf.Voters[3:]
	b := newByHand(t, conf, nil)
	b.lead()
	b.ack()
	if err := b.h.Reconfigure(testGroup, Change{Promote: []uint64{4}, Remove: []uint64{3}}); err != nil {
		t.Fatal(err)
	}
	b.work()
	b.ack() // the change is committed by the old voters 1 and 2, and begins
	b.h.Propose(testGroup, putEntry("k", "v"), nil, false)
	b.work()
	before := len(b.applied)
	b.acksOf(4)
	if len(b.applied) > before {
		t.Error("committed by 1 and 4, most of the new voters, alone")
	}
	b.acksOf(2)
	if len(b.applied) == before {
		t.Error("not committed by most of the old and of the new voters")
	}
}
