package replica

import (
	"errors"
	"hash/fnv"
	"maps"
	"slices"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/ring"
	"github.com/prakashpandey/vegadb/internal/store"
	"github.com/prakashpandey/vegadb/internal/wal"
)

// A node is the shell around a Host, as package node is in earnest.
type node struct {
	w       *world
	index   int
	life    int // counts its starts
	rate    float64
	host    *Host // nil: it does not run
	fx      Effects
	machine *machine
	disk    disk
	gone    uint64 // the highest id of a replica that was removed here

	ticks       int64
	pausedUntil int64 // it stands still
	inbox       []packet
	calls       []func() // done in the next turn, after what has arrived is heard
	arrived     *image   // a snapshot that was received
	recording   float64  // how likely a turn is one in which the log is about to be shortened
	leads       bool
	term        uint64
}

// A disk is a log, of which a crash keeps what is synced and any part of the rest, and
// snapshots.
type disk struct {
	records []wal.Record
	synced  int
	syncs   []pendingSync
	files   []image // by index, ascending
	floor   uint64
	// While it is stalled no sync ends.
	stalledUntil int64
	slowMs       int // what a sync takes at most
}

type pendingSync struct {
	batch uint64
	upTo  int
	due   int64
}

// An image is a snapshot.
type image struct {
	state      State
	conf       *Configuration
	replicated []byte
	entries    []store.Entry
}

// clock is the node's own.
func (n *node) clock() int64 { return int64(float64(n.w.now) * n.rate) }

func (n *node) status() (Status, bool) {
	if n.host == nil {
		return Status{}, false
	}
	return n.host.Status(testGroup)
}

// replica is the id of the replica here; 0: there is none.
func (n *node) replica() uint64 {
	if n.host == nil {
		return 0
	}
	id, _ := n.host.Has(testGroup)
	return id
}

func (n *node) paused() bool { return n.w.now < n.pausedUntil }

// turn does what package node does in one.
func (n *node) turn() {
	if n.host == nil || n.paused() {
		return
	}
	n.host.Now(n.clock())
	n.endSyncs()
	for _, p := range n.inbox {
		err := DecodeMessages(p.frame, func(m *Message) {
			n.welcome(m)
			n.host.Receive(nodeID(p.from), m)
		})
		if err != nil {
			n.w.t.Fatal(err)
		}
	}
	n.inbox = n.inbox[:0]
	due := n.clock()/50 - n.ticks
	for range min(due, MaxTicks) {
		n.host.Tick()
	}
	n.ticks += due
	calls := n.calls
	n.calls = nil
	if n.w.rng.Float64() < n.recording {
		n.append(n.host.StateRecords()...)
	}
	for _, f := range calls {
		f()
	}
	if err := n.host.Work(&n.fx); err != nil {
		n.w.t.Fatalf("node %d: %v", n.index, err)
	}
	n.carryOut()
}

func (n *node) carryOut() {
	fx := &n.fx
	if len(fx.Records) > 0 {
		n.append(fx.Records...)
		d := &n.disk
		due := n.w.now + int64(n.w.rng.IntN(d.slowMs+10))
		if last := len(d.syncs); last > 0 {
			due = max(due, d.syncs[last-1].due)
		}
		d.syncs = append(d.syncs, pendingSync{fx.Batch, len(d.records), due})
	}
	for _, to := range slices.SortedFunc(maps.Keys(fx.Out), func(a, b ring.NodeID) int { return int(a[0]) - int(b[0]) }) {
		if frame := fx.Out[to]; len(frame) > 0 {
			n.w.post(n.index, nodeIndex(to), frame)
		}
	}
	for _, s := range fx.Snapshots {
		n.sendSnapshot(s)
	}
	for _, in := range fx.Installs {
		n.install(in)
	}
	for range fx.Changed {
		s, _ := n.status()
		n.leads, n.term = s.Leads, s.Term
	}
	fx.Reset()
}

