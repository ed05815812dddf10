package sim

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	crand "crypto/rand"

	"github.com/prakashpandey/vegadb/internal/datadir"
	"github.com/prakashpandey/vegadb/internal/driver"
	"github.com/prakashpandey/vegadb/internal/recovery"
	"github.com/prakashpandey/vegadb/internal/replica"
	"github.com/prakashpandey/vegadb/internal/snapshot"
	"github.com/prakashpandey/vegadb/internal/store"
	"github.com/prakashpandey/vegadb/internal/vfs"
	"github.com/prakashpandey/vegadb/internal/wal"
)

// dataDir is where a node keeps its data.
const dataDir = "/data"

func (n *node) openDir() (*datadir.Dir, error) {
	return datadir.Open(n.disk.fs(), dataDir, datadir.Want{
		Partitions: n.s.cfg.Partitions, Cluster: n.s.cluster, Rand: crand.Reader, Now: n.wallTime,
	})
}

// segmentBytes is the size of the log's segments.
const segmentBytes = 32 << 10

func (n *node) wallTime() time.Time { return time.UnixMilli(n.wallMs()).UTC() }

func (n *node) logOptions(dir *datadir.Dir) wal.Options {
	fs := n.disk.fs()
	if n.s.faults.Lies && n.lives > 0 {
		fs = noSync{fs}
	}
	return wal.Options{
		FS: fs, Dir: dir.LogDir(), SegmentBytes: segmentBytes, MaxRecordBytes: 8 << 10, QueueBytes: 64 << 10,
		ReserveBytes: driver.LogReserve(segmentBytes, n.s.cfg.Partitions), OnNoSpace: func() { n.cramped = true },
		Policy: n.s.cfg.Features.policy(), Stepped: true, Clock: n.wallTime,
	}
}

// format makes a data directory in which every group has a replica and one entry, as a snapshot: how groups grow from a
// lone node is not simulated yet.
func (n *node) format() {
	dir, err := n.openDir()
	if err != nil {
		panic(err)
	}
	log, err := wal.Open(n.logOptions(dir), func(wal.Record) error { return nil })
	if err != nil {
		panic(err)
	}
	if n.s.founding != nil {
		n.formatMember(dir, log)
	} else {
		n.formatAlike(dir, log)
	}
	if err := errors.Join(log.Close(), dir.MarkInUse(), dir.Close()); err != nil {
		panic(err)
	}
	n.disk.lose()
}

// formatAlike gives the node a replica of every group.
func (n *node) formatAlike(dir *datadir.Dir, log *wal.Log) {
	var all []replica.Replica
	for i := 1; i <= n.s.cfg.Nodes; i++ {
		all = append(all, replica.Replica{ID: uint64(i), Node: nodeID(i), Role: replica.Voter})
	}
	for i := range n.s.cfg.Partitions {
		group := uint32(i + 1)
		g := replica.NewGroup(group, replica.State{Term: 1, Index: 1, Stamp: epochMs})
		g.SetConfiguration(replica.Among(all...))
		n.formatGroup(dir, log, group, g.State(), g.AppendState(nil), uint64(n.index))
	}
}

// formatGroup makes a replica of a group, as a snapshot and its hard state.
func (n *node) formatGroup(dir *datadir.Dir, log *wal.Log, group uint32, at replica.State, state []byte, id uint64) {
	if _, err := n.writeImage(dir, group, at, state, nil, nil); err != nil {
		panic(err)
	}
	rec := replica.StateRecord(group, replica.HardState{Replica: id, Term: 1, Commit: at.Index})
	if _, err := log.Append(&rec); err != nil {
		panic(err)
	}
}

