package replica

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// sentRound is a question or an answer that was sent to a node.
type sentRound struct {
	to int
	m  *Round
}

func (q sentRound) entries() (all []roundEntry) {
	for d := (decoder{b: q.m.body}); len(d.b) > 0; {
		all = append(all, d.roundEntry())
	}
	return all
}

// asked takes what was asked since it was looked at last, by node.
func (b *byHand) asked() []sentRound {
	all := b.rounds
	b.rounds = nil
	slices.SortStableFunc(all, func(x, y sentRound) int { return x.to - y.to })
	return all
}

// nodes are whom questions went to.
func nodesOf(asked []sentRound) (nodes []int) {
	for _, q := range asked {
		nodes = append(nodes, q.to)
	}
	return nodes
}

// hearRound has a round arrive from a node.
func (b *byHand) hearRound(from int, seq uint64, answer bool, entries ...roundEntry) {
	b.t.Helper()
	var body []byte
	for i := range entries {
		body = entries[i].append(body)
	}
	if err := DecodeMessages(appendRound(nil, seq, answer, body), func(m *Message) { b.h.Receive(nodeID(from), m) }); err != nil {
		b.t.Fatal(err)
	}
	b.work()
}

// yes has the node that was asked say yes to all of it.
func (b *byHand) yes(q sentRound) {
	b.t.Helper()
	entries := q.entries()
	for i := range entries {
		entries[i].to, entries[i].from = entries[i].from, entries[i].to
	}
	b.hearRound(q.to, q.m.Seq, true, entries...)
}

// read begins a read that needs no lease.
func (b *byHand) read() *told {
	b.t.Helper()
	w := new(told)
	b.h.Read(testGroup, w, false)
	b.work()
	return w
}

// leaderOf is a replica that leads a group, and knows what is committed.
func leaderOf(t *testing.T, conf *Configuration) *byHand {
	b := newByHand(t, conf, nil)
	b.lead()
	b.ack()
	return b
}

func TestAReadHasLeaveOnceAMajorityHasSaidYes(t *testing.T) {
	b := leaderOf(t, voters(3))
	b.r.conf = voters(5)
	w := b.read()
	asked := b.asked()
	if !slices.Equal(nodesOf(asked), []int{2, 3, 4, 5}) {
		t.Fatalf("asked: %v", nodesOf(asked))
	}
	if len(b.sent(raftpb.MsgHeartbeat)) > 0 {
		t.Error("a heartbeat for a read")
	}
	b.yes(asked[0])
	if w.done {
		t.Error("leave by two of five")
	}
	b.yes(asked[0]) // the same answer twice
	if w.done {
		t.Error("leave by one that has answered twice")
	}
	b.yes(asked[3])
	if !w.done || w.err != nil {
		t.Errorf("no leave by three of five: %+v", w)
	}
	if b.lease != 0 {
		t.Error("a round of the host's has begun a lease: no voter waits for the leader because of it")
	}
}

