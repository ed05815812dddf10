package sim

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path/filepath"

	"github.com/prakashpandey/vegadb/internal/datadir"
	"github.com/prakashpandey/vegadb/internal/replica"
	"github.com/prakashpandey/vegadb/internal/snapshot"
)

// What package node's streams of snapshots do, in steps.

const (
	snapshotKeep     = 2
	snapshotLogBytes = 24 << 10 // of growth, until the next snapshots
	snapshotPatience = 2000     // ms, for a laggard to take one
)

// arrival is a received snapshot that waits to be installed.
type arrival struct {
	path string
	meta snapshot.Meta
}

// writeImage writes a snapshot of a group.
func (n *node) writeImage(dir *datadir.Dir, group uint32, st replica.State, state []byte, img snapshot.Source, sync func(context.Context) error) (snapshot.Info, error) {
	return snapshot.Write(context.Background(), n.disk.fs(), dir.SnapshotDir(), snapshot.Meta{
		Group: group, Term: st.Term, Index: st.Index, Stamp: st.Stamp,
		Partitions: uint32(n.s.cfg.Partitions), Cluster: n.s.cluster, State: state, Raft: true,
	}, img, snapshot.WriteOptions{Now: n.wallTime, BeforePublish: sync})
}

// snapshotPartition writes a snapshot unless the newest says it all. sync is how it waits for the log.
func (n *node) snapshotPartition(p *partition, sync func(context.Context) error) (bytes int64, err error) {
	st, state := p.image()
	if st.Index == p.snapshotIndex || p.replacing {
		return 0, nil
	}
	p.snapshotting = true
	defer func() { p.snapshotting = false }()
	img := p.table.Image()
	defer img.Close()
	info, err := n.writeImage(n.dir, p.id, st, state, img, sync)
	if err != nil {
		return 0, err
	}
	p.snapshotIndex = st.Index
	n.s.tell(Event{Kind: "snap", Node: n.index, Group: p.id, A: st.Index, Text: "written"})
	return info.Bytes, snapshot.Prune(n.disk.fs(), n.dir.SnapshotDir(), p.id, snapshotKeep)
}

// excuse judges an error that package node would note and live with: a disk that is full or fails explains it.
func (n *node) excuse(what string, err error) {
	n.s.tell(Event{Kind: "fault", Node: n.index, Text: what + ": " + err.Error()})
	if !n.disk.full && !n.s.faults.diskFails && !n.disk.hurt {
		n.s.fail("node %d: %s: %v", n.index, what, err)
	}
}

// sendSnapshot sends a laggard a snapshot that will do, made anew if need be.
func (n *node) sendSnapshot(s replica.SendSnapshot) {
	told := false
	sent := func(ok bool) {
		if !told {
			told = true
			n.do(func() { n.host.SnapshotSent(s.Group, s.To, ok) })
		}
	}
	n.later(snapshotPatience*milli, func() { sent(false) })
	var send func()
	send = func() {
		if n.waits || n.disk.stall > n.s.now {
			return
		}
		if n.part(s.Group).snapshotting {
			n.later(5*milli, send)
			return
		}
		if _, here := n.host.Has(s.Group); !here { // it was dropped meanwhile
			return
		}
		b, m, err := n.snapshotSince(s.Group, s.First)
		if err != nil {
			n.excuse("send a snapshot", err)
			sent(false)
			return
		}
		n.s.tell(Event{Kind: "snap", Node: n.index, Peer: nodeIndex(s.Node), Group: s.Group, A: m.Index, Text: "sent"})
		peer, life := n.s.nodes[nodeIndex(s.Node)-1], n.lives
		n.s.net.send("send", n.index, peer.index, len(b), func() {
			if peer.proc == nil {
				return
			}
			peer.later(int64(peer.s.lifeRand.IntN(int(50*milli))), func() {
				peer.takeSnapshot(n.id, s, b, func(ok bool) {
					n.s.net.send("send", peer.index, n.index, 16, func() {
						if n.lives == life && n.proc != nil {
							sent(ok)
						}
					})
				})
			})
		})
	}
	n.later(int64(n.s.lifeRand.IntN(int(100*milli))), send)
}