// start brings the node up from its disk.
func (n *node) start() {
	if n.proc != nil || n.lost || n.unborn || n.gone {
		return
	}
	n.lives++
	n.dark = false
	n.proc = &proc{began: n.s.now, arrived: make(map[uint32]arrival), leaders: make(map[uint32]int)}
	n.clock.Wall, n.clock.Elapsed = n.wallTime, func() time.Duration { return time.Duration(n.nowMs()) * time.Millisecond }
	n.s.tell(Event{Kind: "start", Node: n.index, A: uint64(n.lives)})
	n.guard(func() {
		if err := n.boot(); err != nil {
			n.refuse(err)
			return
		}
		n.tick()
		n.sweep()
		n.syncEvery()
		n.later(0, n.snapshotter.resume)
		n.poke()
		n.beginMembership()
	})
}

// refuse deals with a node that does not start. A full or failing disk excuses it for a while, a damaged one for good.
func (n *node) refuse(err error) {
	if n.dir != nil {
		n.dir.Close()
	}
	n.s.tell(Event{Kind: "down", Node: n.index, Text: "does not start: " + err.Error()})
	n.drop()
	var bad *syscallError
	switch {
	case n.disk.hurt: // it says what it has found, and stays away
		n.lost = true
	case errors.As(err, &bad), n.disk.full:
		n.s.after(500*milli, n.start)
	default:
		n.lost = true
		n.s.fail("node %d does not start: %v", n.index, err)
	}
}