func (n *node) append(recs ...wal.Record) {
	for _, rec := range recs {
		rec.Payload = slices.Clone(rec.Payload)
		n.disk.records = append(n.disk.records, rec)
	}
}

// endSyncs tells the host what has become durable.
func (n *node) endSyncs() {
	d := &n.disk
	for len(d.syncs) > 0 && d.syncs[0].due <= n.w.now && n.w.now >= d.stalledUntil {
		d.synced = max(d.synced, d.syncs[0].upTo)
		n.host.Persisted(d.syncs[0].batch)
		d.syncs = d.syncs[1:]
	}
}

// sync waits for the disk, as if no time passed meanwhile.
func (n *node) sync() {
	d := &n.disk
	for _, s := range d.syncs {
		n.host.Persisted(s.batch)
	}
	d.syncs, d.synced = d.syncs[:0], len(d.records)
}

// crash ends the node. Of what is not synced any part may be left.
func (n *node) crash() {
	if n.host == nil {
		return
	}
	d := &n.disk
	d.records = slices.Clone(d.records[:d.synced+n.w.rng.IntN(len(d.records)-d.synced+1)])
	d.synced, d.syncs = len(d.records), nil
	n.host, n.fx, n.inbox, n.calls, n.arrived = nil, Effects{}, nil, nil, nil
	n.leads, n.machine.installing = false, false
	n.life++
	n.w.witness.forget(n)
}

// start brings the node up from its disk.
func (n *node) start() {
	w, m := n.w, n.machine
	n.life++
	m.reset()
	base := Base{MustReach: n.disk.floor}
	if last := len(n.disk.files); last > 0 {
		img := &n.disk.files[last-1]
		m.load(img)
		base = Base{Index: img.state.Index, Term: img.state.Term, Raft: true, Source: "the snapshot", MustReach: max(n.disk.floor, img.state.Index)}
	}
	r := NewRecovery(testGroup, base)
	for i := range n.disk.records {
		rec := &n.disk.records[i]
		if r.Voids(rec) {
			m.reset()
		}
		if apply, err := r.Add(rec); err != nil || apply {
			w.t.Fatalf("node %d: record %d of the log: to be applied at once: %v, %v", n.index, i, apply, err)
		}
		for e := r.Next(); e != nil; e = r.Next() {
			m.replay(e)
		}
	}
	if err := r.Finish(); err != nil {
		w.t.Fatalf("node %d does not start: %v", n.index, err)
	}
	n.gone = r.Gone()
	n.host = NewHost(Options{
		TickMs: 50, ElectionTicks: w.electionTicks, HeartbeatTicks: w.heartbeatTicks, KeepBytes: 4 << 10, TotalKeepBytes: 16 << 10, Seed: w.rng.Uint64() >> 8, Logger: quiet(),
	}, n.clock())
	n.ticks = n.clock() / 50
	hard, raft := r.Raft()
	if !raft {
		n.disk.files, n.disk.floor = nil, 0
		m.reset()
		return
	}
	n.add(hard, r.Tail(), r.Apart())
}

func (n *node) add(hard HardState, tail []Entry, apart bool) {
	st := n.machine.group.State()
	err := n.host.Add(RaftConfig{
		Group: testGroup, Hard: hard, Conf: n.machine.group.Configuration(), Machine: n.machine,
		Applied: st.Index, AppliedTerm: st.Term, Entries: tail, Apart: apart, Stamp: st.Stamp, StampAt: 8,
	})
	if err != nil {
		n.w.t.Fatalf("node %d: %v", n.index, err)
	}
	n.machine.lease = 0
}

// drop gives up the replica here, which its group has removed.
func (n *node) drop() {
	id := n.replica()
	n.host.Remove(testGroup)
	n.gone, n.leads, n.arrived = id, false, nil
	n.append(GoneRecord(testGroup, id))
	n.sync()
	n.disk.files, n.disk.floor = nil, 0
	n.machine.reset()
}