// Each answer is one that proves nothing.
func TestDoubtfulAnswersGiveNoLeave(t *testing.T) {
	conf := voters(3)
	conf.Learners = []uint64{4}
	conf.nodes = append(conf.nodes, place{4, nodeID(4)})
	for name, answer := range map[string]func(b *byHand, q sentRound, e roundEntry){
		"of nobody":            func(b *byHand, q sentRound, _ roundEntry) { b.hearRound(2, q.m.Seq, true) },
		"from a learner":       func(b *byHand, q sentRound, e roundEntry) { e.from = 4; b.hearRound(4, q.m.Seq, true, e) },
		"from a stranger":      func(b *byHand, q sentRound, e roundEntry) { e.from = 9; b.hearRound(9, q.m.Seq, true, e) },
		"of an earlier term":   func(b *byHand, q sentRound, e roundEntry) { e.term--; b.hearRound(2, q.m.Seq, true, e) },
		"of a later term":      func(b *byHand, q sentRound, e roundEntry) { e.term++; b.hearRound(2, q.m.Seq, true, e) },
		"of another group":     func(b *byHand, q sentRound, e roundEntry) { e.group++; b.hearRound(2, q.m.Seq, true, e) },
		"for another replica":  func(b *byHand, q sentRound, e roundEntry) { e.to = 7; b.hearRound(2, q.m.Seq, true, e) },
		"to the round before":  func(b *byHand, q sentRound, e roundEntry) { b.hearRound(2, q.m.Seq-1, true, e) },
		"to a round to come":   func(b *byHand, q sentRound, e roundEntry) { b.hearRound(2, q.m.Seq+1, true, e) },
		"that is the question": func(b *byHand, q sentRound, e roundEntry) { b.hearRound(2, q.m.Seq, false, e) },
	} {
		t.Run(name, func(t *testing.T) {
			b := leaderOf(t, conf)
			before := b.read()
			asked := b.asked()
			if !slices.Equal(nodesOf(asked), []int{2, 3}) {
				t.Fatalf("asked: %v", nodesOf(asked))
			}
			b.yes(asked[1])
			w := b.read() // in a round of its own
			q := b.asked()
			if !before.done || len(q) != 1 || q[0].to != 3 {
				t.Fatalf("the round before: %+v, asked %v", before, nodesOf(q))
			}
			e := q[0].entries()[0]
			e.to, e.from = e.from, 2
			answer(b, q[0], e)
			if w.done {
				t.Error("leave")
			}
			if b.yes(q[0]); !w.done {
				t.Error("no leave by a good one")
			}
		})
	}
}

func TestAJointConfigurationNeedsBothMajorities(t *testing.T) {
	for first := range 2 {
		b := leaderOf(t, voters(3))
		b.r.conf = &Configuration{Voters: []uint64{1, 4, 5}, Outgoing: []uint64{1, 2, 3}, nodes: voters(5).nodes}
		w := b.read()
		asked := b.asked()
		if !slices.Equal(nodesOf(asked), []int{2, 3, 4, 5}) {
			t.Fatalf("asked: %v", nodesOf(asked))
		}
		b.yes(asked[2*first])
		b.yes(asked[2*first+1])
		if w.done {
			t.Errorf("leave by %v alone", nodesOf(asked[2*first:2*first+2]))
		}
		if b.yes(asked[2-2*first]); !w.done {
			t.Error("no leave by both majorities")
		}
	}
}

func TestAReplicaSaysYesToTheLeaderThatItFollowsAlone(t *testing.T) {
	good := roundEntry{group: testGroup, to: 1, from: 2, term: 2}
	for name, c := range map[string]struct {
		change func(e *roundEntry)
		yes    bool
	}{
		"its leader":        {func(*roundEntry) {}, true},
		"an earlier term":   {func(e *roundEntry) { e.term = 1 }, false},
		"a later term":      {func(e *roundEntry) { e.term = 3 }, false},
		"another leader":    {func(e *roundEntry) { e.from = 3 }, false},
		"another replica":   {func(e *roundEntry) { e.to = 2 }, false},
		"a group elsewhere": {func(e *roundEntry) { e.group = testGroup + 1 }, false},
	} {
		t.Run(name, func(t *testing.T) {
			b := newByHand(t, voters(3), nil)
			b.hear(newMessage(raftpb.MsgHeartbeat, 2, 2))
			b.work()
			e := good
			c.change(&e)
			b.hearRound(2, 77, false, e)
			sent := b.asked()
			if len(sent) != 1 || sent[0].to != 2 || !sent[0].m.Answer || sent[0].m.Seq != 77 {
				t.Fatalf("sent: %+v", sent)
			}
			want := []roundEntry{{group: testGroup, to: 2, from: 1, term: 2}}
			if got := sent[0].entries(); c.yes != slices.Equal(got, want) || !c.yes && len(got) > 0 {
				t.Errorf("says %+v", got)
			}
		})
	}
}

