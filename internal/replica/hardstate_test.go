package replica

import "testing"

// A group that begins with a snapshot is in the snapshot's term, whatever its hard state says. When the log is shortened
// before the replica's first work, the term is recorded twice, and must not go back in between.
func TestTheRecordedTermNeverGoesBackForAGroupThatBeginsWithASnapshot(t *testing.T) {
	h := NewHost(Options{TickMs: 50, ElectionTicks: 10, HeartbeatTicks: 2, KeepBytes: 4 << 10, TotalKeepBytes: 64 << 10, Seed: 1, Logger: quiet()}, 0)
	const snapshotTerm = 3
	err := h.Add(RaftConfig{
		Group: testGroup, Hard: HardState{Replica: FirstReplica}, Conf: Alone(nodeID(1)), Machine: &machine{},
		Applied: 1, AppliedTerm: snapshotTerm,
	})
	if err != nil {
		t.Fatal(err)
	}
	records := h.StateRecords()
	var fx Effects
	if err := h.Work(&fx); err != nil {
		t.Fatal(err)
	}
	records = append(records, fx.Records...)
	if len(records) == 0 {
		t.Fatal("no record of the hard state")
	}
	for _, rec := range records {
		if rec.Type == RecordState && rec.Term < snapshotTerm {
			t.Errorf("a hard state of term %d after a snapshot of term %d", rec.Term, snapshotTerm)
		}
	}
}