// writeSnapshot makes one of what is applied, and publishes it somewhat later.
func (n *node) writeSnapshot() {
	id := n.replica()
	if id == 0 || n.machine.installing || n.machine.group.State().Index == 0 {
		return
	}
	img := n.machine.image()
	n.w.later(n, int64(n.w.rng.IntN(50)), func() {
		if n.replica() == id && n.w.now >= n.disk.stalledUntil {
			n.sync()
			n.disk.publish(img)
			n.disk.prune()
		}
	})
}

func (d *disk) publish(img image) {
	d.files = slices.DeleteFunc(d.files, func(f image) bool { return f.state.Index == img.state.Index })
	d.files = append(d.files, img)
	slices.SortFunc(d.files, func(a, b image) int { return int(a.state.Index) - int(b.state.Index) })
}

const keepFiles = 2

func (d *disk) prune() { d.files = d.files[max(0, len(d.files)-keepFiles):] }

// shorten gives up as much of the log as may be, or less, as package node does.
func (n *node) shorten() {
	if n.w.now < n.disk.stalledUntil {
		return
	}
	n.calls = append(n.calls, func() {
		d := &n.disk
		before := len(d.records)
		n.append(n.host.StateRecords()...)
		if n.gone > 0 && n.replica() == 0 {
			n.append(GoneRecord(testGroup, n.gone))
		}
		n.sync()
		if len(d.files) == keepFiles {
			d.floor = max(d.floor, d.files[0].state.Index)
		}
		give := 0
		for i, rec := range d.records[:before] {
			if rec.Type == RecordGone {
				give = i + 1 // nothing before it keeps anything
			}
		}
		for give < before && (!IsEntry(d.records[give].Type) || d.records[give].Index <= d.floor) {
			give++
		}
		give = n.w.rng.IntN(give + 1)
		d.records = slices.Clone(d.records[give:])
		d.synced = len(d.records)
	})
}

// sendSnapshot sends a file that will do, made anew if need be. It takes a while, and
// may fail.
func (n *node) sendSnapshot(s SendSnapshot) {
	w, to, life := n.w, n.w.at(nodeIndex(s.Node)), n.life
	told := false
	sent := func(ok bool) {
		if n.life == life && !told {
			told = true
			n.calls = append(n.calls, func() { n.host.SnapshotSent(testGroup, s.To, ok) })
		}
	}
	w.later(n, 2000, func() { sent(false) }) // the receiver has gone
	w.later(n, int64(20+w.rng.IntN(300)), func() {
		if len(n.disk.files) == 0 || n.disk.files[len(n.disk.files)-1].state.Index < s.First {
			if n.machine.installing || n.replica() != s.From || n.w.now < n.disk.stalledUntil {
				sent(false)
				return
			}
			n.sync()
			n.disk.publish(n.machine.image())
		}
		img := n.disk.files[len(n.disk.files)-1]
		if w.cut[[2]int{n.index, to.index}] || w.rng.Float64() < w.loss || img.state.Index < s.First || to.host == nil || to.paused() {
			sent(false)
			return
		}
		if st, ok := to.status(); !ok || st.Replica != s.To || st.Installing {
			sent(false)
			return
		}
		to.disk.publish(img)
		w.later(to, int64(w.rng.IntN(3)*stepMs), func() { // a crash in between is possible
			to.calls = append(to.calls, func() {
				ok := to.host.SnapshotArrived(nodeID(n.index), testGroup, s.To, s.From, s.Term, img.state.Index, img.state.Term, img.conf)
				if ok {
					to.arrived = &img
				}
				sent(ok)
			})
		})
	})
}

// install loads what has arrived. It takes a while.
func (n *node) install(in Install) {
	img := n.arrived
	if img == nil || img.state.Index != in.Index || img.state.Term != in.Term {
		n.w.t.Fatalf("node %d: to install index %d, arrived: %+v", n.index, in.Index, img)
	}
	n.arrived = nil
	n.machine.installing = true
	n.w.later(n, int64(n.w.rng.IntN(15)*stepMs), func() {
		n.machine.load(img)
		n.disk.prune()
		n.calls = append(n.calls, func() {
			n.machine.installing = false
			n.host.Installed(testGroup, in.Index, in.Term, img.state.Stamp)
		})
	})
}

