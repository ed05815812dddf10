package datadir

import (
	"context"
	"errors"
	"math/rand"
	"sync"
	"testing"

	"github.com/prakashpandey/vegadb/internal/replica"
	"github.com/prakashpandey/vegadb/internal/snapshot"
	"github.com/prakashpandey/vegadb/internal/vfs"
	"github.com/prakashpandey/vegadb/internal/wal"
)

// powerCuts collects what a disk would hold after a power cut before each of
// its changes, with what had been promised by then.
type powerCuts struct {
	disk *vfs.Mem

	mu       sync.Mutex
	promised map[uint32]uint64 // guarded by mu: index acknowledged as durable, by group
	cuts     []powerCut        // guarded by mu
}

type powerCut struct {
	at       string
	left     *vfs.Mem
	promised map[uint32]uint64
}

func (p *powerCuts) promise(group uint32, index uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.promised[group] = index
}

func (p *powerCuts) hook(op vfs.Op) error {
	if !op.Kind.Changes() {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	promised := make(map[uint32]uint64, len(p.promised))
	for g, i := range p.promised {
		promised[g] = i
	}
	rng := rand.New(rand.NewSource(int64(len(p.cuts))))
	if len(p.cuts)%2 == 0 {
		rng = nil // the strictest outcome
	}
	p.cuts = append(p.cuts, powerCut{op.Kind.String() + " of " + op.Name, p.disk.CrashClone(rng), promised})
	return nil
}

// run writes, snapshots, gives up log and prunes as a node does, under policy.
// What is promised is what a sync, or a published snapshot, has covered.
func (p *powerCuts) run(t *testing.T, policy wal.SyncPolicy, seed int64) {
	rng := rand.New(rand.NewSource(seed))
	fs := vfs.Inject(p.disk, p.hook)
	w := &world{t: t, fs: fs, dir: open(t, fs, want(3, 1))}
	var err error
	w.log, err = wal.Open(wal.Options{FS: fs, Dir: w.dir.LogDir(), SegmentBytes: segmentBytes, MaxRecordBytes: 4 << 10, Policy: policy},
		func(wal.Record) error { return nil })
	check(t, err)
	check(t, w.dir.MarkInUse())
	last := map[uint32]uint64{}
	for range 12 {
		group := uint32(1 + rng.Intn(3))
		for range 1 + rng.Intn(8) {
			last[group]++
			check(t, w.tryAppend(group, last[group]))
		}
		if rng.Intn(2) == 0 {
			check(t, w.log.Sync(context.Background()))
			for g, i := range last {
				p.promise(g, i)
			}
		}
		if rng.Intn(2) == 0 {
			p.snapshotRound(w, group, last)
		}
	}
	w.close()
}

// snapshotRound is the order of things on which everything here rests: the log
// durable, the snapshot published, the floor durable, the log truncated.
func (p *powerCuts) snapshotRound(w *world, group uint32, last map[uint32]uint64) {
	m := snapshot.Meta{Group: group, Term: 1, Index: last[group], Partitions: 3, Cluster: w.dir.Cluster}
	_, err := snapshot.Write(context.Background(), w.fs, w.dir.SnapshotDir(), m, &source{n: int(m.Index)}, snapshot.WriteOptions{
		BeforePublish: w.log.Sync,
	})
	check(w.t, err)
	for g, i := range last {
		p.promise(g, i)
	}
	check(w.t, snapshot.Prune(w.fs, w.dir.SnapshotDir(), group, 2))
	infos, err := snapshot.List(w.fs, w.dir.SnapshotDir())
	check(w.t, err)
	floors := map[uint32]uint64{group: snapshot.JoinIndex(infos, group, 2)}
	check(w.t, w.dir.SetFloors(floors))
	w.log.SetFloor(group, floors[group])
	_, err = w.log.Truncate()
	check(w.t, err)
}

// TestNoPowerCutLosesWhatWasPromised: faults 3, 6 and 12.
func TestNoPowerCutLosesWhatWasPromised(t *testing.T) {
	for _, policy := range []wal.SyncPolicy{wal.Always, wal.EverySec, wal.Never} {
		t.Run(policy.String(), func(t *testing.T) {
			for seed := range int64(3) {
				p := &powerCuts{disk: newMem(t), promised: map[uint32]uint64{}}
				p.run(t, policy, seed)
				p.mu.Lock()
				cuts := p.cuts
				p.mu.Unlock()
				for i, c := range cuts {
					c.verify(t, i)
				}
			}
		})
	}
}

// verify starts on what is left, also with the newest snapshot bad of every group
// that has two, and asks a check what it thinks.
func (c *powerCut) verify(t *testing.T, i int) {
	if _, err := c.left.Stat(testDir); err != nil {
		return // cut before there was a directory; nothing was promised
	}
	r, err := Check(c.left, testDir)
	if err != nil || r.Verdict != OK {
		t.Errorf("cut %d, before %s: check gives %v\n%s", i, c.at, err, lines(&r))
	}
	whole := c.left.CrashClone(nil)
	c.reaches(t, i, "", whole)
	bad := c.left.CrashClone(nil)
	if spoilNewest(t, bad) {
		c.reaches(t, i, " with the newest snapshots bad", bad)
	}
}

func (c *powerCut) reaches(t *testing.T, i int, how string, fs vfs.FS) {
	reached, err := start(fs, 3)
	if err != nil {
		t.Errorf("cut %d, before %s%s: a start gives %v", i, c.at, how, err)
		return
	}
	for g, want := range c.promised {
		if reached[g] < want {
			t.Errorf("cut %d, before %s%s: group %d reaches %d, promised was %d", i, c.at, how, g, reached[g], want)
		}
	}
}

// spoilNewest damages the newest snapshot of each group that has two.
func spoilNewest(t *testing.T, fs vfs.FS) bool {
	dir := testDir + "/snapshots"
	if _, err := fs.Stat(dir); err != nil {
		return false
	}
	infos, err := snapshot.List(fs, dir)
	check(t, err)
	spoilt := false
	for i := 0; i+1 < len(infos); i++ {
		if infos[i].Group == infos[i+1].Group && (i == 0 || infos[i-1].Group != infos[i].Group) {
			flip(t, fs, infos[i].Path)
			spoilt = true
		}
	}
	return spoilt
}

// TestAGroupOfWhichNothingIsLeftIsNotAnEmptyGroup shows what FLOORS is for.
func TestAGroupOfWhichNothingIsLeftIsNotAnEmptyGroup(t *testing.T) {
	fs := newMem(t)
	w := newWorld(t, fs, 3)
	w.append(2, 1, 40)
	path := w.publish(2, 40)
	w.append(1, 1, 40) // so that all segments with records of group 2 are full
	w.truncate(map[uint32]uint64{2: 40})
	w.close()
	remove(t, fs, path)
	if _, err := start(fs, 3); !errors.Is(err, replica.ErrGap) {
		t.Errorf("a start without the group's snapshot gives %v", err)
	}
}
