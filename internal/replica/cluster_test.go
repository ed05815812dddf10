package replica

import (
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"go.etcd.io/raft/v3"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/ring"
	"github.com/prakashpandey/vegadb/internal/store"
	"github.com/prakashpandey/vegadb/internal/wal"
)

// A cluster of hosts in one goroutine: messages, disks and clocks are the test's.

const testGroup = 1

type member struct {
	c     *cluster
	node  ring.NodeID
	id    uint64
	host  *Host
	fx    Effects
	group *Group
	table *store.Table

	disk     []wal.Record // what has been appended
	synced   int          // how much of it a crash keeps
	batches  []uint64     // given out and not yet durable
	cut      bool         // off the network
	slowDisk bool         // fsyncs do not return
	snapshot []byte       // the state of the newest snapshot installed or made, for restarts
	snapAt   State
	snapData map[string]string
	lease    int64
	failures []error
}

type cluster struct {
	t       *testing.T
	rng     *rand.Rand
	members []*member
	now     int64
	inbox   []delivery
	loss    float64
}

type delivery struct {
	from, to ring.NodeID
	frame    []byte
}

// The Machine of a member.
func (m *member) Apply(index, term uint64, e []byte, sink command.Sink) error {
	return m.group.Apply(m.table, index, term, e, sink)
}
func (m *member) Advance(index, term uint64, conf *Configuration) { m.group.Advance(index, term, conf) }
func (m *member) Lease(until int64)                               { m.lease = until }
func (m *member) Fresh(int64)                                     {}
func (m *member) Refusal(err error) error                         { return err }

func nodeID(i int) ring.NodeID { return ring.NodeID{byte(i)} }

func newCluster(t *testing.T, n int, seed uint64) *cluster {
	c := &cluster{t: t, rng: rand.New(rand.NewPCG(seed, 1)), now: 1_000_000}
	conf := &Configuration{}
	for i := 1; i <= n; i++ {
		conf.Voters = append(conf.Voters, uint64(i))
		conf.nodes = append(conf.nodes, place{uint64(i), nodeID(i)})
	}
	for i := 1; i <= n; i++ {
		m := &member{c: c, node: nodeID(i), id: uint64(i), table: table(t)}
		m.group = NewGroup(testGroup, State{})
		m.group.SetConfiguration(conf)
		m.start(RaftConfig{Hard: HardState{Replica: m.id}, Conf: conf})
		c.members = append(c.members, m)
	}
	return c
}

func quiet() raft.Logger { return &raft.DefaultLogger{Logger: log.New(io.Discard, "", 0)} }

func (m *member) start(rc RaftConfig) {
	m.host = NewHost(Options{TickMs: 50, ElectionTicks: 10, HeartbeatTicks: 2, KeepBytes: 4 << 10, TotalKeepBytes: 64 << 10, Seed: m.c.rng.Uint64(), Logger: quiet()}, m.c.now)
	rc.Group, rc.Machine, rc.StampAt = testGroup, m, 8
	if err := m.host.Add(rc); err != nil {
		m.c.t.Fatal(err)
	}
	m.fx, m.batches = Effects{}, nil
}

// step lets one member work and carries out what it wants.
func (m *member) step() {
	m.host.Now(m.c.now)
	if !m.slowDisk && len(m.batches) > 0 {
		m.synced = len(m.disk)
		m.host.Persisted(m.batches[len(m.batches)-1])
		m.batches = m.batches[:0]
	}
	if err := m.host.Work(&m.fx); err != nil {
		m.c.t.Fatal(err)
	}
	for _, rec := range m.fx.Records {
		rec.Payload = slices.Clone(rec.Payload)
		m.disk = append(m.disk, rec)
	}
	if m.fx.Batch != 0 {
		m.batches = append(m.batches, m.fx.Batch)
	}
	for to, frame := range m.fx.Out {
		if len(frame) > 0 && !m.cut && m.c.rng.Float64() >= m.c.loss {
			m.c.inbox = append(m.c.inbox, delivery{m.node, to, slices.Clone(frame)})
		}
	}
	for _, s := range m.fx.Snapshots {
		m.sendSnapshot(s)
	}
	for _, in := range m.fx.Installs {
		g, err := RestoreGroup(testGroup, m.snapAt, m.snapshot)
		if err != nil || m.snapAt.Index != in.Index {
			m.c.t.Fatal(err, m.snapAt, in)
		}
		m.group = g
		m.table.Clear()
		for k, v := range m.snapData {
			put(m.table, k, v)
		}
		m.host.Installed(testGroup, in.Index, in.Term, m.snapAt.Stamp)
	}
	m.fx.Reset()
}

