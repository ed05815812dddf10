package datadir

import (
	"context"
	"fmt"
	"math/rand"
	"strings"
	"testing"

	"github.com/prakashpandey/vegadb/internal/replica"
	"github.com/prakashpandey/vegadb/internal/snapshot"
	"github.com/prakashpandey/vegadb/internal/vfs"
	"github.com/prakashpandey/vegadb/internal/wal"
)

// raftLife drives one group's records, snapshots and truncation at random, and
// remembers after each step what a start must find.
type raftLife struct {
	w      *world
	rng    *rand.Rand
	cuts   *powerCuts
	group  uint32
	raft   bool // it has peers
	now    raftPoint
	terms  map[uint64]uint64 // of the entry that was recorded last at an index
	past   []raftPoint       // all points so far; a power cut leaves one, from the last promised on
	filler uint64            // index of another group, which is written to and pushes the log on
}

// raftPoint is the recorded state of a replica.
type raftPoint struct {
	hard    replica.HardState // zero while it has no peers
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

// soloStep makes one change of a group without peers.
func (l *raftLife) soloStep() {
	n := &l.now
	switch l.rng.Intn(4) {
	case 0:
		l.shorten(true)
		return
	case 1:
		l.shorten(false)
		return
	default:
		from := n.last + 1
		n.last += 1 + uint64(l.rng.Intn(5))
		n.applied = n.last
		l.w.queue(entries(l.group, 1, from, n.last)...)
	}
	l.done()
	l.sync()
}

// entries makes the entries of this term from an index on.
func (l *raftLife) entries(from uint64) []wal.Record {
	for i := from; i <= l.now.last; i++ {
		l.terms[i] = l.now.hard.Term
	}
	return entries(l.group, l.now.hard.Term, from, l.now.last)
}

// givePeers makes a group without peers one with them: in one batch with its last
// entry.
func (l *raftLife) givePeers() {
	n := &l.now
	n.last++
	n.applied = n.last
	n.hard = replica.HardState{Replica: 1, Term: 1, Commit: n.last}
	l.raft = true
	l.w.queue(append(entries(l.group, 1, n.last, n.last), l.state())...)
	l.done()
}

// step makes one change of a group with peers.
func (l *raftLife) step() {
	n := &l.now
	switch l.rng.Intn(8) {
	case 0: // a new term, in which some of what is not committed is overwritten
		n.hard.Term += 1 + uint64(l.rng.Intn(2))
		n.hard.Vote = uint64(l.rng.Intn(4))
		from := n.hard.Commit + 1 + uint64(l.rng.Intn(int(n.last-n.hard.Commit)+1))
		n.last = from + uint64(l.rng.Intn(4))
		l.w.queue(append(l.entries(from), l.state())...)
	case 1, 2, 3: // more entries
		from := n.last + 1
		n.last += 1 + uint64(l.rng.Intn(5))
		n.hard.Commit += uint64(l.rng.Intn(int(n.last-n.hard.Commit) + 1))
		n.applied = n.hard.Commit
		l.w.queue(append(l.entries(from), l.state())...)
	case 4: // more is committed
		n.hard.Commit += uint64(l.rng.Intn(int(n.last-n.hard.Commit) + 1))
		n.applied = n.hard.Commit
		l.w.queue(l.state())
	case 5:
		l.shorten(true)
		return
	case 6: // for others' sake
		l.shorten(false)
		return
	case 7:
		l.install()
		return
	}
	l.done()
	if l.rng.Intn(2) == 0 {
		l.sync()
	}
}

// shorten is a node's round, in which this group gets a snapshot or not. What a start
// must know of its hard state is recorded anew before the segment that has it may go.
func (l *raftLife) shorten(snap bool) {
	t, dir := l.w.t, l.w.dir.SnapshotDir()
	l.fill(10)
	if snap && l.now.applied > 0 {
		l.w.snapshotOf(l.group, l.now.applied, max(l.terms[l.now.applied], 1), l.raft)
		l.promise()
		check(t, snapshot.Prune(l.w.fs, dir, l.group, 2))
	}
	l.w.snapshotOf(fillerGroup, l.filler, 1, false)
	check(t, snapshot.Prune(l.w.fs, dir, fillerGroup, 1))
	infos, err := snapshot.List(l.w.fs, dir)
	check(t, err)
	floors := map[uint32]uint64{l.group: snapshot.JoinIndex(infos, l.group, 1), fillerGroup: snapshot.JoinIndex(infos, fillerGroup, 1)}
	pos := l.w.log.AppendedPos()
	if l.raft {
		l.w.queue(l.state())
		l.done()
	}
	l.sync()
	l.fill(l.rng.Intn(30)) // others write meanwhile
	check(t, l.w.log.Sync(context.Background()))
	check(t, l.w.dir.SetFloors(floors))
	for g, i := range floors {
		l.w.log.SetFloor(g, i)
	}
	_, err = l.w.log.TruncateBefore(pos)
	check(t, err)
}

const fillerGroup = 1

// fill appends n entries of another group.
func (l *raftLife) fill(n int) {
	for range n {
		l.filler++
		l.w.queue(entries(fillerGroup, 1, l.filler, l.filler)...)
	}
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
	l.terms[at] = n.hard.Term
	l.w.snapshotAt(l.group, at, n.hard.Term)
	l.promise()
	n.hard.Commit = at
	l.w.queue(replica.ResetRecord(l.group, at, n.hard.Term), l.state())
	l.done()
	l.sync()
}

// TestNoPowerCutLosesWhatAReplicaHasPromised: faults 3, 11, 12 and 23, of a group that
// gets peers and of one that comes to a node that has joined. What a start finds is what
// was recorded at some moment, and none before the last sync: term and vote, what is
// committed, and the entries after that.
func TestNoPowerCutLosesWhatAReplicaHasPromised(t *testing.T) {
	for seed := range int64(10) {
		p := &powerCuts{disk: newMem(t), promised: map[uint32]uint64{}}
		fs := vfs.Inject(p.disk, p.hook)
		w := &world{t: t, fs: fs, dir: open(t, fs, want(3, 1))}
		var err error
		w.log, err = wal.Open(wal.Options{FS: fs, Dir: w.dir.LogDir(), SegmentBytes: segmentBytes, MaxRecordBytes: 4 << 10},
			func(wal.Record) error { return nil })
		check(t, err)
		check(t, w.dir.MarkClustered())
		l := &raftLife{w: w, rng: rand.New(rand.NewSource(seed)), cuts: p, group: 2, terms: map[uint64]uint64{}}
		l.done() // nothing recorded
		if seed%2 == 0 {
			for range 8 {
				l.soloStep()
			}
			l.givePeers()
		} else {
			l.raft, l.now.hard = true, replica.HardState{Replica: 3, Term: 1}
			l.install()
		}
		for range 25 {
			l.step()
		}
		w.close()
		p.mu.Lock()
		cuts := p.cuts
		p.mu.Unlock()
		for i, c := range cuts {
			if strings.HasPrefix(c.at, "write") && i%4 > 0 {
				continue // most leave what the one before left
			}
			l.verify(t, fmt.Sprintf("seed %d, cut %d, before %s", seed, i, c.at), c)
			if t.Failed() {
				return
			}
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
		found.hard = replica.HardState{}
	}
	for _, p := range l.past[c.promised[l.group]:] {
		if p.hard == found.hard && p.last == found.last && p.applied == found.applied {
			return
		}
	}
	t.Errorf("%s: a start finds %+v, promised was step %d: %+v", at, found, c.promised[l.group], l.past[c.promised[l.group]])
}
