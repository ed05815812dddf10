package node

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prakashpandey/vegadb/internal/replica"
	"github.com/prakashpandey/vegadb/internal/ring"
	"github.com/prakashpandey/vegadb/internal/snapshot"
	"github.com/prakashpandey/vegadb/internal/store"
	"github.com/prakashpandey/vegadb/internal/wal"
)

// A laggard that the log in memory does not reach gets a snapshot file on a connection of
// its own: one that is on the leader's disk, or one that is written for this purpose and
// gone afterwards. It is published there like one of the laggard's own, and then loaded in
// place of what the replica held.
//
// All of it can wait, and requests cannot: writing, verifying and loading rest as long as
// they work, and what need not be durable is not synced.

// snapHeader goes in front of a snapshot: group u32, to u64, from u64, term u64.
const snapHeaderBytes = 28

// arrival is a received snapshot that waits to be installed.
type arrival struct {
	path string
	meta snapshot.Meta
}

// sendAgainAfter is how long it takes until a snapshot that was not sent is asked for
// again.
const sendAgainAfter = time.Second

// startSending sends a snapshot in the background. On the worker.
func (n *Node) startSending(s replica.SendSnapshot) {
	n.wg.Add(1)
	go func() {
		defer n.wg.Done()
		err := n.sendSnapshot(n.cluster.ctx, s)
		if err == nil {
			n.cluster.transfers.sent.Add(1)
		} else {
			n.cluster.transfers.sendFailed.Add(1)
		}
		if err != nil && n.cluster.ctx.Err() == nil {
			n.logger.Warn("a snapshot was not sent; it is tried again", "group", s.Group, "to", s.Node, "err", err)
			select { // Raft would ask for it again at once, and a full disk, say, stays full for a while
			case <-time.After(sendAgainAfter):
			case <-n.cluster.ctx.Done():
			}
		}
		n.worker.do(func() { n.worker.host.SnapshotSent(s.Group, s.To, err == nil) })
	}()
}

func (n *Node) sendSnapshot(ctx context.Context, s replica.SendSnapshot) error {
	select {
	case n.cluster.sending <- struct{}{}:
		defer func() { <-n.cluster.sending }()
	case <-ctx.Done():
		return ctx.Err()
	}
	f, size, index, err := n.snapshotSince(ctx, s.Group, s.First)
	if err != nil {
		return err
	}
	defer f.Close()
	header := binary.LittleEndian.AppendUint32(nil, s.Group)
	header = binary.LittleEndian.AppendUint64(header, s.To)
	header = binary.LittleEndian.AppendUint64(header, s.From)
	header = binary.LittleEndian.AppendUint64(header, s.Term)
	n.logger.Debug("sending a snapshot", "group", s.Group, "index", index, "to", s.Node, "bytes", size)
	at := &sent{began: time.Now(), to: s.Node, total: size}
	n.cluster.sends.Store(s.Group, at)
	defer at.over.Store(true)
	return n.cluster.transport.SendSnapshot(ctx, s.Node, header, size, f, n.paced(at))
}

// snapshotSince opens a snapshot of the group that the log can go on from: it reaches at
// least the index before the log's first.
func (n *Node) snapshotSince(ctx context.Context, group uint32, first uint64) (f io.ReadCloser, size int64, index uint64, err error) {
	infos, err := snapshot.ListGroup(n.fs, n.dir.SnapshotDir(), group)
	if err != nil {
		return nil, 0, 0, err
	}
	for i := range infos { // the newest comes first
		if infos[i].Err == nil && infos[i].Index >= first {
			return n.openSnapshot(infos[i].Path)
		}
	}
	if group == 0 {
		if err := n.snapshotMeta(ctx); err != nil {
			return nil, 0, 0, err
		}
		return n.openSnapshot(filepath.Join(n.dir.SnapshotDir(), snapshot.FileName(0, n.meta.snapshotIndex.Load())))
	}
	return n.writeForSend(ctx, n.partitions[group-1])
}

