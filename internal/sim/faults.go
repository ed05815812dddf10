package sim

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"

	"github.com/prakashpandey/vegadb/internal/replica"
	"github.com/prakashpandey/vegadb/internal/vfs"
	"github.com/prakashpandey/vegadb/internal/wal"
)

// Faults are the kinds of what goes wrong in a run, and how often.
type Faults struct {
	Cuts      bool // power, of one node or of all
	Kills     bool
	Loss      bool // messages lost, doubled, late
	Links     bool // links cut, held, slow
	Stalls    bool // disks stall or are slow
	DiskFails bool // EIO
	Full      bool // disks without space
	Pauses    bool
	Clocks    bool // drift and jumps
	Damage    bool // of platters
	Handovers bool // of leadership, as operators and moves want them
	Lies      bool // logs' disks say that they have synced and have not: not in the model, and never drawn
	EveryMs   int  // mean time between two faults

	diskFails bool // EIO has been injected
}

// drawFaults draws kinds of faults: each in three runs of four, and one run in ten without any.
func drawFaults(rng *rand.Rand) *Faults {
	f := &Faults{EveryMs: 100 + rng.IntN(1000)}
	for _, kind := range []*bool{&f.Cuts, &f.Kills, &f.Loss, &f.Links, &f.Stalls, &f.DiskFails, &f.Full, &f.Pauses, &f.Clocks, &f.Damage, &f.Handovers} {
		*kind = rng.IntN(4) > 0
	}
	if rng.IntN(10) == 0 {
		*f = Faults{EveryMs: f.EveryMs}
	}
	return f
}

// fault tells that something is broken or repaired.
func (s *Sim) fault(n *node, format string, args ...any) {
	e := Event{Kind: "fault", Text: fmt.Sprintf(format, args...)}
	if n != nil {
		e.Node = n.index
	}
	s.tell(e)
}

// plague has faults come, one after the other, until the calm.
func (s *Sim) plague() {
	if s.faults.Clocks {
		for _, n := range s.nodes {
			n.rate = 0.96 + s.faultRand.Float64()*0.08
		}
	}
	kinds := s.kinds()
	if len(kinds) == 0 {
		return
	}
	var next func()
	next = func() {
		if s.calm {
			return
		}
		n := s.nodes[s.faultRand.IntN(len(s.nodes))]
		kinds[s.faultRand.IntN(len(kinds))](n)
		s.after(1+int64(s.faultRand.IntN(2*s.faults.EveryMs*int(milli))), next)
	}
	s.after(int64(s.faultRand.IntN(int(500*milli))), next)
}

// kinds are what may happen to a node.
func (s *Sim) kinds() (kinds []func(n *node)) {
	f := s.faults
	for _, kind := range []struct {
		on  bool
		all []func(n *node)
	}{
		{f.Cuts, []func(n *node){s.cutPower, s.cutPowerSoon, s.cutAllPower}},
		{f.Kills, []func(n *node){s.killNode}},
		{f.Loss, []func(n *node){s.loseMessages}},
		{f.Links, []func(n *node){s.cutLink, s.isolate, s.holdLink, s.splitNodes, s.slowLink}},
		{f.Stalls, []func(n *node){s.stallDisk, s.slowDisk}},
		{f.DiskFails, []func(n *node){s.failDisk}},
		{f.Full, []func(n *node){s.fillDisk}},
		{f.Pauses, []func(n *node){s.pauseNode}},
		{f.Clocks, []func(n *node){s.jumpClock}},
		{f.Damage && f.Cuts, []func(n *node){s.damagePlatter}},
		{f.Handovers, []func(n *node){s.handOver}},
	} {
		if kind.on {
			kinds = append(kinds, kind.all...)
		}
	}
	return kinds
}

// strikesAt counts a fault of a node that is there to feel it.
func (s *Sim) strikesAt(n *node, what string) {
	if n.proc != nil {
		s.strikes(what)
	}
}

// short and long draw durations in µs.
func (s *Sim) short() int64 { return int64(s.faultRand.IntN(int(300 * milli))) }
func (s *Sim) long() int64  { return int64(s.faultRand.IntN(int(3000 * milli))) }

func (s *Sim) cutPower(n *node) {
	if n.proc == nil {
		return
	}
	s.strikes("power cut")
	n.cut("power cut")
	s.after(s.long(), n.start)
}

// cutPowerSoon cuts the power at a disk operation that is still to come.
func (s *Sim) cutPowerSoon(n *node) {
	if n.proc == nil {
		return
	}
	n.disk.cutIn = 1 + s.faultRand.IntN(60)
	s.after(4000*milli, n.start)
}