// boot recovers what the disk holds: what package node's load does.
func (n *node) boot() (err error) {
	if n.dir, err = n.openDir(); err != nil {
		return err
	}
	for i := range n.s.cfg.Partitions {
		n.parts = append(n.parts, newPartition(n, uint32(i+1)))
	}
	if n.s.founding != nil {
		n.meta, n.m = newPartition(n, 0), newMembership(n)
	}
	loaded, err := n.loadSnapshots()
	if err != nil {
		return err
	}
	floors := n.dir.Floors()
	groups := make([]*recovery.Group, len(n.parts)+1) // without membership, that of the meta group is nil
	for i := range loaded {
		group := loaded[i].Group
		groups[group] = recovery.New(&loaded[i], floors[group], false)
		groups[group].Apply, groups[group].Void = n.part(group).replay, n.part(group).void
	}
	replayed := int64(0)
	n.log, err = wal.Open(n.logOptions(n.dir), func(rec wal.Record) error {
		if rec.Index == 0 || rec.Index > n.part(rec.Group).snapshotIndex { // no snapshot holds it
			replayed += int64(len(rec.Payload))
		}
		return groups[rec.Group].Add(&rec)
	})
	if err != nil {
		return err
	}
	here := groups[len(groups)-len(n.all()):]
	if err := recovery.Finish(here, nil); err != nil {
		return err
	}
	for _, p := range n.parts {
		n.clock.Reached(p.group.State().Stamp)
	}
	if err := n.dir.MarkInUse(); err != nil {
		return err
	}
	n.host = replica.NewHost(replica.Options{
		TickMs: tickMs, ElectionTicks: electionTicks, HeartbeatTicks: heartbeatTicks,
		KeepBytes: keepBytes, TotalKeepBytes: keepBytesTotal, Seed: n.s.lifeRand.Uint64() >> 8, Logger: quiet{},
	}, n.nowMs())
	n.driver = driver.New(n.host, workersLog{n.log, n}, shell{n}, driver.Options{
		TickMs: tickMs, SegmentBytes: segmentBytes, Partitions: n.s.cfg.Partitions, Policy: n.s.cfg.Features.policy(), Crowd: 3,
	})
	n.worker = n.task(n.work)
	k := &keeperNode{n: n, t: n.task(n.keep)}
	n.keeper, n.snapshotter = newKeeper(k), k.t
	n.keeper.Begin(keepersLog{n.log, n}, replayed)
	// Of the founders, too, all but one had to join.
	what := &recovery.Node{ID: n.id, Joined: true, View: n.view(), Configuration: func(g uint32) *replica.Configuration { return n.part(g).group.Configuration() }}
	if n.m != nil {
		if err := what.CheckWhole(groups); err != nil {
			return err
		}
	}
	for _, g := range here {
		p := n.part(g.Group())
		if n.m != nil {
			n.m.gone[p.id] = g.Gone()
		}
		hard, raft := g.Raft()
		var err error
		switch {
		case raft:
			err = n.addGroup(p, hard, g.Tail(), g.Apart())
		case n.m != nil && what.FateOf(g) == recovery.Absent:
			err = n.absent(p)
		default:
			err = fmt.Errorf("group %d has no hard state in the log", p.id)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (n *node) addGroup(p *partition, hard replica.HardState, tail []replica.Entry, apart bool) error {
	st, conf := p.group.State(), p.group.Configuration()
	p.view.Begun(st.Index, len(conf.Voters))
	return n.host.Add(replica.RaftConfig{
		Group: p.id, Hard: hard, Conf: conf, Machine: p, Applied: st.Index, AppliedTerm: st.Term,
		Entries: tail, Apart: apart, Stamp: p.logTime(), StampAt: p.stampAt(), Forward: p.id == 0,
		Campaign: slices.Equal(conf.Voters, []uint64{hard.Replica}) && len(conf.Outgoing) == 0,
	})
}

// entryStampAt is where package command has an entry's log time.
const entryStampAt = 8

func (n *node) loadSnapshots() ([]snapshot.Loaded, error) {
	fs := n.disk.fs()
	if err := snapshot.Clean(fs, n.dir.SnapshotDir()); err != nil {
		return nil, err
	}
	groups := make([]uint32, 0, len(n.parts)+1)
	for _, p := range n.all() {
		groups = append(groups, p.id)
	}
	loaded, err := snapshot.LoadAll(context.Background(), fs, n.dir.SnapshotDir(), groups, snapshot.LoadOptions{
		Workers: 1, Cluster: n.dir.Cluster, Partitions: uint32(len(n.parts)),
		Open: func(m snapshot.Meta) (snapshot.Sink, error) {
			t := n.part(m.Group).table
			t.Clear()
			return putInto(t), nil
		},
	})
	if err != nil {
		return nil, err
	}
	for _, l := range loaded {
		p := n.part(l.Group)
		if err := p.restore(replica.State{Term: l.Meta.Term, Index: l.Meta.Index, Stamp: l.Meta.Stamp}, l.Meta.State); err != nil {
			return nil, err
		}
		p.snapshotIndex = l.Meta.Index
	}
	return loaded, nil
}

// putInto puts a snapshot's entries into a table.
func putInto(t *store.Table) snapshot.Sink {
	return func(e *store.Entry) error {
		h := t.Hash(e.Key)
		s := t.Stripe(h)
		s.Lock()
		s.Put(h, e.Key, e.Value, store.Meta{Version: e.Version, ExpireAt: e.ExpireAt, Kind: e.Kind})
		s.Unlock()
		return nil
	}
}

// noSync is a file system whose files say that they are synced and are not.
type noSync struct{ vfs.FS }

type noSyncFile struct{ vfs.File }

func (noSyncFile) Sync() error { return nil }

func (f noSync) OpenReadWrite(name string) (vfs.File, error) {
	file, err := f.FS.OpenReadWrite(name)
	return noSyncFile{file}, err
}

// quiet is Raft's logger. What Raft finds impossible is a failure of the run.
type quiet struct{}

func (quiet) Debug(...any)              {}
func (quiet) Debugf(string, ...any)     {}
func (quiet) Info(...any)               {}
func (quiet) Infof(string, ...any)      {}
func (quiet) Warning(...any)            {}
func (quiet) Warningf(string, ...any)   {}
func (quiet) Error(...any)              {}
func (quiet) Errorf(string, ...any)     {}
func (quiet) Fatal(v ...any)            { panic(fmt.Sprint(v...)) }
func (quiet) Fatalf(f string, v ...any) { panic(fmt.Sprintf(f, v...)) }
func (quiet) Panic(v ...any)            { panic(fmt.Sprint(v...)) }
func (quiet) Panicf(f string, v ...any) { panic(fmt.Sprintf(f, v...)) }