func (n *Node) openSnapshot(path string) (f io.ReadCloser, size int64, index uint64, err error) {
	f, size, m, err := snapshot.OpenForSend(n.fs, path)
	return f, size, m.Index, err
}

// writeForSend writes a snapshot of a partition as it is now, for one transfer.
func (n *Node) writeForSend(ctx context.Context, p *Partition) (f io.ReadCloser, size int64, index uint64, err error) {
	p.snapshotting.Lock()
	defer p.snapshotting.Unlock()
	m, img := n.imageOf(p, noSnapshot)
	if img == nil {
		return nil, 0, 0, fmt.Errorf("partition %d is being replaced here", p.Number)
	}
	defer img.Close()
	f, size, err = snapshot.WriteForSend(ctx, n.fs, n.dir.SnapshotDir(), m, img, snapshot.WriteOptions{
		Pacer: n.snapshots.pacer, Duty: snapshot.NewDuty(time.Now), Now: n.opts.Clock,
	})
	return f, size, m.Index, err
}

// Snapshot takes a snapshot that a leader sends. Its file is published only if it is of
// use to the replica it is for, and only together with the worker's decision on it may a
// drop of the replica come: a file must not outlive what it is of.
func (h *peerHandler) Snapshot(ctx context.Context, from ring.NodeID, header []byte, size int64, body io.Reader) error {
	n := (*Node)(h)
	if len(header) != snapHeaderBytes {
		return fmt.Errorf("a snapshot with a header of %d bytes", len(header))
	}
	if !n.ready.Load() && !n.joining.Load() {
		return errors.New("this node is still starting")
	}
	group := binary.LittleEndian.Uint32(header)
	to, sender, term := binary.LittleEndian.Uint64(header[4:]), binary.LittleEndian.Uint64(header[12:]), binary.LittleEndian.Uint64(header[20:])
	if err := n.wants(group, to, term, math.MaxUint64); err != nil {
		return err
	}
	if free, err := n.fs.Free(n.dir.SnapshotDir()); err == nil && free < uint64(max(size, 0)) {
		return fmt.Errorf("the disk of this node has %d bytes left, the snapshot takes %d", free, size)
	}
	var conf *replica.Configuration
	release := func() {}
	defer func() { release() }()
	info, err := snapshot.Receive(ctx, n.fs, n.dir.SnapshotDir(), body, size, func(m snapshot.Meta) error {
		if m.Group != group || m.Cluster != n.dir.Cluster || int(m.Partitions) != len(n.partitions) {
			return errors.New("it is another group's or another cluster's")
		}
		return nil
	}, snapshot.ReceiveOptions{Duty: snapshot.NewDuty(time.Now), BeforePublish: func(ctx context.Context, info snapshot.Info) (err error) {
		if conf, err = configurationOf(group, info.Meta); err != nil {
			return err
		}
		if group > 0 {
			p := n.partitions[group-1]
			p.publishing.Lock()
			release = p.publishing.Unlock
		}
		if err := n.wants(group, to, term, info.Index); err != nil {
			return err
		}
		// The replica was there when the worker answered for the first time, and its first hard
		// state was appended before it answered now: a start that finds the snapshot of a group
		// with peers must find that, too. See recovery.Node.CheckWhole.
		return n.log.Sync(ctx)
	}})
	if errors.Is(err, errHasIt) {
		return nil // the leader goes on behind it: told of a failure, it would send the same again, and again
	}
	if err != nil {
		n.cluster.transfers.receiveFailed.Add(1)
		return err
	}
	n.cluster.transfers.received.Add(1)
	n.cluster.transfers.receivedBytes.Add(uint64(info.Bytes))
	taken := false
	n.worker.ask(func() {
		taken = n.worker.host.SnapshotArrived(from, group, to, sender, term, info.Index, info.Term, conf)
		if taken { // not before: another one may be about to be installed
			n.cluster.arrived[group] = arrival{info.Path, info.Meta}
		}
	})
	if !taken {
		return n.noUse(group, to)
	}
	return nil
}