func (s *Sim) cutAllPower(*node) {
	if s.faultRand.IntN(3) > 0 {
		return
	}
	for _, n := range s.nodes {
		s.cutPower(n)
	}
}

func (s *Sim) killNode(n *node) {
	if n.proc == nil {
		return
	}
	s.strikes("kill")
	n.kill("killed")
	s.after(s.short(), n.start)
}

func (s *Sim) loseMessages(*node) {
	w := s.net
	w.loss, w.twice, w.late = 0, 0, 0
	if s.faultRand.IntN(2) == 0 {
		w.loss, w.twice, w.late = s.faultRand.Float64()*0.2, s.faultRand.Float64()*0.2, s.faultRand.Float64()*0.1
	}
	s.fault(nil, "messages: %.2f lost, %.2f twice, %.2f late", w.loss, w.twice, w.late)
}

func (s *Sim) setLink(from, to int, cut bool) {
	if from != to {
		s.net.link(from, to).cut = cut
	}
}

func (s *Sim) cutLink(n *node) {
	to := s.faultRand.IntN(len(s.nodes) + 1) // 0: clients
	s.fault(n, "link to %d cut", to)
	if to != n.index {
		s.strikes("link cut")
	}
	s.setLink(n.index, to, true)
	s.after(s.long(), func() { s.setLink(n.index, to, false) })
}

// isolate cuts a node off from its peers, in one direction or both.
func (s *Sim) isolate(n *node) {
	way := s.faultRand.IntN(3)
	s.fault(n, "cut off from its peers (%d)", way)
	s.strikes([]string{"node cut off", "node cut off, inwards", "node cut off, outwards"}[way])
	set := func(cut bool) {
		for _, o := range s.nodes {
			if way != 1 {
				s.setLink(n.index, o.index, cut)
			}
			if way != 2 {
				s.setLink(o.index, n.index, cut)
			}
		}
	}
	set(true)
	s.after(s.long(), func() { set(false) })
}

func (s *Sim) holdLink(n *node) {
	to := 1 + s.faultRand.IntN(len(s.nodes))
	until := s.now + s.long()
	s.fault(n, "messages to %d are held back", to)
	if to != n.index {
		s.strikes("link held")
	}
	s.net.link(n.index, to).held = until
}

// splitNodes makes two parts that do not hear each other.
func (s *Sim) splitNodes(*node) {
	side := s.faultRand.Uint64()
	s.fault(nil, "nodes are split")
	set := func(cut bool) {
		for _, a := range s.nodes {
			for _, b := range s.nodes {
				if side>>a.index&1 != side>>b.index&1 {
					s.setLink(a.index, b.index, cut)
				}
			}
		}
	}
	set(true)
	if sides := side >> 1 & (1<<len(s.nodes) - 1); sides != 0 && sides != 1<<len(s.nodes)-1 {
		s.strikes("nodes split")
	}
	s.after(s.long(), func() { set(false) })
}

func (s *Sim) slowLink(n *node) {
	to := s.faultRand.IntN(len(s.nodes) + 1)
	s.fault(n, "link to %d is slow", to)
	if to != n.index {
		s.strikes("link slow")
	}
	s.net.link(n.index, to).slowBy = s.short()
	s.after(s.long(), func() { s.net.link(n.index, to).slowBy = 0 })
}

func (s *Sim) stallDisk(n *node) {
	n.disk.stall = s.now + s.long()
	s.fault(n, "disk stalls")
	s.strikesAt(n, "disk stall")
}

func (s *Sim) slowDisk(n *node) {
	n.disk.slow = int64(s.faultRand.IntN(int(100 * milli)))
	s.fault(n, "disk takes %d µs more", n.disk.slow)
	s.strikesAt(n, "disk slow")
}

func (s *Sim) failDisk(n *node) {
	kinds := []vfs.Kind{vfs.OpWrite, vfs.OpSync, vfs.OpSync, vfs.OpRename, vfs.OpSyncDir, vfs.OpCreate}
	s.faults.diskFails = true
	n.disk.fails = kinds[s.faultRand.IntN(len(kinds))]
	n.disk.failAt = 1 + s.faultRand.IntN(20)
	s.fault(n, "the disk is about to fail: %v", n.disk.fails)
}

func (s *Sim) fillDisk(n *node) {
	s.fault(n, "disk full")
	if !n.disk.full {
		s.strikesAt(n, "disk full")
	}
	n.disk.setFull(true)
	s.after(s.long(), func() { n.disk.setFull(false) })
}

func (s *Sim) pauseNode(n *node) {
	until := s.now + s.long()
	if s.faultRand.IntN(2) == 0 {
		until = s.now + s.short()
	}
	n.pause = until
	s.strikesAt(n, "pause")
	s.fault(n, "stands still for %d ms", (until-s.now)/milli)
}