func put(t *store.Table, k, v string) {
	h := t.Hash([]byte(k))
	s := t.Stripe(h)
	s.Lock()
	s.Put(h, []byte(k), []byte(v), store.Meta{})
	s.Unlock()
}

func (m *member) sendSnapshot(s SendSnapshot) {
	to := m.c.byNode(s.Node)
	ok := !m.cut && !to.cut
	if ok {
		state := m.group.State()
		if to.host.SnapshotArrived(m.node, testGroup, s.To, s.From, s.Term, state.Index, state.Term, m.group.Configuration()) {
			to.snapshot, to.snapAt, to.snapData = m.group.AppendState(nil), state, contents(m.table)
		}
	}
	m.host.SnapshotSent(testGroup, s.To, ok)
}

func (c *cluster) byNode(id ring.NodeID) *member {
	for _, m := range c.members {
		if m.node == id {
			return m
		}
	}
	return nil
}

// crash loses what was not synced and starts the member again from its disk.
func (m *member) crash() {
	m.disk = m.disk[:m.synced]
	g, err := RestoreGroup(testGroup, m.snapAt, m.snapshot)
	if err != nil {
		m.c.t.Fatal(err)
	}
	if m.snapAt.Index == 0 {
		g.SetConfiguration(m.c.members[0].initialConf())
	}
	m.group = g
	m.table.Clear()
	for k, v := range m.snapData {
		put(m.table, k, v)
	}
	r := NewRecovery(testGroup, Base{Index: m.snapAt.Index, Term: m.snapAt.Term})
	apply := func(e *Entry) {
		if e.Type == RecordEntry {
			if err := m.group.Apply(m.table, e.Index, e.Term, e.Payload, nil); err != nil {
				m.c.t.Fatal(err)
			}
		} else {
			m.group.Advance(e.Index, e.Term, nil)
		}
	}
	for i := range m.disk {
		if now, err := r.Add(&m.disk[i]); err != nil || now {
			m.c.t.Fatal(now, err)
		}
		for e := r.Next(); e != nil; e = r.Next() {
			apply(e)
		}
	}
	if err := r.Finish(); err != nil {
		m.c.t.Fatal(err)
	}
	hard, _ := r.Raft()
	hard.Replica = m.id
	st := m.group.State()
	m.start(RaftConfig{Hard: hard, Conf: m.group.Configuration(), Applied: st.Index, AppliedTerm: st.Term, Entries: r.Tail(), Stamp: st.Stamp})
}

func (m *member) initialConf() *Configuration {
	conf := &Configuration{}
	for i := range m.c.members {
		conf.Voters = append(conf.Voters, uint64(i+1))
		conf.nodes = append(conf.nodes, place{uint64(i + 1), nodeID(i + 1)})
	}
	return conf
}

// run lets ms pass.
func (c *cluster) run(ms int) {
	for range ms / 10 {
		c.now += 10
		for _, m := range c.members {
			if c.now%50 == 0 {
				m.host.Tick()
			}
			m.step()
		}
		for range 4 {
			mail := c.inbox
			c.inbox = nil
			for _, d := range mail {
				to := c.byNode(d.to)
				if to.cut {
					continue
				}
				if err := DecodeMessages(d.frame, func(msg *Message) { to.host.Receive(d.from, msg) }); err != nil {
					c.t.Fatal(err)
				}
			}
			for _, m := range c.members {
				m.step()
			}
		}
	}
}

func (c *cluster) leader() *member {
	var best *member
	term := uint64(0)
	for _, m := range c.members {
		if s, _ := m.host.Status(testGroup); s.Leads && s.Term > term {
			best, term = m, s.Term
		}
	}
	return best
}

