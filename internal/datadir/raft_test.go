package datadir

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/internal/replica"
	"github.com/prakashpandey/vegadb/internal/snapshot"
	"github.com/prakashpandey/vegadb/internal/vfs"
	"github.com/prakashpandey/vegadb/internal/wal"
)

// record appends records as one batch, durably.
func (w *world) record(recs ...wal.Record) {
	w.t.Helper()
	w.queue(recs...)
	check(w.t, w.log.Sync(context.Background()))
}

// queue appends records as one batch, waiting while the log prepares its next
// segment.
func (w *world) queue(recs ...wal.Record) {
	w.t.Helper()
	all := make([]*wal.Record, len(recs))
	for i := range recs {
		all[i] = &recs[i]
	}
	_, err := w.log.Append(all...)
	for deadline := time.Now().Add(10 * time.Second); errors.Is(err, wal.ErrBusy) && time.Now().Before(deadline); _, err = w.log.Append(all...) {
		runtime.Gosched()
	}
	check(w.t, err)
}

// entries are those from first to last of a group, of one term.
func entries(group uint32, term, first, last uint64) (out []wal.Record) {
	for i := first; i <= last; i++ {
		out = append(out, wal.Record{Group: group, Type: replica.RecordEntry, Term: term, Index: i, Payload: bytes.Repeat([]byte{byte(i)}, recordBytes)})
	}
	return out
}

func hard(group uint32, id, term, vote, commit uint64) wal.Record {
	return replica.StateRecord(group, replica.HardState{Replica: id, Term: term, Vote: vote, Commit: commit})
}

// snapshotAt publishes a snapshot of a Raft group's at index and term.
func (w *world) snapshotAt(group uint32, index, term uint64) {
	w.t.Helper()
	w.snapshotOf(group, index, term, true)
}

func (w *world) snapshotOf(group uint32, index, term uint64, raft bool) {
	w.t.Helper()
	m := snapshot.Meta{Group: group, Term: term, Index: index, Partitions: uint32(w.dir.Partitions), Cluster: w.dir.Cluster, Raft: raft}
	_, err := snapshot.Write(context.Background(), w.fs, w.dir.SnapshotDir(), m, nil, snapshot.WriteOptions{BeforePublish: w.log.Sync})
	check(w.t, err)
}

// buildRaft makes the directory of a node with company: of the meta group it has the
// replica 1; group 1 is still a lone node's; group 2 became a Raft group at index 10
// and had some of its entries overwritten; a replica of group 3 was removed; group 4
// came as a snapshot.
func buildRaft(t testing.TB, fs vfs.FS) {
	w := newWorld(t, fs, 4)
	check(t, w.dir.MarkInUse())
	check(t, w.dir.MarkClustered())
	w.snapshotAt(0, 1, 1)
	w.record(hard(0, 1, 1, 1, 1))
	w.record(append(entries(0, 1, 2, 6), hard(0, 1, 1, 1, 5))...)
	w.append(1, 1, 20)
	w.publish(1, 20)
	w.append(1, 21, 25)
	w.record(entries(2, 1, 1, 10)...)
	w.record(hard(2, 1, 1, 1, 10))
	w.record(append(entries(2, 1, 11, 15), hard(2, 1, 1, 1, 12))...)
	w.record(append(entries(2, 3, 14, 18), hard(2, 1, 3, 2, 16))...)
	w.record(hard(3, 5, 2, 0, 0))
	w.record(append(entries(3, 2, 1, 4), hard(3, 5, 2, 2, 4))...)
	w.record(replica.GoneRecord(3, 5))
	w.record(hard(4, 9, 7, 0, 0))
	w.record(entries(4, 7, 1, 3)...)
	w.snapshotAt(4, 50, 8)
	w.record(append([]wal.Record{replica.ResetRecord(4, 50, 8), hard(4, 9, 8, 0, 50)}, entries(4, 8, 51, 53)...)...)
	w.close()
}

func raftStates() []GroupState {
	return []GroupState{
		{Group: 0, Kind: Raft, Replica: 1, Term: 1, Commit: 5, Applied: 5, Last: 6, Snapshot: 1, Reached: 5, MustReach: 1},
		{Group: 1, Kind: Solo, Term: 1, Commit: 25, Applied: 25, Last: 25, Snapshot: 20, Reached: 25, MustReach: 20},
		{Group: 2, Kind: Raft, Replica: 1, Term: 3, Commit: 16, Applied: 16, Last: 18, Reached: 16},
		{Group: 3, Kind: None},
		{Group: 4, Kind: Raft, Replica: 9, Term: 8, Commit: 50, Applied: 50, Last: 53, Snapshot: 50, Reached: 50, MustReach: 50},
	}
}

