package replica

import (
	"testing"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// ackOf has a replica say that it has everything up to index.
func (b *byHand) ackOf(id, index uint64) {
	b.t.Helper()
	m := newMessage(raftpb.MsgAppResp, id, b.status().Term)
	m.Index = proto.Uint64(index)
	b.hear(m)
	b.work()
}

// propose has the leader append an entry and returns its index.
func (b *byHand) propose(value string) uint64 {
	b.t.Helper()
	b.h.Propose(testGroup, putEntry("k", value), nil, false)
	b.work()
	return b.status().Last
}

// newsTo takes what has been sent to each replica of the commit index alone: the indexes.
func (b *byHand) newsTo() map[uint64][]uint64 {
	news := map[uint64][]uint64{}
	for _, m := range b.sent(raftpb.MsgApp) {
		if len(m.GetEntries()) == 0 {
			news[m.GetTo()] = append(news[m.GetTo()], m.GetCommit())
		}
	}
	return news
}

// leading is the leader of three replicas that have everything and know it.
func leading(t *testing.T) *byHand {
	b := newByHand(t, voters(3), nil)
	b.lead()
	b.acksOf(2, 3)
	b.newsTo()
	return b
}

func TestFollowersHearAtOnceThatTheNewestEntryIsCommitted(t *testing.T) {
	b := leading(t)
	index := b.propose("a")
	b.newsTo()
	b.ackOf(2, index)
	if news := b.newsTo(); len(news[2]) != 1 || len(news[3]) != 1 || news[2][0] != index || news[3][0] != index {
		t.Errorf("told of commits: %v, want %d once each", news, index)
	}
}

func TestNewsOfACommitWaitForThoseOfTheEntriesBehindIt(t *testing.T) {
	b := leading(t)
	first, second := b.propose("a"), b.propose("b")
	b.newsTo()
	b.ackOf(2, first)
	if news := b.newsTo(); len(news) != 0 {
		t.Errorf("%v was told though an entry is under way", news)
	}
	b.ackOf(3, second)
	if news := b.newsTo(); len(news[2]) != 1 || news[2][0] != second {
		t.Errorf("told of commits: %v, want %d", news, second)
	}
}

// The entries behind may never be committed, and news of commits may be all that there is
// to say for long: when the window of appends under way is full.
func TestOfTwoNewsInARowOneIsTold(t *testing.T) {
	b := leading(t)
	first, second := b.propose("a"), b.propose("b")
	b.propose("c")
	b.newsTo()
	b.ackOf(2, first)
	b.ackOf(2, second)
	if news := b.newsTo(); len(news[3]) != 1 || news[3][0] != second {
		t.Errorf("told of commits: %v, want %d", news, second)
	}
}

// An append without entries and without news has a follower repeat an acknowledgement that
// has got lost.
func TestAFollowerIsAskedForALostAcknowledgement(t *testing.T) {
	b := leading(t)
	b.propose("a")
	for range 3 {
		b.newsTo()
		b.sent(raftpb.MsgHeartbeat)
		b.pass(100)
		b.beat()
		if news := b.newsTo(); len(news[2]) == 0 {
			t.Fatal("a follower that is behind and alive is sent nothing")
		}
	}
}

func TestAnAppendInTheSameBreathCarriesTheNews(t *testing.T) {
	b := leading(t)
	index := b.propose("a")
	b.newsTo()
	m := newMessage(raftpb.MsgAppResp, 2, b.status().Term)
	m.Index = proto.Uint64(index)
	b.hear(m)
	b.h.Propose(testGroup, putEntry("k", "b"), nil, false)
	b.work()
	for _, m := range b.sent(raftpb.MsgApp) {
		if len(m.GetEntries()) != 1 || m.GetCommit() != index {
			t.Errorf("%d entries, commit %d, want one append with both", len(m.GetEntries()), m.GetCommit())
		}
	}
}
