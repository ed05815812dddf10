package replica

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// stranger makes messages as only somebody can send them who has forgotten, or makes them
// up: every number may be one that matters here, or one too many.
type stranger struct{ *rand.Rand }

func (s stranger) pick(of ...uint64) uint64 { return of[s.IntN(len(of))] }

func (s stranger) message(b *byHand) *raftpb.Message {
	st := b.status()
	kinds := []raftpb.MessageType{
		raftpb.MsgProp, raftpb.MsgApp, raftpb.MsgAppResp, raftpb.MsgVote, raftpb.MsgVoteResp, raftpb.MsgHeartbeat, raftpb.MsgHeartbeatResp,
		raftpb.MsgTimeoutNow, raftpb.MsgReadIndex, raftpb.MsgReadIndexResp, raftpb.MsgPreVote, raftpb.MsgPreVoteResp,
	}
	kind := kinds[s.IntN(len(kinds))]
	number := func() uint64 { // of an index; not above it, unless that is not to be acceptable anyhow
		return s.pick(0, 1, st.Applied, st.Commit, st.Last, st.Last-1, uint64(s.IntN(int(st.Last)+2)), st.Last+1, st.Last+5, math.MaxUint64)
	}
	term := s.pick(0, st.Term, st.Term, st.Term, st.Term, st.Term+1, st.Term-1, math.MaxUint64)
	m := &raftpb.Message{
		Type: &kind, To: proto.Uint64(1), From: proto.Uint64(s.pick(0, 1, 2, 2, 3, 3, 4, raft.LocalAppendThread, raft.LocalApplyThread)), Term: &term,
		LogTerm: proto.Uint64(s.pick(0, 1, st.Term, st.Term-1, math.MaxUint64)), Index: proto.Uint64(number()), Commit: proto.Uint64(number()),
		RejectHint: proto.Uint64(number()), Reject: proto.Bool(s.IntN(3) == 0),
	}
	switch kind {
	case raftpb.MsgHeartbeat, raftpb.MsgHeartbeatResp:
		m.Context = [][]byte{nil, {1, 0, 0, 0, 0, 0, 0, 0}, {9, 9}}[s.IntN(3)]
	case raftpb.MsgVote, raftpb.MsgPreVote:
		m.Context = [][]byte{nil, []byte("CampaignTransfer")}[s.IntN(2)]
	case raftpb.MsgProp, raftpb.MsgReadIndex, raftpb.MsgReadIndexResp, raftpb.MsgApp:
		for i := range s.IntN(4) {
			data := [][]byte{nil, putEntry("k", "v"), {1, 2, 3}}[s.IntN(3)]
			if kind == raftpb.MsgApp && len(data) == 3 {
				data = nil // a leader would have refused it
			}
			m.Entries = append(m.Entries, &raftpb.Entry{
				Term: proto.Uint64(s.pick(st.Term, st.Term, 1, 0)), Index: proto.Uint64(m.GetIndex() + 1 + uint64(i)), Data: data,
			})
		}
		if kind != raftpb.MsgApp && s.IntN(4) > 0 {
			m.Term = proto.Uint64(map[bool]uint64{true: st.Term, false: 0}[kind == raftpb.MsgReadIndexResp])
		}
	}
	return m
}

// TestNoMessageEndsTheProcess gives a replica in every role all sorts of messages. It may
// halt, with the reason, if one shows that somebody has forgotten; nothing else may come of
// it.
func TestNoMessageEndsTheProcess(t *testing.T) {
	seed := rand.Uint64()
	for round := range 3000 {
		s := stranger{rand.New(rand.NewPCG(seed, uint64(round)))}
		b := newByHand(t, voters(3), func(c *RaftConfig) { c.Forward = s.IntN(2) == 0 })
		switch s.IntN(3) {
		case 0:
			b.lead()
			b.h.Propose(testGroup, putEntry("k", "v"), nil, false)
			b.work()
			if s.IntN(2) == 0 {
				b.ack()
			}
		case 1:
			b.pass(2000) // a candidate
		}
		for range 30 {
			m := s.message(b)
			from := nodeID(int(m.GetFrom() % 8))
			// As it would come from the wire.
			err := DecodeMessages(AppendMessage(nil, testGroup, m), func(m *Message) { b.h.Receive(from, m) })
			if err != nil && !errors.Is(err, ErrMessage) {
				t.Fatal(err)
			}
			if err := b.h.failed; err != nil {
				if !errors.Is(err, ErrAmnesia) {
					t.Fatalf("seed %d, round %d: %v: %v", seed, round, m, err)
				}
				break
			}
			if s.IntN(2) == 0 { // or several in one turn
				b.work()
			}
		}
	}
}

// TestALeaderWithoutWhatOthersHaveCommittedHalts: it would count them for entries that
// they do not have.
func TestALeaderWithoutWhatOthersHaveCommittedHalts(t *testing.T) {
	b := newByHand(t, voters(3), nil)
	b.lead()
	last := b.status().Last
	b.h.Receive(nodeID(2), &Message{Group: testGroup, Raft: &raftpb.Message{
		Type: raftpb.MsgAppResp.Enum(), To: proto.Uint64(1), From: proto.Uint64(2), Term: proto.Uint64(b.status().Term), Index: proto.Uint64(last + 10),
	}})
	if err := b.h.Work(&b.fx); !errors.Is(err, ErrAmnesia) {
		t.Errorf("it goes on: %v", err)
	}
}