// Who has given its vote in a later term says no to the leader of the earlier one.
func TestAReplicaThatHasVotedSaysNo(t *testing.T) {
	b := newByHand(t, voters(3), nil)
	b.hear(newMessage(raftpb.MsgHeartbeat, 2, 2))
	b.pass(2000) // it does not hear of its leader any more
	ask := newMessage(raftpb.MsgVote, 3, b.status().Term+1)
	ask.Index, ask.LogTerm = proto.Uint64(9), proto.Uint64(9)
	b.hear(ask)
	b.work()
	if votes := b.sent(raftpb.MsgVoteResp); len(votes) != 1 || votes[0].GetReject() {
		t.Fatalf("votes: %v", votes)
	}
	b.asked()
	b.hearRound(2, 1, false, roundEntry{group: testGroup, to: 1, from: 2, term: 2})
	if sent := b.asked(); len(sent) != 1 || len(sent[0].entries()) > 0 {
		t.Errorf("%+v", sent)
	}
}

// What former leaders have acknowledged must be known, and applied.
func TestALeaderAsksOnceItKnowsWhatIsCommittedAndReadsWhenThatIsApplied(t *testing.T) {
	b := newByHand(t, voters(3), nil)
	b.lead()
	w := b.read()
	if asked := b.asked(); len(asked) > 0 {
		t.Fatal("asked before an entry of its term is committed")
	}
	b.ack()
	asked := b.asked()
	if len(asked) != 2 {
		t.Fatalf("asked when one is: %v", nodesOf(asked))
	}
	b.slow = true // what others have on disk is committed, and not applied here yet
	b.h.Propose(testGroup, putEntry("k", "v2"), nil, false)
	b.work()
	b.acksOf(2, 3)
	later := b.read()
	if b.yes(asked[0]); !w.done {
		t.Error("what was committed when the round began is applied, and there is no leave")
	}
	b.yes(b.asked()[0])
	if s := b.status(); later.done || s.Commit <= s.Applied {
		t.Errorf("leave at %+v", s)
	}
	b.h.Persisted(b.h.batch)
	if b.work(); !later.done {
		t.Error("no leave when it is applied")
	}
}

// Leadership may be lost and won again while a group waits for the next round.
func TestAGroupTakesNoPartBeforeItsLeaderKnowsWhatIsCommitted(t *testing.T) {
	b := leaderOf(t, voters(3))
	b.read()
	asked := b.asked()
	w := b.read()
	b.r.appliedTerm-- // as if it had just been elected
	b.yes(asked[0])
	if asked := b.asked(); len(asked) > 0 || w.done {
		t.Errorf("asked %v, leave %v", nodesOf(asked), w.done)
	}
}

func TestTheOnlyVoterNeedsToAskNobody(t *testing.T) {
	b := newByHand(t, voters(1), func(c *RaftConfig) { c.Campaign = true })
	b.pass(100)
	for range 3 {
		if w := b.read(); !w.done || w.err != nil {
			t.Errorf("%+v", w)
		}
	}
}