func TestCheckKnowsTheGroupsOfACluster(t *testing.T) {
	fs := newMem(t)
	buildRaft(t, fs)
	r, err := Check(fs, testDir)
	check(t, err)
	states := slices.Clone(r.Groups)
	for i := range states {
		if states[i].Kind == None {
			states[i] = GroupState{Group: states[i].Group, Kind: None}
		}
	}
	if r.Verdict != OK || len(r.Findings) > 0 || !slices.Equal(states, raftStates()) {
		t.Errorf("%+v\n%s", states, lines(&r))
	}
	for _, s := range []string{
		"group 0: raft, replica 1, term 1, commit 5, applied 5, last 6", "group 1: solo, index 25",
		"group 2: raft, replica 1, term 3, commit 16, applied 16, last 18", "group 3: no replica any more", "verdict: ok",
	} {
		if !strings.Contains(lines(&r), s) {
			t.Errorf("it does not say %q:\n%s", s, lines(&r))
		}
	}
	groups, err := restart(fs, 4)
	check(t, err)
	if hard, raft := groups[2].Raft(); !raft || hard.Vote != 2 || len(groups[2].Tail()) != 2 || groups[2].Tail()[0].Term != 3 {
		t.Errorf("group 2 recovers %+v with a tail of %d", hard, len(groups[2].Tail()))
	}
}

func TestTheReportOfALoneNodeListsNoGroups(t *testing.T) {
	fs := newMem(t)
	build(t, fs)
	r, err := Check(fs, testDir)
	check(t, err)
	if len(r.Groups) != 2 || r.Groups[0].Kind != Solo || r.Groups[0].Last != 45 || strings.Contains(lines(&r), "solo") {
		t.Errorf("%+v\n%s", r.Groups, lines(&r))
	}
}

