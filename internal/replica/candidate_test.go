package replica

import (
	"testing"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// candidate is a replica that stands for election in term 2, and whose disk does not answer.
func candidate(t *testing.T) *byHand {
	t.Helper()
	b := newByHand(t, voters(3), nil)
	b.slow = true
	for range 100 {
		b.pass(50)
		if len(b.sent(raftpb.MsgPreVote)) > 0 {
			b.hear(newMessage(raftpb.MsgPreVoteResp, 2, 2))
			b.work()
			return b
		}
	}
	t.Fatal("it does not want to stand for election")
	return nil
}

// TestAReplicaAsksForVotesOnceItsOwnIsOnDisk: those of others are enough to lead by. Should
// it crash before its own is on disk, it would not know that it had led in that term. It could
// be elected in it once more, by a voter that has heard nothing of it since, and append other
// entries under the same indexes and the same term; whoever has the first ones would
// acknowledge these as the same.
func TestAReplicaAsksForVotesOnceItsOwnIsOnDisk(t *testing.T) {
	b := candidate(t)
	if asked := b.sent(raftpb.MsgVote); len(asked) > 0 {
		t.Fatalf("it has asked for %d votes in a term that is not on disk", len(asked))
	}
	recorded := false
	for i := range b.records {
		if b.records[i].Type != RecordState {
			continue
		}
		hard, err := decodeHardState(&b.records[i])
		if err != nil {
			t.Fatal(err)
		}
		recorded = hard.Term == 2 && hard.Vote == 1
	}
	if !recorded {
		t.Fatalf("its vote is not recorded: %+v", b.records)
	}
	b.h.Persisted(b.h.batch)
	b.work()
	if asked := b.sent(raftpb.MsgVote); len(asked) != 2 || asked[0].GetTerm() != 2 {
		t.Fatalf("asked: %v", asked)
	}
	b.hear(newMessage(raftpb.MsgVoteResp, 3, 2))
	if b.work(); !b.status().Leads {
		t.Error("it does not lead by its own vote and another one")
	}
}

// TestWhoDoesNotStandAnyMoreAsksForNoVotes: when the disk answers, another one leads.
func TestWhoDoesNotStandAnyMoreAsksForNoVotes(t *testing.T) {
	b := candidate(t)
	m := newMessage(raftpb.MsgHeartbeat, 3, 2)
	m.Commit = proto.Uint64(1)
	b.hear(m)
	b.work()
	b.h.Persisted(b.h.batch)
	b.work()
	if asked := b.sent(raftpb.MsgVote); len(asked) > 0 || b.status().Leader != 3 {
		t.Errorf("it has asked for %d votes beside a leader: %+v", len(asked), b.status())
	}
}