// Reads of all groups share a round, and those that come meanwhile the next one.
func TestARoundIsForAllGroupsAndAllReads(t *testing.T) {
	b := leaderOf(t, voters(3))
	other := newByHand(t, voters(3), nil) // lends its machine
	c := RaftConfig{Group: testGroup + 1, Hard: HardState{Replica: 1, Term: 1, Commit: 1}, Conf: voters(3), Machine: other, Applied: 1, AppliedTerm: 1, StampAt: 8}
	if err := b.h.Add(c); err != nil {
		t.Fatal(err)
	}
	r := b.h.rafts[testGroup+1]
	r.role, r.term, r.lead, r.appliedTerm = b.r.role, 1, 1, 1
	var first, second, third told
	b.h.Read(testGroup, &first, false)
	b.h.Read(testGroup+1, &second, false)
	b.work()
	asked := b.asked()
	if len(asked) != 2 || len(asked[0].entries()) != 2 || len(asked[1].entries()) != 2 {
		t.Fatalf("asked: %+v", asked)
	}
	b.h.Read(testGroup, &third, false)
	b.work()
	if more := b.asked(); len(more) > 0 {
		t.Error("a round before the last is answered")
	}
	b.yes(asked[0])
	if !first.done || !second.done || third.done {
		t.Errorf("%v %v %v", first.done, second.done, third.done)
	}
	next := b.asked()
	if len(next) != 1 || len(next[0].entries()) != 1 || next[0].m.Seq == asked[0].m.Seq {
		t.Fatalf("the next round: %+v", next)
	}
	if b.yes(next[0]); !third.done {
		t.Error("the third read has no leave")
	}
	if s := b.h.Stats(); s.ReadRounds != 3 || s.ReadRoundsOK != 3 || s.Reads != 0 {
		t.Errorf("%d rounds, %d confirmed, %d reads", s.ReadRounds, s.ReadRoundsOK, s.Reads)
	}
}

func TestThoseWhoAnswerFastestAreAskedUntilTheyDoNotAnswer(t *testing.T) {
	b := leaderOf(t, voters(3))
	b.read()
	asked := b.asked()
	b.yes(asked[1]) // node 3 is the fastest
	b.yes(asked[0])
	for range 3 {
		w := b.read()
		asked = b.asked()
		if !slices.Equal(nodesOf(asked), []int{3}) {
			t.Fatalf("asked: %v", nodesOf(asked))
		}
		if b.yes(asked[0]); !w.done {
			t.Fatal("no leave")
		}
	}
	w := b.read()
	if asked = b.asked(); !slices.Equal(nodesOf(asked), []int{3}) {
		t.Fatalf("asked: %v", nodesOf(asked))
	}
	b.pass(50) // no answer
	if asked = b.asked(); !slices.Equal(nodesOf(asked), []int{2, 3}) {
		t.Fatalf("after a tick without an answer, asked: %v", nodesOf(asked))
	}
	if b.yes(asked[0]); !w.done {
		t.Error("no leave although node 2 has answered")
	}
	w = b.read()
	if asked = b.asked(); !slices.Equal(nodesOf(asked), []int{2}) {
		t.Errorf("then asked: %v", nodesOf(asked))
	}
	if b.yes(asked[0]); !w.done {
		t.Error("no leave")
	}
	b.now += 50
	b.h.Now(b.now)
	b.read()
	if asked = b.asked(); !slices.Equal(nodesOf(asked), []int{2, 3}) {
		t.Errorf("a tick later, to see who is fastest, asked: %v", nodesOf(asked))
	}
}

// Answers get lost. Reads wait for an election time-out at most, and the rounds under way
// stay few.
func TestAReadIsAskedForUntilItsTimeIsUp(t *testing.T) {
	b := leaderOf(t, voters(3))
	beats := func() { // or it would stop to lead
		b.beat()
		b.pass(50)
	}
	var reads []*told
	for range 10 {
		reads = append(reads, b.read())
		beats()
		if len(b.r.reads.asked) > maxRounds {
			t.Fatalf("%d rounds are under way", len(b.r.reads.asked))
		}
	}
	asked := b.asked()
	last := asked[len(asked)-1]
	if b.yes(last); !reads[0].done || !reads[8].done {
		t.Errorf("the last of %d questions is answered: %v, %v", len(asked), reads[0].done, reads[8].done)
	}
	for range maxRounds {
		b.read()
		beats()
	}
	w := b.read()
	for range 14 { // others are asked for meanwhile
		b.read()
		beats()
	}
	if !b.status().Leads {
		t.Fatal("it does not lead any more")
	}
	if !errors.Is(w.err, ErrNotLeader) {
		t.Errorf("after more than an election time-out: %+v", w)
	}
}

