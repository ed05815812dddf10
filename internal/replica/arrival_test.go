package replica

import (
	"errors"
	"testing"

	"github.com/prakashpandey/vegadb/internal/wal"
)

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

func TestThatASnapshotReplacesAnotherHistoryIsRecordedFirst(t *testing.T) {
	for _, shortened := range []bool{false, true} {
		h := NewHost(Options{TickMs: 50, ElectionTicks: 12, HeartbeatTicks: 2, KeepBytes: 4 << 10, TotalKeepBytes: 64 << 10, Seed: 1, Logger: quiet()}, 0)
		err := h.Add(RaftConfig{
			Group: testGroup, Hard: HardState{Replica: 1, Term: 4, Commit: 1}, Conf: voters(3), Machine: &byHand{}, Applied: 9, AppliedTerm: 4, Apart: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		var recs []wal.Record
		if shortened {
			recs = h.StateRecords()
		}
		var fx Effects
		if err := h.Work(&fx); err != nil {
			t.Fatal(err)
		}
		// Also when the log has been shortened: it may have had no room for those.
		for _, recs := range [][]wal.Record{recs, fx.Records} {
			if !shortened && recs == nil {
				continue
			}
			if len(recs) != 2 || recs[0].Type != RecordState || recs[1].Type != RecordReset || string(recs[1].Payload) != string(ResetRecord(1, 9, 4).Payload) {
				t.Errorf("shortened %v: %+v", shortened, recs)
			}
		}
	}
}
