package sim

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	oldrand "math/rand"
	"math/rand/v2"
	"time"

	vega "github.com/prakashpandey/vegadb/client"
	"github.com/prakashpandey/vegadb/internal/backup"
	"github.com/prakashpandey/vegadb/internal/ring"
	"github.com/prakashpandey/vegadb/internal/vfs"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// backer is an operator who backs the cluster up, with package backup, onto a machine of his own: what vega-client cluster
// backup does. Its power is cut now and then.
//
// A backup that is complete is judged at once: every file is of one moment, holds every write that was acknowledged before
// the backup was begun, and nothing that the log does not say. One that was cut off is complete all the same, and as good, or
// known not to be.
type backer struct {
	s       *Sim
	rng     *rand.Rand
	mem     *vfs.Mem
	leaders map[uint32]int

	taking   *lockstep
	dir      string
	number   int
	begun    map[string][]uint64 // by directory: what had been acknowledged when the backup there was begun, by group
	complete string              // the newest that is
	cutIn    int                 // its power is cut before that many further operations of its disk that change something
	cut      *vfs.Mem            // what the power cut has left, until the process is gone
}

// backerPlace is its place on the network: outside the cluster.
const backerPlace = firstClient + 900

const (
	backupPatience = 3 * time.Second
	imagePatience  = 1500 * milli // for an answer
	imageHops      = 4
)

// What Take waits for.
type (
	waitForNode struct {
		partition int
		req       *wire.Request
		reply     *wire.Response
		hops      int
	}
	waitForTime struct{ d time.Duration }
)

var (
	errPowerCut = errors.New("the power of the operator's machine was cut")
	errBroken   = errors.New("the world has ended")
)

func newBacker(s *Sim) *backer {
	return &backer{s: s, rng: s.cfg.stream(streamBacker), mem: vfs.NewMem(), leaders: make(map[uint32]int), begun: make(map[string][]uint64)}
}

// goOn has backups taken, one after the other, until the calm.
func (b *backer) goOn() {
	b.s.after(int64(b.rng.IntN(int(2000*milli))), func() {
		if !b.s.calm && b.taking == nil {
			b.begin(b.rng.IntN(2) == 0, b.rng.IntN(3) == 0)
		}
	})
}

// begin begins a backup, or goes on with one that was cut off; the machine's power may be cut meanwhile.
func (b *backer) begin(resume, cut bool) {
	if resume = resume && b.dir != "" && b.dir != b.complete; !resume {
		b.number++
		b.dir = fmt.Sprintf("/backup-%d", b.number)
	}
	if b.begun[b.dir] == nil {
		floors := make([]uint64, b.s.cfg.Partitions+1)
		for g := range floors {
			floors[g] = b.s.witness.acked(uint32(g), b.s.now)
		}
		b.begun[b.dir] = floors
	}
	if b.cutIn = 0; cut {
		b.cutIn = 1 + b.rng.IntN([]int{20, 200}[b.rng.IntN(2)])
	}
	b.tell("begins "+b.dir, resume)
	var failed error
	b.taking = inLockstep(func(ctx context.Context, l *lockstep) {
		_, failed = backup.Take(ctx, cluster{b, l}, vfs.Inject(b.mem, b.before), b.dir, backup.Options{
			Parallel: 1, Resume: resume, Patience: backupPatience, Program: "sim", Now: b.now,
			Sleep: func(_ context.Context, d time.Duration) bool { _, ok := l.wait(&waitForTime{d}); return ok },
		})
	})
	b.next(nil, &failed)
}

func (b *backer) tell(what string, resume bool) {
	if resume {
		what += " again"
	}
	b.s.tell(Event{Kind: "backup", Node: backerPlace, Text: what})
}

func (b *backer) now() time.Time { return time.UnixMilli(epochMs + b.s.now/milli).UTC() }

// before cuts the power at an operation of the disk. What has been lost by then is decided at once; the process runs on
// against a disk that refuses everything.
func (b *backer) before(op vfs.Op) error {
	if b.cut != nil {
		return errPowerCut
	}
	if b.cutIn > 0 && op.Kind.Changes() {
		if b.cutIn--; b.cutIn == 0 {
			b.cut = b.mem.CrashClone(oldrand.New(&source{b.rng}))
			return errPowerCut
		}
	}
	return nil
}

