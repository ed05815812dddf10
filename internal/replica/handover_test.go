package replica

import (
	"errors"
	"testing"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// handedOver is a leader that has handed over to replica 2, which stands for election, with
// a read and a proposal under way.
func handedOver(t *testing.T, transfer, lease bool) (b *byHand, term uint64, read, write *told) {
	t.Helper()
	b = newByHand(t, voters(3), nil)
	b.pass(1000)
	term = b.lead()
	b.ack()
	read, write = new(told), new(told)
	b.h.Read(testGroup, read, lease)
	b.work()
	if transfer {
		b.h.Transfer(testGroup, 2)
		b.work()
	}
	b.h.Propose(testGroup, putEntry("k", "v"), write, false)
	vote := newMessage(raftpb.MsgVote, 2, term+1)
	vote.LogTerm, vote.Index = proto.Uint64(term), proto.Uint64(b.status().Last)
	vote.Context = []byte("CampaignTransfer")
	b.hear(vote)
	b.work()
	if s := b.status(); s.Leads || s.Leader != 0 {
		t.Fatalf("it has not given its vote: %+v", s)
	}
	return b, term, read, write
}

func TestWhatIsAskedDuringAHandOverWaitsForTheNextLeader(t *testing.T) {
	for _, lease := range []bool{false, true} {
		b, term, read, write := handedOver(t, true, lease)
		late := new(told)
		if !b.h.Propose(testGroup, putEntry("k", "late"), late, false) {
			t.Error("a proposal is refused while nobody is known to lead")
		}
		b.work()
		if read.err != nil || write.err != nil || late.err != nil {
			t.Fatalf("refused before the next leader is known: read %v, writes %v and %v", read.err, write.err, late.err)
		}

		b.out = nil
		b.hear(newMessage(raftpb.MsgHeartbeat, 2, term+1))
		b.work()
		b.h.Redirect(testGroup)
		if !errors.Is(write.err, ErrNotLeader) || !errors.Is(late.err, ErrNotLeader) {
			t.Errorf("the writes are not sent on at once: %v and %v", write.err, late.err)
		}
		if b.h.Propose(testGroup, putEntry("k", "later"), nil, false) {
			t.Error("a proposal is taken although another replica leads")
		}
		asked := b.sent(raftpb.MsgReadIndex)
		if len(asked) != 1 || asked[0].GetTo() != 2 {
			t.Fatalf("the next leader is not asked for leave to read: %v", asked)
		}
		answer := newMessage(raftpb.MsgReadIndexResp, 2, term+1)
		answer.Index, answer.Entries = proto.Uint64(b.status().Applied), asked[0].GetEntries()
		b.hear(answer)
		b.work()
		if !read.done || read.err != nil || b.lease != 0 {
			t.Errorf("the read: done %v, err %v, lease until %d", read.done, read.err, b.lease)
		}
	}
}

func TestAReadThatWaitsForTheNextLeaderDoesNotWaitForEver(t *testing.T) {
	for _, lease := range []bool{false, true} {
		b, _, read, _ := handedOver(t, true, lease)
		b.pass(700)
		if read.err == nil {
			t.Error("a read still waits an election time-out after it came")
		}
	}
}

func TestALeadershipThatIsLostOtherwiseFailsItsReadsAtOnce(t *testing.T) {
	for _, lease := range []bool{false, true} {
		b, _, read, _ := handedOver(t, false, lease)
		if !errors.Is(read.err, ErrNotLeader) {
			t.Errorf("the read: done %v, err %v", read.done, read.err)
		}
		_ = b
	}
}