// TestCheckAndRepairOfANodeWithCompany: what nobody else knows is repaired as ever;
// where votes or acknowledgements may be lost nothing is changed.
func TestCheckAndRepairOfANodeWithCompany(t *testing.T) {
	reopen := func(t testing.TB, fs vfs.FS) *world {
		w := &world{t: t, fs: fs, dir: open(t, fs, want(4, 1))}
		var err error
		w.log, err = wal.Open(wal.Options{FS: fs, Dir: w.dir.LogDir(), SegmentBytes: segmentBytes, MaxRecordBytes: 4 << 10}, func(wal.Record) error { return nil })
		check(t, err)
		return w
	}
	adding := func(recs ...wal.Record) func(testing.TB, vfs.FS) {
		return func(t testing.TB, fs vfs.FS) {
			w := reopen(t, fs)
			w.record(recs...)
			w.close()
		}
	}
	anew := "you can: start the node with a new, empty --data-dir and --join"
	for name, c := range map[string]struct {
		damage  func(testing.TB, vfs.FS)
		verdict Verdict
		stuck   bool
		starts  bool // even as it is
		says    []string
	}{
		"nothing": {damage: func(testing.TB, vfs.FS) {}, verdict: OK, starts: true},
		"a bad snapshot that the log makes up for": {
			damage:  func(t testing.TB, fs vfs.FS) { flip(t, fs, snap(1, 20)) },
			verdict: Repairable, starts: true, says: []string{"make up for it"},
		},
		"the meta group's snapshot is gone": {
			damage:  func(t testing.TB, fs vfs.FS) { remove(t, fs, snap(0, 1)) },
			verdict: Damaged, stuck: true, says: []string{"group 0: no snapshot reaches index 0 and the log goes on at 2", anew},
		},
		"the snapshot that a replica came as is gone": {
			damage:  func(t testing.TB, fs vfs.FS) { remove(t, fs, snap(4, 50)) },
			verdict: Damaged, stuck: true, says: []string{"group 4: ", anew},
		},
		"the snapshot that a replica came as is bad": {
			damage:  func(t testing.TB, fs vfs.FS) { flip(t, fs, snap(4, 50)) },
			verdict: Damaged, stuck: true, says: []string{"group 4: ", "you can: start the node with its peers: they replace this replica"},
		},
		"so is the end of the log, behind it": {
			damage: func(t testing.TB, fs vfs.FS) {
				w := reopen(t, fs)
				check(t, w.dir.SetFloors(map[uint32]uint64{4: 60}))
				w.close()
				flip(t, fs, snap(4, 50))
			},
			verdict: Damaged, stuck: true, says: []string{"group 4: ", anew},
		},
		"a lone group has given up more than there is": {
			damage: func(t testing.TB, fs vfs.FS) {
				w := reopen(t, fs)
				check(t, w.dir.SetFloors(map[uint32]uint64{1: 30}))
				w.close()
			},
			verdict: Damaged, says: []string{"group 1: snapshots and log reach index 25; it is known to have reached 30", "lost: group 1: writes 26 to at least 30"},
		},
		"what was committed is missing": {
			damage:  adding(hard(2, 1, 3, 2, 19)),
			verdict: Damaged, stuck: true, says: []string{"group 2: ", "index 19 was committed here", anew},
		},
		"the term goes back": {
			damage:  adding(hard(2, 1, 2, 2, 18)),
			verdict: Damaged, stuck: true, says: []string{"group 2: the term goes from 3 back to 2", anew},
		},
		"an entry of a Raft group is missing": {
			damage:  adding(entries(2, 3, 20, 21)...),
			verdict: Damaged, stuck: true, says: []string{"group 2: ", "the log goes on at 20", anew},
		},
		"a removed replica comes back": {
			damage:  adding(hard(3, 5, 9, 0, 0)),
			verdict: Damaged, stuck: true, says: []string{"group 3: a hard state of replica 5, which was removed before", anew},
		},
		"a replica comes again under another id": {
			damage:  adding(hard(3, 6, 9, 0, 0)),
			verdict: OK, starts: true, says: []string{"group 3: raft, replica 6, term 9"},
		},
		"of a removed replica only the end is left": {
			damage:  adding(append(entries(3, 9, 150, 151), replica.GoneRecord(3, 7))...),
			verdict: OK, starts: true, says: []string{"group 3: no replica any more"},
		},
		"a record of a later version": {
			damage:  adding(wal.Record{Group: 2, Type: 99, Term: 3}),
			verdict: Damaged, stuck: true, says: []string{"group 2", "unknown type 99", "you can: use the version of VegaDB that wrote it"},
		},
		"a record of a later version in a lone group": {
			damage:  adding(wal.Record{Group: 1, Type: 99, Term: 1, Index: 26}),
			verdict: Damaged, stuck: true, says: []string{"unknown type 99", "you can: use the version of VegaDB that wrote it"},
		},
		"a group that this directory does not have": {
			damage:  adding(entries(5, 1, 1, 2)...),
			verdict: Damaged, stuck: true, says: []string{"2 records of group 5, which a directory of 4 partitions does not have"},
		},
		"the log is damaged": {
			damage:  func(t testing.TB, fs vfs.FS) { flipRecord(t, fs, 52) },
			verdict: Damaged, stuck: true, says: []string{"the log is damaged", anew},
		},
		"the log is damaged, and FLOORS, which says who is there": {
			damage: func(t testing.TB, fs vfs.FS) {
				flipRecord(t, fs, 52)
				flip(t, fs, testDir+"/FLOORS")
			},
			verdict: Damaged, stuck: true, says: []string{"the log is damaged", anew},
		},
	} {
		t.Run(name, func(t *testing.T) {
			fs := newMem(t)
			buildRaft(t, fs)
			c.damage(t, fs)
			before := tree(t, fs, "/srv")
			r, err := Check(fs, testDir)
			check(t, err)
			if r.Verdict != c.verdict || r.Startable == c.stuck {
				t.Errorf("verdict %s, startable %v", r.Verdict, r.Startable)
			}
			for _, s := range c.says {
				if !strings.Contains(lines(&r), s) {
					t.Errorf("it does not say %q", s)
				}
			}
			if t.Failed() {
				t.Log("\n" + lines(&r))
			}
			assertUnchanged(t, fs, "/srv", before)
			asItIs := fs.CrashClone(nil)
			if _, err := restart(asItIs, 4); (err == nil) != c.starts {
				t.Errorf("a start as it is gives %v", err)
			}
			repaired, err := Repair(fs, testDir, Options{Apply: true})
			if c.stuck {
				if repaired.Applied {
					t.Errorf("it was repaired: %v", err)
				}
				assertUnchanged(t, fs, "/srv", before)
				return
			}
			check(t, err)
			if _, err := restart(fs, 4); err != nil {
				t.Errorf("after the repair a start gives %v", err)
			}
		})
	}
}