// welcome makes an empty replica for a group that writes to this node for the first time.
func (n *node) welcome(m *Message) {
	to := m.Raft.GetTo()
	if n.replica() != 0 || to <= n.gone || !n.w.admin.wants(to, n.index) || asksForVote(m) {
		return
	}
	n.add(HardState{Replica: to}, nil, false)
}

// A machine is what a replica's committed entries change.
type machine struct {
	n          *node
	group      *Group
	table      *store.Table
	lease      int64
	installing bool // a snapshot is being loaded: there is nothing to be read
}

func (m *machine) reset() {
	m.group = NewGroup(testGroup, State{})
	m.table.Clear()
}

func (m *machine) image() image {
	img := image{state: m.group.State(), conf: m.group.Configuration(), replicated: m.group.AppendState(nil)}
	for cursor := uint64(0); ; {
		cursor = m.table.Scan(cursor, 100, func(e *store.Entry) {
			c := *e
			c.Key, c.Value = slices.Clone(e.Key), slices.Clone(e.Value)
			img.entries = append(img.entries, c)
		})
		if cursor == 0 {
			return img
		}
	}
}

func (m *machine) load(img *image) {
	g, err := RestoreGroup(testGroup, img.state, img.replicated)
	if err != nil {
		m.n.w.t.Fatal(err)
	}
	m.group = g
	m.table.Clear()
	for _, e := range img.entries {
		h := m.table.Hash(e.Key)
		s := m.table.Stripe(h)
		s.Lock()
		s.Put(h, e.Key, e.Value, store.Meta{Version: e.Version, ExpireAt: e.ExpireAt, Kind: e.Kind})
		s.Unlock()
	}
	m.n.w.witness.reached(m)
}

// digest stands for all that is replicated.
func (m *machine) digest() uint64 {
	h := fnv.New64a()
	_, _ = h.Write(m.group.AppendState(nil))
	img := m.image()
	slices.SortFunc(img.entries, func(a, b store.Entry) int { return slices.Compare(a.Key, b.Key) })
	for _, e := range img.entries {
		_, _ = h.Write(append(append(append(slices.Clone(e.Key), 0), e.Value...), byte(e.Version), byte(e.Version>>8)))
	}
	return h.Sum64()
}

// replay applies an entry at the start.
func (m *machine) replay(e *Entry) {
	var err error
	switch e.Type {
	case RecordEntry:
		err = m.Apply(e.Index, e.Term, e.Payload, nil)
	case RecordConf:
		var conf *Configuration
		if conf, err = m.group.Configuration().Replay(e); err == nil {
			m.Advance(e.Index, e.Term, conf)
		}
	default:
		m.Advance(e.Index, e.Term, nil)
	}
	if err != nil {
		m.n.w.t.Fatalf("node %d, index %d: %v", m.n.index, e.Index, err)
	}
}

func (m *machine) Apply(index, term uint64, e []byte, sink command.Sink) error {
	if err := m.group.Apply(m.table, index, term, e, sink); err != nil {
		return err
	}
	m.n.w.witness.applied(m.n, index, term, e)
	m.n.w.witness.reached(m)
	return nil
}

func (m *machine) Advance(index, term uint64, conf *Configuration) {
	if at := m.group.State().Index; index != at+1 {
		m.n.w.t.Fatalf("node %d: index %d is applied after %d", m.n.index, index, at)
	}
	m.group.Advance(index, term, conf)
	m.n.w.witness.applied(m.n, index, term, nil)
	m.n.w.witness.reached(m)
}

func (m *machine) Lease(until int64) {
	if until == 0 || until > m.lease {
		m.lease = until
	}
}
func (m *machine) Fresh(int64)             {}
func (m *machine) Fetch(entries [][]byte)  { command.Fetch(m.table, entries) }
func (m *machine) Refusal(err error) error { return err }

var errEnded = errors.New("the node has ended")