func TestWhoLeadsNoMoreGivesNoLeave(t *testing.T) {
	b := leaderOf(t, voters(3))
	w := b.read()
	asked := b.asked()
	b.hear(newMessage(raftpb.MsgHeartbeat, 2, b.status().Term+1))
	b.work()
	if !errors.Is(w.err, ErrNotLeader) {
		t.Errorf("%+v", w)
	}
	b.yes(asked[0])
	if w.done {
		t.Error("leave after it was refused")
	}
	if s := b.h.Stats(); s.Reads != 0 {
		t.Errorf("%d reads wait", s.Reads)
	}
}

func TestARoundThatIsDamagedIsRefused(t *testing.T) {
	e := roundEntry{group: 300, to: 1 << 40, from: 2, term: 3}
	whole := appendRound(nil, 1<<60, false, e.append(nil))
	var got *Round
	if err := DecodeMessages(whole, func(m *Message) { got = m.Round }); err != nil || got == nil || got.Seq != 1<<60 || got.Answer {
		t.Fatalf("%+v, %v", got, err)
	}
	if all := (sentRound{m: got}).entries(); len(all) != 1 || all[0] != e {
		t.Errorf("%+v", all)
	}
	head := len(appendRound(nil, 1<<60, false, nil))
	for cut := 5; cut < len(whole); cut++ {
		b := slices.Clone(whole[:cut])
		b[0] = byte(cut - 4)
		err := DecodeMessages(b, func(*Message) {})
		if cut != head && !errors.Is(err, ErrMessage) {
			t.Errorf("cut at %d of %d: %v", cut, len(whole), err)
		}
	}
	big := appendRound(nil, 1, false, []byte{0xff, 0xff, 0xff, 0xff, 0x1f, 1, 1, 1})
	if err := DecodeMessages(big, func(*Message) {}); !errors.Is(err, ErrMessage) {
		t.Errorf("a group beyond 32 bits: %v", err)
	}
}

// BenchmarkRound is what asking and answering costs a leader, per group.
func BenchmarkRound(b *testing.B) {
	for _, groups := range []int{1, 21, 64} {
		b.Run(fmt.Sprint(groups), func(b *testing.B) {
			h := NewHost(Options{TickMs: 50, ElectionTicks: 12, HeartbeatTicks: 2, KeepBytes: 4 << 10, TotalKeepBytes: 64 << 10, Logger: quiet()}, 0)
			for g := range groups {
				c := RaftConfig{Group: uint32(g + 1), Hard: HardState{Replica: 1, Term: 1, Commit: 1}, Conf: voters(3), Machine: &byHand{}, Applied: 1, AppliedTerm: 1, StampAt: 8}
				if err := h.Add(c); err != nil {
					b.Fatal(err)
				}
			}
			var fx Effects
			if err := h.Work(&fx); err != nil {
				b.Fatal(err)
			}
			for _, r := range h.order {
				r.role, r.lead = 2, 1 // leads
			}
			fx.Reset()
			var w countReads
			b.ReportAllocs()
			for b.Loop() {
				for g := range groups {
					h.Read(uint32(g+1), &w, false)
				}
				if err := h.Work(&fx); err != nil {
					b.Fatal(err)
				}
				var yes []byte
				q := fx.Out[nodeID(2)]
				_ = DecodeMessages(q, func(m *Message) {
					for d := (decoder{b: m.Round.body}); len(d.b) > 0; {
						e := d.roundEntry()
						e.to, e.from = e.from, e.to
						yes = e.append(yes)
					}
					h.hearAnswer(nodeID(2), &Round{Seq: m.Round.Seq, Answer: true, body: yes})
				})
				fx.Reset()
			}
			if w != countReads(b.N*groups) {
				b.Fatalf("%d of %d reads", w, b.N*groups)
			}
		})
	}
}

type countReads int

func (c *countReads) Done()        { *c++ }
func (c *countReads) Failed(error) {}