// TestAReplicaWhoseLogBeginsBeforeItsHardStateIsNotRepaired: without its snapshots nothing
// joins up, and what says that the group has replicas comes behind that. Taken for a lone
// node's, it would be repaired into an empty replica that keeps its vote.
func TestAReplicaWhoseLogBeginsBeforeItsHardStateIsNotRepaired(t *testing.T) {
	fs := newMem(t)
	w := newWorld(t, fs, 1)
	check(t, w.dir.MarkInUse())
	check(t, w.dir.MarkClustered())
	w.snapshotAt(0, 1, 1)
	w.record(hard(0, 1, 1, 1, 1))
	w.record(entries(1, 3, 46, 50)...) // those before are in the snapshot, and gone
	w.record(append(entries(1, 3, 51, 55), hard(1, 2, 3, 2, 52))...)
	w.snapshotAt(1, 50, 3)
	w.close()
	_, err := restart(fs.CrashClone(nil), 1)
	check(t, err)
	flip(t, fs, snap(1, 50))
	before := tree(t, fs, "/srv")
	r, err := Check(fs, testDir)
	check(t, err)
	if text := lines(&r); r.Verdict != Damaged || r.Startable || !strings.Contains(text, "group 1: raft") || !strings.Contains(text, letOthersReplace) {
		t.Errorf("%+v\n%s", r.Verdict, text)
	}
	if repaired, err := Repair(fs, testDir, Options{Apply: true}); repaired.Applied {
		t.Errorf("it was repaired: %v", err)
	}
	assertUnchanged(t, fs, "/srv", before)
}

// TestANodeThatCouldHaveCompanyAndIsAloneIsRepaired: it has a meta group, whose only
// voter it is, and nobody relies on it.
func TestANodeThatCouldHaveCompanyAndIsAloneIsRepaired(t *testing.T) {
	build := func(fs vfs.FS) {
		w := newWorld(t, fs, 4)
		check(t, w.dir.MarkInUse())
		w.snapshotAt(0, 1, 1)
		w.record(hard(0, 1, 1, 1, 1))
		w.record(append(entries(0, 1, 2, 4), hard(0, 1, 1, 1, 4))...)
		w.append(1, 1, 20)
		w.publish(1, 20)
		w.append(1, 21, 25)
		w.record(append(entries(0, 1, 5, 6), hard(0, 1, 1, 1, 6))...)
		w.append(1, 26, 40)
		check(t, w.dir.SetFloors(map[uint32]uint64{0: 1, 1: 20}))
		w.close()
	}
	for name, c := range map[string]struct {
		damage func(vfs.FS)
		says   string
		want   map[uint32]uint64 // what groups reach after the repair
	}{
		"the log is damaged": {
			damage: func(fs vfs.FS) { flipRecord(t, fs, 23) },
			says:   "the log is damaged", want: map[uint32]uint64{0: 4, 1: 22},
		},
		"the log is gone": {
			damage: func(fs vfs.FS) { remove(t, fs, logFiles(t, fs)...) },
			says:   "repair would: begin a new, empty log", want: map[uint32]uint64{0: 1, 1: 20},
		},
	} {
		t.Run(name, func(t *testing.T) {
			fs := newMem(t)
			build(fs)
			c.damage(fs)
			r, err := Check(fs, testDir)
			check(t, err)
			if r.Verdict != Damaged || !r.Startable || !strings.Contains(lines(&r), c.says) {
				t.Errorf("check says\n%s", lines(&r))
			}
			_, err = Repair(fs, testDir, Options{Apply: true})
			check(t, err)
			reached, err := start(fs, 4)
			if err != nil || !maps.Equal(reached, c.want) {
				t.Errorf("a start reaches %v, %v; want %v", reached, err, c.want)
			}
		})
	}
}

// TestRepairOfFloorsKeepsThatTheNodeHasCompany: what says so is in that file.
func TestRepairOfFloorsKeepsThatTheNodeHasCompany(t *testing.T) {
	fs := newMem(t)
	buildRaft(t, fs)
	flip(t, fs, testDir+"/FLOORS")
	r, err := Repair(fs, testDir, Options{Apply: true})
	if err != nil || r.Verdict != Repairable {
		t.Errorf("%v\n%s", err, lines(&r))
	}
	d := open(t, fs, want(4, 1))
	defer d.Close()
	if !d.Clustered() {
		t.Error("it is forgotten")
	}
}