func (c *cluster) mustLead() *member {
	for range 100 {
		if m := c.leader(); m != nil {
			return m
		}
		c.run(100)
	}
	c.t.Fatal("no leader")
	return nil
}

func contents(t *store.Table) map[string]string {
	all := map[string]string{}
	for cursor := uint64(0); ; {
		cursor = t.Scan(cursor, 100, func(e *store.Entry) { all[string(e.Key)] = string(e.Value) })
		if cursor == 0 {
			return all
		}
	}
}

// told is a Waiter that remembers.
type told struct {
	results []command.Result
	done    bool
	err     error
}

func (w *told) Result(_ int, r *command.Result) { w.results = append(w.results, *r) }
func (w *told) Done()                           { w.done = true }
func (w *told) Failed(err error)                { w.err = err }

func putEntry(k, v string) []byte {
	return command.AppendPut(command.Begin(nil), []byte(k), []byte(v), command.PutOp{})
}

func TestAProposalIsAnsweredWhenItIsAppliedEverywhereItCounts(t *testing.T) {
	c := newCluster(t, 3, 1)
	c.run(3000)
	l := c.mustLead()
	var w told
	l.host.Propose(testGroup, putEntry("k", "v"), &w, false)
	c.run(200)
	if !w.done || len(w.results) != 1 {
		t.Fatalf("%+v", w)
	}
	c.run(500)
	for _, m := range c.members {
		if got := contents(m.table)["k"]; got != "v" {
			t.Errorf("member %d holds %q", m.id, got)
		}
	}
}

// Fault 14 and 1: nothing is acknowledged before a majority has it on disk.
func TestNothingIsAcknowledgedWhileAMajorityOfDisksStalls(t *testing.T) {
	c := newCluster(t, 3, 2)
	l := c.mustLead()
	for _, m := range c.members {
		m.slowDisk = m != l
	}
	var w told
	l.host.Propose(testGroup, putEntry("k", "v"), &w, false)
	c.run(300)
	if w.done {
		t.Fatal("acknowledged with one disk")
	}
	for _, m := range c.members {
		m.slowDisk = false
	}
	c.run(300)
	if !w.done && w.err == nil {
		t.Fatal("neither acknowledged nor failed")
	}
}

// Fault 15: a leader that is cut off commits nothing and confirms no read.
func TestACutOffLeaderNeitherCommitsNorConfirmsReads(t *testing.T) {
	c := newCluster(t, 3, 3)
	l := c.mustLead()
	c.run(500)
	l.cut = true
	var w told
	var read told
	l.host.Propose(testGroup, putEntry("k", "old"), &w, false)
	l.host.Read(testGroup, &read)
	c.run(5000)
	if w.done || read.done {
		t.Fatalf("write %+v, read %+v", w, read)
	}
	if !errors.Is(w.err, ErrUnknown) || read.err == nil {
		t.Fatalf("write failed with %v, read with %v", w.err, read.err)
	}
	l2 := c.mustLead()
	var w2 told
	l2.host.Propose(testGroup, putEntry("k", "new"), &w2, false)
	c.run(500)
	if !w2.done {
		t.Fatal("the majority does not go on")
	}
	l.cut = false
	c.run(3000)
	if got := contents(l.table)["k"]; got != "new" {
		t.Errorf("the old leader holds %q", got)
	}
}

// A replica that lacks more than the others keep gets a snapshot.
func TestALaggardBehindTheKeptLogIsCaughtUpByASnapshot(t *testing.T) {
	c := newCluster(t, 3, 4)
	l := c.mustLead()
	var lag *member
	for _, m := range c.members {
		if m != l {
			lag = m
		}
	}
	lag.cut = true
	c.run(1500)
	value := strings.Repeat("x", 500)
	for i := range 300 {
		c.mustLead().host.Propose(testGroup, putEntry(fmt.Sprint("key", i), value), nil, false)
		c.run(20)
	}
	lag.cut = false
	c.run(5000)
	if lag.snapAt.Index == 0 {
		t.Error("no snapshot was sent")
	}
	c.same()
}