// errHasIt says that a replica has what a snapshot would bring it: it lost no more than its leader's memory of that.
var errHasIt = errors.New("the replica has all of it already")

// wants says why a snapshot up to index is of no use to a replica here, or not yet: as long
// as records wait for room, what must be on disk before it may be among them.
func (n *Node) wants(group uint32, to, term, index uint64) error {
	wanted, hasIt, waits := false, false, false
	n.worker.ask(func() {
		waits = n.worker.driver.Waits()
		st, ok := n.worker.host.Status(group)
		wanted = ok && st.Replica == to && !st.Installing && st.Term <= term
		hasIt = wanted && st.Commit >= index
	})
	switch {
	case !wanted:
		return n.noUse(group, to)
	case hasIt:
		return errHasIt
	case waits:
		return fmt.Errorf("node %s has to write down other things first: %w", n.nodeID, wal.ErrNoSpace)
	}
	return nil
}

func (n *Node) noUse(group uint32, to uint64) error {
	return fmt.Errorf("replica %d of group %d on node %s has no use for it: it has a newer state, or is gone", to, group, n.nodeID)
}

// configurationOf is who belongs to the group as of its snapshot.
func configurationOf(group uint32, m snapshot.Meta) (*replica.Configuration, error) {
	state := m.State
	if group == 0 {
		if len(state) < 4 || uint64(binary.LittleEndian.Uint32(state)) > uint64(len(state)-4) {
			return nil, errors.New("the meta group's state is cut off")
		}
		state = state[4 : 4+binary.LittleEndian.Uint32(state)]
	}
	g, err := replica.RestoreGroup(group, replica.State{Index: m.Index, Term: m.Term, Stamp: m.Stamp}, state)
	if err != nil {
		return nil, err
	}
	return g.Configuration(), nil
}

// startInstalling loads a received snapshot in the background. On the worker.
func (n *Node) startInstalling(in replica.Install) {
	a := n.cluster.arrived[in.Group]
	delete(n.cluster.arrived, in.Group)
	if a.meta.Index != in.Index {
		n.fatal("install a snapshot", fmt.Errorf("group %d: wanted index %d, received %d", in.Group, in.Index, a.meta.Index))
		return
	}
	if in.Group > 0 {
		n.partitions[in.Group-1].view.Replacing()
	}
	n.wg.Add(1)
	go func() {
		defer n.wg.Done()
		if err := n.install(a); err != nil {
			n.fatal("install a snapshot", err)
			return
		}
		n.cluster.transfers.installed.Add(1)
		n.worker.do(func() {
			n.worker.host.Installed(in.Group, in.Index, in.Term, a.meta.Stamp)
			n.groupChanged(in.Group)
		})
	}()
}