// cluster is what package backup takes for one.
type cluster struct {
	b *backer
	l *lockstep
}

func (c cluster) Topology(context.Context) (vega.Topology, error) {
	id := c.b.s.cluster
	return vega.Topology{Epoch: 1, ClusterID: hex.EncodeToString(id[:]), Partitions: make([]vega.TopologyPartition, c.b.s.cfg.Partitions)}, nil
}

func (c cluster) Forward(_ context.Context, partition int, req *wire.Request, reply *wire.Response) error {
	answer, ok := c.l.wait(&waitForNode{partition: partition, req: req, reply: reply})
	if !ok {
		return errBroken
	}
	err, _ := answer.(error)
	return err
}

// next has the backup go on with what it has waited for, until it waits again.
func (b *backer) next(answer any, failed *error) {
	what, more := b.taking.next(answer)
	if !more {
		if b.taking.broken != "" {
			b.s.fail("the backup of %s: %s", b.dir, b.taking.broken)
		}
		b.taking = nil
		b.ends(*failed)
		return
	}
	goesOn := func(answer any) { b.next(answer, failed) }
	switch w := what.(type) {
	case *waitForTime:
		b.s.after(w.d.Microseconds(), func() { goesOn(nil) })
	case *waitForNode:
		b.ask(w, goesOn)
	}
}

// ask sends a request to who seems to lead, and to where that one points to.
func (b *backer) ask(w *waitForNode, told func(any)) {
	group := uint32(w.partition + 1)
	to := b.leaders[group]
	if to == 0 {
		known := b.s.known()
		to = known[b.rng.IntN(len(known))].index
	}
	n, ask := b.s.nodes[to-1], &imageAsk{group: group, end: w.req.OpFlags&wire.BackupEnd != 0}
	if err := ask.body.Decode(w.req.OpFlags, w.req.Body); err != nil {
		b.s.fail("the request for a backup: %v", err)
	}
	answered := false
	arrives := func(r wire.Response, leader int) {
		if answered || b.taking == nil {
			return
		}
		answered = true
		if r.Status == wire.OK {
			b.leaders[group] = to
		} else {
			b.leaders[group] = leader
		}
		if w.hops++; r.Status == wire.NotLeader && w.hops < imageHops {
			b.s.after(1+int64(b.rng.IntN(int(20*milli))), func() { b.ask(w, told) })
			return
		}
		if r.Status == wire.NotLeader {
			r = wire.Response{Status: wire.Unavailable}
		}
		*w.reply = r
		told(nil)
	}
	lost := func() {
		if !answered && b.taking != nil {
			answered = true
			b.leaders[group] = 0
			told(&vega.Error{Op: wire.OpBackup.Name(), Status: vega.Status(wire.Unavailable)})
		}
	}
	ask.answer = func(r wire.Response) {
		leader := n.leaders[group]
		if leader == to {
			leader = 0
		}
		b.s.net.send("send", to, backerPlace, 64+len(r.Body), func() { arrives(r, leader) })
	}
	b.s.net.send("try", backerPlace, to, 64, func() {
		switch {
		case n.proc != nil && n.host != nil:
			n.later(0, func() { n.do(func() { n.lend(ask) }) })
		case !n.dark:
			b.s.net.send("reset", to, backerPlace, 40, lost)
		}
	})
	b.s.after(imagePatience, lost)
}