// same waits until all members have applied the same, and compares them.
func (c *cluster) same() {
	c.t.Helper()
	for range 200 {
		c.run(50)
		at := c.members[0].group.State().Index
		equal := at > 0
		for _, m := range c.members {
			equal = equal && m.group.State().Index == at
		}
		if equal {
			break
		}
	}
	want := contents(c.members[0].table)
	state := c.members[0].group.AppendState(nil)
	for _, m := range c.members[1:] {
		got := contents(m.table)
		if len(got) != len(want) {
			c.t.Errorf("member %d holds %d entries, member 1 %d", m.id, len(got), len(want))
		}
		for k, v := range want {
			if got[k] != v {
				c.t.Errorf("member %d holds another value of %q", m.id, k)
			}
		}
		if string(m.group.AppendState(nil)) != string(state) {
			c.t.Errorf("member %d has another replicated state", m.id)
		}
	}
}

// Faults 1, 2, 13, 18, 28: increments by a session, retried until they are answered,
// under crashes, cuts and losses, count once each.
func TestIncrementsRetriedThroughFaultsCountOnce(t *testing.T) {
	for seed := range uint64(15) {
		t.Run(fmt.Sprint("seed", seed), func(t *testing.T) { retried(t, seed) })
	}
}

func retried(t *testing.T, seed uint64) {
	c := newCluster(t, 3, seed)
	session := command.Session{ID: [16]byte{15: byte(seed)}}
	for i := range 8 {
		session.ID[i] = byte(uint64(c.now) >> (56 - 8*i))
	}
	const writes = 40
	for seq := uint64(1); seq <= writes; seq++ {
		session.Seq, session.Acked = seq, seq-1
		for attempt := 0; ; attempt++ {
			if attempt > 200 {
				t.Fatalf("write %d is not answered", seq)
			}
			c.trouble()
			l := c.leader()
			if l == nil {
				c.run(100)
				continue
			}
			w := &told{}
			e := command.AppendIncr(command.BeginSession(nil, session), []byte("n"), 1, command.IncrOp{})
			command.SetStamp(e, c.now)
			l.host.Propose(testGroup, e, w, false)
			c.run(50 + c.rng.IntN(100))
			if w.done && w.results[0].Int == int64(seq) {
				break
			}
			if w.done {
				t.Fatalf("write %d answers %+v", seq, w.results[0])
			}
		}
	}
	c.loss = 0
	for _, m := range c.members {
		m.cut, m.slowDisk = false, false
	}
	c.run(3000)
	c.same()
	if got := contents(c.members[0].table)["n"]; got != fmt.Sprint(writes) {
		t.Errorf("the counter is %s after %d increments", got, writes)
	}
}

// trouble does something to one member now and then.
func (c *cluster) trouble() {
	m := c.members[c.rng.IntN(len(c.members))]
	switch c.rng.IntN(12) {
	case 0:
		m.crash()
	case 1:
		m.cut = !m.cut
	case 2:
		m.slowDisk = !m.slowDisk
	case 3:
		c.loss = c.rng.Float64() * 0.3
	case 4, 5, 6:
		for _, m := range c.members {
			m.cut, m.slowDisk = false, false
		}
	}
}

// A put that is content with the leader's word is answered without the majority, and
// says so; anything whose outcome is not known beforehand waits for it.
func TestAPutThatWantsTheLeadersWordAloneDoesNotWaitForTheMajority(t *testing.T) {
	c := newCluster(t, 3, 5)
	l := c.mustLead()
	c.run(500)
	for _, m := range c.members {
		m.cut = m != l
	}
	w := &earlyTold{}
	l.host.Propose(testGroup, putEntry("k", "v"), w, true)
	late := &earlyTold{}
	l.host.Propose(testGroup, putEntry("k2", "v"), late, false)
	c.run(100)
	if !w.done || !w.early || len(w.results) != 1 || w.results[0].Version == 0 {
		t.Errorf("answered %+v", w)
	}
	if late.done {
		t.Error("a write that waits for the majority was answered without it")
	}
	for _, m := range c.members {
		m.cut = false
	}
	c.run(3000)
	c.same()
}

type earlyTold struct {
	told
	early bool
}

func (w *earlyTold) AckedByLeader() { w.early = true }
