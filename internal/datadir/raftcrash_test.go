package datadir

import (
	"context"
	"fmt"
	"math/rand"
	"testing"

	"github.com/prakashpandey/vegadb/internal/replica"
	"github.com/prakashpandey/vegadb/internal/snapshot"
	"github.com/prakashpandey/vegadb/internal/vfs"
	"github.com/prakashpandey/vegadb/internal/wal"
)

// raftLife drives one Raft group's records, snapshots and truncation at random, and
// remembers after each step what a start must find.
type raftLife struct {
	w     *world
	rng   *rand.Rand
	cuts  *powerCuts
	group uint32
	now   raftPoint
	past  []raftPoint // all points so far; a power cut leaves one, from the last promised on
}

// raftPoint is the recorded state of a replica.
type raftPoint struct {
	hard    replica.HardState
	applied uint64
	last    uint64
}

func (l *raftLife) done() { l.past = append(l.past, l.now) }

// promise says that what was recorded so far has been made durable.
func (l *raftLife) promise() { l.cuts.promise(l.group, uint64(len(l.past)-1)) }

func (l *raftLife) sync() {
	check(l.w.t, l.w.log.Sync(context.Background()))
	l.promise()
}

func (l *raftLife) state() wal.Record { return replica.StateRecord(l.group, l.now.hard) }

// step makes one change.
func (l *raftLife) step() {
	n := &l.now
	switch l.rng.Intn(7) {
	case 0: // a new term, in which some of what is not committed is overwritten
		n.hard.Term += 1 + uint64(l.rng.Intn(2))
		n.hard.Vote = uint64(l.rng.Intn(4))
		from := n.hard.Commit + 1 + uint64(l.rng.Intn(int(n.last-n.hard.Commit)+1))
		n.last = from + uint64(l.rng.Intn(4))
		l.w.queue(append(entries(l.group, n.hard.Term, from, n.last), l.state())...)
	case 1, 2, 3: // more entries
		from := n.last + 1
		n.last += 1 + uint64(l.rng.Intn(5))
		n.hard.Commit += uint64(l.rng.Intn(int(n.last-n.hard.Commit) + 1))
		n.applied = n.hard.Commit
		l.w.queue(append(entries(l.group, n.hard.Term, from, n.last), l.state())...)
	case 4: // more is committed
		n.hard.Commit += uint64(l.rng.Intn(int(n.last-n.hard.Commit) + 1))
		n.applied = n.hard.Commit
		l.w.queue(l.state())
	case 5:
		l.snapshot()
		return
	case 6:
		l.install()
		return
	}
	l.done()
	if l.rng.Intn(2) == 0 {
		l.sync()
	}
}

// snapshot is a node's round: what a start must know of the hard state is recorded
// anew before the segment that has it may go.
func (l *raftLife) snapshot() {
	if l.now.applied == 0 {
		return
	}
	l.w.snapshotAt(l.group, l.now.applied, l.now.hard.Term)
	l.promise()
	check(l.w.t, snapshot.Prune(l.w.fs, l.w.dir.SnapshotDir(), l.group, 2))
	l.w.queue(l.state())
	l.done()
	l.sync()
	infos, err := snapshot.List(l.w.fs, l.w.dir.SnapshotDir())
	check(l.w.t, err)
	floors := map[uint32]uint64{l.group: snapshot.JoinIndex(infos, l.group, 2)}
	check(l.w.t, l.w.dir.SetFloors(floors))
	l.w.log.SetFloor(l.group, floors[l.group])
	_, err = l.w.log.Truncate()
	check(l.w.t, err)
}

// install replaces everything by a snapshot from the leader.
func (l *raftLife) install() {
	n := &l.now
	n.hard.Term += uint64(l.rng.Intn(2))
	n.hard.Vote = 0
	l.w.queue(l.state())
	l.done()
	l.sync()
	at := n.last + 5 + uint64(l.rng.Intn(20))
	// From when it is published on a start finds it, with or without the record.
	n.applied, n.last = at, at
	l.done()
	l.w.snapshotAt(l.group, at, n.hard.Term)
	l.promise()
	n.hard.Commit = at
	l.w.queue(replica.ResetRecord(l.group, at, n.hard.Term), l.state())
	l.done()
	l.sync()
}

// TestNoPowerCutLosesWhatAReplicaHasPromised: faults 3, 11, 12 and 23, of the log of
// a Raft group. What a start finds is what was recorded at some moment, and none before
// the last sync: term and vote, what is committed, and the entries after that.
func TestNoPowerCutLosesWhatAReplicaHasPromised(t *testing.T) {
	for seed := range int64(8) {
		p := &powerCuts{disk: newMem(t), promised: map[uint32]uint64{}}
		fs := vfs.Inject(p.disk, p.hook)
		w := &world{t: t, fs: fs, dir: open(t, fs, want(3, 1))}
		var err error
		w.log, err = wal.Open(wal.Options{FS: fs, Dir: w.dir.LogDir(), SegmentBytes: segmentBytes, MaxRecordBytes: 4 << 10},
			func(wal.Record) error { return nil })
		check(t, err)
		check(t, w.dir.MarkClustered())
		l := &raftLife{w: w, rng: rand.New(rand.NewSource(seed)), cuts: p, group: 2}
		l.now.hard = replica.HardState{Replica: 3, Term: 1}
		l.done() // nothing recorded
		w.queue(l.state())
		l.done()
		l.sync()
		for range 40 {
			l.step()
		}
		w.close()
		p.mu.Lock()
		cuts := p.cuts
		p.mu.Unlock()
		for i, c := range cuts {
			l.verify(t, fmt.Sprintf("seed %d, cut %d, before %s", seed, i, c.at), c)
		}
		if w.log.Stats().Truncated == 0 {
			t.Errorf("seed %d: nothing was truncated: the test does not reach it", seed)
		}
	}
}

func (l *raftLife) verify(t *testing.T, at string, c powerCut) {
	if _, err := c.left.Stat(testDir); err != nil {
		return
	}
	r, err := Check(c.left, testDir)
	if err != nil || r.Verdict != OK {
		t.Errorf("%s: check gives %v\n%s", at, err, lines(&r))
	}
	groups, err := restart(c.left, 3)
	if err != nil {
		t.Errorf("%s: a start gives %v", at, err)
		return
	}
	g := groups[l.group]
	hard, raft := g.Raft()
	found := raftPoint{hard, g.Applied(), g.Last()}
	if !raft {
		found.hard = l.past[0].hard
	}
	for _, p := range l.past[c.promised[l.group]:] {
		// A snapshot may say that more is committed than the hard state does.
		if p.hard == found.hard && p.last == found.last && p.applied == found.applied {
			return
		}
	}
	t.Errorf("%s: a start finds %+v, promised was step %d: %+v", at, found, c.promised[l.group], l.past[c.promised[l.group]])
}