// TestConfirmationsThatNobodyAskedForAreDropped: an earlier life of the leader may have
// asked for them, in the same term. Raft would look for reads that are not there.
func TestConfirmationsThatNobodyAskedForAreDropped(t *testing.T) {
	b := newByHand(t, voters(3), nil)
	b.lead()
	b.ack()
	confirm := func(context ...byte) {
		for _, from := range []uint64{2, 3} {
			b.h.Receive(nodeID(int(from)), &Message{Group: testGroup, Raft: &raftpb.Message{
				Type: raftpb.MsgHeartbeatResp.Enum(), To: proto.Uint64(1), From: &from, Term: proto.Uint64(b.status().Term), Context: context,
			}})
		}
		b.work()
	}
	confirm(9, 0, 0, 0, 0, 0, 0, 0)
	w := &told{}
	b.h.Read(testGroup, w, true)
	b.work()
	confirm(2, 0, 0, 0, 0, 0, 0, 0)
	if w.done {
		t.Error("another read was confirmed")
	}
	if confirm(1, 0, 0, 0, 0, 0, 0, 0); !w.done {
		t.Error("the read was not confirmed")
	}
}

// TestAMessageThatRaftFindsImpossibleHaltsTheHost: what is not foreseen must not end the
// process, which may have other things to do.
func TestAMessageThatRaftFindsImpossibleHaltsTheHost(t *testing.T) {
	b := newByHand(t, voters(3), nil)
	b.r.step(&raftpb.Message{Type: raftpb.MsgHeartbeat.Enum(), To: proto.Uint64(1), From: proto.Uint64(2), Term: proto.Uint64(9), Commit: proto.Uint64(1 << 40)})
	if err := b.h.Work(&b.fx); !errors.Is(err, ErrImpossible) {
		t.Errorf("it goes on: %v", err)
	}
}

// TestASnapshotThatRaftCouldNotTakeIsRefused: of a configuration that cannot be, of no
// term, or from nobody.
func TestASnapshotThatRaftCouldNotTakeIsRefused(t *testing.T) {
	good := func(b *byHand) (from, term uint64, conf *Configuration) { return 2, b.status().Term + 1, voters(3) }
	for what, bad := range map[string]func(from, term *uint64, conf *Configuration){
		"":             func(_, _ *uint64, _ *Configuration) {},
		"no voters":    func(_, _ *uint64, c *Configuration) { c.Voters, c.Learners = nil, []uint64{1, 2, 3} },
		"two roles":    func(_, _ *uint64, c *Configuration) { c.Learners = []uint64{2} },
		"from itself":  func(from, _ *uint64, _ *Configuration) { *from = 1 },
		"from nobody":  func(from, _ *uint64, _ *Configuration) { *from = 0 },
		"from a queue": func(from, _ *uint64, _ *Configuration) { *from = raft.LocalAppendThread },
		"of no term":   func(_, term *uint64, _ *Configuration) { *term = 0 },
	} {
		b := newByHand(t, voters(3), nil)
		from, term, conf := good(b)
		bad(&from, &term, conf)
		taken := b.h.SnapshotArrived(nodeID(2), testGroup, 1, from, term, 50, 1, conf)
		b.work()
		if taken != (what == "") || (b.install != nil) != taken {
			t.Errorf("%q: taken %v, install %v", what, taken, b.install)
		}
	}
}

// TestAHeartbeatBeyondALogThatWasCutInTheSameTurnIsNoPanic: the leader of a new term cuts
// the log, and says that more is committed, because an earlier life of this replica had it.
func TestAHeartbeatBeyondALogThatWasCutInTheSameTurnIsNoPanic(t *testing.T) {
	b := newByHand(t, voters(3), nil)
	app := func(term, prevTerm, prev uint64, count int) *raftpb.Message {
		m := &raftpb.Message{
			Type: raftpb.MsgApp.Enum(), To: proto.Uint64(1), From: proto.Uint64(2), Term: &term, LogTerm: &prevTerm, Index: &prev, Commit: proto.Uint64(1),
		}
		for i := range count {
			m.Entries = append(m.Entries, &raftpb.Entry{Term: &term, Index: proto.Uint64(prev + 1 + uint64(i)), Data: putEntry("k", "v")})
		}
		return m
	}
	beat := &raftpb.Message{Type: raftpb.MsgHeartbeat.Enum(), To: proto.Uint64(1), From: proto.Uint64(2), Term: proto.Uint64(3), Commit: proto.Uint64(8)}
	receive := func(m *raftpb.Message) { b.h.Receive(nodeID(2), &Message{Group: testGroup, Raft: m}) }
	receive(app(2, 1, 1, 10))
	b.work()
	receive(app(3, 2, 3, 1))
	receive(beat)
	b.work()
	if last := b.status().Last; last != 4 {
		t.Fatalf("the log ends at %d", last)
	}
	receive(beat)
	if err := b.h.Work(&b.fx); !errors.Is(err, ErrAmnesia) {
		t.Errorf("it goes on: %v", err)
	}
}