// snapshotSince returns a snapshot's file that reaches at least index first.
func (n *node) snapshotSince(group uint32, first uint64) ([]byte, snapshot.Meta, error) {
	fs, dir := n.disk.fs(), n.dir.SnapshotDir()
	infos, err := snapshot.List(fs, dir)
	if err != nil {
		return nil, snapshot.Meta{}, err
	}
	path, index := "", uint64(0)
	for i := range infos {
		if infos[i].Err == nil && infos[i].Group == group && infos[i].Index >= first && infos[i].Index > index {
			path, index = infos[i].Path, infos[i].Index
		}
	}
	if path == "" {
		p := n.part(group)
		if _, err := n.snapshotPartition(p, n.log.Sync); err != nil {
			return nil, snapshot.Meta{}, err
		}
		path = filepath.Join(dir, snapshot.FileName(group, p.snapshotIndex))
	}
	f, size, m, err := snapshot.OpenForSend(fs, path)
	if err != nil {
		return nil, m, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, size))
	return b, m, err
}

// takeSnapshot receives a snapshot file and offers it to the host.
func (n *node) takeSnapshot(from [16]byte, s replica.SendSnapshot, b []byte, done func(ok bool)) {
	st, ok := n.host.Status(s.Group)
	if !ok || st.Replica != s.To || st.Installing || n.waits || n.driver.Waits() || n.disk.stall > n.s.now {
		done(false)
		return
	}
	info, err := snapshot.Receive(context.Background(), n.disk.fs(), n.dir.SnapshotDir(), bytes.NewReader(b), int64(len(b)), nil, n.receiveOptions())
	if err != nil {
		n.excuse("receive a snapshot", err)
		done(false)
		return
	}
	f, _, m, err := snapshot.OpenForSend(n.disk.fs(), info.Path)
	if err != nil {
		n.excuse("receive a snapshot", err)
		done(false)
		return
	}
	f.Close()
	g, _, err := restored(s.Group, replica.State{Index: m.Index, Term: m.Term, Stamp: m.Stamp}, m.State)
	if err != nil {
		n.s.fail("node %d: %v", n.index, err)
		return
	}
	n.s.tell(Event{Kind: "snap", Node: n.index, Group: s.Group, A: m.Index, Text: "received"})
	n.do(func() {
		taken := n.host.SnapshotArrived(from, s.Group, s.To, s.From, s.Term, m.Index, m.Term, g.Configuration())
		if taken { // not before: another one may be about to be installed
			n.arrived[s.Group] = arrival{info.Path, m}
		}
		done(taken)
	})
}

// install loads a received snapshot in place of what the replica holds.
func (n *node) install(in replica.Install) {
	a := n.arrived[in.Group]
	delete(n.arrived, in.Group)
	if a.meta.Index != in.Index {
		panic(processEnd{fmt.Errorf("group %d: wanted index %d, received %d", in.Group, in.Index, a.meta.Index)})
	}
	p := n.part(in.Group)
	p.view.Replacing()
	p.replacing = true
	n.later(int64(n.s.lifeRand.IntN(int(50*milli))), p.table.Clear)
	n.later(50*milli+int64(n.s.lifeRand.IntN(int(50*milli))), func() {
		if _, err := snapshot.Load(n.disk.fs(), a.path, func(snapshot.Meta) (snapshot.Sink, error) { return putInto(p.table), nil }); err != nil {
			panic(processEnd{err})
		}
		if err := p.restore(replica.State{Index: in.Index, Term: in.Term, Stamp: a.meta.Stamp}, a.meta.State); err != nil {
			panic(processEnd{err})
		}
		p.replacing, p.snapshotIndex = false, in.Index
		p.view.Reached(in.Index)
		n.clock.Reached(a.meta.Stamp)
		n.s.witness.installed++
		n.s.tell(Event{Kind: "snap", Node: n.index, Group: in.Group, A: in.Index, Text: "installed"})
		n.do(func() {
			n.host.Installed(in.Group, in.Index, in.Term, a.meta.Stamp)
			n.groupChanged(in.Group)
		})
		if err := snapshot.Prune(n.disk.fs(), n.dir.SnapshotDir(), in.Group, snapshotKeep); err != nil {
			n.excuse("prune snapshots", err)
		}
	})
}

// mind looks after what belongs to no event.
func (n *node) mind() {
	if held := n.host.Held(); held > maxHeld {
		n.s.fail("node %d holds %d bytes of entries in memory", n.index, held)
	}
	if st := n.log.Stats(); st.QueueBytes > 64<<10 {
		n.s.fail("node %d: the log's queue holds %d bytes", n.index, st.QueueBytes)
	}
}

const maxHeld = 4 << 20
