package replica

import (
	"testing"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// Fault 27: whoever is told to stand for election is voted for whatever lease there is,
// and may be told late.
func TestNoLeaseIsTakenInATermInWhichLeadershipWasToBeHandedOver(t *testing.T) {
	b := newByHand(t, voters(3), nil)
	b.lead()
	b.ack()
	read := func() {
		var w told
		b.h.Read(testGroup, &w, true)
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
	b.h.Read(testGroup, &w, true)
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

// What former leaders have acknowledged must be applied first.
func TestNoLeaseBeforeWhatWasCommittedIsApplied(t *testing.T) {
	b := newByHand(t, voters(3), nil)
	b.lead()
	b.ack()
	b.slow = true // what others have on disk is committed, and not applied here yet
	b.h.Propose(testGroup, putEntry("k", "v"), nil, false)
	b.work()
	b.acksOf(2, 3)
	var w told
	b.h.Read(testGroup, &w, true)
	b.work()
	b.beat()
	if s := b.status(); s.Commit <= s.Applied {
		t.Fatalf("committed %d, applied %d: the test does not reach it", s.Commit, s.Applied)
	}
	if w.done || b.lease != 0 {
		t.Errorf("read: %v, lease: %d", w.done, b.lease)
	}
	b.h.Persisted(b.h.batch)
	b.work()
	if !w.done {
		t.Error("not read when it is applied")
	}
}

// A follower's round is confirmed by a message, which may come twice.
func TestAConfirmationCountsForItsOwnRoundAlone(t *testing.T) {
	b := newByHand(t, voters(3), nil)
	b.hear(newMessage(raftpb.MsgHeartbeat, 2, 2))
	b.work()
	var first, second told
	b.h.Read(testGroup, &first, false)
	b.work()
	confirm := newMessage(raftpb.MsgReadIndexResp, 2, 2)
	confirm.Index = proto.Uint64(1)
	confirm.Entries = b.sent(raftpb.MsgReadIndex)[0].GetEntries()
	b.hear(confirm)
	b.work()
	b.h.Read(testGroup, &second, false)
	b.work()
	b.hear(confirm)
	b.work()
	if !first.done || second.done {
		t.Errorf("first %v, second %v", first.done, second.done)
	}
	confirm.Entries = b.sent(raftpb.MsgReadIndex)[0].GetEntries()
	b.hear(confirm)
	b.work()
	if !second.done {
		t.Error("the second is not confirmed by its own")
	}
}

func TestALeaseHoldsInItsTermAndUntilItEnds(t *testing.T) {
	for _, c := range []struct {
		name          string
		until, now    int64
		granted, term uint64
		leads, want   bool
	}{
		{"as it was granted", 100, 99, 3, 3, true, true},
		{"it has ended", 100, 100, 3, 3, true, false},
		{"it was given up", 0, 99, 3, 3, true, false},
		{"in another term", 100, 99, 3, 4, true, false},
		{"without leading", 100, 99, 3, 3, false, false},
	} {
		if got := LeaseHolds(c.until, c.now, c.granted, c.term, c.leads); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
