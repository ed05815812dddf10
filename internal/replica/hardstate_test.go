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

// TestAnEntryOnDiskTellsOfTheConfigurationThatItWasAppendedIn: a founder takes others in
// one step after the other, each of which has been committed when the next is made. Should
// it come up with the configuration before, it could elect itself without those who have a
// majority by then.
func TestAnEntryOnDiskTellsOfTheConfigurationThatItWasAppendedIn(t *testing.T) {
	b := newByHand(t, voters(1), func(c *RaftConfig) { c.Campaign = true })
	propose := func() {
		b.h.Propose(testGroup, putEntry("k", "v"), nil, false)
		b.work()
	}
	propose()
	if err := b.h.Reconfigure(testGroup, Change{Add: []Replica{{ID: 2, Node: nodeID(2)}}}); err != nil {
		t.Fatal(err)
	}
	b.work()
	if !b.status().Conf.Has(2) {
		t.Fatalf("it is not taken in: %+v", b.conf)
	}
	for round := range 3 {
		propose()
		rec := NewRecovery(testGroup, Base{Index: 1, Term: 1, Raft: true})
		last := uint64(0)
		for i := range b.records {
			if _, err := rec.Add(&b.records[i]); err != nil {
				t.Fatal(err)
			}
			last = max(last, b.records[i].Index)
		}
		// What was applied when the newest entry was appended.
		if hard, _ := rec.Raft(); hard.Commit != last-1 {
			t.Errorf("round %d: the log reaches index %d and says that %d is committed", round, last, hard.Commit)
		}
	}
}