func (n *Node) install(a arrival) error {
	m := a.meta
	if m.Group == 0 {
		return n.meta.restore(replica.State{Index: m.Index, Term: m.Term, Stamp: m.Stamp}, m.State)
	}
	p := n.partitions[m.Group-1]
	p.mu.Lock()
	p.replacing = true
	p.mu.Unlock()
	p.Table.Clear()
	put := snapshot.NewDuty(time.Now).Sink(context.Background(), putInto(p.Table)) // not to be left half done
	if _, err := snapshot.Load(n.fs, a.path, func(snapshot.Meta) (snapshot.Sink, error) { return put, nil }); err != nil {
		return err
	}
	g, err := replica.RestoreGroup(m.Group, replica.State{Index: m.Index, Term: m.Term, Stamp: m.Stamp}, m.State)
	if err != nil {
		return err
	}
	p.mu.Lock()
	p.group, p.replacing = g, false
	p.mu.Unlock()
	p.view.Reached(m.Index)
	p.snapshotIndex.Store(m.Index)
	n.now.Reached(m.Stamp)
	n.logger.Debug("a snapshot was installed", "partition", p.Number, "index", m.Index, "entries", p.Table.Len())
	return snapshot.Prune(n.fs, n.dir.SnapshotDir(), m.Group, n.opts.SnapshotKeep)
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

// snapshotMeta writes a snapshot of the meta group unless the newest one says it all.
func (n *Node) snapshotMeta(ctx context.Context) error {
	n.meta.snapshotting.Lock()
	defer n.meta.snapshotting.Unlock()
	state, b := n.meta.snapshotState()
	if b == nil || state.Index == n.meta.snapshotIndex.Load() {
		return nil
	}
	o := snapshot.WriteOptions{Now: n.opts.Clock}
	if n.log != nil {
		o.BeforePublish = n.log.Sync
	}
	_, err := snapshot.Write(ctx, n.fs, n.dir.SnapshotDir(), snapshot.Meta{
		Term: state.Term, Index: state.Index, Stamp: state.Stamp,
		Partitions: uint32(len(n.partitions)), Cluster: n.dir.Cluster, State: b, Raft: true,
	}, nothing{}, o)
	if err != nil {
		return err
	}
	n.meta.snapshotIndex.Store(state.Index)
	return snapshot.Prune(n.fs, n.dir.SnapshotDir(), 0, n.opts.SnapshotKeep)
}

// nothing is the entries of the meta group.
type nothing struct{}

// Len is 0.
func (nothing) Len() int { return 0 }

// Next is the end.
func (nothing) Next([]store.Entry) []store.Entry { return nil }

// dropPartition empties a partition and removes all there is of it on disk. That its
// replica is gone is durable in the log already. Snapshots that are being written or
// received are over before: none may be published of what is gone.
func (n *Node) dropPartition(p *Partition) error {
	p.snapshotting.Lock()
	defer p.snapshotting.Unlock()
	p.publishing.Lock()
	defer p.publishing.Unlock()
	p.mu.Lock()
	p.void()
	p.mu.Unlock()
	n.shortening.Lock()
	defer n.shortening.Unlock()
	if err := n.keepBad(groupID(p.Number)); err != nil {
		return err
	}
	if err := snapshot.Drop(n.fs, n.dir.SnapshotDir(), groupID(p.Number)); err != nil {
		return err
	}
	// A later replica of the group begins below what this one had reached.
	if err := n.dir.DropFloor(groupID(p.Number)); err != nil {
		return err
	}
	n.log.Forget(groupID(p.Number))
	return nil
}

// sent is how a snapshot on its way fares.
type sent struct {
	began time.Time
	to    ring.NodeID
	total int64
	bytes atomic.Int64
	over  atomic.Bool
}

// paced returns what SendSnapshot calls for each piece: it keeps the node's moves
// within the cluster's move-rate, and remembers how far this one is.
func (n *Node) paced(s *sent) func(bytes int) {
	return func(bytes int) {
		s.bytes.Add(int64(bytes))
		n.cluster.transfers.sentBytes.Add(uint64(bytes))
		rate, _ := strconv.ParseInt(settingOf(n.meta.view.Load(), settingMoveRate), 10, 64)
		if rate <= 0 {
			return
		}
		select {
		case <-time.After(n.cluster.pace.take(bytes, rate)):
		case <-n.stop:
		}
	}
}

// sendsNow lists the partitions' snapshots that are on their way from here.
func (n *Node) sendsNow() (list []sendReport) {
	n.cluster.sends.Range(func(group, v any) bool {
		s := v.(*sent)
		if group.(uint32) > 0 && !s.over.Load() {
			list = append(list, sendReport{
				Partition: int(group.(uint32)) - 1, To: s.to, Sent: s.bytes.Load(), Total: s.total, TookMs: time.Since(s.began).Milliseconds(),
			})
		}
		return true
	})
	return list
}

// pace spreads what all snapshots on their way send over time.
type pace struct {
	mu   sync.Mutex
	next time.Time // guarded by mu; when what was taken so far has been paid for
}

// take returns how long to wait after bytes were sent at rate bytes per second.
func (p *pace) take(bytes int, rate int64) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.next.Before(now) {
		p.next = now
	}
	p.next = p.next.Add(time.Duration(float64(bytes) / float64(rate) * float64(time.Second)))
	return p.next.Sub(now)
}