func (s *Sim) jumpClock(n *node) {
	n.jumped = int64(s.faultRand.IntN(2*3_600_000)) - 3_600_000
	s.strikes("clock jump")
	s.fault(n, "wall clock is off by %d ms", n.jumped)
}

// handOver has a group's leader hand over to a node. Now and then the one does not hear that the other stands for
// election, or the other hears late that it is to.
func (s *Sim) handOver(n *node) {
	group := uint32(1 + s.faultRand.IntN(s.cfg.Partitions))
	for _, l := range s.nodes {
		if l == n || l.proc == nil || l.host == nil || !l.parts[group-1].view.Leads() {
			continue
		}
		st, _ := l.host.Status(group)
		to := slices.IndexFunc(st.Conf.Replicas(), func(r replica.Replica) bool { return r.Node == n.id && r.Role == replica.Voter })
		if to < 0 {
			return
		}
		id := st.Conf.Replicas()[to].ID
		s.strikes("handover")
		s.fault(l, "is to hand group %d over to %d", group, n.index)
		l.do(func() { l.transfer(group, id) })
		switch s.faultRand.IntN(4) {
		case 0:
			s.net.link(n.index, l.index).held = s.now + s.long()
		case 1:
			s.net.link(l.index, n.index).held = s.now + s.long()
		}
		return
	}
}

// damagePlatter cuts a node's power and damages its platter, if that leaves a majority without damage.
func (s *Sim) damagePlatter(n *node) {
	hurt := 0
	for _, o := range s.nodes {
		if (o.disk.hurt || o.lost) && o != n {
			hurt++
		}
	}
	if n.proc == nil || hurt >= s.mayLose() || s.faultRand.IntN(3) > 0 {
		return
	}
	s.strikes("power cut")
	n.cut("power cut")
	n.disk.damage()
	s.after(s.short(), n.start)
}

// damage flips a bit, or puts a sector in the wrong place, in one file.
func (d *disk) damage() {
	rng := d.s.faultRand
	files := d.files()
	if len(files) == 0 {
		return
	}
	name := files[rng.IntN(len(files))]
	before, err := wal.Check(d.mem, filepath.Join(dataDir, "log"))
	if err != nil {
		return // damaged already
	}
	f, err := d.mem.OpenReadWrite(name)
	if err != nil {
		panic(err)
	}
	size, _ := f.Size()
	if size == 0 {
		return
	}
	what, undo := damageFile(f, size, rng)
	after, err := wal.Check(d.mem, filepath.Join(dataDir, "log"))
	if err == nil && after.Damage == nil && after.Batches < before.Batches {
		undo() // its last batch: see "Not in the model"
		return
	}
	d.hurt = true
	d.s.strikes("platter damaged")
	d.s.fault(d.n, "%s of %s", what, filepath.Base(name))
}

func damageFile(f vfs.File, size int64, rng *rand.Rand) (what string, undo func()) {
	const sector = 512
	from, to := rng.Int64N(size), rng.Int64N(size)
	n := int64(1)
	if rng.IntN(3) == 0 && size >= 2*sector {
		n, from, to = sector, from/sector*sector, to/sector*sector
		n = min(n, size-from, size-to)
	}
	was, now := make([]byte, n), make([]byte, n)
	_, _ = f.ReadAt(was, to)
	what = fmt.Sprintf("a sector written to offset %d", to)
	if n == 1 {
		now[0] = was[0] ^ 1<<rng.IntN(8)
		what = fmt.Sprintf("a bit flipped at offset %d", to)
	} else {
		_, _ = f.ReadAt(now, from)
	}
	put := func(b []byte) {
		if _, err := f.WriteAt(b, to); err != nil {
			panic(err)
		}
		if err := f.Sync(); err != nil {
			panic(err)
		}
	}
	put(now)
	return what, func() { put(was) }
}

// files are all of the node's, in order.
func (d *disk) files() (files []string) {
	for _, dir := range []string{dataDir, filepath.Join(dataDir, "log"), filepath.Join(dataDir, "log"), filepath.Join(dataDir, "snapshots")} {
		names, err := d.mem.List(dir)
		if err != nil {
			continue
		}
		for _, name := range names {
			if info, err := d.mem.Stat(filepath.Join(dir, name)); err == nil && !info.IsDir {
				files = append(files, filepath.Join(dir, name))
			}
		}
	}
	return files
}

// heal ends all faults. Clocks keep their rates and what they are off by.
func (s *Sim) heal() {
	s.calm = true
	s.net.heal()
	for _, n := range s.nodes {
		n.disk.heal()
		n.pause = 0
		n.start()
	}
}