// ends judges what a backup has left.
func (b *backer) ends(failed error) {
	cut := b.cut != nil
	if cut {
		b.s.strikes("power cut of a backup")
		b.mem, b.cut = b.cut, nil
	}
	if failed == nil && b.rng.IntN(3) == 0 {
		b.s.strikes("power cut after a backup")
		b.mem = b.mem.CrashClone(oldrand.New(&source{b.rng}))
	}
	b.tell(fmt.Sprintf("ends %s: %v", b.dir, failed), false)
	var refused *vega.Error
	switch {
	case failed == nil, cut, errors.As(failed, &refused), errors.Is(failed, errBroken):
	default:
		// Too many leaders one after the other is a reason as well, and has no name.
		if b.s.calm {
			b.s.fail("the backup of %s: %v", b.dir, failed)
		}
		if errors.Is(failed, backup.ErrDamaged) {
			b.s.fail("the backup of %s received damage: %v", b.dir, failed)
		}
	}
	opened, err := backup.Open(b.mem, b.dir)
	switch {
	case err == nil:
		b.complete = b.dir
		b.judge(opened, b.begun[b.dir])
	case failed == nil:
		b.s.fail("the backup of %s was taken and cannot be opened: %v", b.dir, err)
	case !errors.Is(err, backup.ErrIncomplete) && !errors.Is(err, backup.ErrNoBackup):
		b.s.fail("the backup of %s was cut off, and it cannot be seen that it is incomplete: %v", b.dir, err)
	}
	count(&b.s.figures.Worlds, map[bool]string{true: "backups taken", false: "backups cut off"}[err == nil], 1)
	if b.s.calm {
		return
	}
	b.goOn()
}

// judge compares a backup that calls itself complete with the log.
func (b *backer) judge(from *backup.Backup, floors []uint64) {
	s := b.s
	if problems, err := from.Verify(context.Background(), nil); err != nil || len(problems) > 0 {
		s.fail("the backup of %s calls itself complete: %v, %v", b.dir, problems, err)
		return
	}
	got := make([]map[string]backup.Entry, s.cfg.Partitions+1)
	for g := range got {
		got[g] = make(map[string]backup.Entry)
	}
	for e, err := range from.All(context.Background()) {
		if err != nil {
			s.fail("the backup of %s: %v", b.dir, err)
			return
		}
		g := ring.PartitionOf(e.Key, s.cfg.Partitions) + 1
		e.Value = append([]byte(nil), e.Value...)
		got[g][string(e.Key)] = e
	}
	for i := range from.Files {
		f := &from.Files[i]
		g := f.Partition + 1
		m := s.witness.models[g]
		switch {
		case f.Index < floors[g]:
			s.fail("the backup of %s holds partition %d as of index %d; index %d was acknowledged before it was begun", b.dir, f.Partition, f.Index, floors[g])
		case f.Index > m.last():
			s.fail("the backup of %s holds partition %d as of index %d, which nobody has applied", b.dir, f.Partition, f.Index)
		case len(got[g]) != int(f.Entries):
			s.fail("the backup of %s holds %d entries of partition %d, not %d", b.dir, len(got[g]), f.Partition, f.Entries)
		}
		b.compare(f, m, got[g])
	}
}

// compare compares a partition's file with what the log says at its index.
func (b *backer) compare(f *backup.File, m *model, got map[string]backup.Entry) {
	matched := 0
	for _, key := range m.sorted() {
		want := m.at(key, f.Index)
		e, here := got[key]
		switch {
		case here && (!want.there || want.value != string(e.Value) || want.version != e.Version || want.expireAt != e.ExpireAt):
			b.s.fail("the backup of %s, partition %d at index %d: %s is %q of version %d, and by the log %+v", b.dir, f.Partition, f.Index, key, e.Value, e.Version, want)
		case !here && !want.gone(m.stamp(f.Index)):
			b.s.fail("the backup of %s, partition %d at index %d: %s is missing; by the log it is %+v", b.dir, f.Partition, f.Index, key, want)
		}
		if here {
			matched++
		}
	}
	if matched != len(got) {
		b.s.fail("the backup of %s, partition %d: %d of its entries were never written", b.dir, f.Partition, len(got)-matched)
	}
}

// backedUp has a backup taken without faults, if there is none yet. It reports whether the run goes on.
func (s *Sim) backedUp() bool {
	b := s.backer
	if b == nil {
		return true
	}
	s.phase("backup")
	ok := s.run(s.now+s.cfg.LivenessMs*milli, func() bool {
		if b.taking == nil && b.complete != b.dir || b.dir == "" {
			b.begin(true, false)
		}
		return b.taking == nil && b.complete != ""
	})
	if !ok && len(s.failure) == 0 {
		s.fail("no backup: %d ms after the last fault there is none that is complete", s.cfg.LivenessMs)
	}
	return ok
}
